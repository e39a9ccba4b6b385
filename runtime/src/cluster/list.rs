//! Lists of events: one page, or all of them.

use serde::Deserialize;
use serde_json::value::RawValue;

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
    let text = client.get_text(&path(scope, query), about(scope, "list")).await?;
    serde_json::from_str(&text).map_err(|why| Error::Protocol(format!("a list of events: {why}")))
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
