//! Does every sink that is shipped do what the contract asks of it?

use std::path::Path;
use std::process::Command;

use crate::PROGRAM;

#[test]
fn every_shipped_sink_passes_the_suite() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tried = Vec::new();
    for entry in std::fs::read_dir(root.join("sinks")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if !folder.join(format!("{name}.yaml")).is_file() {
            continue;
        }
        let mut command = Command::new(PROGRAM);
        // The templates' sinks get all ten thousand batches.
        command
            .args([
                "sink",
                "test",
                &name,
                "--batches",
                "2000",
                "--shipped-sinks",
            ])
            .arg(root.join("target/sinks"));
        let cases = folder.join("cases.yaml");
        if cases.is_file() {
            command.arg("--cases").arg(cases);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        println!("{text}");
        assert!(
            output.status.success(),
            "{name}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        tried.push(name);
    }
    tried.sort();
    assert_eq!(
        tried,
        ["aliyun-sls", "graphite", "stdout", "webhook"],
        "a sink is missing here, or is new: say so"
    );
}
