//! The component's exports.

use crate::bindings::exports::kubedl::events::event_sink::Guest;
use crate::{Batch, Description, Error, Event, Failure, Retry};

struct Component;

impl Guest for Component {
    fn describe() -> Description {
        crate::describe()
    }

    fn open() -> Result<(), Error> {
        Ok(())
    }

    fn save_events(_batch: Batch, events: Vec<Event>) -> Result<Vec<Failure>, Error> {
        let printed = crate::print(&events, &mut std::io::stdout().lock());
        let retry = |error| {
            Error::Retry(Retry {
                reason: format!("cannot write to standard output: {error}"),
                after_ms: None,
            })
        };
        printed.map(|()| Vec::new()).map_err(retry)
    }

    fn close() -> Result<(), Error> {
        Ok(())
    }
}

crate::bindings::export!(Component with_types_in crate::bindings);
