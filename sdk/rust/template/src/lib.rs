//! The sink `my-sink`: posts each batch of Kubernetes events as CloudEvents.

mod cloud_event;
#[cfg(test)]
mod tests;

use kubedl_events_sink::{
    Batch, Description, EnvVar, Error, Event, EventSink, Failure, env, export, http,
};

use cloud_event::CloudEvent;

/// What `open` has read.
pub struct Webhook {
    url: String,
    token: Option<String>,
}

impl EventSink for Webhook {
    fn describe() -> Description {
        Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Posts events as CloudEvents, a batch a request",
        )
        .env(
            EnvVar::required("WEBHOOK_URL", "URL that takes CloudEvents batches by POST.").secret(),
        )
        .env(EnvVar::optional("WEBHOOK_TOKEN", "Sent as Authorization: Bearer TOKEN.").secret())
        .host("${WEBHOOK_URL}")
        .batch(500, 1 << 20)
    }

    fn open() -> Result<Self, Error> {
        Ok(Self {
            url: env::require("WEBHOOK_URL")?,
            token: env::get("WEBHOOK_TOKEN"),
        })
    }

    fn save(&mut self, _batch: &Batch, events: &[Event]) -> Result<Vec<Failure>, Error> {
        http::settle(&http::send(&self.request(events)?))?;
        Ok(Vec::new())
    }
}

impl Webhook {
    fn request(&self, events: &[Event]) -> Result<http::Request, Error> {
        let batch: Vec<CloudEvent> = events.iter().map(CloudEvent::from).collect();
        let body = serde_json::to_vec(&batch)
            .map_err(|why| Error::refused(format!("cannot write the events as JSON: {why}")))?;
        let request = http::Request::post(&self.url)
            .header("content-type", "application/cloudevents-batch+json")
            .body(body);
        Ok(match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        })
    }
}

export!(Webhook);
