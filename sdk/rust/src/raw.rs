//! The events of the batch as Kubernetes' own JSON, for sinks that store the whole object.

/// The event at this place of the list that `save` was given, as core/v1 without `managedFields`;
/// `None` beyond its end and outside `save`.
pub fn get(index: usize) -> Option<String> {
    get_from_host(u32::try_from(index).ok()?)
}

#[cfg(target_arch = "wasm32")]
fn get_from_host(index: u32) -> Option<String> {
    crate::bindings::kubedl::events::raw_event::get(index)
}

#[cfg(not(target_arch = "wasm32"))]
fn get_from_host(index: u32) -> Option<String> {
    fake::get(index)
}

/// The events of native tests.
#[cfg(not(target_arch = "wasm32"))]
pub mod fake {
    use std::cell::RefCell;

    thread_local! {
        static EVENTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    /// Replaces the events of this thread, each a JSON object.
    pub fn set(events: &[&str]) {
        EVENTS.set(events.iter().map(|event| (*event).to_owned()).collect());
    }

    pub(super) fn get(index: u32) -> Option<String> {
        EVENTS.with_borrow(|events| events.get(index as usize).cloned())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_event_is_had_by_its_place() {
        super::fake::set(&["{}"]);
        assert_eq!(
            [super::get(0), super::get(1)],
            [Some("{}".to_owned()), None]
        );
    }
}
