//! Whether something is what is looked for in a recording, wherever it is found. Pure.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::cluster::raw::{Outline, is_object, text};

/// Whether a JSON object is one of those that are looked for, wherever it is found.
pub(super) fn says_what_it_is(json: &str) -> bool {
    Outline::of(json).is_ok_and(|outline| is_looked_for(&outline))
}

fn is_looked_for(outline: &Outline<'_>) -> bool {
    let named = outline.kind.is_some() || outline.is_about_something();
    (outline.has_metadata() && named)
        || is_envelope(outline)
        || (outline.kind.is_some() && outline.items.is_some())
}

/// Whether one of those, or something that is about an object as an event is, stands anywhere in a
/// JSON value.
pub(super) fn holds(json: &str, deep: usize) -> bool {
    let Some(deep) = deep.checked_sub(1) else {
        return false;
    };
    if json.starts_with('[') {
        return serde_json::from_str::<Vec<&RawValue>>(json)
            .is_ok_and(|items| items.iter().any(|item| holds(item.get(), deep)));
    }
    let Some(outline) = Outline::of(json).ok().filter(|_| json.starts_with('{')) else {
        return false;
    };
    let is_one = is_looked_for(&outline)
        || outline.is_about_something()
        || text(outline.kind).as_deref() == Some("Event");
    is_one
        || serde_json::from_str::<BTreeMap<String, &RawValue>>(json)
            .is_ok_and(|members| members.values().any(|member| holds(member.get(), deep)))
}

/// Whether it is a line of a watch, or of eventrouter.
pub(super) fn is_envelope(outline: &Outline<'_>) -> bool {
    let of_watch = outline.change.is_some() && is_object(outline.object);
    !outline.has_metadata() && (of_watch || (outline.verb.is_some() && is_object(outline.event)))
}
