//! Does a sink draw the right conclusion from each answer of its destination?

use std::time::Duration;

use crate::relay::{Attempt, Item, Outcome};
use crate::sink::http::{Answer, Play};

use super::events;
use super::finding::{Check, Kind, Outcome as Found, Trouble};
use super::situation::{Judge, Situation};
use super::subject::{CRASH, Saved, Subject, each_once, marks};

/// Events that are at stake in each check.
const BATCH: usize = 3;
/// What `Retry-After` says.
const RETRY_AFTER: Duration = Duration::from_secs(7);
/// More than a grant lets through.
const HUGE: usize = 8 << 20;

pub(super) const TOO_MANY: Check = Check {
    name: "answer-429",
    expected: "429 with Retry-After: 7 means: again, not before 7 s",
    mend: "answer retry with after-ms from the header Retry-After",
    kind: Kind::Answers(too_many),
};
pub(super) const SERVER: Check = Check {
    name: "answer-5xx",
    expected: "500, 502, 503 and 504 mean: the same again later",
    mend: "answer retry: the destination is at fault, and no event",
    kind: Kind::Answers(server),
};
pub(super) const CLIENT: Check = Check {
    name: "answer-4xx",
    expected: "400, 413 and 422 mean: never again so (refused, or failures that are not retryable), or that a person must look",
    mend: "answer refused, so that the host looks for the event to blame; a retry would hold up all events behind it for ever",
    kind: Kind::Answers(client),
};
pub(super) const CREDENTIALS: Check = Check {
    name: "answer-401",
    expected: "401 and 403 mean: a person must look; no event is given up for it",
    mend: "answer misconfigured, or retry: a refused event becomes a dead letter, though only the key is wrong",
    kind: Kind::Answers(credentials),
};
pub(super) const NOT_FOUND: Check = Check {
    name: "answer-404",
    expected: "404, 405 and 410 don't mean: stored",
    mend: "take 2xx alone for success; answer misconfigured when the destination isn't there",
    kind: Kind::Answers(not_found),
};
pub(super) const REDIRECT: Check = Check {
    name: "redirect",
    expected: "301, 302, 303, 307 and 308 don't mean: stored. The host follows no redirect",
    mend: "take 2xx alone for success; answer misconfigured, and name the Location in the reason",
    kind: Kind::Answers(redirect),
};
pub(super) const CUT: Check = Check {
    name: "cut",
    expected: "an answer that breaks off, or none before the connection ends, means: again",
    mend: "answer retry when http gives interrupted, protocol or other: the destination may have acted, and the host says maybe-sent",
    kind: Kind::Answers(cut),
};
pub(super) const SLOW: Check = Check {
    name: "slow",
    expected: "no answer in time means: again",
    mend: "answer retry when http gives timeout",
    kind: Kind::Answers(slow),
};
pub(super) const UNREACHABLE: Check = Check {
    name: "unreachable",
    expected: "a destination that can't be reached means: again",
    mend: "answer retry when http gives dns, connect, tls, proxy or not-sent",
    kind: Kind::Answers(unreachable),
};
pub(super) const STRANGE: Check = Check {
    name: "strange-answers",
    expected: "answers that are huge, cut at the limit, empty, not text or not what was asked for break nothing, and an error stays an error",
    mend: "bear any bytes in an answer: check truncated and UTF-8, and don't unwrap what you parse",
    kind: Kind::Answers(strange),
};

fn is_retry(saved: &Saved) -> bool {
    match &saved.outcome {
        Outcome::Retry { .. } => true,
        Outcome::Stored(failures) => {
            failures.len() == BATCH && failures.iter().all(|failure| failure.retryable)
        }
        _ => false,
    }
}

fn waits(saved: &Saved) -> bool {
    let long = |after: &Option<Duration>| after.is_some_and(|after| after >= RETRY_AFTER);
    match &saved.outcome {
        Outcome::Retry { after, .. } => long(after),
        // The wait of a batch is the longest of its failures'.
        Outcome::Stored(failures) => {
            is_retry(saved) && failures.iter().any(|failure| long(&failure.after))
        }
        _ => false,
    }
}

fn is_refused(saved: &Saved) -> bool {
    match &saved.outcome {
        Outcome::Refused { .. } | Outcome::Misconfigured { .. } => true,
        Outcome::Stored(failures) => {
            failures.len() == BATCH && failures.iter().all(|failure| !failure.retryable)
        }
        _ => false,
    }
}

fn keeps(saved: &Saved) -> bool {
    matches!(saved.outcome, Outcome::Misconfigured { .. }) || is_retry(saved)
}

fn is_not_stored(saved: &Saved) -> bool {
    keeps(saved) || is_refused(saved)
}

fn is_whole(saved: &Saved) -> bool {
    !matches!(saved.outcome, Outcome::Broken { .. })
}

fn answers(statuses: &[(u16, &'static str)], right: Judge) -> Vec<Situation> {
    statuses
        .iter()
        .map(|(status, what)| Situation {
            what,
            play: Play::Answer(Answer::of(*status)),
            right,
        })
        .collect()
}

fn answer(status: u16, body: &[u8]) -> Play {
    Play::Answer(Answer {
        body: body.to_vec(),
        headers: json_header(),
        status,
    })
}

fn too_many() -> Vec<Situation> {
    let headers = vec![("Retry-After".to_owned(), RETRY_AFTER.as_secs().to_string())];
    let answer = Answer {
        headers,
        ..Answer::of(429)
    };
    vec![Situation::new(
        "429 with Retry-After: 7",
        Play::Answer(answer),
        waits,
    )]
}

fn server() -> Vec<Situation> {
    let statuses = [(500, "500"), (502, "502"), (503, "503"), (504, "504")];
    answers(&statuses, is_retry)
}

fn client() -> Vec<Situation> {
    answers(&[(400, "400"), (413, "413"), (422, "422")], is_refused)
}

fn credentials() -> Vec<Situation> {
    answers(&[(401, "401"), (403, "403")], keeps)
}

fn not_found() -> Vec<Situation> {
    answers(&[(404, "404"), (405, "405"), (410, "410")], is_not_stored)
}

fn redirect() -> Vec<Situation> {
    let location = "https://elsewhere.example.com/";
    let to = |status| {
        Play::Answer(Answer {
            headers: vec![("Location".to_owned(), location.to_owned())],
            ..Answer::of(status)
        })
    };
    let statuses = [
        (301, "301"),
        (302, "302"),
        (303, "303"),
        (307, "307"),
        (308, "308"),
    ];
    statuses
        .map(|(status, what)| Situation::new(what, to(status), is_not_stored))
        .into()
}

fn cut() -> Vec<Situation> {
    vec![
        Situation::new(
            "a connection closed without an answer",
            Play::Cut(Vec::new()),
            is_retry,
        ),
        Situation::new(
            "a connection closed within the head of an answer",
            Play::Cut(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()),
            is_retry,
        ),
        Situation::new(
            "a connection closed within the body of an answer",
            Play::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":".to_vec()),
            is_retry,
        ),
        Situation::new(
            "an answer that is not HTTP",
            Play::Cut(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()),
            is_retry,
        ),
    ]
}

fn slow() -> Vec<Situation> {
    vec![Situation::new(
        "no answer until the time was up",
        Play::Silence,
        is_retry,
    )]
}

fn unreachable() -> Vec<Situation> {
    vec![Situation::new(
        "a refused connection",
        Play::Unreachable,
        is_retry,
    )]
}

fn strange() -> Vec<Situation> {
    vec![
        Situation::new(
            "200 with a body of 8 MiB",
            answer(200, &vec![b'x'; HUGE]),
            is_whole,
        ),
        Situation::new(
            "200 with bytes that are no text, said to be JSON",
            answer(200, b"\xff\xfe\x00{"),
            is_whole,
        ),
        Situation::new(
            "200 with an empty body, said to be JSON",
            answer(200, b""),
            is_whole,
        ),
        Situation::new(
            "200 with JSON of another kind",
            answer(200, b"[null, {\"errors\": 7}]"),
            is_whole,
        ),
        Situation::new("204", Play::Answer(Answer::of(204)), is_whole),
        Situation::new(
            "500 with a body of 8 MiB",
            answer(500, &vec![b'x'; HUGE]),
            is_retry,
        ),
        Situation::new(
            "500 with bytes that are no text",
            answer(500, b"\xff\xfe\x00"),
            is_retry,
        ),
    ]
}

fn json_header() -> Vec<(String, String)> {
    vec![("Content-Type".to_owned(), "application/json".to_owned())]
}

/// Plays each situation of a check for a sink that was just opened.
pub(super) async fn check(subject: &Subject, situations: Vec<Situation>) -> Found {
    let mut wrong = Vec::new();
    let mut asked = false;
    for Situation { what, play, right } in &situations {
        let mut sink = subject.opened().await.map_err(Trouble::Failed)?;
        subject.destination.plays([play.clone()]);
        let saved = subject.save(&mut sink, &events::batch(1, BATCH)).await;
        asked |= !saved.seen.exchanges.is_empty();
        if !right(&saved) {
            wrong.push(format!("{what}: {}", subject.told(&saved.outcome)));
        }
    }
    match wrong {
        wrong if !asked && !wrong.iter().any(|what| what.contains(CRASH)) => {
            Err(Trouble::NotCheckable("it sends no requests".to_owned()))
        }
        wrong if wrong.is_empty() => Ok(format!("{} answers", situations.len())),
        wrong => Err(Trouble::Failed(each_once(wrong))),
    }
}

pub(super) const PARTIAL: Check = Check {
    name: "partial",
    expected: "of several requests for a batch, those that were not taken name their events as failures; what is said to be stored was taken",
    mend: "keep which events each request is about, and return a failure for each event whose request was not answered by 2xx",
    kind: Kind::Partial,
};

/// Takes every other request of a batch.
pub(super) async fn partial(subject: &Subject) -> Found {
    let mut sink = subject.opened().await.map_err(Trouble::Failed)?;
    let batch = events::batch(1, 40);
    let (yes, no) = (
        Play::Answer(subject.success.clone()),
        Play::Answer(Answer::of(500)),
    );
    subject
        .destination
        .plays((0..200).flat_map(|_| [yes.clone(), no.clone()]));
    let saved = subject.save(&mut sink, &batch).await;
    if saved.seen.exchanges.len() < 2 {
        return Err(Trouble::NotCheckable(
            "it sends a batch of 40 events in one request, or in none: nothing to mend".to_owned(),
        ));
    }
    all_taken(&saved, &batch, is_legible(&saved))?;
    match &saved.outcome {
        Outcome::Stored(failures) if failures.iter().any(|failure| !failure.retryable) => {
            Err(Trouble::failed(format!(
                "after 500 it gave an event up: {}",
                subject.told(&saved.outcome)
            )))
        }
        Outcome::Stored(_) | Outcome::Retry { .. } => Ok(format!(
            "{} requests for 40 events",
            saved.seen.exchanges.len()
        )),
        outcome => Err(Trouble::Failed(subject.told(outcome))),
    }
}

/// Whether events can be found in what was sent.
fn is_legible(saved: &Saved) -> bool {
    !saved.arrived.is_empty()
        || saved
            .seen
            .exchanges
            .iter()
            .any(|exchange| !super::traffic::events(&exchange.sent).is_empty())
}

fn all_taken(saved: &Saved, batch: &[std::sync::Arc<Item>], legible: bool) -> Result<(), Trouble> {
    let lost = saved.lost(batch);
    match (lost.is_empty(), legible) {
        (true, _) => Ok(()),
        (false, true) => Err(Trouble::failed(format!(
            "it said that events are stored which the destination did not take: {}",
            marks(&lost)
        ))),
        (false, false) => Err(Trouble::NotCheckable(
            "events can't be found in what it sends".to_owned(),
        )),
    }
}

pub(super) const AGAIN: Check = Check {
    name: "again",
    expected: "a batch that was not stored at first is sent whole when it is handed over again",
    mend: "keep nothing of a batch from one call to the next: each call stores what it is given, or says what it did not store",
    kind: Kind::Again,
};

/// Fails first, for the same instance, and for one that takes the place of another without `close`.
pub(super) async fn again(subject: &Subject) -> Found {
    let batch = events::batch(1, BATCH);
    for fresh in [false, true] {
        let mut sink = subject.opened().await.map_err(Trouble::Failed)?;
        subject.destination.plays([Play::Answer(Answer::of(503))]);
        let first = subject.save(&mut sink, &batch).await;
        if fresh {
            sink = subject.opened().await.map_err(Trouble::Failed)?;
        }
        subject.takes_all();
        let saved = subject
            .save_again(
                &mut sink,
                Attempt {
                    number: 1,
                    maybe_sent: true,
                },
                &batch,
            )
            .await;
        if !matches!(&saved.outcome, Outcome::Stored(failures) if failures.is_empty()) {
            return Err(Trouble::failed(format!(
                "the second try ended so: {}",
                subject.told(&saved.outcome)
            )));
        }
        all_taken(&saved, &batch, is_legible(&first) || is_legible(&saved))?;
    }
    Ok("two second tries".to_owned())
}
