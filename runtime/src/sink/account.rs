//! What a sink sent where: an account of its requests, without any value of them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Requests of a sink that are kept, the newest.
const MOST: usize = 2_000;
/// How long one is kept.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// One request, as it went out, or was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// When it was asked for.
    pub at: SystemTime,
    /// Which batch the sink was storing, counted since the start of the process; 0: none.
    pub batch: u64,
    /// As `POST`.
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Name or address, without secrets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Where the name was last found to be; none where it was not looked up, as through a proxy.
    pub address: Option<IpAddr>,
    /// Bytes of the body.
    pub sent: u64,
    /// Bytes of the answer's body, as far as it was taken.
    pub received: u64,
    /// The status, or a word of the error.
    pub result: String,
    /// How long it took.
    pub milliseconds: u64,
}

/// The newest requests of a sink.
#[derive(Debug, Default)]
pub(super) struct Account(VecDeque<Exchange>);

impl Account {
    pub(super) fn add(&mut self, exchange: Exchange) {
        let begin = exchange.at.checked_sub(LONGEST);
        while self.0.len() >= MOST
            || self
                .0
                .front()
                .is_some_and(|oldest| begin.is_some_and(|begin| oldest.at < begin))
        {
            self.0.pop_front();
        }
        self.0.push_back(exchange);
    }

    pub(super) fn all(&self) -> Vec<Exchange> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(seconds: u64) -> Exchange {
        Exchange {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            batch: 1,
            method: "POST".to_owned(),
            scheme: "https".to_owned(),
            host: "h".to_owned(),
            port: 443,
            address: None,
            sent: 1,
            received: 1,
            result: "200".to_owned(),
            milliseconds: 1,
        }
    }

    #[test]
    fn the_newest_are_kept_for_a_day() {
        let mut account = Account::default();
        (0..3_000).for_each(|second| account.add(exchange(second)));
        assert_eq!(
            (account.all().len(), account.all().first().cloned()),
            (MOST, Some(exchange(1_000)))
        );
        account.add(exchange(2_000 + 24 * 3_600));
        assert_eq!(account.all().first().cloned(), Some(exchange(2_000)));
    }
}
