//! Names of variables that can be granted. Pure.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

/// Name of a variable that can be granted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Name(pub(super) String);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"})
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || name.len() > 255
            || !name.chars().all(plain)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(format!(
                "{name:?} is not the name of a variable: letters, digits and _, not a digit first"
            ));
        }
        match forbidden(&name) {
            Some(reason) => Err(format!("{name}: {reason}")),
            None => Ok(Self(name)),
        }
    }
}

/// Variables that no sink gets.
fn forbidden(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    if upper.starts_with("KUBERNETES_") || upper.starts_with("KUBEDL_EVENTS_") {
        return Some(
            "variables KUBERNETES_* and KUBEDL_EVENTS_* are the host's own and can't be granted",
        );
    }
    if matches!(
        upper.as_str(),
        "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY" | "NO_PROXY"
    ) {
        return Some("the proxy is the operator's matter and its variables can't be granted");
    }
    None
}
