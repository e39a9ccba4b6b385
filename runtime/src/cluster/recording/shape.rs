//! What an object is, by what people keep: an event by either API, an object that may control
//! others, a list, a line of a watch or of eventrouter. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;

use super::decoding::shortened;
use super::piece::{CUT, NO_OBJECT, Odd, TEXT};
use super::sought::{holds, is_envelope, says_what_it_is};
use crate::cluster::name::group;
use crate::cluster::owner::identity;
use crate::cluster::raw::{Outline, is_object, text};
use crate::cluster::{Owners, Raw, Unreadable, has_controller};

/// Lists in lists, and envelopes, so many deep.
const DEEPEST: usize = 16;
/// Of each kind of lines of text, so many are kept one by one.
const MOST_TEXTS: u64 = 1_000;

/// What a recording has.
pub(super) struct Contents<'h> {
    /// In the order of the file.
    pub events: Vec<Raw>,
    pub unreadable: Vec<Unreadable>,
    /// Objects that are no events, by what they are.
    pub passed: BTreeMap<String, u64>,
    pub owners: Owners,
    /// Lists without items.
    pub empty_lists: u64,
    /// Odd things that were objects once, not only text.
    pub odd_objects: u64,
    /// Lines of text beyond those that are kept.
    pub texts: u64,
    /// What a Status said.
    pub status: Option<String>,
    objects: u64,
    /// Whether the last odd thing ended in its middle.
    pub is_cut: bool,
    /// Takes out of a text what nobody may see, before a part of it is shown.
    hide: &'h dyn Fn(&mut String),
}

/// Where an object stands.
struct Place {
    object: u64,
    line: usize,
    /// Of the items of a list, from 1 on.
    item: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            Some(item) => write!(
                f,
                "item {item} of object {} (line {})",
                self.object, self.line
            ),
            None => write!(f, "object {} (line {})", self.object, self.line),
        }
    }
}

/// What a list says of its items, which may not say it themselves.
#[derive(Clone, Copy, Default)]
struct Listed<'a> {
    kind: &'a str,
    api_version: &'a str,
}

impl<'h> Contents<'h> {
    pub(super) fn new(hide: &'h dyn Fn(&mut String)) -> Self {
        Self {
            events: Vec::new(),
            unreadable: Vec::new(),
            passed: BTreeMap::new(),
            owners: Owners::recorded(),
            empty_lists: 0,
            odd_objects: 0,
            texts: 0,
            status: None,
            objects: 0,
            is_cut: false,
            hide,
        }
    }

    /// Takes in a JSON value that begins in a line.
    pub(super) fn take(&mut self, json: &str, line: usize) {
        self.objects += 1;
        let place = Place {
            object: self.objects,
            line,
            item: None,
        };
        self.sort(json, &place, Listed::default(), DEEPEST);
    }

    /// Takes in what is no JSON value.
    pub(super) fn take_odd(&mut self, odd: Odd) {
        let Odd {
            text,
            line,
            column,
            mut why,
            kind,
        } = odd;
        self.is_cut = kind == CUT;
        if why == NO_OBJECT {
            why = format!("{why}, but {:?}", self.shown(&text));
        }
        if kind == TEXT {
            self.texts += 1;
            if self.texts > MOST_TEXTS {
                return self.pass("lines of text beyond the first 1000".to_owned());
            }
        } else {
            self.odd_objects += 1;
        }
        let column = if column > 1 {
            format!(" column {column}")
        } else {
            String::new()
        };
        self.unreadable.push(Unreadable {
            text,
            reason: format!("line {line}{column}: {why}"),
            kind,
        });
    }

    /// The beginning of a text, without what nobody may see.
    pub(super) fn shown(&self, text: &str) -> String {
        let mut text = text.to_owned();
        (self.hide)(&mut text);
        shortened(&text)
    }

    fn refuse(&mut self, json: &str, place: &Place, why: &str, kind: &'static str) {
        self.odd_objects += 1;
        self.unreadable.push(Unreadable {
            text: json.to_owned(),
            reason: format!("{place}: {why}"),
            kind,
        });
    }

    /// A JSON value that is neither an object nor a list.
    fn refuse_text(&mut self, json: &str, place: &Place) {
        self.texts += u64::from(place.item.is_none());
        let why = format!("{NO_OBJECT}, but {}", self.shown(json));
        self.unreadable.push(Unreadable {
            text: json.to_owned(),
            reason: format!("{place}: {why}"),
            kind: "no object",
        });
    }

    fn pass(&mut self, what: String) {
        *self.passed.entry(what).or_default() += 1;
    }

    fn sort(&mut self, json: &str, place: &Place, listed: Listed<'_>, deep: usize) {
        let Some(deep) = deep.checked_sub(1) else {
            return self.refuse(json, place, "too many lists in lists", "too deep");
        };
        if json.starts_with('[') {
            return match serde_json::from_str::<Vec<&RawValue>>(json) {
                Ok(items) => self.each(&items, place, listed, deep),
                Err(why) => self.refuse(json, place, &why.to_string(), "no JSON"),
            };
        }
        if !json.starts_with('{') {
            return self.refuse_text(json, place);
        }
        let outline = match Outline::of(json) {
            Ok(outline) => outline,
            Err(why) => return self.refuse(json, place, &why.to_string(), "no JSON"),
        };
        if outline
            .kind
            .is_some_and(|kind| !kind.get().starts_with('"'))
        {
            return self.refuse(json, place, "its kind is no text", "no kind");
        }
        let (kind, api_version) = (text(outline.kind), text(outline.api_version));
        let kind = kind.as_deref().unwrap_or(listed.kind);
        let api_version = api_version.as_deref().unwrap_or(listed.api_version);
        if is_envelope(&outline) {
            return self.open(&outline, place, deep);
        }
        if kind.is_empty()
            && !outline.has_metadata()
            && !outline.is_about_something()
            && self.inside(json, place, deep)
        {
            return;
        }
        if outline.kind.is_none_or(|_| kind.ends_with("List"))
            && self.list(&outline, kind, api_version, place, deep)
        {
            return;
        }
        self.object(json, &outline, place, kind, api_version);
    }

    /// An object that is neither a list nor a line of a watch: an event, or another.
    fn object(
        &mut self,
        json: &str,
        outline: &Outline<'_>,
        place: &Place,
        kind: &str,
        api_version: &str,
    ) {
        if kind.is_empty() && outline.has_metadata() && outline.is_about_something() {
            return self.event(json, outline, place, api_version);
        }
        match kind {
            "Event" => self.event(json, outline, place, api_version),
            "" if outline.has_metadata() => self.refuse(
                json,
                place,
                "it has no kind, and does not say what it is about as an event does",
                "no kind",
            ),
            "" => self.refuse(
                json,
                place,
                "it has neither kind nor metadata, as a Kubernetes object has",
                "no metadata",
            ),
            _ => self.other(outline, kind, api_version),
        }
    }

    /// What holds objects under names of its own: `{"events": [...]}` of a bundle, lists by
    /// namespace, or a line of Docker's log, `{"log": "{...}\n", ...}`. Says whether it is one.
    /// Members that hold nothing that is looked for are of no interest.
    fn inside(&mut self, json: &str, place: &Place, deep: usize) -> bool {
        let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(json) else {
            return false;
        };
        if let Some(line) = text(members.get("log").copied()).filter(|line| says_what_it_is(line)) {
            self.sort(line.trim(), place, Listed::default(), deep);
            return true;
        }
        let mut any = false;
        for member in members.values().filter(|member| holds(member.get(), deep)) {
            any = true;
            self.sort(member.get(), place, Listed::default(), deep);
        }
        any
    }

    fn each(&mut self, items: &[&RawValue], place: &Place, listed: Listed<'_>, deep: usize) {
        self.empty_lists += u64::from(items.is_empty());
        for (number, item) in (1..).zip(items) {
            let place = Place {
                item: Some(number),
                ..*place
            };
            self.sort(item.get(), &place, listed, deep);
        }
    }

    /// The items of a list; says whether it is one.
    fn list(
        &mut self,
        outline: &Outline<'_>,
        kind: &str,
        api_version: &str,
        place: &Place,
        deep: usize,
    ) -> bool {
        let Some(items) = outline.items else {
            // `items: null`, as Go writes an empty list.
            let empty = kind.ends_with("List");
            self.empty_lists += u64::from(empty);
            return empty;
        };
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(items.get()) else {
            return false;
        };
        // Items of a typed list carry no kind: `EventList` says it for them.
        let of = kind.strip_suffix("List").unwrap_or_default();
        let api_version = if of.is_empty() { "" } else { api_version };
        self.each(
            &items,
            place,
            Listed {
                kind: of,
                api_version,
            },
            deep,
        );
        true
    }

    /// A line of a watch, or of eventrouter.
    fn open(&mut self, outline: &Outline<'_>, place: &Place, deep: usize) {
        let (word, object) = if is_object(outline.object) {
            (outline.change, outline.object)
        } else {
            (outline.verb, outline.event)
        };
        let (word, Some(object)) = (text(word).unwrap_or_default(), object) else {
            return;
        };
        match &*word {
            "ADDED" | "MODIFIED" | "UPDATED" => {
                self.sort(object.get(), place, Listed::default(), deep)
            }
            "DELETED" | "BOOKMARK" | "ERROR" => {
                let inner = Outline::of(object.get()).unwrap_or_default();
                if let ("DELETED", Some(kind)) = (&*word, text(inner.kind)) {
                    // Events may follow an object that is gone.
                    self.learn(&inner, &kind, &text(inner.api_version).unwrap_or_default());
                }
                self.pass(format!("{word} of a watch"));
            }
            _ => self.refuse(
                object.get(),
                place,
                &format!("a watch has no lines of the type {:?}", self.shown(&word)),
                "unknown type",
            ),
        }
    }

    fn event(&mut self, json: &str, outline: &Outline<'_>, place: &Place, api_version: &str) {
        if !matches!(group(api_version), "" | "events.k8s.io") {
            return self.pass(format!("Event of {api_version}"));
        }
        // Here, where its place is known; what else an event needs, it has.
        let metadata: Value = outline
            .metadata
            .and_then(|metadata| serde_json::from_str(metadata.get()).ok())
            .unwrap_or_default();
        let has = |key: &str| {
            metadata.get(key).is_some_and(|value| {
                value.is_number() || value.as_str().is_some_and(|text| !text.is_empty())
            })
        };
        if let Some(missing) = ["uid", "resourceVersion"]
            .into_iter()
            .find(|key| metadata.is_object() && !has(key))
        {
            let name = metadata
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let why = format!(
                "the Event {name:?} has no metadata.{missing}, so it can't be told from others: take events as an API server shows them"
            );
            return self.refuse(json, place, &why, missing);
        }
        match Raw::from_object(json) {
            Ok((raw, _)) => self.events.push(raw),
            Err(why) => self.refuse(json, place, &why.to_string(), "no metadata"),
        }
    }

    /// An object that is no event; it may control what events are about.
    fn other(&mut self, outline: &Outline<'_>, kind: &str, api_version: &str) {
        if kind == "Status"
            && let Some(message) = text(outline.message)
        {
            self.status = Some(self.shown(&message));
        }
        let ours = self.learn(outline, kind, api_version);
        self.pass(if ours || group(api_version).is_empty() {
            kind.to_owned()
        } else {
            format!("{kind} of {api_version}")
        });
    }

    /// Takes in who controls an object, where that is of the kinds that count; says whether it is.
    fn learn(&mut self, outline: &Outline<'_>, kind: &str, api_version: &str) -> bool {
        // Old ones were of another group.
        let was_of_extensions =
            matches!(kind, "ReplicaSet" | "Deployment") && group(api_version) == "extensions";
        let ours = was_of_extensions || has_controller(group(api_version), kind);
        if ours
            && let Some(Ok(metadata)) = outline
                .metadata
                .map(|metadata| identity(&mut serde_json::Deserializer::from_str(metadata.get())))
        {
            self.owners.learn(kind, &metadata);
        }
        ours
    }
}
