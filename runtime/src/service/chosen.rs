//! What `--redact` and `--select` say, compiled.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::event::redact::Redaction;
use crate::filter::Select;

use super::Settings;

/// The redaction rules.
pub(crate) fn redaction(settings: &Settings) -> anyhow::Result<Arc<Redaction>> {
    let mut rules = Vec::new();
    for written in settings
        .redact
        .iter()
        .filter(|written| !written.trim().is_empty())
    {
        rules.push(
            written
                .split_once('=')
                .with_context(|| format!("--redact {written:?} is not NAME=REGEX"))?,
        );
    }
    Ok(Arc::new(Redaction::new(rules)?))
}

/// The selection of each sink that has one.
pub(crate) fn selections(
    settings: &Settings,
    sinks: &[String],
) -> anyhow::Result<HashMap<String, Select>> {
    let mut selections = HashMap::new();
    for written in settings
        .select
        .iter()
        .filter(|written| !written.trim().is_empty())
    {
        let parts = written
            .split_once('=')
            .map(|(sink, expression)| (sink.trim(), expression.trim()));
        let Some((sink, expression)) = parts else {
            bail!("--select {written:?} is not SINK=EXPRESSION")
        };
        if !sinks.iter().any(|name| name == sink) {
            bail!(
                "--select {written:?} is for {sink:?}, which is no sink of --event-storage: write SINK=EXPRESSION with one of {}",
                sinks.join(", ")
            );
        }
        let select = Select::compile(expression).with_context(|| {
            format!("the selection {expression:?} of the sink {sink} can't be used")
        })?;
        if selections.insert(sink.to_owned(), select).is_some() {
            bail!("the sink {sink} has two selections: join them with && or ||");
        }
    }
    Ok(selections)
}
