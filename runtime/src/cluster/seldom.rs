//! A failure that goes on is said when it begins, then seldom, and when it is over: hours of it are
//! a few lines of the log.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

/// Until it is said again: at first, and at most; twice as long each time.
const AGAIN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3_600));
/// One that comes back so soon was never over.
const QUIET: Duration = Duration::from_secs(60);

/// Failures of one thing.
#[derive(Debug, Default)]
pub struct Seldom(Option<Spell>);

#[derive(Debug)]
struct Spell {
    since: Instant,
    times: u64,
    /// Kinds that were said.
    kinds: BTreeSet<&'static str>,
    next: Instant,
    wait: Duration,
    /// Something was said that has an end.
    told: bool,
    ended: Option<Instant>,
}

impl Seldom {
    /// It failed, in this way. Gives how often it has, when that is to be said now.
    pub fn fails(&mut self, kind: &'static str) -> Option<u64> {
        let now = Instant::now();
        let before = self.0.take().filter(|spell| {
            spell
                .ended
                .is_none_or(|ended| now.duration_since(ended) < QUIET)
        });
        let new = || Spell {
            since: now,
            times: 0,
            kinds: BTreeSet::new(),
            next: now + AGAIN.0,
            wait: AGAIN.0,
            told: false,
            ended: None,
        };
        let spell = self.0.insert(before.unwrap_or_else(new));
        spell.ended = None;
        spell.times += 1;
        let due = now >= spell.next;
        if due {
            spell.wait = (spell.wait * 2).min(AGAIN.1);
            spell.next = now + spell.wait;
        }
        // Both, always: the kind is said by this.
        let say = spell.kinds.insert(kind) | due;
        spell.told |= say;
        say.then_some(spell.times)
    }

    /// It does not fail any more. Gives for how long it has, and how often, when that is to be
    /// said.
    pub fn over(&mut self) -> Option<(Duration, u64)> {
        let spell = self.0.as_mut().filter(|spell| spell.ended.is_none())?;
        spell.ended = Some(Instant::now());
        std::mem::take(&mut spell.told).then(|| (spell.since.elapsed(), spell.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn hours_of_failures_are_a_few_lines() {
        let (mut seldom, mut lines) = (Seldom::default(), Vec::new());
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(6 * 3_600) {
            lines.extend(seldom.fails("down").map(|_| began.elapsed().as_secs() / 60));
            advance(Duration::from_secs(10)).await;
        }
        assert_eq!(lines, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303]);
        assert_eq!(seldom.over(), Some((Duration::from_secs(6 * 3_600), 2_160)));
        assert_eq!(seldom.over(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn another_kind_of_failure_is_said_once() {
        let mut seldom = Seldom::default();
        let said: Vec<_> = ["a", "b", "a", "b"].map(|kind| seldom.fails(kind)).into();
        assert_eq!(said, [Some(1), Some(2), None, None]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_and_goes_is_one_failure() {
        let (mut seldom, mut lines) = (Seldom::default(), 0);
        for _ in 0..50 {
            lines +=
                usize::from(seldom.fails("flaky").is_some()) + usize::from(seldom.over().is_some());
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines, 2);
        advance(QUIET).await;
        assert_eq!(seldom.fails("flaky"), Some(1));
    }
}
