//! What no API server answers: another place, or a page for people.

use std::time::Duration;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{Response, Uri};

use super::failure::{Failure, retry_after};
use super::way::Way;

/// What no API server answers: another place, or a page for people.
pub(super) fn foreign<B>(response: &Response<B>, way: &Way) -> Option<Failure> {
    let (status, headers) = (response.status(), response.headers());
    let through = way
        .proxy
        .as_ref()
        .filter(|proxy| proxy.forwards(&way.url))
        .map_or_else(String::new, |proxy| format!(", through the proxy {proxy},"));
    let (after, place) = (retry_after(headers), way.shown() + &through);
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let answer = |words| {
        Some(Failure::Foreign {
            status: status.as_u16(),
            after,
            words,
        })
    };
    if status.is_redirection() {
        let to: Option<Uri> = text(LOCATION).parse().ok();
        if to
            .as_ref()
            .is_some_and(|to| to.scheme_str() == Some("https") && to.host() == way.url.host())
            && way.url.scheme_str() == Some("http")
        {
            return answer(format!(
                "{place} sends on to https:// ({}): write https:// into the server of the kubeconfig",
                status.as_u16()
            ));
        }
        let to = to.as_ref().and_then(Uri::host).map_or_else(
            || "another place".to_owned(),
            |host| format!("the host {host}"),
        );
        return answer(format!(
            "{place} sends on to {to} ({}), as a proxy with a login does. It must be the URL of the API server itself",
            status.as_u16()
        ));
    }
    (text(CONTENT_TYPE)
        .to_ascii_lowercase()
        .starts_with("text/html"))
    .then(|| page(status.as_u16(), after, &place))
}

fn page(status: u16, after: Option<Duration>, place: &str) -> Failure {
    let words = format!(
        "{place} answers with a web page (HTML, status {status}), such as the login or the error of a proxy, and not as an API server. Look at it with curl, \
         and at the server of the kubeconfig"
    );
    Failure::Foreign {
        status,
        after,
        words,
    }
}
