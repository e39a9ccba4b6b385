//! Storing the events of one call.
//!
//! Parcels go out in waves, side by side: SLS keeps no order across sources. Until SLS has taken
//! something a wave is one request, so that a wrong key, a wrong clock or a full quota costs one
//! request and not one for each node of the cluster. A group refused for its content is halved
//! until the bad event is found: it costs itself, not its group.

use crate::answer::{Verdict, judge};
use crate::kubedl::{Record, Window};
use crate::log_group::Logs;
use crate::parcel::{Parcel, parcels};
use crate::prelude::{ToOwned, Vec, format, vec};
use crate::request::put_logs;
use crate::tally::Tally;
use crate::{Error, Event, Failure, HttpError, Request, Response, Settings, Timestamp};

/// Requests of a call beyond one for each parcel, for halving and for a corrected clock. Finding
/// one bad event among 4096 takes 24; what is left when they are spent is tried again in the next
/// call, smaller by what this one has found.
const FURTHER_REQUESTS: usize = 64;

/// Requests side by side once a group had to be halved: few, so that those of a call reach single
/// events.
const HALVING_WIDTH: usize = 4;

/// Sends HTTP requests: the host's `http` for the component, anything else for tests and
/// benchmarks.
pub trait Transport {
    /// Sends one request and waits for its answer.
    fn send(&mut self, request: &Request) -> Result<Response, HttpError>;

    /// Answers in the order of the requests. As given: one after another, and none after a connect
    /// error, 429 or 503.
    fn send_all(&mut self, requests: &[Request]) -> Vec<Result<Response, HttpError>> {
        let mut stopped = false;
        let mut send = |request| {
            if stopped {
                return Err(HttpError::NotSent(
                    "another request of the call failed".to_owned(),
                ));
            }
            let answer = self.send(request);
            stopped = matches!(
                &answer,
                Err(HttpError::Connect(_))
                    | Ok(Response {
                        status: 429 | 503,
                        ..
                    })
            );
            answer
        };
        requests.iter().map(&mut send).collect()
    }
}

impl<F: FnMut(&Request) -> Result<Response, HttpError>> Transport for F {
    fn send(&mut self, request: &Request) -> Result<Response, HttpError> {
        self(request)
    }
}

/// An open sink. Keeps nothing of any event between calls.
#[derive(Debug)]
pub struct Sink {
    settings: Settings,
    /// Seconds to add to the local clock to get that of SLS; learned from an answer.
    clock_offset: i64,
    /// SLS took something, and has not failed since.
    proven: bool,
}

/// What stays the same during one call.
struct Call<'a> {
    events: &'a [Event],
    clock: &'a dyn Fn() -> Timestamp,
    transport: &'a mut dyn Transport,
}

/// What a wave leaves to be sent once more.
#[derive(Default)]
struct Again {
    /// Of parcels that were refused for their content.
    halves: Vec<Parcel>,
    /// Refused for their time; it is known better now.
    late: Vec<Parcel>,
}

/// What one wave works with: the time by SLS's clock, and all events encoded for it.
struct Encoded {
    now: i64,
    logs: Logs,
}

impl Sink {
    /// A sink that has sent nothing yet.
    pub fn new(settings: Settings) -> Sink {
        Sink {
            settings,
            clock_offset: 0,
            proven: false,
        }
    }

    /// Stores `events`; ok names those that were not stored. `clock` is the local time.
    pub fn save(
        &mut self,
        events: &[Event],
        clock: &dyn Fn() -> Timestamp,
        transport: &mut dyn Transport,
    ) -> Result<Vec<Failure>, Error> {
        let mut call = Call {
            events,
            clock,
            transport,
        };
        let mut encoded = self.encode(&call);
        let mut queue = parcels(events, &encoded.logs);
        let mut requests_left = queue.len() + FURTHER_REQUESTS;
        let mut tally = Tally::new(events.len());
        let mut clock_mended = false;
        let mut width = usize::MAX;
        while !queue.is_empty() && tally.obstacle().is_none() && requests_left > 0 {
            let size = queue.len().min(if self.proven {
                width.min(requests_left)
            } else {
                1
            });
            let rest = queue.split_off(size);
            requests_left -= size;
            let answers = self.send(&mut call, &encoded, &queue);
            let Again { halves, mut late } = self.sort(
                queue.into_iter().zip(answers),
                &mut tally,
                !clock_mended,
                clock,
            );
            if !late.is_empty() {
                clock_mended = true;
                encoded = self.encode(&call);
            }
            if !halves.is_empty() {
                width = HALVING_WIDTH;
            }
            // Halves first: an event to blame is found before the requests are spent, whatever else
            // there is.
            queue = halves;
            queue.append(&mut late);
            queue.extend(rest);
        }
        self.proven &= tally.obstacle().is_none();
        give_up(&queue, &mut tally);
        tally.finish()
    }

    /// Sorts a wave's answers into the tally, and gives back what is to be sent again.
    fn sort(
        &mut self,
        wave: impl Iterator<Item = (Parcel, Result<Response, HttpError>)>,
        tally: &mut Tally,
        may_mend_clock: bool,
        clock: &dyn Fn() -> Timestamp,
    ) -> Again {
        let mut again = Again::default();
        for (parcel, answer) in wave {
            match judge(&answer, &self.settings) {
                Verdict::Stored => {
                    self.proven = true;
                    tally.stored(&parcel.events);
                }
                Verdict::Later { reason, after_ms } => {
                    tally.later(&parcel.events, &reason, after_ms)
                }
                Verdict::Mend(reason) => tally.mend(&parcel.events, &reason),
                Verdict::Content(reason) => match parcel.halves() {
                    Some(halves) => again.halves.extend(halves),
                    None => tally.refused(&parcel.events, &reason),
                },
                Verdict::Clock {
                    server: Some(server),
                    ..
                } if may_mend_clock => {
                    self.clock_offset = server - clock().seconds;
                    again.late.push(parcel);
                }
                Verdict::Clock { reason, .. } => {
                    tally.mend(
                        &parcel.events,
                        &format!("{reason}; set the clock of this machine"),
                    );
                }
            }
        }
        again
    }

    fn encode(&self, call: &Call) -> Encoded {
        let now = (call.clock)().seconds + self.clock_offset;
        let window = Window::at(now);
        let mut logs = Logs::default();
        for event in call.events {
            let mut digits = itoa::Buffer::new();
            let record = Record::new(event, &mut digits);
            logs.push(record.time(window), |each| record.for_each(each));
        }
        Encoded { now, logs }
    }

    /// One answer for each parcel.
    fn send(
        &self,
        call: &mut Call,
        encoded: &Encoded,
        parcels: &[Parcel],
    ) -> Vec<Result<Response, HttpError>> {
        let request = |parcel: &Parcel| {
            let raw = encoded.logs.group(&parcel.events, &parcel.source);
            put_logs(&self.settings, &raw, encoded.now)
        };
        let requests: Vec<Request> = parcels.iter().map(request).collect();
        let mut answers = match requests.as_slice() {
            [only] => vec![call.transport.send(only)],
            many => call.transport.send_all(many),
        };
        answers.resize_with(parcels.len(), || {
            Err(HttpError::Other("the host gave no answer".to_owned()))
        });
        answers
    }
}

/// Events that were not sent, or whose halves were not, since something stands in the way of all or
/// too much was sent.
fn give_up(queue: &[Parcel], tally: &mut Tally) {
    let obstacle = tally.obstacle().map(str::to_owned);
    for parcel in queue {
        match &obstacle {
            Some(reason) => tally.later(&parcel.events, reason, None),
            None => tally.undecided(
                &parcel.events,
                "SLS refused the group, and the event to blame is not found yet",
            ),
        }
    }
}
