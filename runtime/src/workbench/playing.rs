//! Plays the calls of a recording: the sink gets the same events at the same time, and the same
//! answers in turn.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use crate::relay::{Destination as _, Outcome};
use crate::sink::grant::{Grant, HostPattern, Variable};
use crate::sink::http::{Answer, Network, Play, Script, Sent};
use crate::sink::{Blueprint, Conditions, Sink, Term, Version};

use super::cast::{Answered, Call, Exchange, Head};

/// Answers that are still to be given, and exchanges since they were last taken.
#[derive(Default)]
struct Stand {
    answers: Mutex<VecDeque<Answered>>,
    exchanges: Mutex<Vec<Exchange>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Script for Stand {
    fn answer(&self, _: Sent) -> Play {
        match locked(&self.answers).pop_front() {
            Some(Answered::Answer {
                status,
                headers,
                body,
                truncated,
            }) => {
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                let framing = [
                    "content-length",
                    "transfer-encoding",
                    "connection",
                    "keep-alive",
                ];
                let headers = headers
                    .into_iter()
                    .filter(|(name, _)| !framing.contains(&name.as_str()))
                    .map(|(name, value)| (name, text(value.get())));
                let mut body = body.get();
                if truncated {
                    // One byte more than was let through, so that it is cut again.
                    body.push(b' ');
                }
                Play::Answer(Answer {
                    status,
                    headers: headers.collect(),
                    body,
                })
            }
            Some(Answered::Timeout) => Play::Silence,
            Some(Answered::Unreachable(_)) => Play::Unreachable,
            Some(Answered::Broken(_) | Answered::Refused(_)) | None => Play::Cut(Vec::new()),
        }
    }

    fn denied(&self, _: &str) {}
}

/// The grant of a recording; requests of `send-all` go one after the other, so that their order is
/// the same each time.
pub(crate) fn grant(head: &Head, source: &Path) -> anyhow::Result<Grant> {
    let env = head.env.iter().map(|(name, one)| Variable {
        name: name.clone(),
        value: one.value.clone(),
        secret: one.secret,
    });
    let patterns = head.http.iter().map(|host| {
        host.parse::<HostPattern>()
            .map_err(|why| anyhow::anyhow!("{}: {why}", source.display()))
    });
    let mut grant = Grant {
        env: env.collect(),
        http: patterns.collect::<anyhow::Result<_>>()?,
        ..Grant::default()
    };
    grant.limits.memory = head.memory;
    grant.limits.http_width = 1;
    Ok(grant)
}

/// Makes all calls, and gives what came of each.
pub(crate) async fn play(
    blueprint: &Blueprint,
    head: &Head,
    grant: Grant,
    calls: &[Call],
) -> anyhow::Result<Vec<(Vec<Exchange>, Outcome)>> {
    let stand = Arc::<Stand>::default();
    let (conditions, heard) = (Conditions::new(head.seed), stand.clone());
    let version = Version::new(&head.sink, blueprint.clone(), grant)?
        .under(conditions.clone())
        .heard_by(Arc::new(|_, _| {}));
    let tap = Arc::new(move |request: &_, answer: &_| {
        locked(&heard.exchanges).push(Exchange::of(request, answer, &|bytes| bytes.to_vec()))
    });
    let mut sink = Sink::of(version);
    sink.begin(
        Term::endless(),
        &Network::scripted(stand.clone()).tapped(tap),
    );
    let mut came = Vec::new();
    for (number, call) in (1..).zip(calls) {
        conditions.set_clock(call.clock);
        // What the gate refused is refused again, without an answer.
        let answers = call
            .exchanges
            .iter()
            .map(|exchange| exchange.answer.clone())
            .filter(|answer| !matches!(answer, Answered::Refused(_)));
        *locked(&stand.answers) = answers.collect();
        let outcome = match call.save().with_context(|| format!("call {number}"))? {
            None => sink.open().await,
            Some((attempt, items)) => sink.save(attempt, &items).await,
        };
        came.push((std::mem::take(&mut *locked(&stand.exchanges)), outcome));
    }
    drop(sink.closed().await);
    Ok(came)
}
