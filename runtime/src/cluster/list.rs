//! Lists of events: one page, or all of them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::access::failure::unreadable;
use super::client::{About, Client};
use super::{Error, Scope};

/// One page.
#[derive(Deserialize)]
pub(super) struct Page {
    metadata: Metadata,
    #[serde(default)]
    items: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

impl Page {
    /// The resource version of the list.
    pub(super) fn version(&self) -> &str {
        &self.metadata.resource_version
    }

    /// The events, as Kubernetes wrote them.
    pub(super) fn items(&self) -> &[Box<RawValue>] {
        self.items.as_deref().unwrap_or_default()
    }

    /// Whether no page follows.
    pub(super) fn is_last(&self) -> bool {
        self.metadata.next.is_empty()
    }
}

/// All but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as a part of a URL, whatever is in it.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A field selector for a name, as a part of a URL (k8s.io/apimachinery/pkg/fields, EscapeValue).
pub(super) fn named(name: &str) -> String {
    let value: String = name.chars().flat_map(|c| matches!(c, '\\' | ',' | '=').then_some('\\').into_iter().chain([c])).collect();
    escaped(&format!("metadata.name={value}"))
}

pub(super) fn path(scope: &Scope, query: &str) -> String {
    match scope {
        Scope::All => format!("/api/v1/events?{query}"),
        Scope::Namespace(name) => format!("/api/v1/namespaces/{}/events?{query}", escaped(name)),
    }
}

pub(super) fn about(scope: &Scope, verb: &'static str) -> About {
    About { verb, resource: "events", group: "", scope: scope.clone() }
}

/// Asks for one page.
pub(super) async fn page(client: &Client, scope: &Scope, query: &str) -> Result<Page, Error> {
    let text = client.get_text(&path(scope, query), about(scope, "list")).await?;
    serde_json::from_str(&text).map_err(|why| Error::Protocol(unreadable(text.as_bytes(), &format!("a list of events: {why}"))))
}

/// All pages of a list, one after the other. One that expired ends it: its inconsistent `continue` is never used.
pub(super) struct Pages<'a> {
    client: &'a Client,
    scope: &'a Scope,
    limit: u32,
    /// The next page's `continue`, empty for the first page; none after the last.
    next: Option<String>,
}

impl<'a> Pages<'a> {
    /// Of so many events each.
    pub(super) fn new(client: &'a Client, scope: &'a Scope, limit: u32) -> Self {
        Self { client, scope, limit, next: Some(String::new()) }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Page>, Error> {
        let Some(next) = &self.next else { return Ok(None) };
        let limit = self.limit;
        let query = if next.is_empty() { format!("limit={limit}") } else { format!("limit={limit}&continue={}", escaped(next)) };
        let page = page(self.client, self.scope, &query).await?;
        self.next = (!page.is_last()).then(|| page.metadata.next.clone());
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_in_its_place_of_a_url() {
        assert_eq!(escaped("a+b/c==&limit=1"), "a%2Bb%2Fc%3D%3D%26limit%3D1");
        assert_eq!(named("a,b=c\\ d"), "metadata.name%3Da%5C%2Cb%5C%3Dc%5C%5C%20d");
        assert_eq!(path(&Scope::Namespace("../pods".to_owned()), "q"), "/api/v1/namespaces/..%2Fpods/events?q");
    }
}
