//! Who controls an object: from a metadata-only watch of Pods, and single look-ups for the rest.
//!
//! Nothing of it stops anybody for long: a name that can't be one is not asked for, an answer that
//! will not change is not asked for again, and what can't be found out in time is
//! [`Chain::Unknown`].

mod ask;
mod follow;
mod identity;
mod lock;
mod object;
mod pods;
mod remembered;
mod step;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use ask::Asking;
use lock::lock;
use pods::{Found, Pods};
use remembered::Remembered;
use step::{Step, namesake, step_of};

use super::client::Client;
use super::{Scope, is_before, name};

pub(super) use identity::identity;
pub use object::{Object, Owner, has_controller};

/// How long the watch of Pods may lag behind that of events.
const LAG: Duration = Duration::from_secs(1);
/// Steps of a chain: PodGroup, Pod, ReplicaSet, Deployment, and what controls that.
const STEPS: usize = 5;

/// What is known of the controllers above an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chain {
    /// The object's controller, the controller's controller, ... up to the first whose own is not
    /// asked for. May be empty.
    Owners(Vec<Owner>),
    /// The object no longer exists, or another one has its name now.
    Gone,
    /// These are known, and the last of them no longer exists.
    Cut(Vec<Owner>),
    /// The API server could not be asked in time, or refuses to say.
    Unknown,
}

/// Of an event about an object: what tells whether the watch of Pods must have seen a Pod before
/// it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The event's resource version.
    pub resource_version: &'a str,
    /// Whether it is so young that the watch of Pods may lag behind it.
    pub is_young: bool,
}

/// The owners of objects. Clones share what they know.
#[derive(Clone)]
pub struct Owners(Arc<Inner>);

struct Inner {
    /// None for a recording: what isn't known is gone.
    client: Option<Client>,
    pods: Mutex<Pods>,
    others: Mutex<Remembered>,
    asking: Asking,
    /// Changes with the Pods.
    changed: watch::Sender<u64>,
}

impl Owners {
    /// For a cluster. Nothing is known until [`Owners::follow_pods`] runs; look-ups work from the
    /// start.
    pub fn new(client: Client) -> Self {
        Self::with(Some(client))
    }

    /// For a recording: knows what [`Owners::learn`] is told, and takes the rest as gone.
    pub fn recorded() -> Self {
        Self::with(None)
    }

    fn with(client: Option<Client>) -> Self {
        Self(Arc::new(Inner {
            client,
            pods: Mutex::default(),
            others: Mutex::default(),
            asking: Asking::default(),
            changed: watch::Sender::new(0),
        }))
    }

    /// Takes in the metadata of an object of a recording.
    pub fn learn(&self, kind: &str, meta: &ObjectMeta) {
        if kind == "Pod" {
            return lock(&self.0.pods).apply(meta);
        }
        let (namespace, name) = (
            meta.namespace.clone().unwrap_or_default(),
            meta.name.clone().unwrap_or_default(),
        );
        lock(&self.0.others).learn(
            kind,
            &namespace,
            &name,
            meta.uid.as_deref().unwrap_or_default(),
            step_of(meta),
        );
    }

    /// Waits until the Pods of these scopes have been listed once, or were refused, but not longer
    /// than `patience`.
    pub async fn listed(&self, scopes: &[Scope], patience: Duration) {
        let mut changed = self.0.changed.subscribe();
        let all = async {
            let is_known = |scope| {
                let pods = lock(&self.0.pods);
                pods.is_listed(scope) || pods.is_refused(scope)
            };
            while !scopes.iter().all(is_known) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        if timeout(patience, all).await.is_err() {
            warn!(
                "The list of Pods has not been read in time: until it has, events of Pods are kept by the rule owner-unknown."
            );
        }
    }

    /// What is known without asking anybody; none where that is not enough.
    pub fn known(&self, object: &Object, seen: Seen<'_>) -> Option<Chain> {
        self.walk(object, |object| self.known_step(object, seen))
    }

    /// The controllers above an object, of an event that was seen `since`. Ends at the latest
    /// `until`, then with [`Chain::Unknown`].
    pub async fn chain(
        &self,
        object: &Object,
        seen: Seen<'_>,
        since: Instant,
        until: Instant,
    ) -> Chain {
        let mut owners = Vec::new();
        let mut target = object.clone();
        for _ in 0..STEPS {
            let step = match self.known_step(&target, seen) {
                Some(step) => step,
                None => timeout_at(until, self.find(&target, seen, since))
                    .await
                    .unwrap_or(Step::Unknown),
            };
            match extend(&mut owners, &target, step) {
                Ok(next) => target = next,
                Err(chain) => return chain,
            }
        }
        Chain::Owners(owners)
    }

    fn walk(&self, object: &Object, step: impl Fn(&Object) -> Option<Step>) -> Option<Chain> {
        let mut owners = Vec::new();
        let mut target = object.clone();
        for _ in 0..STEPS {
            match extend(&mut owners, &target, step(&target)?) {
                Ok(next) => target = next,
                Err(chain) => return Some(chain),
            }
        }
        Some(Chain::Owners(owners))
    }

    fn known_step(&self, object: &Object, seen: Seen<'_>) -> Option<Step> {
        if object.known().is_none() {
            return Some(Step::Top);
        }
        if name::subdomain(&object.name).is_err() || name::label(&object.namespace).is_err() {
            // The API server takes any text here, but no object has such a name.
            return Some(Step::Gone);
        }
        if object.kind == "Pod" {
            let found = lock(&self.0.pods).find(object);
            match found {
                Found::Itself(step) => return Some(step),
                Found::Namesake(step) if !object.has_uid() => return Some(step),
                // Another Pod of that name: what controls it tells something only if it is the
                // same.
                Found::Namesake(step) if self.must_be_known(object, seen) => {
                    return Some(namesake(step));
                }
                Found::None if self.must_be_known(object, seen) => return Some(Step::Gone),
                _ => {}
            }
        }
        let remembered = lock(&self.0.others).get(object);
        remembered.or_else(|| self.0.client.is_none().then_some(Step::Gone))
    }

    /// Whether the list of Pods would have the object, if it existed when the event was written.
    fn must_be_known(&self, object: &Object, seen: Seen<'_>) -> bool {
        if self.0.client.is_none() {
            return true;
        }
        let reached = lock(&self.0.pods).reached(&object.namespace);
        !seen.is_young
            && reached
                .is_some_and(|reached| is_before(&reached, seen.resource_version) == Some(false))
    }

    /// Waits for the watch of Pods, where there is one, or asks.
    async fn find(&self, object: &Object, seen: Seen<'_>, since: Instant) -> Step {
        let mut changed = self.0.changed.subscribe();
        while object.kind == "Pod" && lock(&self.0.pods).is_followed(&object.namespace) {
            // Old enough: what the watch has not shown within its lag is not there.
            let seen = Seen {
                is_young: seen.is_young && since.elapsed() < LAG,
                ..seen
            };
            if let Some(step) = self.known_step(object, seen) {
                return step;
            }
            if lock(&self.0.pods).reached(&object.namespace).is_none() {
                // The list is being read. Who waits has a limit of its own.
                let _ = changed.changed().await;
                continue;
            }
            if timeout_at(since + LAG, changed.changed()).await.is_err() {
                return match lock(&self.0.pods).find(object) {
                    Found::Itself(step) => step,
                    Found::Namesake(step) => namesake(step),
                    Found::None => Step::Gone,
                };
            }
        }
        let Some(client) = &self.0.client else {
            return Step::Gone;
        };
        let answered = self.0.asking.is_answered();
        let mut answer = self.0.asking.ask(client, object).await;
        if answer.may_differ && answered {
            answer = self.0.asking.ask_again(client, object).await;
        }
        lock(&self.0.others).remember(object, &answer.step, answer.holds_for);
        answer.step
    }
}

/// Takes one more step; an error is the end of the chain.
fn extend(owners: &mut Vec<Owner>, target: &Object, step: Step) -> Result<Object, Chain> {
    match step {
        Step::Top => Err(Chain::Owners(std::mem::take(owners))),
        Step::Gone if owners.is_empty() => Err(Chain::Gone),
        Step::Gone => Err(Chain::Cut(std::mem::take(owners))),
        Step::Unknown => Err(Chain::Unknown),
        Step::Owner(owner) => {
            owners.push(Owner::clone(&owner));
            Ok(target.owned_by(&owner))
        }
    }
}
