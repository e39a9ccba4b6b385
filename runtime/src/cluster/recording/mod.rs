//! A recording in place of a cluster: what people have kept of events, as JSON or YAML, in lists or
//! one after the other, packed or not.
//!
//! A file is read once, as a whole, when it is opened. What can't be read of it costs itself alone:
//! it is told with its place, and handed over to be kept.

mod decoding;
mod documents;
mod line_numbers;
mod log_lines;
mod objects;
mod piece;
mod shape;
mod sought;
mod yaml_lines;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc::Sender;
use tracing::info;

use super::{Error, Observation, Owners, Raw, Scope, Stats, Unreadable};
use decoding::{Decoded, decode, what_it_is};
use piece::{Odd, Piece};
use shape::Contents;

/// Events handed over together.
const PAGE: usize = 500;

/// Stands for standard input.
const STDIN: &str = "-";

/// A file of recorded events. Pods, Services, ReplicaSets and Deployments in it serve as owners;
/// other objects are passed over.
#[derive(Clone, Debug)]
pub struct Recording {
    read: Arc<Played>,
}

#[derive(Debug)]
struct Played {
    events: Vec<Raw>,
    unreadable: Vec<Unreadable>,
    /// Objects that are no events, in words; empty without any.
    passed: String,
}

impl Recording {
    /// Reads a file. `-` is standard input. `hide` takes out of a text what nobody may see, before
    /// a part of it is shown.
    ///
    /// # Errors
    /// When it can't be read, or nothing in it is an event or once was: with what the file is.
    pub fn open(path: &Path, hide: &dyn Fn(&mut String)) -> Result<(Self, Owners), Error> {
        let refuse = |why: String| Error::Recording {
            path: path.to_owned(),
            why,
        };
        let bytes = if path == Path::new(STDIN) {
            let mut bytes = Vec::new();
            std::io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .map(|_| bytes)
        } else {
            std::fs::read(path)
        };
        Self::read(&bytes.map_err(|why| refuse(why.to_string()))?, hide).map_err(refuse)
    }

    /// The same of a text; `name` is for people.
    ///
    /// # Errors
    /// As [`Recording::open`].
    pub fn of(name: &str, text: &str) -> Result<(Self, Owners), Error> {
        Self::read(text.as_bytes(), &|_| ()).map_err(|why| Error::Recording {
            path: PathBuf::from(name),
            why,
        })
    }

    fn read(bytes: &[u8], hide: &dyn Fn(&mut String)) -> Result<(Self, Owners), String> {
        const ASK: &str = "Give what `kubectl get events,pods -A -o json` prints";
        let Decoded { text, cut } = decode(bytes).map_err(|what| format!("{what}. {ASK}"))?;
        let text = log_lines::joined(text);
        let mut contents = Contents::new(hide);
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Whole { json, line } => contents.take(&json, line),
            Piece::Odd(odd) => contents.take_odd(odd),
        };
        match yaml_lines::begin(&text) {
            Some(begin) => documents::pieces(&text, begin, &mut take),
            None => documents::pieces_among_json(&text, &mut take),
        }
        if let Some(why) = cut {
            match contents.unreadable.last_mut().filter(|_| contents.is_cut) {
                // What it cut through.
                Some(last) => last.reason = format!("{}: {why}", last.reason),
                None => {
                    let line = 1 + text.iter().filter(|byte| **byte == b'\n').count();
                    contents.take_odd(Odd {
                        text: "(the rest of the file)".to_owned(),
                        line,
                        column: 1,
                        why,
                        kind: piece::CUT,
                    });
                }
            }
        }
        if contents.events.is_empty()
            && (contents.odd_objects == 0 || text.trim_ascii_start().starts_with(b"<"))
        {
            return Err(format!("{}. {ASK}", contents.what_it_is(&text)));
        }
        let passed = contents.passed_in_words();
        let Contents {
            events,
            unreadable,
            owners,
            ..
        } = contents;
        Ok((
            Self {
                read: Arc::new(Played {
                    events,
                    unreadable,
                    passed,
                }),
            },
            owners,
        ))
    }

    /// Hands over every event of the file, in its order, and then what could not be read.
    ///
    /// # Errors
    /// None at present: the file was read when it was opened.
    pub async fn play(&self, out: &Sender<Observation>, stats: &Stats) -> Result<(), Error> {
        let sight = stats.scope(Scope::All.key());
        let Played {
            events,
            unreadable,
            passed,
        } = &*self.read;
        if !passed.is_empty() {
            info!("The recording has objects that are no events: {passed}.");
        }
        for events in events.chunks(PAGE) {
            if out
                .send(Observation {
                    events: events.to_vec(),
                    ..Observation::of(Scope::All)
                })
                .await
                .is_err()
            {
                return Ok(());
            }
            sight.saw(events.len());
        }
        for unreadable in unreadable.chunks(PAGE) {
            if out
                .send(Observation {
                    unreadable: unreadable.to_vec(),
                    ..Observation::of(Scope::All)
                })
                .await
                .is_err()
            {
                return Ok(());
            }
            sight.saw(unreadable.len());
        }
        sight.listed();
        Ok(())
    }
}

impl Contents<'_> {
    fn passed_in_words(&self) -> String {
        self.passed
            .iter()
            .map(|(what, count)| format!("{count} {what}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// What a file is that has no events.
    fn what_it_is(&self, text: &[u8]) -> String {
        if let Some(message) = &self.status {
            return format!(
                "it has no events: it is an error of an API server, which says {message:?}"
            );
        }
        if self.passed.contains_key("Table")
            || self.passed.keys().any(|what| what.starts_with("Table of "))
        {
            return "it has no events: it is a Table, in which an API server writes rows of words for people".to_owned();
        }
        if !self.passed.is_empty() {
            return format!("it has no events, but {}", self.passed_in_words());
        }
        if self.empty_lists > 0 && self.texts == 0 {
            return "it has no events: it is a list without items".to_owned();
        }
        what_it_is(text, &|text| self.shown(text))
    }
}
