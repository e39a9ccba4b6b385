//! Destinations as a grant has them, and which private addresses they may have. Pure.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::Subnet;
use crate::sink::egress::{HostPattern, Private};

/// A destination, with or without variables in it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, with = "String", extend("pattern" = r"^([Hh][Tt][Tt][Pp][Ss]?://)?[^/?#@\s]+$"))]
pub(super) struct Template(pub(super) String);

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // What stands around the variables must be right whatever their values are.
        HostPattern::from_template(&text, &|_| Some("x".to_owned()))
            .map_err(|why| format!("{text}: {why}"))?;
        Ok(Self(text))
    }
}

/// Whether destinations may have private addresses: true, false, or networks such as 10.0.0.0/8.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "private is true, false, or a list of networks such as 10.0.0.0/8"
)]
#[schemars(rename = "Private")]
pub(super) enum WrittenPrivate {
    /// All of them, or none.
    All(bool),
    /// Those in these networks.
    Networks(Vec<Written>),
}

impl Default for WrittenPrivate {
    fn default() -> Self {
        Self::All(false)
    }
}

impl WrittenPrivate {
    pub(super) fn resolve(&self) -> Private {
        match self {
            Self::All(false) => Private::None,
            Self::All(true) => Private::All,
            Self::Networks(networks) => {
                Private::Networks(networks.iter().map(|network| network.0).collect())
            }
        }
    }
}

/// A network, as it is written.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, with = "String", extend("pattern" = "^[0-9A-Fa-f.:]+/[0-9]+$"))]
pub(super) struct Written(Subnet);

impl TryFrom<String> for Written {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Subnet::parse(&text).map(Self).ok_or_else(|| {
            format!("{text:?} is not a network: write such as 10.0.0.0/8 or fd00::/8")
        })
    }
}
