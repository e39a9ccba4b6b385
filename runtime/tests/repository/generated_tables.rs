//! Is what is generated into pages and files up to date? Writes it anew, and fails when it was not
//! so before.

use std::fmt::Write;
use std::path::Path;

use clap::CommandFactory;
use kubedl_events::cli::Args;
use kubedl_events::filter::select::schema::{FIELDS, OBJECT};

fn table() -> String {
    let mut table = "| flag | environment | default | meaning |\n|---|---|---|---|\n".to_owned();
    for argument in Args::command().get_arguments() {
        let Some(long) = argument
            .get_long()
            .filter(|long| !matches!(*long, "help" | "version"))
        else {
            continue;
        };
        let value = argument
            .get_value_names()
            .filter(|_| argument.get_action().takes_values())
            .map(|names| format!(" {}", names[0]))
            .unwrap_or_default();
        let possible: Vec<String> = argument
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| value.get_name().to_owned())
            .collect();
        let value = if possible.is_empty() || value.is_empty() {
            value
        } else {
            format!(" {}", possible.join("\\|"))
        };
        let short = argument
            .get_short()
            .map(|short| format!("`-{short}`, "))
            .unwrap_or_default();
        let env = argument
            .get_env()
            .map(|env| format!("`{}`", env.to_string_lossy()))
            .unwrap_or_default();
        let default: Vec<String> = argument
            .get_default_values()
            .iter()
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect();
        let default = if argument.get_action().takes_values() {
            default.join(" ")
        } else {
            String::new()
        };
        let help = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default()
            .replace('|', "\\|");
        writeln!(
            table,
            "| {short}`--{long}{value}` | {env} | {default} | {help} |"
        )
        .unwrap();
    }
    table
}

/// Puts a text between two marks of a page.
fn replaced(text: &str, begin: &str, end: &str, table: &str) -> String {
    let (before, rest) = text
        .split_once(begin)
        .expect("the page has the mark of the table");
    let (_, after) = rest
        .split_once(end)
        .expect("the page has the end mark of the table");
    format!("{before}{begin}{table}{end}{after}")
}

/// Writes a file that is not up to date, and fails then.
fn expect(file: &str, wanted: impl FnOnce(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let wanted = wanted(&text);
    if wanted != text {
        std::fs::write(&path, wanted).unwrap();
        panic!("{file} was not up to date; it is now: look at it and commit it");
    }
}

/// What a selection can read.
fn fields() -> String {
    let mut table = "\n| field | type | what |\n|---|---|---|\n".to_owned();
    for (name, kind, meaning) in FIELDS {
        let kind = format!("{kind:?}").to_lowercase();
        writeln!(table, "| `{name}` | {kind} | {meaning} |").unwrap();
    }
    let parts = OBJECT.map(|part| format!("`{part}`")).join(", ");
    writeln!(
        table,
        "\nAn object has {parts}, all of them strings, empty where Kubernetes left them out; `has(job.name)` asks whether one is there.\n"
    )
    .unwrap();
    table
}

#[test]
fn the_table_of_fields_is_true() {
    expect("docs/configuration.md", |page| {
        replaced(page, "<!-- fields -->\n", "<!-- /fields -->", &fields())
    });
}

/// The keys of a grant, from its JSON Schema.
fn keys() -> String {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../sinks/grant.schema.json"),
    )
    .unwrap();
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of = |value: &serde_json::Value| -> serde_json::Value {
        let named = value["$ref"]
            .as_str()
            .or_else(|| value["anyOf"][0]["$ref"].as_str())
            .and_then(|name| name.strip_prefix("#"));
        named
            .and_then(|pointer| schema.pointer(pointer))
            .cloned()
            .unwrap_or_else(|| value.clone())
    };
    let mut table = "\n| key | what |\n|---|---|\n".to_owned();
    let mut open = vec![(String::new(), schema.clone())];
    while let Some((prefix, object)) = open.pop() {
        for (name, value) in object["properties"].as_object().unwrap() {
            let (key, inner) = (format!("{prefix}{name}"), of(value));
            let said = value["description"]
                .as_str()
                .or_else(|| inner["description"].as_str())
                .unwrap_or_default();
            writeln!(table, "| `{key}` | {} |", said.replace('|', "\\|")).unwrap();
            if inner["properties"].is_object() {
                open.push((format!("{key}."), inner));
            }
        }
    }
    table + "\n"
}

#[test]
fn the_table_of_a_grants_keys_is_true() {
    expect("docs/grants.md", |page| {
        replaced(page, "<!-- keys -->\n", "<!-- /keys -->", &keys())
    });
}

/// What `sink test` checks.
fn checks() -> String {
    let mut table = "\n| check | what is expected |\n|---|---|\n".to_owned();
    for (name, expected) in kubedl_events::workbench::checks() {
        writeln!(table, "| `{name}` | {expected} |").unwrap();
    }
    table
}

#[test]
fn the_table_of_checks_is_true() {
    expect("sdk/README.md", |page| {
        let end = "<!-- /checks -->";
        replaced(
            page,
            "<!-- checks: generated by runtime/tests/repository/generated_tables.rs -->",
            end,
            &checks(),
        )
    });
}

/// The attacks of the hostile corpus, from the comments above its tests.
fn attacks() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let mut table = "| what is tried | how it ends | test |\n|---|---|---|\n".to_owned();
    for file in files {
        let (mut tries, mut ends, mut is_test) = (None::<String>, None::<String>, false);
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            if let Some(words) = line.strip_prefix("/// Tries: ") {
                tries = Some(words.to_owned());
            } else if let Some(words) = line.strip_prefix("/// Ends: ") {
                ends = Some(words.to_owned());
            } else if let (Some(more), Some(last)) =
                (line.strip_prefix("/// "), ends.as_mut().or(tries.as_mut()))
            {
                last.push(' ');
                last.push_str(more);
            } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(name) = line
                .trim_start_matches("async ")
                .strip_prefix("fn ")
                .filter(|_| std::mem::take(&mut is_test))
            {
                let name = name.split('(').next().unwrap();
                let (tries, ends) = tries.take().zip(ends.take()).unwrap_or_else(|| {
                    panic!(
                        "{name} in {} says not what it tries and how it ends",
                        file.display()
                    )
                });
                writeln!(
                    table,
                    "| {tries} | {ends} | `{}::{name}` |",
                    file.file_stem().unwrap().display()
                )
                .unwrap();
            }
        }
    }
    table
}

/// What `/metrics` has.
fn metrics() -> String {
    let mut table = "\n| metric | kind | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for metric in kubedl_events::telemetry::metrics::METRICS {
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            metric.name,
            metric.kind.name(),
            labels.join(", "),
            metric.help
        )
        .unwrap();
    }
    table
}

#[test]
fn the_table_of_metrics_is_true() {
    expect("docs/operating.md", |page| {
        replaced(
            page,
            "<!-- metrics: generated by runtime/tests/repository/generated_tables.rs -->",
            "<!-- /metrics -->",
            &metrics(),
        )
    });
}

#[test]
fn the_rules_for_the_operator_are_those_for_prometheus() {
    expect("deploy/monitoring/prometheusrule.yaml", |_| {
        let rules = std::fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/monitoring/rules.yaml"),
        )
        .unwrap();
        let mut wrapped = "# For the Prometheus operator. Written by runtime/tests/repository/generated_tables.rs: change rules.yaml.\n\
                           apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: kubedl-events\n  namespace: kubedl-system\nspec:\n"
            .to_owned();
        let body = rules
            .lines()
            .skip_while(|line| !line.starts_with("groups:"));
        body.for_each(|line| writeln!(wrapped, "{}", format!("  {line}").trim_end()).unwrap());
        wrapped
    });
}

#[test]
fn the_table_of_flags_is_true() {
    expect("docs/configuration.md", |text| {
        replaced(
            text,
            "<!-- flags: generated by runtime/tests/repository/generated_tables.rs -->\n",
            "<!-- /flags -->",
            &table(),
        )
    });
}

#[test]
fn the_table_of_attacks_in_the_security_page_is_true() {
    expect("SECURITY.md", |text| {
        replaced(
            text,
            "<!-- attacks: generated by runtime/tests/repository/generated_tables.rs -->\n",
            "<!-- /attacks -->",
            &attacks(),
        )
    });
}

#[test]
fn the_schema_of_grants_is_that_of_the_code() {
    expect("sinks/grant.schema.json", |_| {
        kubedl_events::sink::grant::schema()
    });
}
