//! Which events the API server has at this moment: for an audit.

use serde::Deserialize;

use super::client::Client;
use super::watch::{Page, about, path};
use super::{Error, Scope};

/// How often paging begins anew when the API server has compacted meanwhile.
const TRIES: usize = 5;

/// One event of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

#[derive(Deserialize)]
struct Item {
    metadata: ItemMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct ItemMetadata {
    uid: String,
    resource_version: String,
    namespace: String,
    name: String,
}

/// Every event of a scope as of one resource version, which comes first.
pub async fn inventory(client: &Client, scope: &Scope, page: u32) -> Result<(String, Vec<Listed>), Error> {
    let mut tries = 0;
    loop {
        match at_once(client, scope, page).await {
            Err(Error::Expired) if tries < TRIES => tries += 1,
            done => return done,
        }
    }
}

async fn at_once(client: &Client, scope: &Scope, limit: u32) -> Result<(String, Vec<Listed>), Error> {
    let (mut first, mut next, mut found) = (None, String::new(), Vec::new());
    loop {
        let query = if next.is_empty() { format!("limit={limit}") } else { format!("limit={limit}&continue={next}") };
        let text = client.get_text(&path(scope, &query), about(scope, "list")).await?;
        let refuse = |why: serde_json::Error| Error::Protocol(format!("a list of events: {why}"));
        let page: Page<'_> = serde_json::from_str(&text).map_err(refuse)?;
        for item in page.items.unwrap_or_default() {
            let ItemMetadata { uid, resource_version, namespace, name } = serde_json::from_str::<Item>(item.get()).map_err(refuse)?.metadata;
            found.push(Listed { uid, resource_version, namespace, name });
        }
        let first = first.get_or_insert(page.metadata.resource_version);
        next = page.metadata.next;
        if next.is_empty() {
            return Ok((first.clone(), found));
        }
    }
}
