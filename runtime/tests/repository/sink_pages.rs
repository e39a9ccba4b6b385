//! Is the page of each shipped sink what the sink says of itself and its grant gives it? Writes it
//! anew, and fails when it was not so before.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::PROGRAM;

fn inspected(sink: &str) -> Value {
    let sinks = testkit::program::sinks();
    let output = Command::new(PROGRAM)
        .env_clear()
        .args([
            "sink",
            "inspect",
            sink,
            "--format",
            "json",
            "--shipped-sinks",
        ])
        .arg(sinks)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn page(sink: &str, grant: &Value) -> String {
    // Long: one story, told in its order.
    let found = inspected(sink);
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    let mut page = format!(
        "<!-- Written by runtime/tests/repository/sink_pages.rs from the sink and its grant. -->\n# {sink}\n\n{}.\n\n",
        text("summary")
    );
    writeln!(page, "    kubedl-events --event-storage {sink}\n").unwrap();
    let wishes = found["wishes"].as_array().unwrap();
    let of = |kind: &'static str| wishes.iter().filter(move |wish| wish["kind"] == kind);
    if of("env").next().is_none() {
        page.push_str("It reads no variable");
    } else {
        page.push_str("| variable | required | secret |\n|---|---|---|\n");
        for wish in of("env") {
            let name = wish["name"].as_str().unwrap();
            let yes = |yes: bool| if yes { "yes" } else { "" };
            // The host takes a granted variable for a secret unless the grant says otherwise.
            let secret = grant["env"][name]["secret"] != Value::Bool(false);
            writeln!(
                page,
                "| `{name}` | {} | {} |",
                yes(wish["required"] == true),
                yes(secret)
            )
            .unwrap();
        }
    }
    let hosts: Vec<String> = grant["http"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| format!("`{}`", host.as_str().unwrap()))
        .collect();
    match hosts.as_slice() {
        [] => page.push_str(", and sends no request.\n"),
        hosts => writeln!(
            page,
            "\nIt may send requests to {}, and nowhere else.",
            hosts.join(", ")
        )
        .unwrap(),
    }
    page.push('\n');
    // 0 is no limit of the sink's own.
    let most = |key: &str, unit: u64, name: &str| {
        found[key]
            .as_u64()
            .filter(|most| *most > 0)
            .map(|most| format!("{} {name}", most / unit))
    };
    let batch: Vec<String> = [
        most("batchEvents", 1, "events"),
        most("batchBytes", 1024, "KiB"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !batch.is_empty() {
        writeln!(page, "A batch has at most {}.", batch.join(" and ")).unwrap();
    }
    let limits: Vec<String> = grant["limits"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, limit)| {
            format!(
                "{name} {}",
                limit
                    .as_str()
                    .map_or_else(|| limit.to_string(), str::to_owned)
            )
        })
        .collect();
    writeln!(page, "Its grant's limits: {}.\n", limits.join(", ")).unwrap();
    writeln!(page, "What each variable means, and what is stored: [sinks/{sink}/README.md](../../sinks/{sink}/README.md).").unwrap();
    page
}

#[test]
fn each_shipped_sink_has_a_page_that_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut stale = Vec::new();
    for entry in std::fs::read_dir(root.join("sinks")).unwrap() {
        let folder = entry.unwrap().path();
        let sink = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let Ok(grant) = std::fs::read_to_string(folder.join(format!("{sink}.yaml"))) else {
            continue;
        };
        let wanted = page(&sink, &serde_saphyr::from_str(&grant).unwrap());
        let path = root.join(format!("docs/sinks/{sink}.md"));
        if std::fs::read_to_string(&path).unwrap_or_default() != wanted {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, wanted).unwrap();
            stale.push(sink);
        }
    }
    assert!(
        stale.is_empty(),
        "the pages of {stale:?} were not up to date; they are now: look at them and commit them"
    );
}
