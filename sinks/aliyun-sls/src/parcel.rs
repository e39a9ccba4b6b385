//! Which events go together in one request.
//!
//! A request holds one group, a group has one source: events of another component or host need
//! another request.

use crate::Event;
use crate::kubedl;
use crate::log_group::{Logs, trailer_size};
use crate::prelude::{String, Vec, vec};

/// The largest group before compression, in bytes. Pages of SLS say 3 MB (older) or 10 MB (newer).
pub const LARGEST_GROUP: usize = 3_000_000;

/// The most logs in a group, by the older pages of SLS and aliyun-log-go-sdk producer_config.go.
pub const MOST_LOGS: usize = 4096;

/// Events of one source that go in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// `component/host`.
    pub source: String,
    /// Places in the list of the call, ascending; never empty.
    pub events: Vec<usize>,
}

impl Parcel {
    /// Two parcels of half the events each; none when there is but one event.
    pub fn halves(&self) -> Option<[Parcel; 2]> {
        let (left, right) = self.events.split_at(self.events.len() / 2);
        let half = |events: &[usize]| Parcel {
            source: self.source.clone(),
            events: events.to_vec(),
        };
        (!left.is_empty()).then(|| [half(left), half(right)])
    }
}

/// Parcels for all events, sources in the order of their first event, each within the limits. An
/// event that alone is over [`LARGEST_GROUP`] gets a parcel of its own.
pub fn parcels(events: &[Event], logs: &Logs) -> Vec<Parcel> {
    // Sources, sorted, each with the place of its group: a map would be a tenth of the component's
    // size.
    let mut known: Vec<((&str, &str), usize)> = Vec::new();
    let mut groups: Vec<Parcel> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let source = (event.component.as_str(), event.host.as_str());
        let found = known.binary_search_by_key(&source, |(source, _)| *source);
        let group = found
            .ok()
            .and_then(|at| known.get(at))
            .and_then(|(_, place)| groups.get_mut(*place));
        if let Some(group) = group {
            group.events.push(index);
        } else {
            known.insert(found.unwrap_or_else(|at| at), (source, groups.len()));
            groups.push(Parcel {
                source: kubedl::source(source.0, source.1),
                events: vec![index],
            });
        }
    }
    groups
        .into_iter()
        .flat_map(|group| within_limits(group, logs))
        .collect()
}

fn within_limits(group: Parcel, logs: &Logs) -> Vec<Parcel> {
    let Parcel { source, events } = group;
    let empty_size = trailer_size(&source);
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut size = usize::MAX;
    for index in events {
        let log_size = logs.get(index).len();
        match parts.last_mut() {
            Some(part) if part.len() < MOST_LOGS && size + log_size <= LARGEST_GROUP => {
                part.push(index);
                size += log_size;
            }
            _ => {
                parts.push(vec![index]);
                size = empty_size + log_size;
            }
        }
    }
    parts
        .into_iter()
        .map(|events| Parcel {
            source: source.clone(),
            events,
        })
        .collect()
}
