//! Who may be connected at a time: the newest always, so that a probe is answered however many hold
//! connections that they don't use. Pure.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Connections at a time: a kubelet and some Prometheus servers need a handful.
const MOST: usize = 64;
/// Of one address.
const MOST_OF_ONE: usize = 8;

/// Open connections by their numbers, which grow.
pub(super) struct Places<T> {
    next: u64,
    open: BTreeMap<u64, (IpAddr, T)>,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self {
            next: 0,
            open: BTreeMap::new(),
        }
    }
}

impl<T> Places<T> {
    /// A number for a connection.
    pub(super) fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes a connection in; gives the one that has to go for it: the oldest of its address where
    /// that has many, else of the address that has most.
    pub(super) fn enter(&mut self, number: u64, peer: IpAddr, connection: T) -> Option<T> {
        let crowded = if self.open.values().filter(|(of, _)| *of == peer).count() >= MOST_OF_ONE {
            Some(peer)
        } else if self.open.len() >= MOST {
            self.most_of()
        } else {
            None
        };
        let oldest = crowded.and_then(|crowded| {
            self.open
                .iter()
                .find(|(_, (of, _))| *of == crowded)
                .map(|(number, _)| *number)
        });
        let gone = oldest
            .and_then(|oldest| self.open.remove(&oldest))
            .map(|(_, connection)| connection);
        self.open.insert(number, (peer, connection));
        gone
    }

    /// A connection has ended.
    pub(super) fn leave(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// The address with most connections; of several, that of the oldest one.
    fn most_of(&self) -> Option<IpAddr> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        self.open
            .values()
            .for_each(|(peer, _)| *counts.entry(*peer).or_default() += 1);
        let most = counts.values().max().copied()?;
        self.open
            .values()
            .map(|(peer, _)| *peer)
            .find(|peer| counts.get(peer) == Some(&most))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    fn enter(places: &mut Places<u64>, peer: u8) -> Option<u64> {
        let number = places.next();
        places.enter(number, IpAddr::from([10, 0, 0, peer]), number)
    }

    #[test]
    fn of_an_address_with_many_connections_the_oldest_goes() {
        let mut places = Places::default();
        assert_eq!(enter(&mut places, 1), None);
        (0..MOST_OF_ONE).for_each(|_| assert_eq!(enter(&mut places, 2), None));
        assert_eq!(enter(&mut places, 2), Some(2));
        assert_eq!(enter(&mut places, 2), Some(3));
        assert_eq!(
            enter(&mut places, 1),
            None,
            "another address loses nothing by it"
        );
        places.leave(4);
        assert_eq!(enter(&mut places, 2), None);
    }

    #[test]
    fn where_all_places_are_taken_the_address_with_most_gives_one() {
        let mut places = Places::default();
        enter(&mut places, 200);
        for peer in 0..u8::try_from(MOST / MOST_OF_ONE).unwrap() {
            (0..MOST_OF_ONE).for_each(|_| {
                enter(&mut places, peer);
            });
        }
        assert_eq!(places.open.len(), MOST);
        assert_eq!(
            enter(&mut places, 201),
            Some(10),
            "the oldest of the first address that is full: one went for the last of these"
        );
        assert!(places.open.contains_key(&1) && places.open.len() == MOST);
    }
}
