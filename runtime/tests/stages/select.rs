//! Does a selection admit exactly what its expression says, and is a wrong one refused before it
//! decides?

use kubedl_events::event::{Event, ObjectReference};
use kubedl_events::filter::Select;
use kubedl_events::filter::select::{Error, LONGEST, schema};
use proptest::prelude::*;

fn event(kind: &str, namespace: &str, count: u32) -> Event {
    let time = "2026-01-01T00:00:00Z".parse().unwrap();
    Event {
        uid: "u".to_owned(),
        resource_version: "1".to_owned(),
        namespace: namespace.to_owned(),
        name: "e".to_owned(),
        kind: kind.to_owned(),
        reason: "BackOff".to_owned(),
        action: String::new(),
        message: "Back-off restarting \"main\"".to_owned(),
        count,
        first_timestamp: time,
        last_timestamp: "2026-01-01T00:05:00.5Z".parse().unwrap(),
        observed_at: time,
        component: "kubelet".to_owned(),
        host: "node-1".to_owned(),
        instance: String::new(),
        regarding: ObjectReference {
            kind: "Pod".to_owned(),
            namespace: namespace.to_owned(),
            name: "mnist-0".to_owned(),
            ..Default::default()
        },
        related: None,
        job: None,
        region: Some("cn".to_owned()),
        cluster: None,
        labels: Vec::new(),
    }
}

fn admits(expression: &str, event: &Event) -> bool {
    Select::compile(expression)
        .unwrap_or_else(|why| panic!("{expression}: {why}"))
        .admits(event)
        .unwrap()
}

#[test]
fn an_expression_reads_every_field_of_an_event() {
    let event = event("Warning", "train-a", 7);
    for (expression, expected) in [
        (
            r#"type == "Warning" && regarding.namespace.startsWith("train-")"#,
            true,
        ),
        (
            r#"type == "Normal" || reason in ["Failed", "BackOff"]"#,
            true,
        ),
        (
            r#"message.contains("\"main\"") && message.matches("^Back-?off")"#,
            true,
        ),
        ("count >= 7 && count < 8", true),
        (r#"lastTimestamp - firstTimestamp > duration("5m")"#, true),
        (
            r#"lastTimestamp - firstTimestamp == duration("300.5s")"#,
            true,
        ),
        (
            r#"firstTimestamp == timestamp("2026-01-01T00:00:00Z") && observedAt.getFullYear() == 2026"#,
            true,
        ),
        (
            r#"component == "kubelet" && host == "node-1" && instance == "" && action == """#,
            true,
        ),
        (
            r#"job.name == "" && !has(job.name) && has(regarding.name) && !has(regarding.uid) && related.kind == """#,
            true,
        ),
        (r#"region == "cn" && cluster == """#, true),
        (
            r#"__namespace__ == "train-a" && name == "e" && uid == "u" && resourceVersion == "1""#,
            true,
        ),
        (r#"["a", "train-a"].exists(n, n == __namespace__)"#, true),
        (
            r#"size(message) > 1000 ? true : regarding.kind != "Pod""#,
            false,
        ),
        ("true", true),
        ("false", false),
    ] {
        assert_eq!(admits(expression, &event), expected, "{expression}");
    }
}

#[test]
fn every_field_that_is_documented_can_be_read() {
    let event = event("Normal", "n", 1);
    for (field, kind, _) in schema::FIELDS {
        let expression = if kind == schema::Type::Object {
            schema::OBJECT
                .map(|part| format!("{field}.{part} == {field}.{part}"))
                .join(" && ")
        } else {
            format!("{field} == {field}")
        };
        assert!(admits(&expression, &event), "{expression}");
    }
}

#[test]
fn what_does_not_fit_an_event_is_refused_with_its_place() {
    for (expression, column, word) in [
        ("typ == \"Warning\"", 1, "no field \"typ\""),
        (
            "type == \"a\" && regardin.name == \"b\"",
            16,
            "no field \"regardin\"",
        ),
        ("regarding.nmae == \"b\"", 10, "no field \"nmae\""),
        ("count == \"3\"", 7, "== does not go with int and string"),
        ("count > lastTimestamp", 7, "> does not go with"),
        ("reason.startWith(\"a\")", 17, "no function \"startWith\""),
        ("reason.startsWith(3)", 18, "can't be called with (int)"),
        ("message", 1, "gives a string"),
        ("count + 1", 7, "gives a int"),
        ("message.length > 3", 8, "string has no field"),
        (
            "type == \"a\" && count",
            13,
            "&& does not go with bool and int",
        ),
        ("labels.team == \"a\"", 1, "no field \"labels\""),
        ("\"x\" in message", 5, "in does not go with"),
        ("message.all(c, c == \"a\")", 1, "can't be gone through"),
    ] {
        match Select::compile(expression) {
            Err(Error::Type { column: found, why }) => {
                assert!(why.contains(word), "{expression}: {why}");
                assert_eq!(found, column, "{expression}: {why}");
            }
            other => panic!("{expression}: {other:?}"),
        }
    }
    for expression in [
        "",
        "type ==",
        "type = \"a\"",
        "((",
        "type == 'a",
        "a.?b == 1",
    ] {
        assert!(
            matches!(
                Select::compile(expression),
                Err(Error::Syntax { .. } | Error::Type { .. })
            ),
            "{expression}"
        );
    }
}

#[test]
fn what_fails_on_every_event_is_refused_at_the_start() {
    for expression in [
        "int(regarding.name) > 3",
        "timestamp(message) > lastTimestamp",
        "1 / 0 == 1",
        "dyn(message) > 3",
    ] {
        assert!(
            matches!(Select::compile(expression), Err(Error::Sample { .. })),
            "{expression}: {:?}",
            Select::compile(expression)
        );
    }
}

#[test]
fn what_fails_at_an_event_says_so() {
    let select = Select::compile("1000 / (count - 77) != 5").unwrap();
    assert_eq!(select.admits(&event("Normal", "n", 78)), Ok(true));
    let why = select.admits(&event("Normal", "n", 77)).unwrap_err();
    assert!(why.to_lowercase().contains("zero"), "{why}");
}

#[test]
fn an_expression_that_is_nested_too_deep_does_not_end_the_process() {
    for expression in [
        format!(
            "{}true{}",
            "(".repeat(LONGEST / 2 - 2),
            ")".repeat(LONGEST / 2 - 2)
        ),
        format!("{}true", "!".repeat(LONGEST - 4)),
        format!("size({}) > 0", "[".repeat(LONGEST / 2)),
        vec!["true"; LONGEST / 8].join(" && "),
        vec!["1"; LONGEST / 4].join("+") + " > 0",
        "regarding".to_owned() + &".name".repeat(LONGEST / 8),
        "true ? ".repeat(LONGEST / 16) + "true",
    ] {
        // Of a thread as small as any that it runs on.
        let run = move || {
            Select::compile(&expression).map(|select| select.admits(&event("Normal", "n", 1)))
        };
        let _ = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(run)
            .unwrap()
            .join()
            .unwrap();
    }
    // The deepest that is taken.
    assert!(admits(
        &format!("{}true", "!".repeat(100)),
        &event("Normal", "n", 1)
    ));
    assert!(admits(
        &format!("{} > 0", vec!["1"; 190].join("+")),
        &event("Normal", "n", 1)
    ));
    assert!(matches!(
        Select::compile(&" ".repeat(LONGEST + 1)),
        Err(Error::TooLong { .. })
    ));
}

proptest! {
    #[test]
    fn it_agrees_with_the_same_condition_in_rust(kind in "Normal|Warning|", namespace in "(train-)?[a-z]{1,4}", count in 1_u32..20) {
        let event = event(&kind, &namespace, count);
        let expected = (kind == "Warning" || count > 10) && namespace.starts_with("train-");
        prop_assert_eq!(admits(r#"(type == "Warning" || count > 10) && regarding.namespace.startsWith("train-")"#, &event), expected);
    }

    #[test]
    fn no_text_breaks_the_compiler(text in "[ -~]{0,60}") {
        let _ = Select::compile(&text);
    }

    #[test]
    fn no_text_of_the_languages_words_breaks_it(words in proptest::collection::vec(prop::sample::select(vec![
        "type", "count", "regarding", ".", "name", "(", ")", "[", "]", "&&", "||", "!", "==", "<", "+", "-", "?", ":", "1", "1u", "1.5", "\"a\"",
        "null", "true", "in", "size", "matches", ",", "{", "}", "has", "exists", "all", "x", "lastTimestamp", "duration", "\"1s\"",
    ]), 0..14)) {
        if let Ok(select) = Select::compile(&words.join(" ")) {
            let _ = select.admits(&event("Normal", "n", 3));
        }
    }
}
