//! Does a sink describe itself, open, and store what it says it stores?

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::relay::{Destination as _, Item, Outcome};
use crate::sink::grant::Document;
use crate::sink::grant::wish;
use crate::sink::http::Network;
use crate::sink::{Description, Sink, Term, Version};

use super::destination::Destination;
use super::events;
use super::finding::{Check, Kind, Outcome as Found, Trouble};
use super::subject::{Subject, each_once, marks};

pub(super) const DESCRIBE: Check = Check {
    name: "describe",
    expected: "a name of lower case letters, digits and -, a version, a summary of one line, and hosts and variables that a grant can give",
    mend: "correct what describe returns: `kubedl-events sink grant FILE.wasm` shows in comments what can't be granted",
    kind: Kind::Describe,
};

/// Looks at what it says of itself.
pub(super) fn describe(subject: &Subject) -> Found {
    let Description {
        name,
        version,
        summary,
        env,
        hosts,
        ..
    } = subject.description();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let mut wrong = Vec::new();
    if name.is_empty() || !name.chars().all(plain) {
        wrong.push(format!("its name is {name:?}"));
    }
    if version.is_empty() {
        wrong.push("it has no version".to_owned());
    }
    if summary.trim().is_empty() || summary.len() > 200 {
        wrong.push(format!("its summary has {} bytes", summary.len()));
    }
    let suggested = wish::suggest(subject.description(), subject.digest(), name);
    let refused = suggested
        .lines()
        .map(str::trim)
        .filter_map(|line| line.strip_prefix("# It asks for "));
    wrong.extend(refused.map(|line| format!("it asks for {line}")));
    if Document::parse(&suggested).is_err() {
        wrong.push("no grant can be made of it".to_owned());
    }
    if wrong.is_empty() {
        Ok(format!(
            "{name} {version}, {} variables, {} hosts",
            env.len(),
            hosts.len()
        ))
    } else {
        Err(Trouble::Failed(wrong.join("; ")))
    }
}

pub(super) const OPEN_BARE: Check = Check {
    name: "open-without-env",
    expected: "without its variables, open answers misconfigured and names them, or does without them",
    mend: "check the required variables in open, and answer misconfigured with their names; an exception or a panic is a trap",
    kind: Kind::OpenWithoutEnv,
};

/// Opens it with nothing granted.
pub(super) async fn open_bare(subject: &Subject, bare: Version) -> Found {
    let mut sink = Sink::of(bare);
    // A destination of its own: that all is denied here says nothing of its hosts.
    sink.begin(
        Term::endless(),
        &Network::scripted(Arc::<Destination>::default()),
    );
    let required = subject
        .description()
        .env
        .iter()
        .any(|variable| variable.required);
    let outcome = sink.open().await;
    let told = subject.told(&outcome);
    match outcome {
        Outcome::Misconfigured { .. } => Ok(told),
        Outcome::Stored(_) if !required => Ok("it needs none".to_owned()),
        Outcome::Stored(_) => Err(Trouble::failed(
            "it opened without variables that it says it requires",
        )),
        _ => Err(Trouble::Failed(told)),
    }
}

pub(super) const OPEN: Check = Check {
    name: "open",
    expected: "with its variables, open succeeds after one request at most",
    mend: "leave work for save-events. If the variables need other values than made-up ones, give them by --env NAME=VALUE or in --cases",
    kind: Kind::Open,
};

/// Opens and closes it.
pub(super) async fn open(subject: &Subject) -> Found {
    let mut sink = subject.sink();
    let outcome = sink.open().await;
    let told = subject.told(&outcome);
    let requests = subject.destination.take().exchanges.len();
    match outcome {
        Outcome::Stored(_) if requests <= 1 => Ok(format!("{requests} requests")),
        Outcome::Stored(_) => Err(Trouble::failed(format!("it sent {requests} requests"))),
        _ => Err(Trouble::Failed(told)),
    }
}

pub(super) const CLOSE: Check = Check {
    name: "close",
    expected: "close succeeds, before and after a batch",
    mend: "do little in close: it may never be called, and events that it is to send are lost then",
    kind: Kind::Close,
};

/// Closes it at once, and after a batch.
pub(super) async fn close(subject: &Subject) -> Found {
    for batches in 0..2 {
        let mut sink = subject.opened().await.map_err(Trouble::Failed)?;
        for batch in 0..batches {
            drop(subject.save(&mut sink, &events::batch(batch, 2)).await);
        }
        match sink.closed().await {
            Outcome::Stored(_) => {}
            outcome => return Err(Trouble::Failed(subject.told(&outcome))),
        }
    }
    Ok(String::new())
}

pub(super) const NO_LOSS: Check = Check {
    name: "no-loss",
    expected: "every event that the sink says is stored was in a request that the destination took before the call ended",
    mend: "send all events of a call before it returns, and name those that were not taken as failures; there is no later flush",
    kind: Kind::NoLoss,
};

/// Hands over batches of several sizes.
pub(super) async fn no_loss(subject: &Subject) -> Found {
    let mut sink = subject.opened().await.map_err(Trouble::Failed)?;
    let (mut first, mut requests) = (1, 0);
    let mut known = false;
    for count in [1, 2, 17, 100, 1] {
        let batch = events::batch(first, count);
        first += count as u64;
        let saved = subject.save(&mut sink, &batch).await;
        requests += saved.seen.exchanges.len();
        known |= !saved.arrived.is_empty();
        whole(subject, &saved.outcome)?;
        let lost = saved.lost(&batch);
        if known && !lost.is_empty() {
            return Err(Trouble::failed(format!(
                "of a batch of {count}, the destination did not get {}",
                marks(&lost)
            )));
        }
    }
    seen(known, requests, first)
}

fn seen(known: bool, requests: usize, events: u64) -> Found {
    if known {
        return Ok(format!("{} events in {requests} requests", events - 1));
    }
    Err(Trouble::NotCheckable(format!(
        "in its {requests} requests no event's uid, name or message can be found: they may be in an encoding that is not known here"
    )))
}

/// Stored, without failures.
fn whole(subject: &Subject, outcome: &Outcome) -> Result<(), Trouble> {
    if matches!(outcome, Outcome::Stored(failures) if failures.is_empty()) {
        return Ok(());
    }
    let told = subject.told(outcome);
    let status = subject.success.status;
    Err(Trouble::failed(format!(
        "the destination answered {status} to everything, but the sink: {told}"
    )))
}

pub(super) const LARGE: Check = Check {
    name: "large-batch",
    expected: "a batch as large as the host may hand over is stored within the grant's memory and time",
    mend: "say in describe how many events and bytes the sink likes at once, or cut the batch into several requests",
    kind: Kind::LargeBatch,
};

/// Hands over the largest batch: of as many events, and of as many bytes, as its limits allow.
pub(super) async fn large(subject: &Subject) -> Found {
    let mut sink = subject.opened().await.map_err(Trouble::Failed)?;
    let limits = sink.limits();
    let mut batches = vec![events::batch(1, limits.events)];
    // As a recording of a busy job: few events, long messages.
    let long = 16 << 10;
    batches.push(events::long(
        1,
        (limits.bytes / long).clamp(1, limits.events),
        long,
    ));
    let mut arrived = BTreeSet::new();
    for batch in &mut batches {
        let bytes: usize = batch.iter().map(|item| item.raw.json().len()).sum();
        if bytes > limits.bytes {
            let share = (limits.bytes as f64 / bytes as f64 * batch.len() as f64) as usize;
            batch.truncate(share.max(1));
        }
        let saved = subject.save(&mut sink, batch).await;
        whole(subject, &saved.outcome)?;
        let lost = saved.lost(batch);
        if !saved.arrived.is_empty() && !lost.is_empty() {
            return Err(Trouble::failed(format!(
                "of a batch of {}, the destination did not get {}",
                batch.len(),
                marks(&lost)
            )));
        }
        arrived.extend(saved.arrived);
    }
    let sizes: Vec<String> = batches
        .iter()
        .map(|batch: &Vec<Arc<Item>>| batch.len().to_string())
        .collect();
    let size = sizes.join(" and ");
    if arrived.is_empty() {
        Err(Trouble::NotCheckable(format!(
            "batches of {size} broke nothing; whether all was sent can't be seen"
        )))
    } else {
        Ok(format!("batches of {size}"))
    }
}

pub(super) const ODD: Check = Check {
    name: "odd-events",
    expected: "odd but allowed events are stored or refused one by one, and break nothing; a body that says it is JSON is JSON",
    mend: "escape what the format needs escaped (a JSON library does), cut what the destination can't take, and refuse what can't be sent at all",
    kind: Kind::OddEvents,
};

/// Hands over each odd event alone, and then all of them beside an ordinary one.
pub(super) async fn odd(subject: &Subject) -> Found {
    let mut sink = subject.opened().await.map_err(Trouble::Failed)?;
    let odd = events::odd(1);
    let (mut wrong, mut refused) = (Vec::new(), 0);
    let mut known = true;
    for (number, (what, item)) in (1_u64..).zip(&odd) {
        let saved = subject.save(&mut sink, std::slice::from_ref(item)).await;
        match (&saved.outcome, saved.seen.flaw()) {
            (_, Some(flaw)) => wrong.push(format!("{what}: {flaw}")),
            (Outcome::Stored(failures), None) if failures.is_empty() => {
                known &= saved.arrived.contains(&number)
            }
            (Outcome::Stored(failures), None)
                if failures.iter().all(|failure| !failure.retryable) =>
            {
                refused += 1
            }
            (Outcome::Refused { .. }, None) => refused += 1,
            (outcome, None) => wrong.push(format!("{what}: {}", subject.told(outcome))),
        }
    }
    match wrong {
        wrong if !wrong.is_empty() => Err(Trouble::Failed(each_once(wrong))),
        _ if !known => Ok(format!(
            "{} events, {refused} refused; not of each of them it can be seen that it was sent",
            odd.len()
        )),
        _ => Ok(format!("{} events, {refused} refused", odd.len())),
    }
}
