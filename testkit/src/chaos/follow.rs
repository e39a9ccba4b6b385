//! Looks on at one destination: what has arrived, what is still to come.

use std::collections::HashMap;

use crate::sls::Server;

use super::put::number_of;
use super::record::{Arrival, Put};

/// Everything seen so far.
#[derive(Debug, Default)]
pub(super) struct Follow {
    pub arrivals: Vec<Arrival>,
    /// How often each number arrived.
    times: HashMap<u64, u32>,
    /// Put and not arrived, with the time at which the put was settled.
    open: HashMap<u64, u64>,
    /// The youngest put that has arrived, by the time at which it was sent.
    pub reached_ns: u64,
}

impl Follow {
    /// Takes in what is new: of all puts those from the place `new` on.
    pub fn look(&mut self, puts: &[Put], new: usize, sls: &Server) {
        for put in puts.iter().skip(new) {
            if self.times.contains_key(&put.number) {
                self.reached_ns = self.reached_ns.max(put.sent_ns);
            } else if put.identity.is_some() {
                self.open.insert(put.number, put.settled_ns);
            }
        }
        let mut newest = None;
        for log in sls.stored_from(self.arrivals.len()) {
            let field = |key| log.get(key).unwrap_or_default().to_owned();
            let number = number_of(&field("Message"));
            self.arrivals.push(Arrival {
                number,
                identity: (field("EventUID"), field("ResourceVersion")),
                at_ns: log.arrived_ns,
            });
            let Some(number) = number else { continue };
            *self.times.entry(number).or_default() += 1;
            if self.open.remove(&number).is_some() {
                newest = newest.max(Some(number));
            }
        }
        if let Some(newest) = newest {
            // Numbers are given in the order of sending.
            let sent = puts
                .iter()
                .rev()
                .find(|put| put.number == newest)
                .map_or(0, |put| put.sent_ns);
            self.reached_ns = self.reached_ns.max(sent);
        }
    }

    /// Versions that were put before a time and have not arrived.
    pub fn open_before(&self, at_ns: u64) -> usize {
        self.open
            .values()
            .filter(|settled| **settled <= at_ns)
            .count()
    }

    /// No longer waits for versions that were put before a time; whether they are missing is for
    /// the account.
    pub fn give_up_before(&mut self, at_ns: u64) {
        self.open.retain(|_, settled| *settled > at_ns);
    }

    /// How many arrivals there were since a time.
    pub fn since(&self, at_ns: u64) -> usize {
        self.arrivals
            .iter()
            .rev()
            .take_while(|arrival| arrival.at_ns >= at_ns)
            .count()
    }

    /// Copies that have arrived beyond the first of each version.
    pub fn doubled(&self) -> usize {
        self.times
            .values()
            .map(|times| times.saturating_sub(1) as usize)
            .sum()
    }

    /// Versions that have arrived.
    pub fn arrived(&self) -> usize {
        self.times.len()
    }
}
