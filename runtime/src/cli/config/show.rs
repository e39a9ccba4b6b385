//! `config show`: every setting that holds, and where it comes from.

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, CommandFactory};
use serde_json::json;

use super::origins::{Origins, chosen, source};
use super::settable::flags;
use crate::cli::args::Args;
use crate::service::settings::Format;
use crate::service::{ShownSetting, control};

/// What decides about an event, and may be asked of a running service by `explain`.
const DECIDES: [&str; 9] = [
    "event-storage",
    "select",
    "redact",
    "objects",
    "region",
    "cluster",
    "sink-dir",
    "grant-dir",
    "shipped-sinks",
];

/// All that hold.
pub(in crate::cli) fn of(
    origins: &Origins,
    environment: fn(&str) -> Option<String>,
) -> Vec<ShownSetting> {
    flags(&Args::command())
        .map(|flag| setting(flag, origins, environment))
        .collect()
}

/// What decides, as a command line.
pub(super) fn as_flags(settings: &[ShownSetting]) -> Vec<OsString> {
    let decides = settings
        .iter()
        .filter(|setting| DECIDES.contains(&setting.name.as_str()));
    decides
        .flat_map(|setting| {
            setting
                .values
                .iter()
                .map(|value| format!("--{}={value}", setting.name).into())
        })
        .collect()
}

/// Of the service that runs with the data folder, where the command line names no other settings.
pub(super) fn run(
    origins: &Origins,
    data_dir: &Path,
    format: Format,
    environment: fn(&str) -> Option<String>,
) {
    let running = if origins.on_command_line() {
        None
    } else {
        control::ask_settings(data_dir).ok().flatten()
    };
    if running.is_some() {
        note!("Of the service that runs with {}:", data_dir.display());
    }
    let settings = running.unwrap_or_else(|| of(origins, environment));
    match format {
        Format::Json => {
            let all: serde_json::Map<String, serde_json::Value> = settings
                .into_iter()
                .map(|setting| (setting.name.clone(), as_json(&setting)))
                .collect();
            say_json!("{:#}", serde_json::Value::Object(all));
        }
        Format::Text => {
            let width = settings
                .iter()
                .map(|setting| setting.name.len())
                .max()
                .unwrap_or(0);
            for setting in settings {
                let value = if setting.values.is_empty() {
                    "-".to_owned()
                } else {
                    setting.values.join(", ")
                };
                say!("{:width$}  {value}  ({})", setting.name, setting.from);
            }
        }
    }
}

fn setting(flag: &Arg, origins: &Origins, environment: fn(&str) -> Option<String>) -> ShownSetting {
    let (id, name) = (
        flag.get_id().as_str(),
        flag.get_long().unwrap_or_default().to_owned(),
    );
    let matches = chosen(&origins.matches);
    let raw = matches.try_get_raw(id).ok().flatten();
    let mut values: Vec<String> = raw
        .into_iter()
        .flatten()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    let variable = flag
        .get_env()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut from = match source(matches, id) {
        Some(ValueSource::CommandLine) => "flag".to_owned(),
        Some(ValueSource::EnvVariable) => format!("environment variable {variable}"),
        _ => match &origins.file {
            Some(file) if file.has(id) => file.path.display().to_string(),
            _ => "default".to_owned(),
        },
    };
    if let Some(region) =
        environment("REGION").filter(|region| id == "region" && !region.is_empty())
    {
        (values, from) = (vec![region], "environment variable REGION".to_owned());
    }
    if flag.is_hide_env_values_set() {
        values
            .iter_mut()
            .for_each(|value| "(secret)".clone_into(value));
    }
    ShownSetting {
        name,
        values,
        from,
        many: matches!(flag.get_action(), clap::ArgAction::Append),
    }
}

fn as_json(setting: &ShownSetting) -> serde_json::Value {
    let value = if setting.many {
        json!(setting.values)
    } else {
        json!(setting.values.first())
    };
    json!({ "value": value, "from": setting.from })
}
