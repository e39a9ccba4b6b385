//! The environment, read and checked once. Values of secrets are in no error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubedl_events_sink::{Error, env};

/// What the environment says.
#[derive(Clone)]
pub struct Settings {
    /// Ends with `/events/`.
    pub events_url: String,
    /// Value of the header, where there is one.
    pub authorization: Option<String>,
    /// For Graphite 0.9.
    pub tags_as_string: bool,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] for the first setting that a person must mend.
    pub fn from_env() -> Result<Self, Error> {
        let url = env::require("GRAPHITE_URL")?;
        let url = url.trim().trim_end_matches('/');
        let is_known = |scheme: &str| {
            url.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        if !is_known("https://") && !is_known("http://") {
            return Err(Error::misconfigured(
                "GRAPHITE_URL must begin with https:// or http://",
            ));
        }
        if !url
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        {
            return Err(Error::misconfigured(
                "GRAPHITE_URL has a space, a backslash or a character beyond ASCII in it: write it as %20, or whatever it is",
            ));
        }
        if url.contains(['?', '#']) {
            return Err(Error::misconfigured(
                "GRAPHITE_URL must end with the base path of graphite-web: no ? and no #",
            ));
        }
        let tags_as_string = match env::get("GRAPHITE_TAGS_AS_STRING")
            .as_deref()
            .map(str::trim)
        {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                return Err(Error::misconfigured(format!(
                    "GRAPHITE_TAGS_AS_STRING must be true or false, not {other:?}"
                )));
            }
        };
        Ok(Self {
            events_url: format!("{url}/events/"),
            authorization: authorization()?,
            tags_as_string,
        })
    }
}

fn authorization() -> Result<Option<String>, Error> {
    let value = match (
        env::get("GRAPHITE_TOKEN"),
        env::get("GRAPHITE_USER"),
        env::get("GRAPHITE_PASSWORD"),
    ) {
        (None, None, None) => return Ok(None),
        (Some(token), None, None) => format!("Bearer {}", token.trim()),
        (None, Some(user), Some(_)) if user.contains(':') => {
            return Err(Error::misconfigured(
                "GRAPHITE_USER must not have a colon in it",
            ));
        }
        (None, Some(user), Some(password)) => {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        }
        (Some(_), _, _) => {
            return Err(Error::misconfigured(
                "GRAPHITE_TOKEN does not go with GRAPHITE_USER and GRAPHITE_PASSWORD: set one way to log in",
            ));
        }
        (None, _, _) => {
            return Err(Error::misconfigured(
                "GRAPHITE_USER and GRAPHITE_PASSWORD go together: one of them is not set",
            ));
        }
    };
    if value.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(Error::misconfigured(
            "GRAPHITE_TOKEN has a character that no header may hold, such as a line end",
        ));
    }
    Ok(Some(value))
}
