//! What each stage does by itself, without a process: decisions, the journal, what is read of foreign text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

// Does a replica lead, renew, stand by and give up when it should?
mod election;
// Does the filter keep what KubeDL keeps, and name its rule?
mod filter;
// Is every loss of sight a gap exactly when something may be missing?
mod gaps;
// Does a grant admit what it says, and nothing else?
mod grants;
// Does the journal keep its invariants?
mod journal;
// Does the journal keep its promises when it is at its cap, and when the disk is full?
mod journal_room;
// Is the version of a sink that opened last there at the next start, whole and under its own name?
mod kept_versions;
// Can one journal say what is delivered, and another go on from there?
mod marks;
// Is every shape of an Event normalized as the table in `event` says?
mod normalization;
// Does what reads foreign text hold for every text, not only for those that somebody thought of?
mod properties;
// Is an object kept as Kubernetes gave it, but for managedFields?
mod raw_events;
// Is what a rule matches gone from an event, and all else as it was?
mod redaction;
// Does `step` lose nothing, and repeat no more than it must?
mod relay_step;
// Does a damaged journal save what it can, say what it can't, and go on?
mod salvage;
// Does a selection admit exactly what its expression says, and is a wrong one refused before it decides?
mod select;
// Is a storage of the API server that was set back known by what it had reached before?
mod set_backs;
// Does no request start, or stay open, past the end of a sink's term?
mod term;
// Are the lines of a watch read rightly, however the network cuts them?
mod watch_lines;
