//! The sink that is tried, with everything around it played.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::relay::{Attempt, Cause, Destination as _, Item, Outcome};
use crate::sink::http::{Answer, Network, Play};
use crate::sink::{Description, Ear, Sink, Target, Term, Version};

use super::destination::{Destination, Seen};
use super::events;
use super::traffic;

/// Lines of a sink's log that are shown when it crashes, and characters of each.
const LAST: usize = 10;
const LONGEST_LINE: usize = 300;
/// Begins what is said of a crash.
pub(super) const CRASH: &str = "the sink crashed: ";

/// A sink's words, as they would be in a log: what is secret in them is replaced by `(secret
/// NAME)`.
#[derive(Debug, Default)]
pub(super) struct Words(Mutex<Spoken>);

#[derive(Debug, Default)]
struct Spoken {
    /// Marks of events on a stdout that is the process's own: what such a sink stores.
    printed: BTreeSet<u64>,
    /// Words in which a secret was found.
    leaks: Vec<String>,
    /// The last lines that it printed since the last call began.
    last: VecDeque<String>,
}

impl Words {
    /// Looks for secrets in something that the sink said.
    pub fn hear(&self, place: &str, words: &str) {
        if words.contains("(secret ") {
            let beginning: String = words.chars().take(200).collect();
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .leaks
                .push(format!("in {place}: {beginning}"));
        }
    }

    /// All words in which a secret was found.
    pub fn leaks(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .leaks
            .clone()
    }

    /// Keeps a line of its log, for the case that the call ends with a trap.
    fn keep(&self, line: &str) {
        let last = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).last;
        if last.len() == LAST {
            last.pop_front();
        }
        last.push_back(line.chars().take(LONGEST_LINE).collect());
    }

    fn take_last(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).last).into()
    }

    fn print(&self, line: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .printed
            .append(&mut traffic::marks(line.as_bytes()));
    }

    fn take_printed(&self) -> BTreeSet<u64> {
        std::mem::take(
            &mut self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .printed,
        )
    }
}

/// What the checks try.
pub(crate) struct Subject {
    version: Version,
    /// Where its requests arrive.
    pub(super) destination: Arc<Destination>,
    /// What it says.
    pub(super) words: Arc<Words>,
    /// How the destination says that it took what was sent.
    pub(super) success: Answer,
}

fn ear(words: &Arc<Words>) -> Ear {
    let words = words.clone();
    Arc::new(move |target, line| match target {
        Target::Log(stream) => {
            words.hear(stream, line);
            words.keep(line);
        }
        Target::Stdout => {
            words.hear("what it stores", line);
            words.print(line);
        }
    })
}

/// What a batch came to.
pub(super) struct Saved {
    /// The sink's answer.
    pub outcome: Outcome,
    /// What it did for it.
    pub seen: Seen,
    /// Events that arrived at the destination: in requests that were taken, or on stdout.
    pub arrived: BTreeSet<u64>,
}

impl Saved {
    /// The events of a batch that the sink says are stored.
    pub fn acknowledged(&self, batch: &[Arc<Item>]) -> BTreeSet<u64> {
        let Outcome::Stored(failures) = &self.outcome else {
            return BTreeSet::new();
        };
        let failed = |place: usize| failures.iter().any(|failure| failure.index == place);
        batch
            .iter()
            .enumerate()
            .filter(|(place, _)| !failed(*place))
            .filter_map(|(_, item)| u64::try_from(item.position).ok())
            .collect()
    }

    /// Events that the sink says are stored, and that did not arrive.
    pub fn lost(&self, batch: &[Arc<Item>]) -> BTreeSet<u64> {
        self.acknowledged(batch)
            .difference(&self.arrived)
            .copied()
            .collect()
    }
}

impl Subject {
    /// Of a version whose words go nowhere else.
    pub fn new(version: Version, success: Answer) -> Self {
        let words = Arc::<Words>::default();
        Self {
            version: version.heard_by(ear(&words)),
            destination: Arc::default(),
            words,
            success,
        }
    }

    /// Listens to another version as to this one.
    pub fn ear(&self) -> Ear {
        ear(&self.words)
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        self.version.blueprint().description()
    }

    /// Of the component.
    pub fn digest(&self) -> crate::sink::Digest {
        self.version.digest()
    }

    /// Secrets that it was given.
    pub fn secrets(&self) -> usize {
        self.version
            .grant()
            .env
            .iter()
            .filter(|variable| variable.secret)
            .count()
    }

    /// Bytes of memory that its grant allows an instance.
    pub fn memory(&self) -> usize {
        self.version.grant().limits.memory
    }

    /// A sink that has not been opened, on connections of its own, with a destination that takes
    /// everything.
    pub fn sink(&self) -> Sink {
        self.takes_all();
        let mut sink = Sink::of(self.version.clone());
        sink.begin(
            Term::endless(),
            &Network::scripted(self.destination.clone()),
        );
        drop((
            self.destination.take(),
            self.words.take_printed(),
            self.words.take_last(),
        ));
        sink
    }

    /// Has the destination take everything from now on.
    pub fn takes_all(&self) {
        self.destination.plays([Play::Answer(self.success.clone())]);
    }

    /// One that is open.
    ///
    /// # Errors
    /// With the sink's answer, in words.
    pub async fn opened(&self) -> Result<Sink, String> {
        let mut sink = self.sink();
        match sink.open().await {
            Outcome::Stored(_) => {
                drop(self.destination.take());
                Ok(sink)
            }
            outcome => Err(format!("it could not be opened: {}", self.told(&outcome))),
        }
    }

    /// Hands over a batch without a look at what was sent for it, which would take longer than the
    /// sink itself.
    pub async fn hand_over(&self, sink: &mut Sink, batch: &[Arc<Item>]) -> Outcome {
        let outcome = sink.save(Attempt::default(), batch).await;
        drop((self.destination.take(), self.words.take_printed()));
        outcome
    }

    /// Hands over a batch for the first time.
    pub(super) async fn save(&self, sink: &mut Sink, batch: &[Arc<Item>]) -> Saved {
        self.save_again(sink, Attempt::default(), batch).await
    }

    /// Hands over a batch.
    pub(super) async fn save_again(
        &self,
        sink: &mut Sink,
        attempt: Attempt,
        batch: &[Arc<Item>],
    ) -> Saved {
        drop(self.words.take_last());
        let outcome = sink.save(attempt, batch).await;
        self.words.hear("its answer", &tell(&outcome));
        let seen = self.destination.take();
        let mut arrived = seen.taken();
        arrived.append(&mut self.words.take_printed());
        Saved {
            outcome,
            seen,
            arrived,
        }
    }

    /// An outcome in words, in which secrets are looked for.
    pub fn told(&self, outcome: &Outcome) -> String {
        let text = tell(outcome);
        self.words.hear("its answer", &text);
        match outcome {
            Outcome::Broken {
                cause: Cause::Sink, ..
            } => {
                let own: String = self
                    .words
                    .take_last()
                    .iter()
                    .map(|line| format!("\n                  | {line}"))
                    .collect();
                let own = if own.is_empty() {
                    ", and said nothing".to_owned()
                } else {
                    format!(", and said last{own}")
                };
                // Where in the code is for those who have its names, which a small component has
                // not.
                let short = text
                    .split(": error while executing")
                    .next()
                    .unwrap_or(&text);
                format!("{CRASH}{}{own}", short.trim_start_matches("it broke off: "))
            }
            _ => text,
        }
    }
}

/// An outcome in words.
pub(super) fn tell(outcome: &Outcome) -> String {
    let after = |after: &Option<std::time::Duration>| {
        after.map_or_else(String::new, |after| {
            format!(" after {} ms", after.as_millis())
        })
    };
    match outcome {
        Outcome::Stored(failures) if failures.is_empty() => "stored".to_owned(),
        Outcome::Stored(failures) => {
            let first = failures.first().map_or_else(String::new, |failure| {
                format!(
                    "event {}{}: {}",
                    failure.index,
                    if failure.retryable {
                        ", to be tried again"
                    } else {
                        ""
                    },
                    failure.reason
                )
            });
            format!("stored but {} ({first})", failures.len())
        }
        Outcome::Retry {
            reason,
            after: wait,
        } => format!("retry{}: {reason}", after(wait)),
        Outcome::Refused { reason } => format!("refused: {reason}"),
        Outcome::Misconfigured { reason } => format!("misconfigured: {reason}"),
        Outcome::Broken { reason, .. } => format!("it broke off: {reason}"),
    }
}

/// Marks of events, as a person would look for them.
pub(super) fn marks(numbers: &BTreeSet<u64>) -> String {
    let first: Vec<String> = numbers
        .iter()
        .take(3)
        .map(|number| events::mark(*number))
        .collect();
    let more = numbers.len().saturating_sub(first.len());
    if more == 0 {
        first.join(", ")
    } else {
        format!("{} and {more} more", first.join(", "))
    }
}

/// Findings in a row; those that say the same of several things stand but once.
pub(super) fn each_once(found: Vec<String>) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut same = 0;
    for one in found {
        let what = |text: &str| text.split_once(CRASH).map(|(_, crash)| crash.to_owned());
        match what(&one) {
            Some(crash)
                if told
                    .iter()
                    .any(|before| what(before).is_some_and(|before| before == crash)) =>
            {
                same += 1
            }
            _ => told.push(one),
        }
    }
    let more = if same == 0 {
        String::new()
    } else {
        format!("; and {same} times more the same")
    };
    told.join("; ") + &more
}
