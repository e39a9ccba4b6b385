//! What goes out in one request: the headers that say what it is, and the body.

use kubedl_events_sink::json::{self, View};
use kubedl_events_sink::{Error, Event};
use serde::Serialize;

use crate::cloud_event::{CloudEvent, header_value};
use crate::settings::{Layout, Mode};

/// Bytes of an event's own headers. Servers commonly take 8 KiB of all headers; a Kubernetes name
/// has 253 bytes at most, so nothing that Kubernetes itself lets through comes near.
const MOST_HEADER_BYTES: usize = 6 << 10;

/// What goes out in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

impl Message {
    /// One event in one request.
    ///
    /// # Errors
    /// [`Error::Refused`] where the event can't be said in this mode.
    pub fn of_event(mode: Mode, layout: Layout, event: &Event) -> Result<Self, Error> {
        match (mode, layout) {
            (Mode::Binary, _) => Self::binary(event),
            (_, Layout::CloudEvents) => Self::new(
                "application/cloudevents+json",
                written(&CloudEvent::from(event)),
            ),
            (_, Layout::Event | Layout::Lines) => {
                Self::new("application/json", written(&json::view(event)))
            }
        }
    }

    /// Many events in one request.
    ///
    /// # Errors
    /// [`Error::Refused`] where they can't be written down.
    pub fn of_batch(layout: Layout, events: &[Event]) -> Result<Self, Error> {
        match layout {
            Layout::CloudEvents => Self::new(
                "application/cloudevents-batch+json",
                written(&events.iter().map(CloudEvent::from).collect::<Vec<_>>()),
            ),
            Layout::Event => Self::new(
                "application/json",
                written(&events.iter().map(json::view).collect::<Vec<View>>()),
            ),
            Layout::Lines => {
                let lines = events.iter().map(|event| json::text(event) + "\n");
                Self::new(
                    "application/x-ndjson",
                    Ok(lines.collect::<String>().into_bytes()),
                )
            }
        }
    }

    /// The attributes go into headers; the body is the data alone.
    fn binary(event: &Event) -> Result<Self, Error> {
        let CloudEvent {
            specversion,
            id,
            source,
            type_,
            subject,
            time,
            datacontenttype,
            data,
        } = CloudEvent::from(event);
        let mut message = Self::new(datacontenttype, written(&data))?;
        let attributes = [
            ("ce-specversion", specversion),
            ("ce-id", &id),
            ("ce-source", &source),
            ("ce-type", type_),
            ("ce-time", &time),
        ];
        let attributes = attributes
            .into_iter()
            .chain((!subject.is_empty()).then_some(("ce-subject", subject.as_str())));
        message
            .headers
            .extend(attributes.map(|(name, value)| (name.to_owned(), header_value(value))));
        let bytes: usize = message
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if bytes > MOST_HEADER_BYTES {
            return Err(Error::refused(format!(
                "the event needs {bytes} bytes of headers, more than {MOST_HEADER_BYTES}: its names are too long"
            )));
        }
        Ok(message)
    }

    fn new(content_type: &str, body: Result<Vec<u8>, Error>) -> Result<Self, Error> {
        Ok(Self {
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body?,
        })
    }
}

fn written(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value)
        .map_err(|why| Error::refused(format!("the event can't be written as JSON: {why}")))
}
