//! Between the component's exports and the sink: keeps the instance from `open` to `close`.

use std::cell::RefCell;
use std::thread::LocalKey;

use crate::{Batch, Error, Event, EventSink, Failure};

pub use crate::bindings::exports::kubedl::events::event_sink::Guest;

/// Where an instance is kept; a component has one thread.
pub type Slot<S> = LocalKey<RefCell<Option<S>>>;

/// Compiles for sinks only: also natively, an author hears what is missing, and that the sink is
/// used.
pub const fn is_sink<S: EventSink>() {}

/// As the contract's `open`.
pub fn open<S: EventSink>(slot: &'static Slot<S>) -> Result<(), Error> {
    let sink = S::open()?;
    slot.set(Some(sink));
    Ok(())
}

/// As the contract's `save-events`.
pub fn save<S: EventSink>(
    slot: &'static Slot<S>,
    batch: &Batch,
    events: &[Event],
) -> Result<Vec<Failure>, Error> {
    slot.with_borrow_mut(|sink| match sink {
        Some(sink) => sink.save(batch, events),
        None => Err(Error::misconfigured("save-events was called before open")),
    })
}

/// As the contract's `close`.
pub fn close<S: EventSink>(slot: &'static Slot<S>) -> Result<(), Error> {
    slot.take().map_or(Ok(()), S::close)
}

/// Makes the component of a sink: once in a crate, with a type that implements
/// [`EventSink`](crate::EventSink).
///
/// Natively it makes nothing, so that the crate's tests can be linked.
#[macro_export]
macro_rules! export {
    ($sink:ty) => {
        const _: () = $crate::guest::is_sink::<$sink>();

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            ::std::thread_local! {
                static SINK: ::std::cell::RefCell<::std::option::Option<$sink>> = const { ::std::cell::RefCell::new(None) };
            }

            struct Component;

            impl $crate::guest::Guest for Component {
                fn describe() -> $crate::Description {
                    <$sink as $crate::EventSink>::describe()
                }

                fn open() -> ::std::result::Result<(), $crate::Error> {
                    $crate::guest::open(&SINK)
                }

                fn save_events(
                    batch: $crate::Batch,
                    events: ::std::vec::Vec<$crate::Event>,
                ) -> ::std::result::Result<::std::vec::Vec<$crate::Failure>, $crate::Error> {
                    $crate::guest::save(&SINK, &batch, &events)
                }

                fn close() -> ::std::result::Result<(), $crate::Error> {
                    $crate::guest::close(&SINK)
                }
            }

            $crate::bindings::export_component! { Component with_types_in $crate::bindings }
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Description;

    struct Counting(usize);

    impl EventSink for Counting {
        fn describe() -> Description {
            Description::new("counting", "0.1.0", "Counts its calls")
        }

        fn open() -> Result<Self, Error> {
            crate::env::require("START")?
                .parse()
                .map(Self)
                .map_err(|_| Error::misconfigured("START is not a number"))
        }

        fn save(&mut self, _batch: &Batch, events: &[Event]) -> Result<Vec<Failure>, Error> {
            self.0 += events.len();
            Err(Error::refused(self.0.to_string()))
        }
    }

    thread_local! {
        static SINK: RefCell<Option<Counting>> = const { RefCell::new(None) };
    }

    fn save_one() -> Result<Vec<Failure>, Error> {
        save(&SINK, &Batch::default(), &[Event::default()])
    }

    #[test]
    fn an_instance_is_kept_from_open_to_close() {
        crate::env::fake::set(&[("START", "5")]);
        assert_eq!(open(&SINK), Ok(()));
        assert_eq!(save_one(), Err(Error::refused("6")));
        assert_eq!(save_one(), Err(Error::refused("7")));
        assert_eq!(close(&SINK), Ok(()));
        assert_eq!(
            save_one(),
            Err(Error::misconfigured("save-events was called before open"))
        );
    }

    #[test]
    fn a_sink_that_did_not_open_keeps_nothing() {
        crate::env::fake::set(&[]);
        assert_eq!(
            open(&SINK),
            Err(Error::misconfigured("the variable START is not set"))
        );
        assert_eq!(
            save_one(),
            Err(Error::misconfigured("save-events was called before open"))
        );
        assert_eq!(close(&SINK), Ok(()));
    }
}
