//! Are the lines of a watch read rightly, however the network cuts them?

use kubedl_events::cluster::{Assembler, Error, Line, parse_line, parse_lines};

#[test]
fn lines_come_out_whole_however_they_are_cut() {
    let text = "{\"a\":1}\n\n{\"b\":\"\u{e9}\u{1f600}\"}\n{\"c\":3}\r\nrest";
    for size in 1..=text.len() {
        let mut assembler = Assembler::default();
        let mut lines = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            assembler.push(piece);
            lines.extend(assembler.lines().unwrap());
        }
        let lines: Vec<&str> = lines
            .iter()
            .map(|line: &Vec<u8>| std::str::from_utf8(line).unwrap().trim_end())
            .collect();
        assert_eq!(
            lines,
            ["{\"a\":1}", "{\"b\":\"\u{e9}\u{1f600}\"}", "{\"c\":3}"],
            "pieces of {size}"
        );
    }
}

#[test]
fn a_last_line_without_an_end_is_one_when_it_is_whole() {
    for (text, whole) in [
        ("{\"a\":1}\n{\"b\":2}", true),
        ("{\"a\":1}\n{\"b\":2", false),
        ("{\"a\":1}\n", false),
    ] {
        let mut assembler = Assembler::default();
        assembler.push(text.as_bytes());
        assert_eq!(assembler.lines().unwrap(), [b"{\"a\":1}"]);
        assert_eq!(
            assembler.last_line().as_deref(),
            whole.then_some(&b"{\"b\":2}"[..]),
            "{text}"
        );
    }
}

#[test]
fn objects_that_stand_on_one_line_are_each_read() {
    let one = |version: u8| {
        format!(
            r#"{{"type":"ADDED","object":{{"kind":"Event","metadata":{{"uid":"u","resourceVersion":"{version}"}}}}}}"#
        )
    };
    let versions = |line: &str| -> Vec<String> {
        let read = |line| match line {
            Ok(Line::Event {
                resource_version, ..
            }) => resource_version,
            Ok(Line::Unreadable { unreadable, .. }) => unreadable.text,
            other => panic!("{other:?}"),
        };
        parse_lines(line.as_bytes()).into_iter().map(read).collect()
    };
    assert_eq!(versions(&format!("\u{feff}{}\r", one(1))), ["1"]);
    assert_eq!(
        versions(&[one(1), one(2), one(3)].concat()),
        ["1", "2", "3"]
    );
    assert_eq!(versions(&format!("{} {}\r", one(1), one(2))), ["1", "2"]);
    assert_eq!(
        versions(&format!("{}{{\"type\":", one(1))),
        ["1", "{\"type\":"]
    );
    assert_eq!(versions("no JSON"), ["no JSON"]);
}

#[test]
fn news_progress_and_errors_are_told_apart() {
    // Long: a table of cases.
    let object = r#"{"kind":"Event","metadata":{"name":"e","uid":"u","resourceVersion":"42"}}"#;
    let line =
        |kind: &str, object: &str| parse_line(format!(r#"{{"type":"{kind}","object":{object}}}"#));
    for kind in ["ADDED", "MODIFIED"] {
        assert!(
            matches!(line(kind, object), Ok(Line::Event { resource_version, .. }) if resource_version == "42")
        );
    }
    assert!(
        matches!(line("DELETED", object), Ok(Line::Deleted(deletion)) if deletion.resource_version == "42")
    );
    // As a real API server sends it: required fields are null or empty.
    let bookmark = r#"{"kind":"Event","apiVersion":"v1","metadata":{"resourceVersion":"180","annotations":{"k8s.io/initial-events-end":"true"}},"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,"reportingComponent":"","reportingInstance":""}"#;
    assert!(
        matches!(line("BOOKMARK", bookmark), Ok(Line::Progress { resource_version }) if resource_version == "180")
    );
    let expired = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"The resourceVersion for the provided watch is too old.","reason":"Expired","code":410}"#;
    assert!(matches!(line("ERROR", expired), Err(Error::Expired)));
    assert!(matches!(
        line("ERROR", r#"{"code":504,"message":"Timeout"}"#),
        Err(Error::Busy { status: 504, .. })
    ));
    for nothing in [
        r#"{"status":"Failure","message":null,"reason":null,"code":null}"#,
        r#"{"status":"Failure"}"#,
        "{}",
    ] {
        assert!(
            matches!(line("ERROR", nothing), Err(Error::Busy { status: 500, .. })),
            "{nothing}"
        );
    }
    assert!(matches!(
        line("ERROR", r#"{"reason":"Expired","code":null}"#),
        Err(Error::Expired)
    ));
    // As Go's clients do, what can be understood of an odd one counts.
    assert!(matches!(
        line("ERROR", r#"{"reason":"Expired","code":"410"}"#),
        Err(Error::Expired)
    ));
    assert!(matches!(
        line("ERROR", r#"{"code":"410","message":5}"#),
        Err(Error::Expired)
    ));
    assert!(matches!(
        line("ERROR", r#"{"code":"x"}"#),
        Err(Error::Busy { status: 500, .. })
    ));
    let busy = line(
        "ERROR",
        r#"{"code":429,"message":"later","details":{"retryAfterSeconds":7}}"#,
    );
    assert_eq!(busy.unwrap_err().after(), std::time::Duration::from_secs(7));
    for garbage in ["5", "null", "[]"] {
        assert!(
            matches!(line("ERROR", garbage), Err(Error::Protocol(_))),
            "{garbage}"
        );
    }
}

#[test]
fn a_line_that_can_not_be_read_is_told_from_an_answer_of_something_else() {
    let told = |line: &[u8]| match parse_line(line) {
        Ok(Line::Unreadable {
            unreadable,
            of_watch,
        }) => (of_watch, unreadable),
        other => panic!("{other:?}"),
    };
    for of_watch in [
        &br#"{"type":"ADDED","object":{"reason":"no metadata"}}"#[..],
        br#"{"type":"ADDED","object":{"metadata":null}}"#,
        br#"{"type":"MODIFIED","object":5}"#,
        br#"{"type":"DELETED"}"#,
        br#"{"type":"NEWS","object":{}}"#,
        b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"caf\xe9\"}}}",
    ] {
        let (is_of_watch, unreadable) = told(of_watch);
        assert!(
            is_of_watch && !unreadable.reason.is_empty(),
            "{unreadable:?}"
        );
    }
    for garbage in [
        &b"{"[..],
        b"<html>",
        b"\xff\xfe",
        b"5",
        br#"{"kind":"Status"}"#,
        br#"{"type":null,"object":{}}"#,
    ] {
        assert!(!told(garbage).0, "{}", String::from_utf8_lossy(garbage));
    }
    assert_eq!(told(b"caf\xe9").1.text, "caf\u{fffd}");
    // The last of two counts, as in Go.
    let twice = br#"{"type":"DELETED","type":"ADDED","object":5,"object":{"metadata":{"resourceVersion":"1","resourceVersion":"2"}}}"#;
    assert!(
        matches!(parse_line(twice), Ok(Line::Event { resource_version, .. }) if resource_version == "2")
    );
}
