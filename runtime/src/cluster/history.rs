//! Whether the API server's storage is still the one that was watched before.

use std::time::{SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::list::{escaped, named, page};
use super::watch::{Eye, lost};
use super::{Error, Lost, Raw, Scope, Witness, Witnesses, is_before};

impl Eye<'_> {
    /// What is lost when the storage has reached only `version`, which is before the place where the watch stands.
    pub(super) fn set_back(&self, version: &str) -> Option<Lost> {
        let last = self.stand.clone().filter(|stand| is_before(version, &stand.resource_version) == Some(true))?;
        let reason =
            format!("the API server's storage was set back from resource version {} to {version}, as by a restored backup", last.resource_version);
        warn!(scope = %self.scope, "{reason}: reading the list again.");
        Some(Lost { last, reason, set_back: true })
    }

    /// A storage that was set back, and has grown beyond where the watch stands since, is known by events that it does not have.
    pub(super) async fn overtaken(&mut self) -> Result<Option<Lost>, Error> {
        let Some(stand) = self.stand.clone() else { return Ok(None) };
        let recent = (self.options.now)().checked_sub(self.options.event_ttl / 2).unwrap_or(UNIX_EPOCH);
        // By a clock that was wrong: no proof of youth.
        let is_young = |seen_at: SystemTime| (recent..=(self.options.now)()).contains(&seen_at);
        let mut gone = Vec::new();
        for witness in self.witnesses.iter() {
            let Witness { namespace, name, resource_version, seen_at } = witness;
            // In the very version in which it was seen: a history that knows it is the same.
            match self.version_of(witness, &format!("&resourceVersion={}&resourceVersionMatch=Exact", escaped(resource_version))).await {
                Ok(found) if found.as_deref() == Some(resource_version) => return Ok(None),
                Ok(_) => gone.push(format!("{namespace}/{name} was never written in version {resource_version}")),
                // The storage has not come so far yet. (kube-apiserver's words for etcd's "required revision is a future revision".)
                Err(Error::Busy { status: 504, message, .. }) if message.contains("Too large resource version") => {
                    gone.push(format!("{namespace}/{name} is of version {resource_version}, which is still to come"));
                }
                // Compacted since: it must still be there, in that version or a newer one.
                Err(Error::Expired) if is_young(*seen_at) => {
                    match self.version_of(witness, "").await?.map(|found| is_before(&found, resource_version)) {
                        Some(Some(true)) => gone.push(format!("{namespace}/{name} is older than it was")),
                        Some(_) => return Ok(None),
                        None => gone.push(format!("{namespace}/{name} is gone before its time")),
                    }
                }
                Err(Error::Expired) => {}
                Err(error) => return Err(error),
            }
        }
        if gone.is_empty() {
            return Ok(None);
        }
        self.witnesses = Witnesses::default();
        let reason = format!("the API server's storage was set back, as by a restored backup: the event {}", gone.join(", "));
        warn!(scope = %self.scope, "{reason}. Reading the list again.");
        Ok(Some(lost(&stand, reason, true)))
    }

    /// The resource version that the API server gives for a witness; none where it has no such event.
    async fn version_of(&self, witness: &Witness, at: &str) -> Result<Option<String>, Error> {
        let scope = Scope::Namespace(witness.namespace.clone());
        let query = format!("limit=1&fieldSelector={}{at}", named(&witness.name));
        let page = page(&self.client, &scope, &query).await?;
        Ok(page.items().first().and_then(|item| Some(Raw::from_object(item.get()).ok()?.1)))
    }
}
