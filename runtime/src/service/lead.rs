//! Who delivers: with `--leader-elect` the holder of the Lease, for as long as it holds it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::cluster::lease::{self, Delivered, Elector, Place, Told};
use crate::cluster::{Begin, Client, Error, Lost, Resume, Seldom};
use crate::filter::Select;
use crate::journal::{self, Journal, covers};
use crate::sink::Term;
use crate::telemetry::{Board, Role};

use super::keep::{Closed, delivered, pause_after};

/// Requests are broken so long before the deadline, as a busy machine may need a moment for it.
const CUT: Duration = Duration::from_millis(500);
/// How long a new leader waits for its own watch to come as far as the Lease says others have
/// delivered.
const CATCH_UP: Duration = Duration::from_secs(10);
/// A journal may have held events for so long before there was a Lease: it is made soon after a
/// first start.
const BEFORE: Duration = Duration::from_secs(60);
/// Reads what the Lease says is delivered; tries again while the API server can't be reached. None
/// where it may not be read.
pub async fn read(client: &Client, place: &Place) -> Option<Told> {
    let (patience, mut seldom) = (Duration::from_secs(10), Seldom::default());
    loop {
        let (why, after) = match timeout(patience, lease::read(client, place)).await {
            Ok(Ok(told)) => return told,
            Ok(Err(why)) if why.is_fatal() => return None,
            Ok(Err(why)) => (why.to_string(), pause_after(&why)),
            Err(_) => ("no answer".to_owned(), lease::RETRY),
        };
        if let Some(times) = seldom.fails("unread") {
            warn!(
                times,
                "Cannot read the Lease {}/{}: {why}. Trying again.", place.namespace, place.name
            );
        }
        sleep(after).await;
    }
}

/// How far the Lease says that sinks have come with a scope, for those of which it says so.
pub(super) fn known<'a>(
    delivered: &'a Delivered,
    sinks: &'a [String],
    scope: &str,
) -> Vec<(&'a String, &'a Resume)> {
    let reached = |sink: &'a String| {
        Some((sink, delivered.get(sink)?.get(scope)?))
            .filter(|(_, reached)| !reached.resource_version.is_empty())
    };
    sinks.iter().filter_map(reached).collect()
}

/// Where to begin with a scope of which the journal knows nothing: at the lowest resource version
/// up to which all of its events are delivered to the sinks. Where that is unknown of one, since it
/// has stored nothing yet, the list comes first; where they don't compare, there is nothing but the
/// list.
pub(super) fn begin(told: &Told, sinks: &[String], scope: &str) -> Begin {
    let known = known(&told.delivered, sinks, scope);
    let lowest = lowest(known.iter().map(|(_, reached)| *reached));
    // The journal before this one had seen the scope, and what it held for the sink the API server
    // may not have any more.
    let of = |sink: &String| {
        told.delivered
            .get(sink)
            .and_then(|scopes| scopes.get(scope))
    };
    let behind = sinks
        .iter()
        .find(|sink| of(sink).is_some_and(|reached| reached.resource_version.is_empty()));
    let lost = behind.map(|sink| Lost {
        last: Resume { resource_version: String::new(), at: told.made_at.checked_sub(BEFORE).unwrap_or(told.made_at) },
        reason: format!("the journal is new, and the sink {sink} had stored nothing yet of what the one before it held"),
        set_back: false,
    });
    let furthest = known
        .iter()
        .map(|(_, reached)| &*reached.resource_version)
        .reduce(|a, b| if covers(a, b) { a } else { b });
    let reached = furthest.unwrap_or_default().to_owned();
    Begin {
        from: lowest.cloned(),
        reached,
        list_first: known.len() < sinks.len(),
        lost,
        ..Begin::default()
    }
}

/// None where there is none, or where they don't compare.
fn lowest<'a>(mut reached: impl Iterator<Item = &'a Resume>) -> Option<&'a Resume> {
    let first = reached.next()?;
    reached.try_fold(first, |lowest, other| {
        match (
            covers(&other.resource_version, &lowest.resource_version),
            covers(&lowest.resource_version, &other.resource_version),
        ) {
            (true, _) => Some(lowest),
            (false, true) => Some(other),
            (false, false) => None,
        }
    })
}

/// Moves the cursors over what another has delivered.
async fn follow(
    journal: &Journal,
    sinks: &[String],
    there: &Delivered,
) -> Result<(), journal::Error> {
    for sink in sinks {
        let Some(scopes) = there.get(sink) else {
            continue;
        };
        let through: journal::Through = scopes
            .iter()
            .map(|(scope, reached)| (scope.clone(), reached.resource_version.clone()))
            .collect();
        let mut reached = -1;
        loop {
            let position = journal.deliver_through(sink, through.clone()).await?;
            if position == reached {
                break;
            }
            reached = position;
        }
    }
    Ok(())
}

/// What delivers while the Lease is held.
pub trait Sinks {
    /// Their names.
    fn names(&self) -> Vec<String>;

    /// Runs all of them until the stop or the end of the term; nothing of them is on its way
    /// afterwards. `unsure`: another may have sent what the journal has.
    fn run(&mut self, unsure: bool, term: &Term, closed: &Closed) -> impl Future<Output = ()>;
}

/// Delivers while it holds the Lease.
pub struct Lead<S> {
    /// Its part in the election.
    pub elector: Elector,
    /// What is to run while it leads.
    pub sinks: S,
    /// Keys of the scopes that are watched.
    pub scopes: Vec<String>,
    /// Where events wait.
    pub journal: Journal,
    /// Where a sink begins that the journal does not know.
    pub start: journal::Start,
    /// By sink; those without one get every event.
    pub selections: Arc<HashMap<String, Select>>,
    /// Shows who delivers.
    pub board: Arc<Board>,
    /// When the API server last answered about the Lease.
    pub answered: Instant,
    /// Of its silences.
    pub unreachable: Seldom,
}

impl<S: Sinks> Lead<S> {
    /// Stands by and leads in turn, until it is closed.
    ///
    /// # Errors
    /// When the very first answer is one that waiting can't heal, or the journal can't be used.
    pub async fn run(mut self, closed: Closed) -> anyhow::Result<()> {
        let names = self.sinks.names();
        for sink in &names {
            // The cursor has to be there before it can follow. Nothing is in flight before it
            // leads.
            if self
                .journal
                .register(sink, self.start)
                .await?
                .unsure_through
                == 0
            {
                self.journal.settle(sink).await?;
            }
            // Now, and not only when it leads: `audit` asks this replica, too.
            self.journal
                .select(sink, self.selections.get(sink).map_or("", Select::text))
                .await?;
        }
        let mut known = false;
        while let Some(until) = self.stand_by(&names, &mut known, closed.clone()).await? {
            self.lead(&names, until, &closed).await;
        }
        let ours = delivered(&self.journal, &names, &self.scopes).await;
        if let Err(why) = self.elector.release(&ours).await {
            warn!(
                "The Lease could not be given back, so that another will wait until it has expired: {why}."
            );
        }
        Ok(())
    }

    /// Follows the leader until there is none; gives the end of its own term, or none when it is
    /// closed.
    async fn stand_by(
        &mut self,
        names: &[String],
        known: &mut bool,
        mut closed: Closed,
    ) -> anyhow::Result<Option<Instant>> {
        let mut said = String::new();
        loop {
            if *closed.borrow() {
                return Ok(None);
            }
            // What is delivered is not ours to say: it stays as it is.
            let turn = self.elector.turn(&Delivered::new()).await;
            let reached = turn.is_ok();
            let pause = turn.as_ref().map_or_else(pause_after, |()| lease::RETRY);
            match turn {
                Err(why) if why.is_fatal() && !*known => return Err(why.into()),
                Err(why) => self.is_unreachable(&why),
                Ok(()) => {
                    *known = true;
                    self.answered = Instant::now();
                    if let Some((time, times)) = self.unreachable.over() {
                        info!(
                            times,
                            seconds = time.as_secs(),
                            "The Lease can be reached again."
                        );
                    }
                }
            }
            if let Some(until) = self.elector.leads_until().map(silent_from)
                && until > Instant::now()
            {
                return Ok(Some(until));
            }
            if let Some((holder, _)) = self.elector.holder().filter(|_| reached) {
                self.board.becomes(Role::Standby {
                    holder: holder.to_owned(),
                });
                say(&mut said, format!("Standing by: {holder} holds the Lease."));
            }
            if let Err(why) = follow(&self.journal, names, &self.elector.delivered()).await {
                warn!(
                    "Cannot note in the journal what the leader has delivered: {why}. Trying again."
                );
            }
            let _ = timeout(pause, closed.wait_for(|closed| *closed)).await;
        }
    }

    /// Says so, seldom. Who delivers is unknown from when another may have taken the Lease, or left
    /// it.
    fn is_unreachable(&mut self, why: &Error) {
        if self.answered.elapsed() >= lease::DURATION {
            self.board.becomes(Role::Unknown {
                reason: format!("the Lease can't be reached: {why}"),
            });
        }
        if let Some(times) = self.unreachable.fails("unreachable") {
            warn!(times, "The Lease can't be reached: {why}. Trying again.");
        }
    }

    /// One term: all sinks run, and the Lease is renewed until they have ended.
    async fn lead(&mut self, names: &[String], until: Instant, closed: &Closed) {
        let (end, term) = watch::channel(until);
        let term = Term::until(term);
        let there = self.elector.delivered();
        info!(
            took_over = self.elector.took_over(),
            "Leading: this replica delivers."
        );
        self.board.becomes(Role::Leading);
        let Self {
            elector,
            sinks,
            scopes,
            journal,
            ..
        } = self;
        let unsure = elector.took_over();
        let serving = async {
            let mut stop = closed.clone();
            tokio::select! {
                () = catch_up(journal, names, scopes, &there) => {}
                () = term.over() => return,
                _ = stop.wait_for(|closed| *closed) => return,
            }
            sinks.run(unsure, &term, closed).await;
        };
        tokio::select! {
            () = serving => {}
            never = renew(elector, journal, names, scopes, &end, &term) => match never {},
        }
        if !*closed.borrow() {
            self.board.becomes(Role::Starting);
            warn!(
                "No longer leading: the Lease could not be renewed in time, or another has it. Standing by."
            );
        }
    }
}

/// Says something that is not what was said last.
fn say(said: &mut String, text: String) {
    if *said != text {
        info!("{text}");
        *said = text;
    }
}

fn silent_from(deadline: Instant) -> Instant {
    deadline - CUT
}

/// Renews, and ends the term when that fails for too long.
async fn renew(
    elector: &mut Elector,
    journal: &Journal,
    sinks: &[String],
    scopes: &[String],
    end: &watch::Sender<Instant>,
    term: &Term,
) -> Infallible {
    let (mut seldom, mut pause) = (Seldom::default(), lease::RETRY);
    loop {
        sleep(pause).await;
        let ours = delivered(journal, sinks, scopes).await;
        let turn = elector.turn(&ours).await;
        pause = turn.as_ref().map_or_else(pause_after, |()| lease::RETRY);
        match turn {
            Ok(()) => drop(seldom.over()),
            Err(why) => {
                if let Some(times) = seldom.fails("not renewed") {
                    warn!(times, "The Lease was not renewed: {why}.");
                }
            }
        }
        if term.is_over() {
            return std::future::pending().await;
        }
        end.send_replace(elector.leads_until().map_or_else(Instant::now, silent_from));
    }
}

/// Waits, though not for ever, until the own watch has seen what the Lease says others have
/// delivered, and moves the cursors over it: what came only afterwards would be delivered again.
async fn catch_up(journal: &Journal, sinks: &[String], scopes: &[String], there: &Delivered) {
    let late = Instant::now() + CATCH_UP;
    loop {
        let ready = Instant::now() > late || has_seen(journal, sinks, scopes, there).await;
        if let Err(why) = follow(journal, sinks, there).await {
            warn!(
                "Cannot note in the journal what others have delivered: {why}. It may be delivered again."
            );
        }
        if ready {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn has_seen(
    journal: &Journal,
    sinks: &[String],
    scopes: &[String],
    there: &Delivered,
) -> bool {
    for scope in scopes {
        let own = journal.checkpoint(scope).await.ok().flatten();
        let wanted = sinks
            .iter()
            .filter_map(|sink| Some(there.get(sink)?.get(scope)?.resource_version.as_str()));
        if !wanted.filter(|version| !version.is_empty()).all(|version| {
            own.as_ref()
                .is_some_and(|own| covers(&own.resource_version, version))
        }) {
            return false;
        }
    }
    true
}
