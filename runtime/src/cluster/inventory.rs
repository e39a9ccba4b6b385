//! Which events the API server has at this moment: for an audit.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::sleep;

use super::client::Client;
use super::list::Pages;
use super::{Error, Scope};

/// How often paging begins anew when the API server has compacted meanwhile, or is busy.
const TRIES: usize = 5;
/// Until then, where the API server does not say.
const PAUSE: Duration = Duration::from_secs(1);
/// And where it says longer.
const LONGEST: Duration = Duration::from_secs(30);

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
pub async fn inventory(
    client: &Client,
    scope: &Scope,
    page: u32,
) -> Result<(String, Vec<Listed>), Error> {
    let mut tries = 0;
    loop {
        match at_once(client, scope, page).await {
            Err(Error::Expired) if tries < TRIES => tries += 1,
            Err(Error::Busy {
                status: 429 | 503 | 504,
                after,
                ..
            }) if tries < TRIES => {
                tries += 1;
                sleep(after.unwrap_or(PAUSE).min(LONGEST)).await;
            }
            done => return done,
        }
    }
}

async fn at_once(
    client: &Client,
    scope: &Scope,
    limit: u32,
) -> Result<(String, Vec<Listed>), Error> {
    let (mut first, mut found) = (None, Vec::new());
    let mut pages = Pages::new(client, scope, limit);
    while let Some(page) = pages.next().await? {
        for item in page.items() {
            // What is no event is among the dead letters of no sink; it has no identity to ask the
            // journal for.
            let Ok(item) = serde_json::from_str::<Item>(item.get()) else {
                continue;
            };
            let ItemMetadata {
                uid,
                resource_version,
                namespace,
                name,
            } = item.metadata;
            found.push(Listed {
                uid,
                resource_version,
                namespace,
                name,
            });
        }
        first.get_or_insert_with(|| page.version().to_owned());
    }
    Ok((first.unwrap_or_default(), found))
}
