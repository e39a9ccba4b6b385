//! When the journal is full, if all goes on as it did. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is looked back at.
const WINDOW: Duration = Duration::from_secs(1_800);
/// Over less, a burst would look like a trend.
const LEAST: Duration = Duration::from_secs(60);

/// A look at the journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub at: Instant,
    /// Bytes in use.
    pub size: u64,
    /// Rows that are there.
    pub rows: u64,
    /// Events that the slowest sink has still to get: what is delivered goes before it is in the
    /// way.
    pub backlog: u64,
}

/// Looks of the last half an hour.
#[derive(Debug, Default)]
pub(super) struct Forecast(VecDeque<Look>);

impl Forecast {
    /// Takes a look in. Gives the time until events that are not delivered alone fill `limit`
    /// bytes; none while they don't get more.
    pub(super) fn add(&mut self, look: Look, limit: u64) -> Option<Duration> {
        self.0
            .retain(|before| look.at.saturating_duration_since(before.at) <= WINDOW);
        self.0.push_back(look);
        let first = self.0.front()?;
        let passed = look.at.saturating_duration_since(first.at);
        if passed < LEAST || look.backlog <= first.backlog || look.rows == 0 {
            return None;
        }
        let row = look.size as f64 / look.rows as f64;
        let growth = (look.backlog - first.backlog) as f64 * row / passed.as_secs_f64();
        let room = (limit as f64 - look.backlog as f64 * row).max(0.0);
        Duration::try_from_secs_f64(room / growth).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1_024;

    fn look(began: Instant, seconds: u64, rows: u64, backlog: u64) -> Look {
        Look {
            at: began + Duration::from_secs(seconds),
            size: rows * KIB,
            rows,
            backlog,
        }
    }

    #[test]
    fn a_backlog_that_grows_fills_the_rest_at_the_same_pace() {
        let (began, mut forecast) = (Instant::now(), Forecast::default());
        assert_eq!(forecast.add(look(began, 0, 1_000, 0), 2_000 * KIB), None);
        // 100 a minute, and room for 1,900 more.
        assert_eq!(
            forecast.add(look(began, 60, 1_100, 100), 2_000 * KIB),
            Some(Duration::from_secs(19 * 60))
        );
    }

    #[test]
    fn what_is_delivered_fills_nothing() {
        let (began, mut forecast) = (Instant::now(), Forecast::default());
        forecast.add(look(began, 0, 1_000, 50), 2_000 * KIB);
        assert_eq!(forecast.add(look(began, 600, 1_990, 50), 2_000 * KIB), None);
        assert_eq!(forecast.add(look(began, 660, 1_990, 10), 2_000 * KIB), None);
    }

    #[test]
    fn a_moment_is_no_trend_and_what_is_long_past_is_forgotten() {
        let (began, mut forecast) = (Instant::now(), Forecast::default());
        forecast.add(look(began, 0, 1_000, 0), 2_000 * KIB);
        assert_eq!(forecast.add(look(began, 5, 1_500, 500), 2_000 * KIB), None);
        let quiet = WINDOW.as_secs() + 10;
        assert_eq!(
            forecast.add(look(began, quiet, 1_500, 500), 2_000 * KIB),
            None
        );
    }

    #[test]
    fn a_full_journal_is_full_now() {
        let (began, mut forecast) = (Instant::now(), Forecast::default());
        forecast.add(look(began, 0, 1_000, 900), 1_000 * KIB);
        assert_eq!(
            forecast.add(look(began, 100, 1_100, 1_100), 1_000 * KIB),
            Some(Duration::ZERO)
        );
    }
}
