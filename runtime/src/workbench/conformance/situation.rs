//! What a destination does in a check, and what a sink may make of it.

use crate::sink::http::Play;

use super::subject::Saved;

/// What is expected of an answer.
pub(super) type Judge = fn(&Saved) -> bool;

/// One situation: what the destination does, and what a sink may make of it.
pub(super) struct Situation {
    pub what: &'static str,
    pub play: Play,
    pub right: Judge,
}

impl Situation {
    pub fn new(what: &'static str, play: Play, right: Judge) -> Self {
        Self { what, play, right }
    }
}
