//! From a file to events.

use std::path::Path;

use kubedl_events::cluster::{Recording, Stats};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

fn event(name: &str) -> String {
    json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "uid": name, "resourceVersion": "1"}, "message": "{\"a\":[1]}\n"})
        .to_string()
}

/// Names of the events that a file has, in their order; none where it has no event.
fn names(bytes: &[u8]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    read(file.path())
}

fn read(path: &Path) -> Vec<String> {
    let Ok((recording, _)) = Recording::open(path, &|_| ()) else {
        return Vec::new();
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (out, mut observations) = tokio::sync::mpsc::channel(100);
        recording.play(&out, &Stats::default()).await.unwrap();
        drop(out);
        let mut names = Vec::new();
        while let Some(observation) = observations.recv().await {
            for raw in observation.events {
                let event: Value = serde_json::from_str(raw.json()).unwrap();
                names.push(event["metadata"]["name"].as_str().unwrap().to_owned());
            }
        }
        names
    })
}

/// Pieces of JSON and YAML, and anything.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\n",
        "---\n",
        "- ",
        "items:",
        "\n- kind: Event\n",
        "  metadata: {name: x}\n",
        "null",
        "1e9",
        "\t",
        "&a",
        "*a",
        "|",
        "\x1e",
    ];
    let events = [
        event("a"),
        event("b"),
        format!("{:#}", serde_json::from_str::<Value>(&event("c")).unwrap()),
    ];
    prop_oneof![
        proptest::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        proptest::sample::select(events.to_vec()).prop_map(String::into_bytes),
        vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #[test]
    fn whatever_stands_in_a_line_costs_no_event_before_or_behind_it(odd in "[^\n]{0,60}", cut in 0_usize..200) {
        let cut = event("cut").chars().take(cut).collect::<String>();
        // Whole, it is one more.
        prop_assume!(cut != event("cut"));
        for odd in [odd, cut] {
            let file = format!("{}\n{odd}\n{}\n{}\n", event("a"), event("b"), event("c"));
            prop_assert_eq!(names(file.as_bytes()), ["a", "b", "c"]);
        }
    }

    #[test]
    fn whatever_stands_in_a_list_costs_no_event_before_or_behind_it(cut in 0_usize..200, pretty in any::<bool>()) {
        let cut = event("cut").chars().take(cut).collect::<String>();
        prop_assume!(cut != event("cut"));
        let list = json!({"kind": "List", "items": ["a", "odd", "b"], "metadata": {}});
        let list = if pretty { format!("{list:#}") } else { list.to_string() };
        let file = list.replace("\"a\"", &event("a")).replace("\"odd\"", &cut).replace("\"b\"", &event("b"));
        prop_assert_eq!(names(file.as_bytes()), ["a", "b"]);
    }

    #[test]
    fn no_file_breaks_the_reader(pieces in vec(piece(), 0..12)) {
        names(&pieces.concat());
    }
}
