//! Which call of the API a request is.

use super::call::Call;
use super::refusal::Refusal;

/// A call that the server knows, with its log store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// PutLogs in any of its three forms.
    Write {
        log_store: &'a str,
        by_hash_key: bool,
    },
    /// GetHistograms.
    Histograms { log_store: &'a str },
    /// GetLogs, the old form.
    LogsV1 { log_store: &'a str },
    /// GetLogs, the form of present SDKs.
    LogsV3 { log_store: &'a str },
}

/// Whether a request is a write, so far as method and path tell: what orders look at.
pub(crate) fn is_write(method: &str, path: &str) -> bool {
    matches!(find(method, path, None), Some(Route::Write { .. }))
}

/// The route of a request.
pub(crate) fn route(call: &Call) -> Result<Route<'_>, Refusal> {
    find(&call.method, &call.path, call.param("type")).ok_or_else(|| {
        // The service's own words are not known: own.
        Refusal::new(
            404,
            "NotFound",
            format!("There is no {} {} here.", call.method, call.path),
        )
    })
}

fn find<'a>(method: &str, path: &'a str, kind: Option<&str>) -> Option<Route<'a>> {
    let (log_store, rest) = match path.strip_prefix("/logstores/")?.split_once('/') {
        None => (path.strip_prefix("/logstores/")?, ""),
        Some(parts) => parts,
    };
    match (method, rest, kind) {
        // The old form: go `PutLogs` still uses it.
        ("POST", "", _) | ("POST", "shards/lb", _) => Some(Route::Write {
            log_store,
            by_hash_key: false,
        }),
        ("POST", "shards/route", _) => Some(Route::Write {
            log_store,
            by_hash_key: true,
        }),
        ("POST", "logs", _) => Some(Route::LogsV3 { log_store }),
        ("GET", "", Some("histogram")) => Some(Route::Histograms { log_store }),
        ("GET", "", Some("log")) => Some(Route::LogsV1 { log_store }),
        _ => None,
    }
    .filter(|_| !log_store.is_empty() && !path.ends_with('/'))
}
