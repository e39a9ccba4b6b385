//! Does a sink keep to its place: secrets to itself, requests within its hosts, memory within
//! bounds?

use std::sync::Arc;

use crate::relay::{Item, Outcome};

use super::events;
use super::finding::{Check, Kind, Outcome as Found, Trouble};
use super::subject::{Subject, marks};

/// Events of each batch.
const BATCH: usize = 10;
/// Bytes by which the host may grow beside what one instance may take: pages that its allocator
/// keeps.
const SLACK: usize = 64 << 20;
/// Batches before the host's memory is looked at for the first time.
const SETTLED: u64 = 100;
/// A sink that uses up its memory within fewer batches costs the host an instance for each of them.
const FEWEST_BATCHES: u64 = 20;

pub(super) const MEMORY: Check = Check {
    name: "memory",
    expected: "thousands of batches lose nothing, and replacing instances now and then keeps memory flat",
    mend: "free what a batch needed; or ask for more memory in the grant (limits: {memory: 256MiB})",
    kind: Kind::Memory,
};

/// Hands over many small batches.
pub(super) async fn memory(subject: &Subject, batches: u64, progress: &dyn Fn(u64)) -> Found {
    let mut sink = subject.opened().await.map_err(Trouble::Failed)?;
    let fresh = sink.memory();
    let mut watch = Growth {
        most: fresh,
        last: fresh,
        grown: 0,
        instances: 1,
    };
    let mut host = resident();
    let mut known = false;
    for number in 0..batches {
        let batch: Vec<Arc<Item>> = events::batch(number * BATCH as u64, BATCH);
        let saved = subject.save(&mut sink, &batch).await;
        let Outcome::Stored(failures) = &saved.outcome else {
            return Err(Trouble::failed(format!(
                "batch {number}: {}; {}",
                subject.told(&saved.outcome),
                watch.told(fresh, number)
            )));
        };
        let lost = saved.lost(&batch);
        known |= !saved.arrived.is_empty();
        if !failures.is_empty() || (known && !lost.is_empty()) {
            return Err(Trouble::failed(format!(
                "batch {number} lost {}; {}",
                marks(&lost),
                watch.told(fresh, number)
            )));
        }
        watch.look(sink.memory());
        if number == SETTLED {
            host = resident();
        }
        progress(number);
    }
    drop(sink.closed().await);
    judge_memory(
        subject,
        &watch,
        watch.told(fresh, batches),
        host,
        batches,
        known,
    )
}

/// What is said of the memory that was used: `host` is what this process had when it had settled, 0
/// where the system doesn't say, and `known` whether the sink's events can be found in its requests.
fn judge_memory(
    subject: &Subject,
    watch: &Growth,
    told: String,
    host: usize,
    batches: u64,
    known: bool,
) -> Found {
    let grown = resident().saturating_sub(host);
    if host > 0 && grown > subject.memory() + SLACK {
        return Err(Trouble::failed(format!(
            "the host grew by {} MiB: {told}",
            grown >> 20
        )));
    }
    if watch.instances > 1 && batches / (watch.instances - 1) < FEWEST_BATCHES {
        return Err(Trouble::failed(format!(
            "it uses up its {} MiB again and again: {told}",
            subject.memory() >> 20
        )));
    }
    let lost = if known { ", 0 lost" } else { "" };
    let host = if host > 0 {
        format!(", the host grew by {} MiB", grown >> 20)
    } else {
        String::new()
    };
    Ok(format!(
        "{} events{lost}; {told}{host}",
        batches * BATCH as u64
    ))
}

/// Bytes of memory that this process has (proc_pid_status(5), `VmRSS`); 0 where the system doesn't
/// say.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| {
        rest.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse::<usize>()
            .ok()
    })
    .unwrap_or(0)
        << 10
}

/// How memory went.
struct Growth {
    most: usize,
    last: usize,
    grown: usize,
    instances: u64,
}

impl Growth {
    fn look(&mut self, memory: usize) {
        // Memory of an instance never shrinks: less means that a fresh one serves.
        if memory < self.last {
            self.instances += 1;
        } else {
            self.grown += memory - self.last;
        }
        self.last = memory;
        self.most = self.most.max(memory);
    }

    fn told(&self, fresh: usize, batches: u64) -> String {
        let each = self.grown as f64 / 1024.0 / batches.max(1) as f64;
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        format!(
            "memory from {:.1} to at most {:.1} MiB, {each:.1} KiB a batch, {} instances",
            mib(fresh),
            mib(self.most),
            self.instances
        )
    }
}

pub(super) const SECRETS: Check = Check {
    name: "secrets",
    expected: "no secret in what the sink prints or gives as a reason",
    mend: "don't print settings or requests, and don't quote them in reasons; the host blots secrets out, but only those that it can recognize",
    kind: Kind::Secrets,
};

/// Looks at all that it said in the checks before.
pub(super) fn secrets(subject: &Subject, granted: usize) -> Found {
    match subject.words.leaks() {
        leaks if !leaks.is_empty() => {
            let first: Vec<String> = leaks.iter().take(3).cloned().collect();
            Err(Trouble::failed(format!(
                "{} times, {}",
                leaks.len(),
                first.join("; ")
            )))
        }
        _ if granted == 0 => Err(Trouble::NotCheckable(
            "it was given no secret; give it one by --env NAME=VALUE or in --cases".to_owned(),
        )),
        _ => Ok(format!("{granted} secrets")),
    }
}

pub(super) const HOSTS: Check = Check {
    name: "hosts",
    expected: "it sends requests only to hosts that it asks for in describe",
    mend: "name every destination in describe's hosts, in the form of a grant: the host denies all others",
    kind: Kind::Hosts,
};

/// Looks at what the gate denied in the checks before.
pub(super) fn hosts(subject: &Subject) -> Found {
    let denied: Vec<String> = subject.destination.denied().into_iter().collect();
    if denied.is_empty() {
        Ok(String::new())
    } else {
        Err(Trouble::failed(format!("denied: {}", denied.join("; "))))
    }
}
