//! What comes after a sink's cursor, and what is done when the journal can't be read.

use tokio::sync::watch;
use tracing::{error, warn};

use crate::journal::{self, DeadLetter, Origin, Row};

use super::destination::Limits;
use super::gather::{Gathered, gather};
use super::progress::State;
use super::run::{Relay, pause};
use super::work::Work;

impl Relay<'_> {
    /// The next batch; none when there is nothing to send, or the stop came first.
    pub(super) async fn read(
        &mut self,
        limits: Limits,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<(Work, Gathered)> {
        let mut gathered = match self.gather(limits) {
            Ok(gathered) => gathered,
            Err(why) => {
                self.unreadable(why, stop).await;
                return None;
            }
        };
        let Some(through) = gathered.through else {
            // Rows up to the head are gone: given up by a gap.
            let head = *self.journal.head().borrow();
            self.acknowledge(head, Vec::new(), 0, stop).await;
            return None;
        };
        if let Some(why) = gathered.why.take()
            && let Some(times) = self.undecided.fails("undecided")
        {
            warn!(
                sink = self.options.sink,
                times,
                "The selection fails on events, which the sink therefore gets; on the last of them: {why}."
            );
        }
        let mut work = Work::new(
            std::mem::take(&mut gathered.positions),
            through,
            self.unsure_through,
            self.refusals,
        );
        work.dead = std::mem::take(&mut gathered.dead);
        Some((work, gathered))
    }

    /// Rows after the cursor, without those that are at the destination already: by a probe, or by
    /// another replica before this journal began.
    fn gather(&mut self, limits: Limits) -> Result<Gathered, journal::Error> {
        let origins = self.origins()?;
        let gathered = gather(&self.reader, self.position, limits, self.options, &|row| {
            self.is_there(row, &origins)
        })?;
        if gathered.through.is_some() {
            self.has_origins = Some(!origins.is_empty());
        }
        Ok(gathered)
    }

    /// Up to where others had delivered before this journal began.
    pub(super) fn origins(&self) -> Result<Vec<Origin>, journal::Error> {
        if self.has_origins == Some(false) {
            Ok(Vec::new())
        } else {
            self.reader.origins_of(&self.options.sink)
        }
    }

    /// Whether a row's event is at the destination already.
    pub(super) fn is_there(&self, row: &Row, origins: &[Origin]) -> bool {
        self.ahead.contains(&row.position) || origins.iter().any(|origin| origin.covers_row(row))
    }

    async fn unreadable(&mut self, why: journal::Error, stop: &mut watch::Receiver<bool>) {
        let sink = &self.options.sink;
        match why {
            journal::Error::Damaged { position } => {
                error!(
                    sink,
                    position,
                    "A row of the journal is damaged; its event is lost for this sink, and lies in its dead letters as it is."
                );
                let reason =
                    "damaged in the journal: the checksum of the row does not fit".to_owned();
                self.acknowledge(
                    position,
                    vec![DeadLetter {
                        position,
                        reason,
                        attempts: 0,
                        held_back: false,
                    }],
                    0,
                    stop,
                )
                .await;
            }
            why if why.is_damage() => {
                if let Err(why) = self.journal.salvage(&self.reader).await {
                    self.progress.set(State::Blocked {
                        reason: why.to_string(),
                    });
                    if let Some(times) = self.journal_trouble.fails("unhealed") {
                        warn!(sink, times, "The damaged journal can't be healed: {why}.");
                    }
                    pause(self.options.policy.misconfigured_wait, stop).await;
                }
            }
            why => {
                if let Some(times) = self.journal_trouble.fails("unread") {
                    warn!(sink, times, "Cannot read the journal: {why}. Trying again.");
                }
                pause(self.options.policy.first_wait, stop).await;
            }
        }
    }
}
