//! Lists of events: one page, or all of them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{About, Client};
use super::{Error, Raw, Scope, Unreadable};

/// One page.
#[derive(Deserialize)]
pub(super) struct Page {
    metadata: Metadata,
    #[serde(default)]
    items: Option<Vec<Box<RawValue>>>,
    /// Bytes of it were not UTF-8, and are U+FFFD.
    #[serde(skip)]
    mended: bool,
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

    /// The same as events, and what can't be read as one.
    pub(super) fn events(&self) -> (Vec<Raw>, Vec<Unreadable>) {
        let (mut events, mut unreadable) = (Vec::new(), Vec::new());
        for (number, item) in (1..).zip(self.items()) {
            let (why, kind) = match Raw::from_object(item.get()) {
                Ok(_) if self.mended && item.get().contains(char::REPLACEMENT_CHARACTER) => {
                    ("a byte of it is not UTF-8".to_owned(), "item that is not UTF-8")
                }
                Ok((raw, _)) => {
                    events.push(raw);
                    continue;
                }
                Err(why) => (why.to_string(), "item that is no event"),
            };
            unreadable.push(Unreadable { text: item.get().to_owned(), reason: format!("item {number} of a page of the list: {why}"), kind });
        }
        (events, unreadable)
    }

    /// Whether no page follows.
    pub(super) fn is_last(&self) -> bool {
        self.metadata.next.is_empty()
    }
}

pub(super) fn path(scope: &Scope, query: &str) -> String {
    match scope {
        Scope::All => format!("/api/v1/events?{query}"),
        Scope::Namespace(name) => format!("/api/v1/namespaces/{name}/events?{query}"),
    }
}

pub(super) fn about(scope: &Scope, verb: &'static str) -> About {
    About { verb, resource: "events", group: "", scope: scope.clone() }
}

/// Asks for one page.
pub(super) async fn page(client: &Client, scope: &Scope, query: &str) -> Result<Page, Error> {
    let bytes = client.get_bytes(&path(scope, query), about(scope, "list")).await?;
    let text = String::from_utf8_lossy(&bytes);
    let page: Page = serde_json::from_str(&text).map_err(|why| Error::Protocol(format!("a list of events: {why}")))?;
    Ok(Page { mended: matches!(text, std::borrow::Cow::Owned(_)), ..page })
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
        let query = if next.is_empty() { format!("limit={limit}") } else { format!("limit={limit}&continue={next}") };
        let page = page(self.client, self.scope, &query).await?;
        self.next = (!page.is_last()).then(|| page.metadata.next.clone());
        Ok(Some(page))
    }
}
