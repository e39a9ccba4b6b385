//! The component's exports, over the environment, the clock and the HTTP of the host.

use crate::prelude::{ToOwned, Vec};
use spin::Mutex;

use crate::bindings::exports::kubedl::events::event_sink::Guest;
use crate::bindings::kubedl::events::http;
use crate::bindings::wasi::cli::environment;
use crate::bindings::wasi::clocks::wall_clock;
use crate::{
    Batch, Description, Error, Event, Failure, HttpError, Request, Response, Settings, Sink,
    Timestamp, Transport,
};

/// A component has one thread: nothing ever waits for this lock.
static SINK: Mutex<Option<Sink>> = Mutex::new(None);

struct Component;

impl Guest for Component {
    fn describe() -> Description {
        crate::describe::describe()
    }

    fn open() -> Result<(), Error> {
        let variables = environment::get_environment();
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        *SINK.lock() = Some(Sink::new(Settings::from_env(&lookup)?));
        Ok(())
    }

    fn save_events(_batch: Batch, events: Vec<Event>) -> Result<Vec<Failure>, Error> {
        match SINK.lock().as_mut() {
            Some(sink) => sink.save(&events, &local_time, &mut Host),
            None => Err(Error::Misconfigured(
                "save-events was called before open".to_owned(),
            )),
        }
    }

    fn close() -> Result<(), Error> {
        *SINK.lock() = None;
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
    let now = wall_clock::now();
    Timestamp {
        seconds: now.seconds.cast_signed(),
        nanoseconds: now.nanoseconds,
    }
}

crate::bindings::export!(Component with_types_in crate::bindings);
