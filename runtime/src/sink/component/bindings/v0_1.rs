//! `kubedl:events@0.1`: generated bindings, and their way to and from the host's own types.

use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Event, ObjectReference};
use crate::relay::{self, Attempt, Cause, Failure, Item, Outcome};
use crate::sink::http;

#[allow(
    missing_docs,
    reason = "generated from wit/, whose comments are the documentation"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "sink",
        imports: { "kubedl:events/http": async | trappable, default: trappable },
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(in crate::sink) use generated::exports::kubedl::events::event_sink::{
    Error, Failure as GuestFailure,
};
pub(in crate::sink) use generated::kubedl::events::{http as http_import, raw_event};
pub(in crate::sink) use generated::{Sink as World, SinkPre as WorldPre};

use generated::exports::kubedl::events::event_sink as export;
use generated::kubedl::events::types;

/// Makes a guest's text one for people: [`shown`](crate::shown::shown), and more.
pub(in crate::sink) type Words<'a> = &'a dyn Fn(&str) -> String;

fn timestamp(time: Timestamp) -> types::Timestamp {
    // The type's nanoseconds are signed: before 1970 they count backwards.
    let (seconds, nanoseconds) = (time.as_second(), time.subsec_nanosecond());
    match u32::try_from(nanoseconds) {
        Ok(nanoseconds) => types::Timestamp {
            seconds,
            nanoseconds,
        },
        Err(_) => types::Timestamp {
            seconds: seconds - 1,
            nanoseconds: u32::try_from(nanoseconds + 1_000_000_000).unwrap_or(0),
        },
    }
}

fn reference(object: &ObjectReference) -> types::ObjectReference<'_> {
    types::ObjectReference {
        api_version: &object.api_version,
        kind: &object.kind,
        namespace: &object.namespace,
        name: &object.name,
        uid: &object.uid,
        field_path: &object.field_path,
    }
}

/// Pairs that an event of the guest's borrows.
pub(in crate::sink) fn labels(event: &Event) -> Vec<(&str, &str)> {
    event
        .labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

/// An event as the guest sees it.
pub(in crate::sink) fn event<'a>(
    event: &'a Event,
    labels: &'a [(&'a str, &'a str)],
) -> types::Event<'a> {
    types::Event {
        uid: &event.uid,
        resource_version: &event.resource_version,
        namespace: &event.namespace,
        name: &event.name,
        type_: &event.kind,
        reason: &event.reason,
        action: &event.action,
        message: &event.message,
        count: event.count,
        first_timestamp: timestamp(event.first_timestamp),
        last_timestamp: timestamp(event.last_timestamp),
        observed_at: timestamp(event.observed_at),
        component: &event.component,
        host: &event.host,
        instance: &event.instance,
        regarding: reference(&event.regarding),
        related: event.related.as_ref().map(reference),
        job: event.job.as_ref().map(reference),
        region: event.region.as_deref(),
        cluster: event.cluster.as_deref(),
        labels,
        attributes: &[],
    }
}

/// About a call.
pub(in crate::sink) fn batch(attempt: Attempt) -> export::Batch<'static> {
    export::Batch {
        attempt: attempt.number,
        maybe_sent: attempt.maybe_sent,
        attributes: &[],
    }
}

/// The answer of `save-events`; an index outside of the batch is garbage.
pub(in crate::sink) fn saved(
    answer: Result<Vec<GuestFailure>, Error>,
    items: &[std::sync::Arc<Item>],
    words: Words<'_>,
) -> Outcome {
    let failures = match answer {
        Ok(failures) => failures,
        Err(error) => return refusal(error, words),
    };
    if failures.len() > items.len() {
        let reason = format!(
            "it named {} failures of a batch of {}",
            failures.len(),
            items.len()
        );
        return Outcome::Broken {
            reason,
            maybe_sent: true,
            cause: Cause::Waiting,
            after: None,
        };
    }
    let mut named = Vec::with_capacity(failures.len());
    for failure in failures {
        let index = usize::try_from(failure.index).unwrap_or(usize::MAX);
        if index >= items.len() {
            let reason = format!(
                "it named the failure of event {index} of a batch of {}",
                items.len()
            );
            return Outcome::Broken {
                reason,
                maybe_sent: true,
                cause: Cause::Waiting,
                after: None,
            };
        }
        let after = failure.after_ms.map(|ms| Duration::from_millis(ms.into()));
        named.push(Failure {
            index,
            retryable: failure.retryable,
            after,
            reason: words(&failure.reason),
        });
    }
    Outcome::Stored(named)
}

/// An error of any call.
pub(in crate::sink) fn refusal(error: Error, words: Words<'_>) -> Outcome {
    match error {
        Error::Retry(retry) => relay::Outcome::Retry {
            reason: words(&retry.reason),
            after: retry.after_ms.map(|ms| Duration::from_millis(ms.into())),
        },
        Error::Refused(reason) => Outcome::Refused {
            reason: words(&reason),
        },
        Error::Misconfigured(reason) => Outcome::Misconfigured {
            reason: words(&reason),
        },
    }
}

/// A guest's request.
pub(in crate::sink) fn request(request: http_import::Request) -> http::Request {
    http::Request {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: request.body,
        timeout: request
            .timeout_ms
            .map(|ms| Duration::from_millis(ms.into())),
    }
}

/// An answer for the guest.
pub(in crate::sink) fn response(
    answer: Result<http::Response, http::Error>,
) -> Result<http_import::Response, http_import::Error> {
    use http_import::Error as Guest;
    answer
        .map(|response| http_import::Response {
            status: response.status,
            headers: response.headers,
            body: response.body,
            truncated: response.truncated,
        })
        .map_err(|error| match error {
            http::Error::Denied(why) => Guest::Denied(why),
            http::Error::InvalidRequest(why) => Guest::InvalidRequest(why),
            http::Error::RequestTooLarge(limit) => Guest::RequestTooLarge(limit),
            http::Error::Dns(why) => Guest::Dns(why),
            http::Error::Connect(why) => Guest::Connect(why),
            http::Error::Tls(why) => Guest::Tls(why),
            http::Error::Proxy(why) => Guest::Proxy(why),
            http::Error::NotSent(why) => Guest::NotSent(why),
            http::Error::Timeout => Guest::Timeout,
            http::Error::Interrupted(why) => Guest::Interrupted(why),
            http::Error::Protocol(why) => Guest::Protocol(why),
            http::Error::Other(why) => Guest::Other(why),
        })
}
