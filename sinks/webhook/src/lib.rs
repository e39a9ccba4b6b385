//! The sink `webhook`: posts Kubernetes events to a URL, as CloudEvents or as plain JSON.
//!
//! - [`settings`]: the environment, read and checked once.
//! - [`cloud_event`]: an event as a CloudEvent.
//! - [`message`]: what goes out in one request, in each mode and layout.
//! - [`signature`]: headers by which a receiver knows who sent it.
//! - [`answer`]: what the receiver's answer means.

pub mod answer;
pub mod cloud_event;
pub mod message;
pub mod settings;
pub mod signature;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kubedl_events_sink::{
    Batch, Description, EnvVar, Error, Event, EventSink, Failure, export, failures, http,
};

pub use settings::Settings;

use message::Message;
use settings::Mode;

/// An open sink.
pub struct Webhook {
    settings: Settings,
    /// Seconds since 1970, for signatures and dates.
    now: fn() -> u64,
}

impl EventSink for Webhook {
    fn describe() -> Description {
        Description::new("webhook", env!("CARGO_PKG_VERSION"), "Posts events to a URL, as CloudEvents or plain JSON")
            .env(EnvVar::required("WEBHOOK_URL", "URL that takes the events by POST.").secret())
            .env(EnvVar::optional("WEBHOOK_MODE", "structured (default) or binary: one event a request; batch: many."))
            .env(EnvVar::optional("WEBHOOK_LAYOUT", "cloudevents (default), event (plain JSON), or ndjson (lines of it, only in batch mode)."))
            .env(EnvVar::optional("WEBHOOK_TOKEN", "Sent as Authorization: Bearer TOKEN.").secret())
            .env(EnvVar::optional("WEBHOOK_USER", "With WEBHOOK_PASSWORD: sent as Authorization: Basic."))
            .env(EnvVar::optional("WEBHOOK_PASSWORD", "Belongs to WEBHOOK_USER.").secret())
            .env(EnvVar::optional("WEBHOOK_HEADERS", "Further headers, each on a line of its own: Name: value.").secret())
            .env(EnvVar::optional("WEBHOOK_SECRET", "Signs each request; base64 where it begins with whsec_.").secret())
            .env(EnvVar::optional("WEBHOOK_SIGNATURE", "standard (default): Standard Webhooks; github: X-Hub-Signature-256."))
            .env(EnvVar::optional(
                "WEBHOOK_STORED_IF",
                "A regular expression: a 2xx counts as stored only where its body matches. Without it every 2xx does.",
            ))
            .host("${WEBHOOK_URL}")
            // One request an event: at a second a request and eight at a time, a call takes half of
            // its minute.
            .batch(200, 1 << 20)
    }

    fn open() -> Result<Self, Error> {
        Ok(Self::new(Settings::from_env()?, seconds_since_1970))
    }

    fn save(&mut self, _batch: &Batch, events: &[Event]) -> Result<Vec<Failure>, Error> {
        if self.settings.mode == Mode::Batch {
            let message = Message::of_batch(self.settings.layout, events)?;
            self.settle(&http::send(&self.request(message, events)))?;
            return Ok(Vec::new());
        }
        self.save_one_by_one(events)
    }
}

impl Webhook {
    /// With a clock that tells the seconds since 1970.
    pub fn new(settings: Settings, now: fn() -> u64) -> Self {
        Self { settings, now }
    }

    /// An event that can't be written down is refused alone; the others are sent side by side.
    fn save_one_by_one(&self, events: &[Event]) -> Result<Vec<Failure>, Error> {
        let Settings { mode, layout, .. } = self.settings;
        let (mut outcomes, mut requests) = (
            Vec::with_capacity(events.len()),
            Vec::with_capacity(events.len()),
        );
        for event in events {
            let message = Message::of_event(mode, layout, event);
            outcomes.push(
                message.map(|message| {
                    requests.push(self.request(message, std::slice::from_ref(event)))
                }),
            );
        }
        let mut answers = http::send_all(&requests).into_iter();
        failures(outcomes.into_iter().map(|outcome| {
            outcome.and_then(|()| {
                answers
                    .next()
                    .map_or_else(unanswered, |answer| self.settle(&answer))
            })
        }))
    }

    fn settle(&self, answer: &http::Answer) -> Result<(), Error> {
        answer::settle(
            answer,
            self.settings.stored_if.as_ref(),
            UNIX_EPOCH + Duration::from_secs((self.now)()),
        )
    }

    fn request(&self, message: Message, events: &[Event]) -> http::Request {
        let settings = &self.settings;
        let signed = settings
            .signer
            .as_ref()
            .map(|signer| signer.headers(events, (self.now)(), &message.body))
            .unwrap_or_default();
        let mut request = http::Request::post(&settings.url).body(message.body);
        for (name, value) in message
            .headers
            .into_iter()
            .chain(settings.headers.iter().cloned())
            .chain(signed)
        {
            request = request.header(name, value);
        }
        request
    }
}

/// The host promises an answer for each request.
fn unanswered() -> Result<(), Error> {
    Err(Error::retry("no answer from the host for this event"))
}

fn seconds_since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

export!(Webhook);
