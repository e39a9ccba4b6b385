//! Whether the API server's storage is still the one that was watched before.

use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{debug, warn};

use super::list::{escaped, named, page};
use super::watch::{Eye, lost};
use super::{Error, Lost, Raw, Scope, Witness, Witnesses, is_before};

/// What a witness says of the storage.
enum Testimony {
    /// It is the one in which the event was seen.
    Same,
    /// It is another, whatever older events say: those may be from before the backup.
    Other(String),
    /// It is another, or somebody has deleted the event: if an older one of another namespace is
    /// still there, nothing tells which.
    Gone(String),
    /// It was seen too long ago.
    Nothing,
}

impl Eye<'_> {
    /// What is lost when the storage has reached only `version`, which is before what it had
    /// reached, or before the place where the watch stands.
    pub(super) fn set_back(&mut self, version: &str) -> Option<Lost> {
        let last = self.stand.clone()?;
        let reached = [&self.target, &last.resource_version]
            .into_iter()
            .find(|reached| is_before(version, reached) == Some(true))?;
        let reason = format!(
            "the API server's storage was set back from resource version {reached} to {version}, as by a restored backup"
        );
        warn!(scope = %self.scope, "{reason}: reading the list again.");
        self.witnesses = Witnesses::default();
        self.target.clear();
        Some(Lost {
            last,
            reason,
            set_back: true,
        })
    }

    /// A storage that was set back, and has grown beyond where the watch stands since, is known by
    /// events that it does not have.
    pub(super) async fn overtaken(&mut self) -> Result<Option<Lost>, Error> {
        let Some(stand) = self.stand.clone() else {
            return Ok(None);
        };
        let recent = (self.options.now)()
            .checked_sub(self.options.event_ttl / 2)
            .unwrap_or(UNIX_EPOCH);
        // By a clock that was wrong: no proof of youth.
        let is_young = |seen_at: SystemTime| (recent..=(self.options.now)()).contains(&seen_at);
        let (mut gone, mut others_are_there) = (Vec::new(), false);
        for witness in self.witnesses.iter() {
            match self.testimony(witness, is_young(witness.seen_at)).await? {
                Testimony::Same => {
                    others_are_there = !gone.is_empty();
                    break;
                }
                Testimony::Other(what) => {
                    gone = vec![what];
                    break;
                }
                Testimony::Gone(what) => gone.push(what),
                Testimony::Nothing => {}
            }
        }
        if gone.is_empty() {
            return Ok(None);
        }
        self.witnesses = Witnesses::default();
        // Nothing tells a set-back from a deletion by hand then: as nothing may be lost silently,
        // it is taken for the former.
        let what = if others_are_there {
            "events were deleted before their time, or the API server's storage was set back"
        } else {
            "the API server's storage was set back, as by a restored backup"
        };
        let reason = format!("{what}: the event {}", gone.join(", "));
        warn!(scope = %self.scope, "{reason}. Reading the list again.");
        Ok(Some(lost(&stand, reason, true)))
    }

    async fn testimony(&self, witness: &Witness, is_young: bool) -> Result<Testimony, Error> {
        let Witness {
            namespace,
            name,
            resource_version,
            ..
        } = witness;
        let exact = format!(
            "&resourceVersion={}&resourceVersionMatch=Exact",
            escaped(resource_version)
        );
        // In the very version in which it was seen: a history that knows it is the same.
        match self.look_for(witness, &exact).await {
            Ok(Found::In(version)) if version == *resource_version => Ok(Testimony::Same),
            Ok(Found::In(_) | Found::Nowhere) => Ok(Testimony::Other(format!(
                "{namespace}/{name} was never written in version {resource_version}"
            ))),
            // The storage has not come so far yet. (kube-apiserver's words for etcd's "required
            // revision is a future revision".)
            Err(Error::Busy {
                status: 504,
                message,
                ..
            }) if message.contains("Too large resource version") => Ok(Testimony::Other(format!(
                "{namespace}/{name} is of version {resource_version}, which is still to come"
            ))),
            // Compacted since: it must still be there, in that version or a newer one.
            Err(Error::Expired) if is_young => Ok(match self.look_for(witness, "").await? {
                Found::In(version) if is_before(&version, resource_version) == Some(true) => {
                    Testimony::Other(format!("{namespace}/{name} is older than it was"))
                }
                Found::In(_) => Testimony::Same,
                Found::Nowhere => {
                    Testimony::Gone(format!("{namespace}/{name} is gone before its time"))
                }
                Found::Unasked => Testimony::Nothing,
            }),
            Ok(Found::Unasked) | Err(Error::Expired) => Ok(Testimony::Nothing),
            // One that can't be asked about single events says nothing of them.
            Err(
                why @ (Error::Busy {
                    status: 404 | 405, ..
                }
                | Error::Forbidden { .. }),
            ) => {
                debug!(scope = %self.scope, "The API server can't be asked for the event {namespace}/{name}: {why}.");
                Ok(Testimony::Nothing)
            }
            Err(error) => Err(error),
        }
    }

    async fn look_for(&self, witness: &Witness, at: &str) -> Result<Found, Error> {
        let scope = Scope::Namespace(witness.namespace.clone());
        let query = format!("limit=1&fieldSelector={}{at}", named(&witness.name));
        let page = page(&self.client, &scope, &query).await?;
        let mut found = page
            .items()
            .iter()
            .filter_map(|item| Witness::of(&Raw::from_object(item.get()).ok()?.0, UNIX_EPOCH));
        Ok(
            match found.find(|found| {
                (&found.namespace, &found.name) == (&witness.namespace, &witness.name)
            }) {
                Some(found) => Found::In(found.resource_version),
                None if page.items().is_empty() => Found::Nowhere,
                None => Found::Unasked,
            },
        )
    }
}

/// What became of a witness.
enum Found {
    /// It is there, in this version.
    In(String),
    /// It is not there.
    Nowhere,
    /// The answer is about other events: the API server, or what is before it, does not heed the
    /// selector.
    Unasked,
}
