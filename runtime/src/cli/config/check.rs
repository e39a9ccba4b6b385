//! `config check`: whether a start with these settings could work.

use std::sync::Arc;

use anyhow::Context;

use crate::cluster;
use crate::service::Exit;
use crate::service::Settings;
use crate::service::{loading, network, redaction, selections};

/// `config check`.
pub(super) async fn run(
    service: &Settings,
    environment: fn(&str) -> Option<String>,
) -> anyhow::Result<Exit> {
    redaction(service)?;
    let folder = tempfile::tempdir().context("cannot make a folder for compiled sinks")?;
    let names = loading::names(&service.event_storage, &service.folders.directories())?;
    selections(service, &names)?;
    network::from_flags(&service.network)?;
    let flags = &service.cluster_flags;
    if flags.kubeconfig.is_some()
        || flags.context.is_some()
        || environment("KUBECONFIG").is_some_and(|paths| !paths.is_empty())
    {
        cluster::connect(&flags.options()).await?;
    }
    let sinks = loading::load(
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
