//! What a call has achieved so far, and how the host is told.

use crate::prelude::{String, ToOwned, Vec, vec};
use crate::{Error, Failure, Retry};

/// Counts events by their end; each event of the call ends in exactly one of the ways below.
#[derive(Debug, Default)]
pub struct Tally {
    stored: usize,
    /// One place for each event of the call.
    failures: Vec<Option<Failure>>,
    later: Option<String>,
    mend: Option<String>,
    refused: Option<String>,
    after_ms: Option<u32>,
}

impl Tally {
    /// For a call with so many events.
    pub fn new(events: usize) -> Tally {
        Tally {
            failures: vec![None; events],
            ..Tally::default()
        }
    }

    /// These are stored.
    pub fn stored(&mut self, events: &[usize]) {
        self.stored += events.len();
    }

    /// These may pass later, not before so many milliseconds.
    pub fn later(&mut self, events: &[usize], reason: &str, after_ms: Option<u32>) {
        self.later.get_or_insert_with(|| reason.to_owned());
        self.after_ms = self.after_ms.max(after_ms);
        self.add(events, true, reason);
    }

    /// These wait for a person.
    pub fn mend(&mut self, events: &[usize], reason: &str) {
        self.mend.get_or_insert_with(|| reason.to_owned());
        self.add(events, true, reason);
    }

    /// This one will never pass.
    pub fn refused(&mut self, events: &[usize], reason: &str) {
        self.refused.get_or_insert_with(|| reason.to_owned());
        self.add(events, false, reason);
    }

    /// At least one of these will never pass, and there was no room left to find out which.
    pub fn undecided(&mut self, events: &[usize], reason: &str) {
        self.refused.get_or_insert_with(|| reason.to_owned());
        self.add(events, true, reason);
    }

    /// Something stands in the way of every further request: what it is, as the reason for events
    /// not tried.
    pub fn obstacle(&self) -> Option<&str> {
        self.mend.as_deref().or(self.later.as_deref())
    }

    /// The answer to the host. With something stored the rest is named event by event, so that
    /// nothing is sent twice; with nothing stored it is an error of the call as a whole: a person's
    /// part first, since no retry helps before it.
    pub fn finish(self) -> Result<Vec<Failure>, Error> {
        if self.stored == 0 {
            let Tally {
                later,
                mend,
                refused,
                after_ms,
                ..
            } = self;
            return match (mend, later, refused) {
                (Some(reason), _, _) => Err(Error::Misconfigured(reason)),
                (None, Some(reason), _) => Err(Error::Retry(Retry { reason, after_ms })),
                (None, None, Some(reason)) => Err(Error::Refused(reason)),
                (None, None, None) => Ok(Vec::new()),
            };
        }
        let after_ms = |failure: &Failure| self.after_ms.filter(|_| failure.retryable);
        let failures = self.failures.into_iter().flatten();
        Ok(failures
            .map(|failure| Failure {
                after_ms: after_ms(&failure),
                ..failure
            })
            .collect())
    }

    fn add(&mut self, events: &[usize], retryable: bool, reason: &str) {
        for &event in events {
            if let (Some(place), Ok(index)) = (self.failures.get_mut(event), u32::try_from(event)) {
                *place = Some(Failure {
                    index,
                    retryable,
                    after_ms: None,
                    reason: reason.to_owned(),
                });
            }
        }
    }
}
