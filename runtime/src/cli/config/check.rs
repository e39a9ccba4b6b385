//! What settings mean for selection and redaction, and `config check`.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::cli::args::Service;
use crate::cli::exit::Exit;
use crate::cli::{network, relays};
use crate::cluster;
use crate::event::redact::Redaction;
use crate::filter::Select;

/// The redaction rules.
pub(in crate::cli) fn redaction(service: &Service) -> anyhow::Result<Arc<Redaction>> {
    let mut rules = Vec::new();
    for written in service
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
pub(in crate::cli) fn selections(
    service: &Service,
    sinks: &[String],
) -> anyhow::Result<HashMap<String, Select>> {
    let mut selections = HashMap::new();
    for written in service
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

/// `config check`.
pub(super) async fn run(
    service: &Service,
    environment: fn(&str) -> Option<String>,
) -> anyhow::Result<Exit> {
    redaction(service)?;
    let folder = tempfile::tempdir().context("cannot make a folder for compiled sinks")?;
    let names = relays::names(&service.event_storage, &service.folders.directories())?;
    selections(service, &names)?;
    network::from_flags(&service.network)?;
    let flags = &service.cluster_flags;
    if flags.kubeconfig.is_some()
        || flags.context.is_some()
        || environment("KUBECONFIG").is_some_and(|paths| !paths.is_empty())
    {
        cluster::connect(&flags.options()).await?;
    }
    let sinks = relays::load(
        service.event_storage.clone(),
        service.folders.directories(),
        folder.path().to_owned(),
        environment,
        Arc::default(),
    )
    .await?;
    drop(sinks);
    say!("All is well: {} can start.", names.join(", "));
    Ok(Exit::Stopped)
}
