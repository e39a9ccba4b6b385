//! Values for the variables that a sink asks for, where nobody gave one. Pure.

use crate::sink::{Description, EnvVar};

/// A value that a sink can be expected to take for a variable: a URL or a host where its
/// destinations are made of it, else a word.
pub(crate) fn value(variable: &EnvVar, description: &Description) -> String {
    let word = variable.name.to_ascii_lowercase().replace('_', "-");
    let part = format!("${{{}}}", variable.name);
    let template = description.hosts.iter().find(|host| host.contains(&part));
    let named_url = ["URL", "URI", "WEBHOOK"]
        .iter()
        .any(|end| variable.name.to_ascii_uppercase().ends_with(end));
    match template.map(|host| {
        host.split_once("://")
            .map_or(host.as_str(), |(_, rest)| rest)
    }) {
        _ if named_url => format!("https://{word}.example.com/{word}-5f3a9c"),
        // The whole host, or its end.
        Some(host)
            if host
                .split(':')
                .next()
                .is_some_and(|host| host.ends_with(&part)) =>
        {
            format!("{word}.example.com")
        }
        Some(_) => word,
        None => format!("{word}-5f3a9c"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_fits_its_place() {
        let hosts = [
            "${HOOK_URL}",
            "https://${PROJECT}.${ENDPOINT}",
            "https://${NODE}:8080",
            "https://${SITE}.example.org",
        ]
        .map(str::to_owned)
        .to_vec();
        let description = Description {
            name: String::new(),
            version: String::new(),
            summary: String::new(),
            env: Vec::new(),
            hosts,
            batch_events: 0,
            batch_bytes: 0,
        };
        let value = |name: &str| {
            value(
                &EnvVar {
                    name: name.to_owned(),
                    help: String::new(),
                    required: true,
                    secret: true,
                },
                &description,
            )
        };
        assert_eq!(
            value("HOOK_URL"),
            "https://hook-url.example.com/hook-url-5f3a9c"
        );
        assert_eq!(value("PROJECT"), "project");
        assert_eq!(value("ENDPOINT"), "endpoint.example.com");
        assert_eq!(value("NODE"), "node.example.com");
        assert_eq!(value("SITE"), "site");
        assert_eq!(value("TOKEN"), "token-5f3a9c");
    }
}
