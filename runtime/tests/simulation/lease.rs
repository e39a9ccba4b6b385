//! The Lease as the API server keeps it.

use std::collections::{BTreeMap, HashMap};
use std::time::UNIX_EPOCH;

use kubedl_events::cluster::lease::{DELIVERED, SEEN};
use serde_json::{Value, json};

use super::bugs::Bug;
use super::world::World;

#[derive(Clone, Debug)]
pub struct Lease(pub Value);

impl Lease {
    /// For sinks and scopes the resource version up to which everything is delivered.
    pub fn noted(&self) -> HashMap<(String, String), u64> {
        let text = self.0["metadata"]["annotations"][DELIVERED]
            .as_str()
            .unwrap_or("{}");
        let versions: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_str(text).unwrap();
        let of = |(sink, scopes): (String, BTreeMap<String, String>)| {
            scopes.into_iter().filter_map(move |(scope, version)| {
                Some(((sink.clone(), scope), version.parse().ok()?))
            })
        };
        versions.into_iter().flat_map(of).collect()
    }

    fn version(&self) -> u64 {
        self.0["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }
}

impl World {
    /// Writes the Lease; `None`: there is another version of it, or none.
    pub fn write_lease(
        &mut self,
        replica: usize,
        mut written: Value,
        is_new: bool,
    ) -> Option<Value> {
        let there = self
            .lease
            .as_ref()
            .map(|lease| lease.0["metadata"]["resourceVersion"].clone());
        if is_new == there.is_some()
            || there.is_some_and(|there| there != written["metadata"]["resourceVersion"])
        {
            return None;
        }
        let made_at = self
            .lease
            .as_ref()
            .map(|lease| lease.0["metadata"]["creationTimestamp"].clone());
        let now = jiff::Timestamp::try_from(super::beginning() + super::elapsed())
            .unwrap()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        let version = self.lease.as_ref().map_or(1, Lease::version) + 1;
        written["metadata"]["creationTimestamp"] = made_at.unwrap_or_else(|| json!(now));
        written["metadata"]["resourceVersion"] = json!(version.to_string());
        if self.has(Bug::LeaseSaysSeen) {
            self.say_seen(replica, &mut written);
        }
        let holder = written["spec"]["holderIdentity"].clone();
        if self
            .lease
            .as_ref()
            .is_none_or(|lease| lease.0["spec"]["holderIdentity"] != holder)
        {
            self.tell(format!("the Lease is of {holder}"));
        }
        // In its first seconds a service has said nothing of its sinks and scopes.
        let says = written["metadata"]["annotations"][DELIVERED]
            .as_str()
            .and_then(|text| serde_json::from_str::<Value>(text).ok());
        let is_noted = |says: &Value, sink: &String| {
            self.shape
                .scopes
                .iter()
                .all(|scope| says[sink].get(scope.key()).is_some())
        };
        if says.is_some_and(|says| self.shape.sinks.iter().all(|sink| is_noted(&says, sink))) {
            self.notes_due = self.notes_due.saturating_sub(1);
        }
        self.lease = Some(Lease(written.clone()));
        Some(written)
    }

    /// See [`Bug::LeaseSaysSeen`].
    fn say_seen(&mut self, replica: usize, written: &mut Value) {
        let (mut versions, mut times) = (json!({}), json!({}));
        for scope in self.shape.scopes.clone() {
            let Some(seen) = self.read(replica, |_, reader| {
                reader.checkpoint(scope.key()).ok().flatten()
            }) else {
                continue;
            };
            for sink in &self.shape.sinks {
                versions[sink][scope.key()] = json!(seen);
                times[sink][scope.key()] =
                    json!(super::clock().duration_since(UNIX_EPOCH).unwrap().as_secs());
            }
        }
        written["metadata"]["annotations"][DELIVERED] = json!(versions.to_string());
        written["metadata"]["annotations"][SEEN] = json!(times.to_string());
    }
}
