//! The watch of Pods, metadata only.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, ListParams};
use kube::runtime::watcher;
use tokio::time::sleep;
use tracing::{info, warn};

use super::Owners;
use super::identity::Identified;
use super::lock::lock;
use crate::cluster::client::{About, Client, sort};
use crate::cluster::{Error, Scope, Seldom};

/// Between two tries: at first, and at most; twice as long each time.
const WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// What becomes of events meanwhile, and before the first list.
const KEPT: &str = "events of Pods that are not known are kept by the rule owner-unknown";
const WAITING: &str = "events wait, for up to 30 s after the start; then those of Pods that are not known are kept by the rule owner-unknown";
/// Pods a page of the list.
const PAGE: u32 = 500;

impl Owners {
    /// Follows the Pods of one of these scopes, for ever. Ends only where waiting can't heal the
    /// very first answer about any of them.
    pub async fn follow_pods(&self, scope: &Scope, scopes: &[Scope]) -> Result<(), Error> {
        let (mut wait, mut seldom, mut listed) = (WAITS.0, Seldom::default(), false);
        let Some(client) = &self.0.client else {
            return Ok(());
        };
        lock(&self.0.pods).follow(scope);
        loop {
            let error = self
                .follow_once(client, scope, &mut listed, &mut wait, &mut seldom)
                .await;
            lock(&self.0.pods).lose(scope);
            if error.is_fatal() && !listed {
                let mut pods = lock(&self.0.pods);
                pods.refuse(scope);
                if scopes.iter().all(|scope| pods.is_refused(scope)) {
                    return Err(error);
                }
            }
            self.0.changed.send_modify(|times| *times += 1);
            if let Some(times) = seldom.fails("pods") {
                warn!(%scope, times, "Cannot see Pods: {error}. Trying again; until then {}.", if listed { KEPT } else { WAITING });
            }
            sleep(wait.max(error.after())).await;
            wait = (wait * 2).min(WAITS.1);
        }
    }

    /// Lists and watches until something fails that a new beginning may heal.
    async fn follow_once(
        &self,
        client: &Client,
        scope: &Scope,
        listed: &mut bool,
        wait: &mut Duration,
        seldom: &mut Seldom,
    ) -> Error {
        let about = |verb| About {
            verb,
            resource: "pods",
            group: "",
            scope: scope.clone(),
        };
        let pods = ApiResource::erase::<Pod>(&());
        let api: Api<Identified> = match scope {
            Scope::All => Api::all_with(client.kube.clone(), &pods),
            Scope::Namespace(name) => Api::namespaced_with(client.kube.clone(), name, &pods),
        };
        let mut events = watcher(api.clone(), watcher::Config::default().page_size(PAGE)).boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => {
                    // What the list, which comes after this, will have shown at least.
                    let reached = match api.list(&ListParams::default().limit(1)).await {
                        Ok(list) => list.metadata.resource_version.unwrap_or_default(),
                        Err(error) => return sort(error, about("list")),
                    };
                    lock(&self.0.pods).begin(scope, reached);
                }
                Ok(watcher::Event::InitApply(pod)) => lock(&self.0.pods).list(scope, &pod.0),
                Ok(watcher::Event::Apply(pod)) => {
                    let mut pods = lock(&self.0.pods);
                    pods.apply(&pod.0);
                    pods.advance(scope, &pod.0);
                }
                Ok(watcher::Event::Delete(pod)) => {
                    let mut pods = lock(&self.0.pods);
                    pods.delete(&pod.0, Instant::now());
                    pods.advance(scope, &pod.0);
                }
                Ok(watcher::Event::InitDone) => {
                    (*listed, *wait) = (true, WAITS.0);
                    self.say_listed(scope, seldom);
                }
                Err(watcher::Error::InitialListFailed(error)) => return sort(error, about("list")),
                // The library would go on where it was, and not say from when on all is seen again.
                Err(
                    watcher::Error::WatchFailed(error) | watcher::Error::WatchStartFailed(error),
                ) => return sort(error, about("watch")),
                Err(watcher::Error::WatchError(status)) if status.code == 410 => {
                    sleep(WAITS.0).await
                }
                Err(other) => return Error::Protocol(other.to_string()),
            }
            self.0.changed.send_modify(|times| *times += 1);
        }
        Error::Unreachable("the watch of Pods ended".to_owned())
    }

    /// The list is read: notes it, and says it.
    fn say_listed(&self, scope: &Scope, seldom: &mut Seldom) {
        lock(&self.0.pods).end(scope, Instant::now());
        info!(%scope, pods = lock(&self.0.pods).len(), "Pods are listed.");
        if let Some((time, times)) = seldom.over() {
            info!(%scope, times, seconds = time.as_secs(), "Pods are seen again.");
        }
    }
}
