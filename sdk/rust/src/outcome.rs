//! How a sink says what was not stored.

use std::time::Duration;

use crate::{Error, Failure, Retry};

impl Error {
    /// Nothing is known to be stored; the same events may pass later.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry(Retry {
            reason: reason.into(),
            after_ms: None,
        })
    }

    /// As [`Error::retry`], not earlier than so long from now.
    pub fn retry_after(reason: impl Into<String>, after: Duration) -> Self {
        Self::Retry(Retry {
            reason: reason.into(),
            after_ms: Some(milliseconds(after)),
        })
    }

    /// Nothing was stored, and never will be as a whole: the host looks for the event to blame.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(reason.into())
    }

    /// A person must mend settings, credentials or the destination; the events wait.
    pub fn misconfigured(reason: impl Into<String>) -> Self {
        Self::Misconfigured(reason.into())
    }

    /// Its words for the operator.
    pub fn reason(&self) -> &str {
        match self {
            Self::Retry(retry) => &retry.reason,
            Self::Refused(reason) | Self::Misconfigured(reason) => reason,
        }
    }
}

impl Failure {
    /// The event at this place of the list may pass later.
    pub fn retry(index: usize, reason: impl Into<String>) -> Self {
        Self {
            index: place(index),
            retryable: true,
            after_ms: None,
            reason: reason.into(),
        }
    }

    /// The event at this place never will: the host keeps it among the sink's dead letters.
    pub fn refused(index: usize, reason: impl Into<String>) -> Self {
        Self {
            retryable: false,
            ..Self::retry(index, reason)
        }
    }

    /// For a retry: not earlier than so long from now.
    #[must_use]
    pub fn after(self, after: Duration) -> Self {
        Self {
            after_ms: Some(milliseconds(after)),
            ..self
        }
    }
}

/// What `save` returns where each event had an outcome of its own, given in the order of the
/// events: those that were not stored.
///
/// # Errors
/// Where no event was stored: what a person must mend, if that is among the outcomes, or the retry
/// that all of them ask for.
pub fn failures(
    outcomes: impl IntoIterator<Item = Result<(), Error>>,
) -> Result<Vec<Failure>, Error> {
    let (mut stored, mut failed) = (false, Vec::new());
    for (index, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(()) => stored = true,
            Err(error) => failed.push((index, error)),
        }
    }
    if !stored {
        if let Some(place) = failed
            .iter()
            .position(|(_, error)| matches!(error, Error::Misconfigured(_)))
        {
            return Err(failed.swap_remove(place).1);
        }
        if let Some(retry) = common_retry(&failed) {
            return Err(Error::Retry(retry));
        }
    }
    Ok(failed
        .into_iter()
        .map(|(index, error)| failure(index, error))
        .collect())
}

/// The first retry's reason with the longest wait, if all are retries and there is one.
fn common_retry(failed: &[(usize, Error)]) -> Option<Retry> {
    let retries = failed.iter().map(|(_, error)| {
        if let Error::Retry(retry) = error {
            Some(retry)
        } else {
            None
        }
    });
    let retries: Vec<&Retry> = retries.collect::<Option<_>>()?;
    let after_ms = retries.iter().filter_map(|retry| retry.after_ms).max();
    retries.first().map(|first| Retry {
        reason: first.reason.clone(),
        after_ms,
    })
}

fn failure(index: usize, error: Error) -> Failure {
    match error {
        Error::Retry(Retry { reason, after_ms }) => Failure {
            after_ms,
            ..Failure::retry(index, reason)
        },
        Error::Refused(reason) => Failure::refused(index, reason),
        Error::Misconfigured(reason) => Failure::retry(index, reason),
    }
}

/// The contract counts events and milliseconds with 32 bits: 49 days are long enough to wait.
pub(crate) fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_were_stored_are_not_named() {
        let outcomes = [
            Ok(()),
            Err(Error::refused("bad")),
            Ok(()),
            Err(Error::retry_after("busy", Duration::from_secs(7))),
        ];
        let expected = vec![
            Failure::refused(1, "bad"),
            Failure::retry(3, "busy").after(Duration::from_secs(7)),
        ];
        assert_eq!(failures(outcomes), Ok(expected));
        assert_eq!(failures([Ok(()), Ok(())]), Ok(vec![]));
        assert_eq!(failures([]), Ok(vec![]));
    }

    #[test]
    fn a_retry_of_all_is_one_retry_with_the_longest_wait() {
        let after = |seconds| Error::retry_after("busy", Duration::from_secs(seconds));
        assert_eq!(
            failures([Err(Error::retry("first")), Err(after(2)), Err(after(1))]),
            Err(Error::retry_after("first", Duration::from_secs(2)))
        );
    }

    #[test]
    fn what_a_person_must_mend_goes_before_a_retry() {
        assert_eq!(
            failures([Err(Error::retry("busy")), Err(Error::misconfigured("key"))]),
            Err(Error::misconfigured("key"))
        );
        assert_eq!(
            failures([Ok(()), Err(Error::misconfigured("key"))]),
            Ok(vec![Failure::retry(1, "key")])
        );
    }

    #[test]
    fn events_refused_one_by_one_are_named_one_by_one() {
        let outcomes = [Err(Error::refused("bad")), Err(Error::retry("busy"))];
        assert_eq!(
            failures(outcomes),
            Ok(vec![Failure::refused(0, "bad"), Failure::retry(1, "busy")])
        );
    }

    #[test]
    fn a_wait_of_more_than_32_bits_is_the_longest_there_is() {
        let Error::Retry(retry) = Error::retry_after("", Duration::MAX) else {
            panic!("not a retry")
        };
        assert_eq!(retry.after_ms, Some(u32::MAX));
    }
}
