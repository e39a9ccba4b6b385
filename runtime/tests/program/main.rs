//! What the program does as a process, mostly with a real API server and real destinations.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

// Do `dead-letters`, `gaps` and `audit` tell the truth about a service at work, and change what they say they change?
mod bookkeeping;
// With one destination dead and a small journal: does `shed` leave the other sink whole, and does
// `block` lose nothing that the API server still has?
mod caps;
// Is any event lost silently while the program is killed, the API server and its storage misbehave, the disk is full, and the destinations of its two sinks fail in every way?
mod chaos;
// Does every sink that is shipped do what the contract asks of it?
mod conformance;
// Are the rights of `deploy/` enough, is none of them too much, and does the program say which one is missing?
mod deploy_rights;
// Do two replicas deliver everything, and never both at once?
mod failover;
// Does each check of `sink test` find the sink that does just that thing wrong, and for that reason?
mod faulty_sinks;
// Does a real graphite-web show what the sink `graphite` stores, to Grafana's own query for annotations?
mod graphite;
// Does `--heartbeat` notice a watch that hangs in silence, and have it opened again, with nothing lost and nothing of its own delivered?
mod heartbeat;
// Is what people have kept read: files of any usual form, and settings as they are written?
mod kept;
// Does every version of every event reach SLS exactly once and in order, under load on a real API server?
mod load;
// Does the log have a line for each change of state, and none for each event or try?
mod log_lines;
// Do the metrics say what happened?
mod metrics;
// Does each mistake of the page for operators lead to the words that the page says, and to no loss?
mod mistakes;
// Does a component go into a cluster by ConfigMaps, and come out of a volume as it was?
mod pack;
// Does it say what to do when the API server refuses, or is not there?
mod permissions;
// Do /livez and /readyz tell a kubelet what it needs to know, and never to kill a service that is well?
mod probes;
// Does it reach a cluster in each way that kubectl does, and say what is wrong where it does not?
mod reaching;
// Is a sink replaced while the service runs, by good versions only, and without loss?
mod reload;
// Does a recorded session play again, without its destination and without its secrets?
mod replay;
// Is nothing lost, and nothing stored twice, when the watch is disturbed on a real API server?
mod resume;
// Can the vendor's own client library, and KubeDL's reader built on it, read what the sink wrote?
mod sdk_reads_back;
// Does a secret stay out of everything that the program writes, at the most talkative level?
mod secrets;
// Does each sink get exactly what its selection admits and `explain` says, whatever becomes of the others?
mod selected_delivery;
// Do flags, environment and file set the same things, in the order that is documented?
mod settings;
// Does `status` tell a person what a running service does?
mod status;
// Do the sinks that `sink new` begins pass the suite, and deliver events of the real API server?
mod templates;
// Do mistakes end the start with a sentence that says what to do, and the right exit code?
// No question: events that a test writes into a real API server, one by one.
mod cluster_events;
mod usage;

/// The program that is tried.
const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
