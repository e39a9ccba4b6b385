//! A recorded session of a sink: what it was given, what it asked its destination for, and what it
//! was answered.
//!
//! A file of JSON lines: first [`Head`], then one [`Call`] a line. Values of secret variables are
//! made up, and the requests are those that the sink makes with these: what was recorded with the
//! real ones is played once more with the made-up ones, and only that is written.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cluster::Raw;
use crate::event::{self, ObjectReference};
use crate::relay::{Attempt, Item, Outcome};
use crate::sink::http::{self, Request, Response};

/// Of this form of the file.
const FORM: u32 = 1;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// Of the file.
    pub form: u32,
    /// The instance's name.
    pub sink: String,
    /// Of the component that was recorded.
    pub sha256: String,
    /// Of all randomness.
    pub seed: u64,
    /// Its variables, with made-up values for secret ones.
    pub env: BTreeMap<String, Variable>,
    /// Its destinations.
    pub http: Vec<String>,
    /// Bytes of memory that it had.
    pub memory: usize,
}

/// A variable's value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    pub value: String,
    pub secret: bool,
}

/// One call of the sink.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    /// `open` or `save`.
    pub call: String,
    /// Nanoseconds since 1970.
    pub clock: u64,
    #[serde(default)]
    pub attempt: u32,
    #[serde(default)]
    pub maybe_sent: bool,
    #[serde(default)]
    pub events: Vec<Recorded>,
    pub exchanges: Vec<Exchange>,
    /// In words.
    pub outcome: String,
}

/// An event.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    raw: Box<RawValue>,
    observed_at: Timestamp,
    job: Option<ObjectReference>,
    region: Option<String>,
    cluster: Option<String>,
}

/// What the sink asked for, and what it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    pub request: Asked,
    pub answer: Answered,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, Bytes)>,
    pub body: Bytes,
}

/// An answer, or why there was none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answered {
    Answer {
        status: u16,
        headers: Vec<(String, Bytes)>,
        body: Bytes,
        truncated: bool,
    },
    Timeout,
    Unreachable(String),
    Broken(String),
    Refused(String),
}

/// Bytes: as text where they are, else in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bytes {
    Text(String),
    Base64(String),
}

impl Bytes {
    pub fn of(bytes: &[u8]) -> Self {
        std::str::from_utf8(bytes).map_or_else(
            |_| Self::Base64(STANDARD.encode(bytes)),
            |text| Self::Text(text.to_owned()),
        )
    }

    pub fn get(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Base64(text) => STANDARD.decode(text).unwrap_or_default(),
        }
    }
}

fn pairs(headers: &[(String, Vec<u8>)], clean: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<(String, Bytes)> {
    headers
        .iter()
        .map(|(name, value)| (name.clone(), Bytes::of(&clean(value))))
        .collect()
}

impl Exchange {
    /// What happened, with the answer as `clean` leaves it.
    pub fn of(
        request: &Request,
        answer: &Result<Response, http::Error>,
        clean: &dyn Fn(&[u8]) -> Vec<u8>,
    ) -> Self {
        let whole = |bytes: &[u8]| bytes.to_vec();
        let asked = Asked {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: pairs(&request.headers, &whole),
            body: Bytes::of(&request.body),
        };
        let words = |text: &str| String::from_utf8_lossy(&clean(text.as_bytes())).into_owned();
        let answer = match answer {
            Ok(response) => Answered::Answer {
                status: response.status,
                headers: pairs(&response.headers, clean),
                body: Bytes::of(&clean(&response.body)),
                truncated: response.truncated,
            },
            Err(http::Error::Timeout) => Answered::Timeout,
            Err(
                http::Error::Dns(why)
                | http::Error::Connect(why)
                | http::Error::Tls(why)
                | http::Error::Proxy(why)
                | http::Error::NotSent(why),
            ) => Answered::Unreachable(words(why)),
            Err(http::Error::Denied(why) | http::Error::InvalidRequest(why)) => {
                Answered::Refused(words(why))
            }
            Err(http::Error::RequestTooLarge(limit)) => {
                Answered::Refused(format!("more than {limit} bytes"))
            }
            Err(
                http::Error::Interrupted(why)
                | http::Error::Protocol(why)
                | http::Error::Other(why),
            ) => Answered::Broken(words(why)),
        };
        Self {
            request: asked,
            answer,
        }
    }
}

impl Recorded {
    fn of(item: &Item) -> anyhow::Result<Self> {
        let event = &item.event;
        let raw = RawValue::from_string(item.raw.json().to_owned())?;
        Ok(Self {
            raw,
            observed_at: event.observed_at,
            job: event.job.clone(),
            region: event.region.clone(),
            cluster: event.cluster.clone(),
        })
    }

    fn item(&self, position: i64) -> Result<Arc<Item>, event::Error> {
        let raw = Raw::stored(self.raw.get().to_owned());
        let options = event::Options {
            region: self.region.clone(),
            cluster: self.cluster.clone(),
        };
        let mut event = event::normalize(&raw, self.observed_at, &options)?;
        event.job.clone_from(&self.job);
        Ok(Arc::new(Item {
            position,
            event,
            raw,
        }))
    }
}

impl Call {
    /// A call of `save` with these events, without what came of it; of `open` without events and
    /// attempt.
    pub fn new(clock: u64, save: Option<(Attempt, &[Arc<Item>])>) -> anyhow::Result<Self> {
        let (attempt, items) = save.unwrap_or_default();
        let call = if save.is_some() { "save" } else { "open" }.to_owned();
        let events = items
            .iter()
            .map(|item| Recorded::of(item))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            call,
            clock,
            attempt: attempt.number,
            maybe_sent: attempt.maybe_sent,
            events,
            exchanges: Vec::new(),
            outcome: String::new(),
        })
    }

    /// What `save` is to be called with; none for `open`.
    pub fn save(&self) -> anyhow::Result<Option<(Attempt, Vec<Arc<Item>>)>> {
        match self.call.as_str() {
            "open" => Ok(None),
            "save" => {
                let items = (1..)
                    .zip(&self.events)
                    .map(|(position, event)| event.item(position))
                    .collect::<Result<_, _>>()?;
                Ok(Some((
                    Attempt {
                        number: self.attempt,
                        maybe_sent: self.maybe_sent,
                    },
                    items,
                )))
            }
            other => bail!("a recording has no call {other:?}"),
        }
    }
}

/// An outcome in words that compare.
pub(crate) fn told(outcome: &Outcome) -> String {
    let after = |after: &Option<Duration>| {
        after.map_or_else(String::new, |after| {
            format!(" after {} ms", after.as_millis())
        })
    };
    match outcome {
        Outcome::Stored(failures) => {
            let named = failures.iter().map(|failure| {
                let again = if failure.retryable { "again" } else { "never" };
                format!(
                    "; event {} {again}{}: {}",
                    failure.index,
                    after(&failure.after),
                    failure.reason
                )
            });
            format!("stored{}", named.collect::<String>())
        }
        Outcome::Retry {
            reason,
            after: wait,
        } => format!("retry{}: {reason}", after(wait)),
        Outcome::Refused { reason } => format!("refused: {reason}"),
        Outcome::Misconfigured { reason } => format!("misconfigured: {reason}"),
        Outcome::Broken { reason, .. } => format!("broken: {reason}"),
    }
}

/// Writes a recording.
pub(crate) fn write(path: &Path, head: &Head, calls: &[Call]) -> anyhow::Result<()> {
    let mut text = serde_json::to_string(head)? + "\n";
    for call in calls {
        text += &(serde_json::to_string(call)? + "\n");
    }
    let mut file =
        std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Reads one.
pub(crate) fn read(path: &Path) -> anyhow::Result<(Head, Vec<Call>)> {
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines = (1..).zip(std::io::BufReader::new(file).lines());
    let told = |number: usize| {
        format!(
            "{}, line {number}: not of a recording by `sink run --record`",
            path.display()
        )
    };
    let (_, first) = lines.next().with_context(|| told(1))?;
    let head: Head =
        serde_json::from_str(&first.with_context(|| told(1))?).with_context(|| told(1))?;
    if head.form != FORM {
        bail!(
            "{} has form {}, and this program reads form {FORM}",
            path.display(),
            head.form
        );
    }
    let calls = lines
        .map(|(number, line)| {
            serde_json::from_str(&line.with_context(|| told(number))?).with_context(|| told(number))
        })
        .collect::<anyhow::Result<_>>()?;
    Ok((head, calls))
}

impl Head {
    /// For a sink with this grant.
    pub fn new(sink: &str, sha256: String, seed: u64, grant: &crate::sink::grant::Grant) -> Self {
        let env = grant
            .env
            .iter()
            .map(|one| {
                (
                    one.name.clone(),
                    Variable {
                        value: one.value.clone(),
                        secret: one.secret,
                    },
                )
            })
            .collect();
        let http = grant.http.iter().map(ToString::to_string).collect();
        Self {
            form: FORM,
            sink: sink.to_owned(),
            sha256,
            seed,
            env,
            http,
            memory: grant.limits.memory,
        }
    }
}
