//! Records what a sink does while it delivers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::relay::{Attempt, Destination, Item, Limits, Outcome};
use crate::sink::grant::Grant;
use crate::sink::http::Tap;
use crate::sink::{Blueprint, Conditions, Sink, redacted};

use super::cast::{self, Call, Exchange, Head};
use super::conformance::dummy;
use super::playing;

/// Passes calls on to a sink, and keeps them with the requests that were made for them.
pub(crate) struct Recorder {
    sink: Sink,
    conditions: Conditions,
    exchanges: Exchanges,
    /// Since the beginning.
    pub calls: Vec<Call>,
    now: fn() -> SystemTime,
}

/// What was exchanged since it was last taken. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Exchanges(Arc<Mutex<Vec<Exchange>>>);

impl Exchanges {
    /// Fills it, with answers that have nothing secret of the grant in them.
    pub fn tap(&self, grant: Grant) -> Tap {
        let exchanges = self.clone();
        Arc::new(move |request, answer| {
            exchanges
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Exchange::of(request, answer, &|bytes| {
                    redacted(&grant, bytes)
                }))
        })
    }

    fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recorder {
    /// Of a sink under these conditions, whose network fills `exchanges`.
    pub fn new(
        sink: Sink,
        conditions: Conditions,
        exchanges: Exchanges,
        now: fn() -> SystemTime,
    ) -> Self {
        Self {
            sink,
            conditions,
            exchanges,
            calls: Vec::new(),
            now,
        }
    }

    fn clock(&self) -> u64 {
        let since = (self.now)()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let clock = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.conditions.set_clock(clock);
        clock
    }

    fn keep(&mut self, call: anyhow::Result<Call>, outcome: &Outcome) {
        // An event in the journal is JSON: each can be written again.
        let Ok(mut call) = call else { return };
        call.exchanges = self.exchanges.take();
        call.outcome = cast::told(outcome);
        self.calls.push(call);
    }
}

impl Destination for Recorder {
    fn limits(&self) -> Limits {
        self.sink.limits()
    }

    async fn open(&mut self) -> Outcome {
        let clock = self.clock();
        let outcome = self.sink.open().await;
        self.keep(Call::new(clock, None), &outcome);
        outcome
    }

    async fn save(&mut self, attempt: Attempt, items: &[Arc<Item>]) -> Outcome {
        let clock = self.clock();
        let outcome = self.sink.save(attempt, items).await;
        self.keep(Call::new(clock, Some((attempt, items))), &outcome);
        outcome
    }

    async fn close(&mut self) {
        self.sink.close().await;
    }
}

/// The recording with made-up secrets: the calls are played once more with these, and their
/// requests and outcomes take the place of the real ones.
pub(crate) async fn disguised(
    blueprint: &Blueprint,
    mut head: Head,
    calls: Vec<Call>,
) -> anyhow::Result<(Head, Vec<Call>)> {
    let description = blueprint.description();
    for (name, variable) in head.env.iter_mut().filter(|(_, variable)| variable.secret) {
        let known = description.env.iter().find(|one| one.name == *name);
        let unknown = || crate::sink::EnvVar {
            name: name.clone(),
            help: String::new(),
            required: true,
            secret: true,
        };
        variable.value = dummy::value(&known.cloned().unwrap_or_else(unknown), description);
    }
    // A host may be made of a secret.
    let document = crate::sink::grant::wish::suggest(description, blueprint.digest(), &head.sink);
    if let Ok(document) = crate::sink::grant::Document::parse(&document) {
        let lookup = |name: &str| head.env.get(name).map(|variable| variable.value.clone());
        let grant = document.resolve(&head.sink, None, &lookup);
        head.http = grant
            .map(|grant| grant.http.iter().map(ToString::to_string).collect())
            .unwrap_or_default();
    }
    let grant = playing::grant(&head, std::path::Path::new("the recording"))?;
    let came = playing::play(blueprint, &head, grant, &calls).await?;
    let calls = calls
        .into_iter()
        .zip(came)
        .map(|(call, (exchanges, outcome))| {
            let answers = call.exchanges.into_iter().map(|exchange| exchange.answer);
            let exchanges = exchanges
                .into_iter()
                .zip(answers)
                .map(|(exchange, answer)| Exchange { answer, ..exchange })
                .collect();
            Call {
                exchanges,
                outcome: cast::told(&outcome),
                ..call
            }
        });
    Ok((head, calls.collect()))
}
