//! What a sink is granted while it is tried: the operator's grant, or all that it asks for; with
//! made-up values where none is given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::Args as Flags;

use crate::sink::grant::{Document, Grant, wish};
use crate::sink::http::Answer;
use crate::sink::{Blueprint, Found};

use super::cases::Cases;
use super::dummy;

/// Where values of variables come from.
#[derive(Clone, Debug, Default, Flags)]
pub struct Grants {
    /// Cases of the sink's own, and values of its variables
    #[arg(long, value_name = "FILE.yaml")]
    pub cases: Option<PathBuf>,

    /// A value of a variable; may be repeated [default: the one in --cases; made up for those that
    /// the sink requires]
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub env: Vec<(String, String)>,

    /// Its grant [default: what it asks for]
    #[arg(long, value_name = "FILE.yaml")]
    pub grant: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Grants {
    /// The cases of the sink's own.
    pub(super) fn cases(&self) -> anyhow::Result<Cases> {
        Ok(self
            .cases
            .as_deref()
            .map(Cases::read)
            .transpose()?
            .unwrap_or_default())
    }

    /// The grant with its values, and how the destination says that it took what was sent.
    pub(crate) fn resolve(
        &self,
        found: &Found,
        blueprint: &Blueprint,
    ) -> anyhow::Result<(Grant, Answer)> {
        let cases = self.cases()?;
        let path = self.grant.as_ref().or(found.grant.as_ref());
        let description = blueprint.description();
        let document = match path {
            Some(path) => Document::read(path)?,
            None => Document::parse(&wish::suggest(description, blueprint.digest(), &found.name))
                .map_err(|why| {
                anyhow!("no grant can be made of what the sink asks for: {why}")
            })?,
        };
        let mut given: BTreeMap<&str, &str> = cases
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        given.extend(
            self.env
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        if let Some(unknown) = given
            .keys()
            .find(|name| !document.names().any(|granted| granted == **name))
        {
            bail!(
                "the variable {unknown} is given, but the sink doesn't ask for it, or its grant doesn't give it"
            );
        }
        let required = |name: &str| {
            description
                .env
                .iter()
                .find(|variable| variable.name == name && variable.required)
        };
        let lookup = |name: &str| {
            let made_up = || required(name).map(|variable| dummy::value(variable, description));
            given
                .get(name)
                .map(|value| (*value).to_owned())
                .or_else(made_up)
        };
        let grant = document.resolve(&found.name, path.map(PathBuf::as_path), &lookup);
        Ok((
            grant.context(
                "the sink's variables have no values that fit; give them by --env NAME=VALUE",
            )?,
            cases.success(),
        ))
    }
}
