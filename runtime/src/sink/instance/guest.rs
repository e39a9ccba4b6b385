//! An instance of a component: made, opened, called, closed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::Store;

use crate::relay::{Attempt, Item, Outcome};
use crate::sink::component::bindings::v0_1::{self, Words, World};
use crate::sink::http::Gate;
use crate::sink::{Stats, Version};

use super::call::{Broke, within};
use super::host::{Conduct, Host, store};
use super::output::Target;
use super::wear::Wear;

/// An instance that opened.
pub(in crate::sink) struct Instance {
    store: Store<Host>,
    world: World,
    /// When it was opened, with how many bytes of memory, and how many batches it was handed since.
    opened: (Instant, usize),
    batches: u32,
}

/// Makes an instance and opens it.
pub(in crate::sink) async fn fresh(
    version: &Version,
    gate: &Gate,
    stats: &Stats,
) -> Result<Instance, Outcome> {
    let broke = |broke: Broke| broke.counted(stats).into_outcome();
    let mut instance = instantiate(version, gate).await.map_err(broke)?;
    let (limit, conduct) = instance.begin(version.grant.limits.call, Vec::new());
    let opened = instance
        .world
        .kubedl_events_event_sink()
        .call_open(&mut instance.store);
    match within(limit, &conduct, "open", opened).await {
        Ok(Ok(())) => {
            instance.opened = (Instant::now(), instance.memory());
            stats.opened(instance.memory());
            Ok(instance)
        }
        Ok(Err(error)) => Err(v0_1::refusal(error, &|text| {
            version.voice.redactor.words(text)
        })),
        Err(why) => Err(broke(why)),
    }
}

async fn instantiate(version: &Version, gate: &Gate) -> Result<Instance, Broke> {
    let Version {
        blueprint,
        grant,
        voice,
        conditions,
        ..
    } = version;
    let target = if grant.stdout {
        Target::Stdout
    } else {
        Target::Log("stdout")
    };
    let host = Host::new(
        voice,
        grant,
        Some(gate.clone()),
        target,
        conditions.as_ref(),
    );
    let conduct = host.conduct.clone();
    let mut store = store(&blueprint.engine, host);
    let world = within(
        grant.limits.call,
        &conduct,
        "its start",
        blueprint.world.instantiate_async(&mut store),
    )
    .await?;
    Ok(Instance {
        store,
        world,
        opened: (Instant::now(), 0),
        batches: 0,
    })
}

impl Instance {
    /// Bytes of its memory.
    pub(super) fn memory(&self) -> usize {
        self.store.data().memory.used
    }

    /// What it has behind it.
    pub(super) fn wear(&self) -> Wear {
        let (since, fresh) = self.opened;
        Wear {
            age: since.elapsed(),
            batches: self.batches,
            memory: self.memory(),
            fresh,
        }
    }

    /// Sets the clock and the batch for a call.
    fn begin(&mut self, limit: Duration, items: Vec<Arc<Item>>) -> (Duration, Arc<Conduct>) {
        let conduct = Arc::new(Conduct::default());
        let host = self.store.data_mut();
        host.deadline = Instant::now() + limit;
        host.items = items;
        host.conduct = conduct.clone();
        (limit, conduct)
    }

    /// Lets it end its work, within a limit.
    pub(super) async fn close(
        &mut self,
        limit: Duration,
        words: Words<'_>,
    ) -> Result<Outcome, Broke> {
        let (limit, conduct) = self.begin(limit, Vec::new());
        let call = self
            .world
            .kubedl_events_event_sink()
            .call_close(&mut self.store);
        Ok(match within(limit, &conduct, "close", call).await? {
            Ok(()) => Outcome::Stored(Vec::new()),
            Err(error) => v0_1::refusal(error, words),
        })
    }

    /// Hands a batch over.
    pub(super) async fn save(
        &mut self,
        limit: Duration,
        attempt: Attempt,
        items: &[Arc<Item>],
        words: Words<'_>,
    ) -> Result<Outcome, Broke> {
        let (limit, conduct) = self.begin(limit, items.to_vec());
        self.batches = self.batches.saturating_add(1);
        let labels: Vec<_> = items.iter().map(|item| v0_1::labels(&item.event)).collect();
        let events: Vec<_> = items
            .iter()
            .zip(&labels)
            .map(|(item, labels)| v0_1::event(&item.event, labels))
            .collect();
        let call = self.world.kubedl_events_event_sink().call_save_events(
            &mut self.store,
            v0_1::batch(attempt),
            &events,
        );
        let answer = within(limit, &conduct, "save-events", call).await;
        self.store.data_mut().items = Vec::new();
        Ok(v0_1::saved(answer?, items, words))
    }
}
