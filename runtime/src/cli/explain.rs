//! `kubedl-events explain`: which rule keeps or drops an event, which sinks get it, and what is
//! hidden in it.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cluster::{self, Chain, Observation, Owners, Raw, Recording};
use crate::event::redact::Redaction;
use crate::event::{self, Event, ObjectReference};
use crate::filter::{Decision, Objects, Select};

use crate::shown::shown;

use super::tasks::Explain;

use crate::service::Exit;
use crate::service::decide;
use crate::service::region;
use crate::service::settings::Format;
use crate::service::{self, loading};

/// What is known of one event.
struct Account {
    event: Event,
    decision: Decision,
    /// Why the chain of controllers says little.
    remark: Option<&'static str>,
    /// Rules, and how much each hid.
    hidden: Vec<(String, u64)>,
    /// By sink, in the order of the settings: whether it gets the event, its selection, why that
    /// failed.
    sinks: Vec<(String, bool, Option<String>, Option<String>)>,
}

/// What decides.
struct Rules {
    objects: Objects,
    redaction: std::sync::Arc<Redaction>,
    options: event::Options,
    sinks: Vec<String>,
    selections: HashMap<String, Select>,
    owners: Owners,
    live: bool,
}

pub(super) async fn run(
    explain: &Explain,
    environment: fn(&str) -> Option<String>,
) -> anyhow::Result<Exit> {
    let service = &explain.service;
    let sinks = loading::names(&service.event_storage, &service.folders.directories())?;
    let selections = service::selections(service, &sinks)?;
    let redaction = service::redaction(service)?;
    let (recording, recorded) = Recording::open(&explain.file, &|text| {
        redaction.hide(text);
    })?;
    let cluster = service.cluster_flags.options();
    let owners = if explain.live {
        Owners::new(answering(&cluster).await?)
    } else {
        recorded
    };
    let options = event::Options {
        region: region(service, environment),
        cluster: service.cluster.clone(),
    };
    let objects = service.objects.into();
    let rules = Rules {
        objects,
        redaction,
        options,
        sinks,
        selections,
        owners,
        live: explain.live,
    };
    let (out, mut observations) = mpsc::channel::<Observation>(1);
    let tell = async {
        let mut unreadable = 0_u64;
        while let Some(observation) = observations.recv().await {
            for raw in observation.events {
                match rules.account(raw).await {
                    Ok(account) if explain.format == Format::Text => print(&account),
                    Ok(account) => say_json!("{}", as_json(&account)),
                    Err(why) => unreadable += rules.refuse(why.to_string(), explain.format),
                }
            }
            for odd in observation.unreadable {
                unreadable += rules.refuse(odd.reason, explain.format);
            }
        }
        unreadable
    };
    let play = async move { recording.play(&out, &cluster::Stats::default()).await };
    let (played, unreadable) = tokio::join!(play, tell);
    cluster.access.close();
    played?;
    Ok(if unreadable > 0 {
        Exit::NotAllStored
    } else {
        Exit::Stopped
    })
}

/// A client of a cluster that answers: what is not known for want of a connection would look as if
/// the API server did not say it.
async fn answering(options: &cluster::Options) -> Result<cluster::Client, cluster::Error> {
    let client = cluster::connect(options).await?;
    match client.cluster_uid().await {
        // Who may not ask that may ask for owners all the same.
        Ok(_) | Err(cluster::Error::Forbidden { .. }) => Ok(client),
        Err(why) => Err(why),
    }
}

impl Rules {
    /// Says of something that can't be read as an event what is wrong; gives how many that are.
    fn refuse(&self, mut why: String, format: Format) -> u64 {
        self.redaction.hide(&mut why);
        match format {
            Format::Text => say!("(unreadable)\n  no sink gets it: {}", shown(&why)),
            Format::Json => say_json!("{}", json!({ "kept": false, "unreadable": why })),
        }
        1
    }

    async fn account(&self, raw: Raw) -> Result<Account, event::Error> {
        let before: Vec<u64> = self.redaction.hidden().map(|(_, count)| count).collect();
        let raw = self.redaction.apply(raw);
        let hidden = self
            .redaction
            .hidden()
            .zip(before)
            .map(|((name, now), before)| (name.to_owned(), now - before));
        let hidden = hidden.filter(|(_, count)| *count > 0).collect();
        let mut event = event::normalize(&raw, Timestamp::now(), &self.options)?;
        let (decision, chain) = decide(&self.owners, self.objects, &event).await;
        let remark = match (&chain, self.live) {
            (Chain::Gone, true) => Some("the object is gone from the cluster"),
            (Chain::Gone, false) => Some(
                "the object is not in the file, so its controllers are unknown: add it, or ask the cluster by --live",
            ),
            (Chain::Cut(_), true) => Some("a controller of the object is gone from the cluster"),
            (Chain::Cut(_), false) => Some(
                "a controller of the object is not in the file: add it, or ask the cluster by --live",
            ),
            (Chain::Unknown, _) => Some("the API server does not say who controls the object"),
            (Chain::Owners(_), _) => None,
        };
        if let Decision::Keep { job, .. } = &decision {
            event.job.clone_from(job);
        }
        let sinks = self
            .sinks
            .iter()
            .map(|sink| self.sink(sink, &event, &decision))
            .collect();
        Ok(Account {
            event,
            decision,
            remark,
            hidden,
            sinks,
        })
    }

    fn sink(
        &self,
        sink: &str,
        event: &Event,
        decision: &Decision,
    ) -> (String, bool, Option<String>, Option<String>) {
        let select = self.selections.get(sink);
        let answer = select.map_or(Ok(true), |select| select.admits(event));
        let kept = matches!(decision, Decision::Keep { .. });
        let gets = kept && *answer.as_ref().unwrap_or(&true);
        (
            sink.to_owned(),
            gets,
            select.map(|select| select.text().to_owned()),
            answer.err(),
        )
    }
}

fn reference(object: &ObjectReference) -> String {
    let place = if object.namespace.is_empty() {
        String::new()
    } else {
        format!("{}/", object.namespace)
    };
    format!("{} {place}{}", object.kind, object.name)
}

fn print(account: &Account) {
    let event = &account.event;
    let [namespace, name, kind, reason, about] = [
        &event.namespace,
        &event.name,
        &event.kind,
        &event.reason,
        &reference(&event.regarding),
    ]
    .map(|text| shown(text));
    say!("{namespace}/{name} {kind} {reason}, about {about}");
    match &account.decision {
        Decision::Keep { rule, job } => {
            let job = job
                .as_ref()
                .map_or_else(String::new, |job| format!(", job {}", reference(job)));
            say!("  kept by the rule {rule}{}", shown(&job));
        }
        Decision::Drop { rule } => say!("  dropped by the rule {rule}: no sink gets it"),
    }
    if let Some(remark) = account.remark {
        say!("  {remark}");
    }
    for (rule, count) in &account.hidden {
        say!("  hidden by the rule {rule}: {count}");
    }
    if matches!(account.decision, Decision::Drop { .. }) {
        return;
    }
    for (sink, gets, select, why) in &account.sinks {
        let gets = if *gets { "gets it" } else { "does not get it" };
        let select = select
            .as_ref()
            .map_or_else(String::new, |select| format!(": {select}"));
        let why = why.as_ref().map_or_else(String::new, |why| {
            format!(" (the selection fails, so it gets it: {why})")
        });
        say!("  {sink} {gets}{}{}", shown(&select), shown(&why));
    }
}

fn as_json(account: &Account) -> Value {
    let event = &account.event;
    let (keep, rule, job) = match &account.decision {
        Decision::Keep { rule, job } => (true, rule, job.as_ref()),
        Decision::Drop { rule } => (false, rule, None),
    };
    let sinks: serde_json::Map<String, Value> = account
        .sinks
        .iter()
        .map(|(sink, gets, select, why)| {
            (
                sink.clone(),
                json!({ "gets": gets, "select": select, "error": why }),
            )
        })
        .collect();
    let hidden: serde_json::Map<String, Value> = account
        .hidden
        .iter()
        .map(|(rule, count)| (rule.clone(), json!(count)))
        .collect();
    json!({
        "namespace": event.namespace,
        "name": event.name,
        "uid": event.uid,
        "resourceVersion": event.resource_version,
        "kept": keep,
        "rule": rule,
        "job": job,
        "remark": account.remark,
        "hidden": hidden,
        "sinks": sinks,
    })
}
