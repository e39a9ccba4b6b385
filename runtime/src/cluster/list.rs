//! Lists of events: one page, or all of them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::access::failure::unreadable;
use super::client::{About, Client};
use super::raw::text;
use super::{Error, Raw, Scope, Unreadable, is_before};
use crate::shown::brief;

/// One page.
#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    kind: Option<Box<RawValue>>,
    metadata: Metadata,
    /// None: there is no such key; null is empty, as Go writes it.
    #[serde(default, deserialize_with = "some_items")]
    items: Option<Vec<Box<RawValue>>>,
    /// Bytes of it were not UTF-8, and are U+FFFD.
    #[serde(skip)]
    mended: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(deserialize_with = "some_text")]
    resource_version: String,
    #[serde(default, rename = "continue", deserialize_with = "some_text")]
    next: String,
}

/// As Go reads it: null is empty; a number, which no API server writes, is as good as its text.
fn some_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value: Option<Box<RawValue>> = Option::deserialize(deserializer)?;
    Ok(text(value.as_deref()).unwrap_or_default().into_owned())
}

fn some_items<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Box<RawValue>>>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.unwrap_or_default()))
}

impl Page {
    /// What it is, where it is no list.
    fn other(&self) -> Option<String> {
        let kind = text(self.kind.as_deref()).unwrap_or_default();
        if !kind.is_empty() && !kind.ends_with("List") {
            return Some(format!("a {}", brief(&kind)));
        }
        self.items
            .is_none()
            .then(|| "a list without items".to_owned())
    }

    /// The resource version of the list.
    pub(super) fn version(&self) -> &str {
        &self.metadata.resource_version
    }

    /// The events, as Kubernetes wrote them.
    pub(super) fn items(&self) -> &[Box<RawValue>] {
        self.items.as_deref().unwrap_or_default()
    }

    /// The same as events, the place among them of the one that was written last, and what can't be
    /// read as an event. Without those that were written after the resource version `through`.
    pub(super) fn events(
        &self,
        through: Option<&str>,
    ) -> (Vec<Raw>, Option<usize>, Vec<Unreadable>) {
        let (mut events, mut unreadable) = (Vec::new(), Vec::new());
        let mut newest: Option<(usize, String)> = None;
        for (number, item) in (1..).zip(self.items()) {
            let (why, kind) = match Raw::from_object(item.get()) {
                Ok(_) if self.mended && item.get().contains(char::REPLACEMENT_CHARACTER) => (
                    "a byte of it is not UTF-8".to_owned(),
                    "item that is not UTF-8",
                ),
                Ok((_, version))
                    if through
                        .is_some_and(|through| is_before(through, &version) == Some(true)) =>
                {
                    continue;
                }
                Ok((raw, version)) => {
                    if newest
                        .as_ref()
                        .is_none_or(|(_, before)| is_before(before, &version) == Some(true))
                    {
                        newest = Some((events.len(), version));
                    }
                    events.push(raw);
                    continue;
                }
                Err(why) => (why.to_string(), "item that is no event"),
            };
            unreadable.push(Unreadable {
                text: item.get().to_owned(),
                reason: format!("item {number} of a page of the list: {why}"),
                kind,
            });
        }
        (events, newest.map(|(place, _)| place), unreadable)
    }

    /// Whether no page follows.
    pub(super) fn is_last(&self) -> bool {
        self.metadata.next.is_empty()
    }
}

/// All but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text as a part of a URL, whatever is in it.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A field selector for a name, as a part of a URL (k8s.io/apimachinery/pkg/fields, EscapeValue).
pub(super) fn named(name: &str) -> String {
    let value: String = name
        .chars()
        .flat_map(|c| {
            matches!(c, '\\' | ',' | '=')
                .then_some('\\')
                .into_iter()
                .chain([c])
        })
        .collect();
    escaped(&format!("metadata.name={value}"))
}

pub(super) fn path(scope: &Scope, query: &str) -> String {
    match scope {
        Scope::All => format!("/api/v1/events?{query}"),
        Scope::Namespace(name) => format!("/api/v1/namespaces/{}/events?{query}", escaped(name)),
    }
}

pub(super) fn about(scope: &Scope, verb: &'static str) -> About {
    About {
        verb,
        resource: "events",
        group: "",
        scope: scope.clone(),
    }
}

/// Bytes of a page, beyond which a smaller one is asked for.
const PAGE_BYTES: usize = 4 << 20;
/// Bytes of a page of one event: an API server takes no object over etcd's 1.5 MiB, twice that with
/// its managedFields.
const EVENT_BYTES: usize = 16 << 20;

/// Asks for one page of a single event.
pub(super) async fn page(client: &Client, scope: &Scope, query: &str) -> Result<Page, Error> {
    let too_large = || Error::Protocol(format!("a list of one event has over {EVENT_BYTES} bytes"));
    page_within(client, scope, query, EVENT_BYTES)
        .await?
        .ok_or_else(too_large)
}

/// Asks for one page; none where it has more bytes.
async fn page_within(
    client: &Client,
    scope: &Scope,
    query: &str,
    most: usize,
) -> Result<Option<Page>, Error> {
    let Some(bytes) = client
        .get_bytes(&path(scope, query), about(scope, "list"), most)
        .await?
    else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let page: Page = serde_json::from_str(&text)
        .map_err(|why| Error::Protocol(unreadable(&bytes, &format!("a list of events: {why}"))))?;
    if let Some(other) = page.other() {
        return Err(Error::Protocol(format!(
            "it is {other}, and not a list of events"
        )));
    }
    Ok(Some(Page {
        mended: matches!(text, std::borrow::Cow::Owned(_)),
        ..page
    }))
}

/// All pages of a list, one after the other. One that expired ends it: its inconsistent `continue`
/// is never used. Pages get smaller where events are large.
pub(super) struct Pages<'a> {
    client: &'a Client,
    scope: &'a Scope,
    /// Events a page, at most and now.
    most: u32,
    limit: u32,
    /// The next page's `continue`, empty for the first page; none after the last.
    next: Option<String>,
}

impl<'a> Pages<'a> {
    /// Of so many events each, at most.
    pub(super) fn new(client: &'a Client, scope: &'a Scope, most: u32) -> Self {
        Self {
            client,
            scope,
            most,
            limit: most.max(1),
            next: Some(String::new()),
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Page>, Error> {
        let Some(next) = self.next.clone() else {
            return Ok(None);
        };
        loop {
            let limit = self.limit;
            let query = if next.is_empty() {
                format!("limit={limit}")
            } else {
                format!("limit={limit}&continue={}", escaped(&next))
            };
            let page = match limit {
                1 => page(self.client, self.scope, &query).await?,
                _ => match page_within(self.client, self.scope, &query, PAGE_BYTES).await? {
                    Some(page) => page,
                    None => {
                        self.limit = (limit / 4).max(1);
                        continue;
                    }
                },
            };
            let bytes: usize = page.items().iter().map(|item| item.get().len()).sum();
            if bytes < PAGE_BYTES / 4 {
                self.limit = limit.saturating_mul(2).min(self.most);
            }
            if !page.is_last() && page.metadata.next == next {
                return Err(Error::Protocol(
                    "a page of the list of events has the same continue as the one before it"
                        .to_owned(),
                ));
            }
            self.next = (!page.is_last()).then(|| page.metadata.next.clone());
            return Ok(Some(page));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_in_its_place_of_a_url() {
        assert_eq!(escaped("a+b/c==&limit=1"), "a%2Bb%2Fc%3D%3D%26limit%3D1");
        assert_eq!(
            named("a,b=c\\ d"),
            "metadata.name%3Da%5C%2Cb%5C%3Dc%5C%5C%20d"
        );
        assert_eq!(
            path(&Scope::Namespace("../pods".to_owned()), "q"),
            "/api/v1/namespaces/..%2Fpods/events?q"
        );
    }

    #[test]
    fn what_was_written_after_a_version_is_left_out_where_a_watch_from_there_shows_it() {
        let item = |version: &str| {
            format!(
                "{{\"involvedObject\":{{}},\"metadata\":{{\"resourceVersion\":\"{version}\"}}}}"
            )
        };
        let items = ["7", "12", "9", "opaque"].map(item).join(",");
        let page: Page = serde_json::from_str(&format!(
            "{{\"metadata\":{{\"resourceVersion\":\"15\"}},\"items\":[{items}]}}"
        ))
        .unwrap();
        let of = |through| {
            let (events, newest, unreadable) = page.events(through);
            (events.len(), newest, unreadable.len())
        };
        assert_eq!(of(None), (4, Some(1), 0));
        assert_eq!(
            of(Some("9")),
            (3, Some(1), 0),
            "7, 9, and what can't be compared"
        );
    }
}
