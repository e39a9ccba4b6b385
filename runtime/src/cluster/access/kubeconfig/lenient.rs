//! Forms of a kubeconfig that kubectl takes, and kube's types alone do not. Pure.

use kube::config::Kubeconfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::cluster::utf16;

/// The only values that are not texts.
const SWITCHES: [&str; 4] = [
    "insecure-skip-tls-verify",
    "disable-compression",
    "provideClusterInfo",
    "colors",
];

/// The text of a file, in UTF-8, or in UTF-16 with a byte order mark, as PowerShell writes it.
pub(super) fn text(bytes: &[u8]) -> Result<String, String> {
    let wide = |rest, big| {
        Some(utf16::decode(rest, big)).filter(|text| !text.contains(char::REPLACEMENT_CHARACTER))
    };
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, false),
        [0xFE, 0xFF, rest @ ..] => wide(rest, true),
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => String::from_utf8(rest.to_vec()).ok(),
    };
    text.ok_or_else(|| "it is neither UTF-8 nor UTF-16".to_owned())
}

/// Documents of YAML, merged. What kube's types don't take is tried again with nothing in place of
/// nulls.
pub(super) fn parse(text: &str) -> Result<Kubeconfig, String> {
    Kubeconfig::from_yaml(text).or_else(|why| without_nulls(text).ok_or_else(|| why.to_string()))
}

fn without_nulls(text: &str) -> Option<Kubeconfig> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).ok()?;
    documents
        .into_iter()
        .try_fold(Kubeconfig::default(), |merged, document| {
            let Value::Object(document) = document else {
                return document.is_null().then_some(merged);
            };
            merged
                .merge(serde_json::from_value(Value::Object(complete(document))).ok()?)
                .ok()
        })
}

/// With the names that kube's types want: to Go, one that is not there is empty.
fn complete(document: Map<String, Value>) -> Map<String, Value> {
    let mut document = object(document);
    for list in ["clusters", "users", "contexts"] {
        for entry in document
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            let empty = || Value::String(String::new());
            entry.entry("name").or_insert_with(empty);
            if let Some(context) = entry.get_mut("context").and_then(Value::as_object_mut) {
                context.entry("cluster").or_insert_with(empty);
            }
            if let Some(provider) = entry
                .get_mut("user")
                .and_then(|user| user.get_mut("auth-provider"))
                .and_then(Value::as_object_mut)
            {
                provider.entry("name").or_insert_with(empty);
            }
        }
    }
    document
}

fn object(fields: Map<String, Value>) -> Map<String, Value> {
    fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.clone(), plain(&key, value)?)))
        .collect()
}

/// None for null.
fn plain(key: &str, value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        // A tool's own, whatever it is.
        Value::Array(entries) if key == "extensions" => {
            let named = |entry: &Value| {
                entry.get("name").is_some_and(Value::is_string) && entry.get("extension").is_some()
            };
            Some(Value::Array(entries.into_iter().filter(named).collect()))
        }
        Value::Array(entries) => Some(Value::Array(
            entries
                .into_iter()
                .filter_map(|entry| plain("", entry))
                .collect(),
        )),
        Value::Object(fields) => Some(Value::Object(object(fields))),
        Value::Number(number) => Some(Value::String(number.to_string())),
        Value::Bool(on) if !SWITCHES.contains(&key) => Some(Value::String(on.to_string())),
        value => Some(value),
    }
}

/// Without what is empty, which to Go is what is not there, and without line ends in base64.
pub(super) fn cleaned<T: Serialize + DeserializeOwned + Default>(part: T) -> T {
    let Ok(Value::Object(fields)) = serde_json::to_value(&part) else {
        return part;
    };
    let fields: Map<String, Value> = fields
        .into_iter()
        .filter(|(_, value)| value != "")
        .map(|(key, value)| match value {
            Value::String(text) if key.ends_with("-data") => (
                key,
                Value::String(text.replace(['\r', '\n'], "").trim().to_owned()),
            ),
            value => (key, value),
        })
        .collect();
    serde_json::from_value(Value::Object(fields)).unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_what_is_not_there() {
        let text = "apiVersion: v1\nclusters: [null, {name: 7, cluster: {server: 'x:1', extensions: null}}]\ncontexts:\n- {name: c, context: {cluster: 7, user: null, namespace: null}}\n- {name: null, context: null}\n\
                    users:\n- name: u\n  user: {auth-provider: {name: gcp, config: null}, exec: null, token: null}\n- {name: v, user: {exec: {command: p, args: null, env: [{name: A, value: 1}, {name: B, value: null}]}}}\n";
        let read = parse(text).unwrap();
        assert_eq!(read.clusters[0].name, "7");
        assert_eq!(read.contexts[0].context.as_ref().unwrap().cluster, "7");
        assert_eq!(
            read.auth_infos[0]
                .auth_info
                .as_ref()
                .unwrap()
                .auth_provider
                .as_ref()
                .unwrap()
                .name,
            "gcp"
        );
        assert_eq!(
            read.auth_infos[1]
                .auth_info
                .as_ref()
                .unwrap()
                .exec
                .as_ref()
                .unwrap()
                .env
                .as_ref()
                .unwrap()[0]["value"],
            "1"
        );
    }

    #[test]
    fn a_file_may_be_of_powershell_and_odd_bytes_are_refused() {
        let wide: Vec<u8> = [0xFEFF]
            .into_iter()
            .chain("a: 1".encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(text(&wide).unwrap(), "a: 1");
        assert_eq!(text(b"\xEF\xBB\xBFa: 1").unwrap(), "a: 1");
        assert!(text(&wide[..wide.len() - 1]).is_err() && text(b"\xFF").is_err());
    }
}
