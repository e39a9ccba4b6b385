//! The environment, read and checked once. Values of secrets are in no error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubedl_events_sink::{Error, env};
use regex_lite::Regex;

use crate::signature::{Form, Signer};

/// How events go into requests: `WEBHOOK_MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One a request, all of it in the body.
    Structured,
    /// Many a request.
    Batch,
    /// One a request, with what CloudEvents call attributes in headers.
    Binary,
}

/// What an event looks like: `WEBHOOK_LAYOUT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As a CloudEvent.
    CloudEvents,
    /// As plain JSON; in a batch as an array of it.
    Event,
    /// As lines of plain JSON.
    Lines,
}

/// What the environment says.
#[derive(Clone)]
pub struct Settings {
    /// Where requests go; may hold a secret.
    pub url: String,
    /// How events go into requests.
    pub mode: Mode,
    /// What an event looks like.
    pub layout: Layout,
    /// Credentials and further headers.
    pub headers: Vec<(String, String)>,
    /// Signs requests.
    pub signer: Option<Signer>,
    /// What the body of a success must have in it.
    pub stored_if: Option<Regex>,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] for the first setting that a person must mend.
    pub fn from_env() -> Result<Self, Error> {
        let url = url()?;
        let mode = one_of(
            "WEBHOOK_MODE",
            &[
                ("structured", Mode::Structured),
                ("batch", Mode::Batch),
                ("binary", Mode::Binary),
            ],
        )?;
        let layout = one_of(
            "WEBHOOK_LAYOUT",
            &[
                ("cloudevents", Layout::CloudEvents),
                ("event", Layout::Event),
                ("ndjson", Layout::Lines),
            ],
        )?;
        match (mode, layout) {
            (Mode::Structured, Layout::Lines) => {
                return Err(Error::misconfigured(
                    "WEBHOOK_LAYOUT ndjson goes with WEBHOOK_MODE batch",
                ));
            }
            (Mode::Binary, Layout::Event | Layout::Lines) => {
                return Err(Error::misconfigured(
                    "WEBHOOK_MODE binary goes with WEBHOOK_LAYOUT cloudevents: in it, the body is the plain event already",
                ));
            }
            _ => {}
        }
        let authorization = authorization()?;
        let signer = signer()?;
        let stored_if = stored_if()?;
        let mut headers = further_headers(authorization.is_some())?;
        headers.extend(authorization.map(|value| ("authorization".to_owned(), value)));
        Ok(Self {
            url,
            mode,
            layout,
            headers,
            signer,
            stored_if,
        })
    }
}

/// Where to send, as it may stand in a request.
fn url() -> Result<String, Error> {
    let url = env::require("WEBHOOK_URL")?.trim().to_owned();
    let is_known = |scheme: &str| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if !is_known("https://") && !is_known("http://") {
        return Err(Error::misconfigured(
            "WEBHOOK_URL must begin with https:// or http://",
        ));
    }
    if !url
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        return Err(Error::misconfigured(
            "WEBHOOK_URL has a space, a backslash or a character beyond ASCII in it: write it as %20, or whatever it is",
        ));
    }
    Ok(url)
}

/// One of some words; the first where the variable is absent.
fn one_of<T: Copy>(name: &str, words: &[(&str, T)]) -> Result<T, Error> {
    let value = env::get(name);
    let wanted = value
        .as_deref()
        .map(str::trim)
        .or(words.first().map(|(word, _)| *word))
        .unwrap_or_default();
    let found = words.iter().find(|(word, _)| *word == wanted);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Error::misconfigured(format!(
            "{name} must be one of {}, not {wanted:?}",
            words.join(", ")
        ))
    })
}

fn authorization() -> Result<Option<String>, Error> {
    let all = (
        env::get("WEBHOOK_TOKEN"),
        env::get("WEBHOOK_USER"),
        env::get("WEBHOOK_PASSWORD"),
    );
    let value = match all {
        (None, None, None) => return Ok(None),
        (Some(token), None, None) => format!("Bearer {}", token.trim()),
        (None, Some(user), Some(_)) if user.contains(':') => {
            return Err(Error::misconfigured(
                "WEBHOOK_USER must not have a colon in it",
            ));
        }
        (None, Some(user), Some(password)) => {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        }
        (Some(_), _, _) => {
            return Err(Error::misconfigured(
                "WEBHOOK_TOKEN does not go with WEBHOOK_USER and WEBHOOK_PASSWORD: set one way to log in",
            ));
        }
        (None, _, _) => {
            return Err(Error::misconfigured(
                "WEBHOOK_USER and WEBHOOK_PASSWORD go together: one of them is not set",
            ));
        }
    };
    if !is_header_value(&value) {
        return Err(Error::misconfigured(
            "WEBHOOK_TOKEN has a character that no header may hold, such as a line end",
        ));
    }
    Ok(Some(value))
}

fn stored_if() -> Result<Option<Regex>, Error> {
    let Some(text) = env::get("WEBHOOK_STORED_IF").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    Regex::new(&text).map(Some).map_err(|why| {
        Error::misconfigured(format!(
            "WEBHOOK_STORED_IF {text:?} is not a regular expression: {why}"
        ))
    })
}

fn signer() -> Result<Option<Signer>, Error> {
    let form = one_of(
        "WEBHOOK_SIGNATURE",
        &[("standard", Form::Standard), ("github", Form::GitHub)],
    )?;
    let Some(secret) = env::get("WEBHOOK_SECRET") else {
        return match env::get("WEBHOOK_SIGNATURE") {
            Some(_) => Err(Error::misconfigured(
                "WEBHOOK_SIGNATURE is set, but WEBHOOK_SECRET is not",
            )),
            None => Ok(None),
        };
    };
    let secret = secret.trim();
    // The prefix is of Standard Webhooks; what looks like it elsewhere is the secret itself.
    let key = match secret
        .strip_prefix("whsec_")
        .filter(|_| form == Form::Standard)
    {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| {
            Error::misconfigured(
                "WEBHOOK_SECRET begins with whsec_, but what follows is not base64",
            )
        })?,
        None => secret.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return Err(Error::misconfigured("WEBHOOK_SECRET has no secret in it"));
    }
    Ok(Some(Signer { form, key }))
}

/// `WEBHOOK_HEADERS`, line by line.
fn further_headers(authorized: bool) -> Result<Vec<(String, String)>, Error> {
    let written = env::get("WEBHOOK_HEADERS").unwrap_or_default();
    let mut headers = Vec::new();
    for (number, line) in written
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let line_is = |what: &str| {
            Error::misconfigured(format!("line {} of WEBHOOK_HEADERS {what}", number + 1))
        };
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| line_is("is not \"Name: value\""))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if !is_header_name(&name) || !is_header_value(value) {
            return Err(line_is("has a character that no header may hold"));
        }
        if is_reserved(&name) || (authorized && name == "authorization") {
            return Err(line_is("sets a header that is set already"));
        }
        headers.push((name, value.to_owned()));
    }
    Ok(headers)
}

/// Headers of the message, of its signature, and those that the host keeps to itself.
fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "content-type",
        "x-hub-signature-256",
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "proxy",
    ];
    NAMES.contains(&name)
        || ["ce-", "webhook-", "proxy-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// A token of RFC 9110, section 5.6.2.
fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_header_value(value: &str) -> bool {
    value
        .bytes()
        .all(|byte| !byte.is_ascii_control() || byte == b'\t')
}
