//! Events into a real graphite-web: by the sink, beside a plain generator of load with as many
//! requests at a time.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::graphite::Graphite;
use testkit::program::Start;

use crate::{Done, PROGRAM, length};

/// Requests at a time; what the sink's grant gives it.
const WIDTH: usize = 8;

/// Prints both rates, and their ratio.
pub fn graphite() -> Done<()> {
    let events = length("BENCH_EVENTS", 1_000)? as usize;
    let graphite = Graphite::start()?;
    let mut ratios = Vec::new();
    for turn in 0..3 {
        let plain = plain(&graphite, events, turn)?;
        let sink = by_sink(&graphite, events, turn)?;
        let rate = |time: Duration| events as f64 / time.as_secs_f64();
        println!(
            "graphite, {events} events: a plain generator {:.0}/s, the sink {:.0}/s, ratio {:.2}",
            rate(plain),
            rate(sink),
            rate(sink) / rate(plain)
        );
        ratios.push(rate(sink) / rate(plain));
    }
    println!("graphite: ratios {ratios:.2?}");
    Ok(())
}

/// The same form of events, posted by threads that do nothing else.
fn plain(graphite: &Graphite, events: usize, turn: usize) -> Done<Duration> {
    let url = format!("{}/events/", graphite.url());
    let began = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WIDTH)
            .map(|thread| {
                let url = &url;
                scope.spawn(move || -> Result<(), ureq::Error> {
                    let agent = ureq::Agent::new_with_defaults();
                    for number in (thread..events).step_by(WIDTH) {
                        let tags = ["Normal", "Started", "Pod", "ns:train", "name:worker-0", &format!("uid:plain-{turn}-{number}"), "rv:1"];
                        let body = json!({"what": "Started: Pod/worker-0", "tags": tags, "when": 1_795_430_000, "data": "Started container pytorch"});
                        agent.post(url).send(body.to_string())?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread of the generator broke off")?.map_err(|why| why.to_string().into()))
    })
    .map_err(|why: Box<dyn std::error::Error>| why)?;
    Ok(began.elapsed())
}

/// From a recording, from its first request to its last answer.
fn by_sink(graphite: &Graphite, events: usize, turn: usize) -> Done<Duration> {
    let folder = tempfile::tempdir()?;
    let recording = folder.path().join("recording.jsonl");
    let lines: Vec<String> = (0..events)
        .map(|number| {
            let metadata = json!({"name": format!("e{number}"), "namespace": "train", "uid": format!("sink-{turn}-{number}"), "resourceVersion": "1", "creationTimestamp": "2026-11-23T10:32:46Z"});
            json!({"kind": "Event", "apiVersion": "v1", "metadata": metadata, "type": "Normal", "reason": "Started", "message": "Started container pytorch", "involvedObject": {"kind": "Pod", "namespace": "train", "name": "worker-0"}}).to_string()
        })
        .collect();
    std::fs::write(&recording, lines.join("\n"))?;
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .with("--event-storage", "graphite")
        .env("GRAPHITE_URL", graphite.url());
    let start = start
        .with("--from", &recording)
        .flag("--once")
        .with("--objects", "all")
        .with("--timeout", "300s");
    let began = Instant::now();
    let (status, _, log) = start.run()?;
    if !status.success() {
        return Err(log.into());
    }
    Ok(began.elapsed())
}
