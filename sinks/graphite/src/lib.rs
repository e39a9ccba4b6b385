//! The sink `graphite`: stores Kubernetes events as events of Graphite, which Grafana shows as
//! annotations.
//!
//! - [`settings`]: the environment, read and checked once.
//! - [`annotation`]: an event in the form of Graphite.
//! - [`tags`]: its tags, within what Graphite can find and store.
//! - [`look`]: which events are there already, after a try that may have stored some.

pub mod annotation;
pub mod look;
pub mod settings;
pub mod tags;

use kubedl_events_sink::{
    Batch, Description, EnvVar, Error, Event, EventSink, Failure, export, failures, http,
};

pub use settings::Settings;

use annotation::Annotation;

/// An open sink.
pub struct Graphite {
    settings: Settings,
}

impl EventSink for Graphite {
    fn describe() -> Description {
        Description::new(
            "graphite",
            env!("CARGO_PKG_VERSION"),
            "Stores events as events of Graphite, for annotations in Grafana",
        )
        .env(EnvVar::required(
            "GRAPHITE_URL",
            "URL of graphite-web, with its base path; /events/ is appended.",
        ))
        .env(
            EnvVar::optional(
                "GRAPHITE_TOKEN",
                "Sent as Authorization: Bearer TOKEN, for a proxy before Graphite.",
            )
            .secret(),
        )
        .env(EnvVar::optional(
            "GRAPHITE_USER",
            "With GRAPHITE_PASSWORD: sent as Authorization: Basic.",
        ))
        .env(EnvVar::optional("GRAPHITE_PASSWORD", "Belongs to GRAPHITE_USER.").secret())
        .env(EnvVar::optional(
            "GRAPHITE_TAGS_AS_STRING",
            "true for Graphite 0.9, which takes tags as one text only; false by default.",
        ))
        .host("${GRAPHITE_URL}")
        // Each event is a request, and another one where Graphite has to be asked first.
        .batch(200, 1 << 20)
    }

    fn open() -> Result<Self, Error> {
        Ok(Self {
            settings: Settings::from_env()?,
        })
    }

    fn save(&mut self, batch: &Batch, events: &[Event]) -> Result<Vec<Failure>, Error> {
        let annotations: Vec<Annotation> = events.iter().map(Annotation::from).collect();
        // Also at a try after one that named failures: an answer about one of these may have been
        // lost.
        let unsure = batch.maybe_sent || batch.attempt > 0;
        let seen = if unsure {
            self.look_for(&annotations)
        } else {
            vec![Ok(false); annotations.len()]
        };
        let missing = annotations
            .iter()
            .zip(&seen)
            .filter(|(_, seen)| matches!(seen, Ok(false)));
        let requests: Vec<http::Request> = missing
            .map(|(annotation, _)| self.post(annotation))
            .collect();
        let mut answers = http::send_all(&requests).into_iter();
        failures(seen.into_iter().map(|seen| {
            match seen? {
                true => Ok(()),
                false => answers
                    .next()
                    .map_or_else(unanswered, |answer| http::settle(&answer)),
            }
        }))
    }
}

impl Graphite {
    /// Whether each of these is stored already.
    fn look_for(&self, annotations: &[Annotation]) -> Vec<Result<bool, Error>> {
        // Without an identity there is nothing to look for: rather twice than not at all.
        let questions = annotations.iter().filter_map(|annotation| {
            Some(look::query(
                annotation.identity.as_ref()?,
                annotation.seconds,
            ))
        });
        let requests: Vec<http::Request> = questions
            .map(|query| {
                self.authorized(http::Request::get(format!(
                    "{}get_data?{query}",
                    self.settings.events_url
                )))
            })
            .collect();
        let mut answers = http::send_all(&requests).into_iter();
        let seen = |annotation: &Annotation| match &annotation.identity {
            Some(identity) => answers.next().map_or_else(
                || unanswered().map(|()| false),
                |answer| look::is_there(&answer, identity),
            ),
            None => Ok(false),
        };
        annotations.iter().map(seen).collect()
    }

    fn post(&self, annotation: &Annotation) -> http::Request {
        let body = annotation.json(self.settings.tags_as_string);
        self.authorized(
            http::Request::post(&self.settings.events_url)
                .header("content-type", "application/json")
                .body(body),
        )
    }

    fn authorized(&self, request: http::Request) -> http::Request {
        match &self.settings.authorization {
            Some(value) => request.header("authorization", value.as_str()),
            None => request,
        }
    }
}

/// The host promises an answer for each request.
fn unanswered() -> Result<(), Error> {
    Err(Error::retry("no answer from the host for this event"))
}

export!(Graphite);
