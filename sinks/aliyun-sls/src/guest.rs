//! The component's exports, over the environment, the clock and the HTTP of the host.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::bindings::exports::kubedl::events::event_sink::Guest;
use crate::bindings::kubedl::events::http;
use crate::{Batch, Description, Error, Event, Failure, HttpError, Request, Response, Settings, Sink, Timestamp, Transport};

thread_local! {
    static SINK: RefCell<Option<Sink>> = const { RefCell::new(None) };
}

struct Component;

impl Guest for Component {
    fn describe() -> Description {
        crate::describe::describe()
    }

    fn open() -> Result<(), Error> {
        let settings = Settings::from_env(&|name| std::env::var(name).ok())?;
        SINK.set(Some(Sink::new(settings)));
        Ok(())
    }

    fn save_events(_batch: Batch, events: Vec<Event>) -> Result<Vec<Failure>, Error> {
        let save = |sink: &mut Option<Sink>| match sink {
            Some(sink) => sink.save(&events, &local_time, &mut Host),
            None => Err(Error::Misconfigured("save-events was called before open".to_owned())),
        };
        SINK.with_borrow_mut(save)
    }

    fn close() -> Result<(), Error> {
        SINK.set(None);
        Ok(())
    }
}

struct Host;

impl Transport for Host {
    fn send(&mut self, request: &Request) -> Result<Response, HttpError> {
        http::send(request)
    }

    fn send_all(&mut self, requests: &[Request]) -> Vec<Result<Response, HttpError>> {
        http::send_all(requests)
    }
}

fn local_time() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { seconds: since_1970.as_secs().cast_signed(), nanoseconds: since_1970.subsec_nanos() }
}

crate::bindings::export!(Component with_types_in crate::bindings);
