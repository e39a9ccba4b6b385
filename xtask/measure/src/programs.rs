//! How many programs of tests cargo builds.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

/// The names of the integration tests of a workspace, each with its package's.
///
/// # Errors
/// cargo can't tell.
pub fn list_test_programs(workspace: &Path) -> anyhow::Result<Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace)
        .args(["metadata", "--no-deps", "--locked", "--format-version", "1"])
        .output()?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed in {}: {}",
            workspace.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata is no JSON")?;
    let mut names = Vec::new();
    for package in metadata
        .get("packages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        for target in package
            .get("targets")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if target.pointer("/kind/0").and_then(Value::as_str) == Some("test") {
                let name = |of: &Value| {
                    of.get("name")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                names.push(format!("{}/{}", name(package), name(target)));
            }
        }
    }
    Ok(names)
}
