//! The JSON Schema of the file, from the flags themselves.

use clap::{ArgAction, Command};
use serde_json::{Map, Value, json};

use super::settable::{FLAG, flags};

/// Of a command's settings.
pub(super) fn of(command: &Command) -> Value {
    let properties: Map<String, Value> = flags(command)
        .filter(|flag| flag.get_id() != FLAG)
        .map(|flag| {
            let mut kind = match flag.get_id().as_str() {
                "event_storage" => json!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, entry(&["name", "sink", "select"], &[])] } }),
                "redact" => json!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, entry(&["name", "pattern"], &["name", "pattern"])] } }),
                "select" => {
                    json!({ "anyOf": [{ "type": "object", "additionalProperties": { "type": "string" } }, { "type": "array", "items": { "type": "string" } }] })
                }
                _ => value(flag),
            };
            if let (Some(help), Value::Object(members)) = (flag.get_help(), &mut kind) {
                members.insert("description".to_owned(), json!(help.to_string()));
            }
            (flag.get_long().unwrap_or_default().to_owned(), kind)
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of kubedl-events, the file of --config",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

/// A text may be written without quotes: it is taken as it is written, whatever YAML takes it for.
const TEXT: [&str; 3] = ["string", "number", "boolean"];

fn entry(names: &[&str], required: &[&str]) -> Value {
    let properties: Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!({ "type": TEXT })))
        .collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

fn value(flag: &clap::Arg) -> Value {
    let choices: Vec<String> = flag
        .get_possible_values()
        .iter()
        .map(|choice| choice.get_name().to_owned())
        .collect();
    match flag.get_action() {
        ArgAction::SetTrue => json!({ "type": "boolean" }),
        ArgAction::Append => {
            json!({ "anyOf": [{ "type": TEXT }, { "type": "array", "items": { "type": TEXT } }] })
        }
        _ if !choices.is_empty() => json!({ "enum": choices }),
        _ => json!({ "type": TEXT }),
    }
}
