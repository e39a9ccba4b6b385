//! A destination for native tests: answers what it was told to, and keeps what it was asked. One
//! for each thread.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::{Answer, Request, Response};

#[derive(Default)]
struct Destination {
    answers: VecDeque<Answer>,
    asked: Vec<Request>,
}

thread_local! {
    static DESTINATION: RefCell<Destination> = RefCell::default();
}

/// Forgets what was before, and answers the next requests in turn; the last answer repeats. Without
/// any it is 200 with no body.
pub fn answer(answers: impl IntoIterator<Item = Answer>) {
    DESTINATION.set(Destination {
        answers: answers.into_iter().collect(),
        asked: Vec::new(),
    });
}

/// Takes the requests that were sent so far.
pub fn requests() -> Vec<Request> {
    DESTINATION.with_borrow_mut(|destination| std::mem::take(&mut destination.asked))
}

/// An answer of this status, with these headers and this body.
pub fn response(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Response {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect();
    Response {
        status,
        headers,
        body: body.into(),
        truncated: false,
    }
}

pub(super) fn send(request: &Request) -> Answer {
    DESTINATION.with_borrow_mut(|destination| {
        destination.asked.push(request.clone());
        match destination.answers.len() {
            0 => Ok(response(200, &[], "")),
            1 => destination
                .answers
                .front()
                .cloned()
                .unwrap_or_else(|| Ok(response(200, &[], ""))),
            _ => destination
                .answers
                .pop_front()
                .unwrap_or_else(|| Ok(response(200, &[], ""))),
        }
    })
}

pub(super) fn send_all(requests: &[Request]) -> Vec<Answer> {
    requests.iter().map(send).collect()
}
