//! `config show`: every setting that holds, and where it comes from.

use clap::parser::ValueSource;
use clap::{Arg, CommandFactory};
use serde_json::json;

use super::{Origins, chosen, flags, source};
use crate::cli::args::Args;
use crate::cli::tasks::Format;

struct Setting {
    name: String,
    values: Vec<String>,
    from: String,
    secret: bool,
    many: bool,
}

pub(super) fn run(origins: &Origins, format: Format, environment: fn(&str) -> Option<String>) {
    let settings: Vec<Setting> = flags(&Args::command()).map(|flag| setting(flag, origins, environment)).collect();
    match format {
        Format::Json => {
            let all: serde_json::Map<String, serde_json::Value> =
                settings.into_iter().map(|setting| (setting.name.clone(), as_json(&setting))).collect();
            println!("{:#}", serde_json::Value::Object(all));
        }
        Format::Text => {
            let width = settings.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
            for setting in settings {
                let value = if setting.values.is_empty() { "-".to_owned() } else { shown(&setting).join(", ") };
                println!("{:width$}  {value}  ({})", setting.name, setting.from);
            }
        }
    }
}

fn setting(flag: &Arg, origins: &Origins, environment: fn(&str) -> Option<String>) -> Setting {
    let (id, name) = (flag.get_id().as_str(), flag.get_long().unwrap_or_default().to_owned());
    let matches = chosen(&origins.matches);
    let raw = matches.try_get_raw(id).ok().flatten();
    let mut values: Vec<String> = raw.into_iter().flatten().map(|value| value.to_string_lossy().into_owned()).collect();
    let variable = flag.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut from = match source(matches, id) {
        Some(ValueSource::CommandLine) => "flag".to_owned(),
        Some(ValueSource::EnvVariable) => format!("environment variable {variable}"),
        _ => match &origins.file {
            Some(file) if file.has(id) => file.path.display().to_string(),
            _ => "default".to_owned(),
        },
    };
    if let Some(region) = environment("REGION").filter(|region| id == "region" && !region.is_empty()) {
        (values, from) = (vec![region], "environment variable REGION".to_owned());
    }
    Setting { name, values, from, secret: flag.is_hide_env_values_set(), many: matches!(flag.get_action(), clap::ArgAction::Append) }
}

fn shown(setting: &Setting) -> Vec<String> {
    setting.values.iter().map(|value| if setting.secret { "(secret)".to_owned() } else { value.clone() }).collect()
}

fn as_json(setting: &Setting) -> serde_json::Value {
    let values = shown(setting);
    let value = if setting.many { json!(values) } else { json!(values.first()) };
    json!({ "value": value, "from": setting.from })
}
