//! Cases that a sink brings along: events in, the requests and the outcome that are expected for
//! the answers of its destination.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::Raw;
use crate::event;
use crate::relay::{Attempt, Failure, Item, Outcome};
use crate::sink::http::{Answer, Play, Sent};

use super::finding::{Finding, Verdict};
use super::subject::{Subject, tell};
use super::traffic;

/// A file of cases.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Cases {
    /// Values of variables, for all checks.
    pub env: BTreeMap<String, String>,
    /// How the destination says that it took what was sent; 200 without a body by default.
    success: Option<Written>,
    /// In order.
    cases: Vec<Case>,
}

/// An answer of the destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Case {
    name: String,
    /// As Kubernetes writes them.
    events: Vec<Value>,
    /// In turn; the last one stays.
    #[serde(default)]
    answers: Vec<Written>,
    /// A try before may have stored some.
    #[serde(default)]
    maybe_sent: bool,
    /// All that are expected, in any order; requests are not looked at without it.
    requests: Option<Vec<Expected>>,
    outcome: Wanted,
}

/// What a request must have; what isn't written may be anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    method: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What the body must have as JSON: members of objects may be left out.
    json: Option<Value>,
    /// The whole body, unpacked.
    text: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "an outcome is stored, retry, refused, misconfigured, or {failures: [{index: 0, retryable: true}]}"
)]
enum Wanted {
    Word(Word),
    Failures { failures: Vec<WantedFailure> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Stored,
    Retry,
    Refused,
    Misconfigured,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedFailure {
    index: usize,
    retryable: bool,
}

impl From<&Written> for Answer {
    fn from(written: &Written) -> Self {
        let headers = written
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Self {
            status: written.status,
            headers,
            body: written.body.clone().into_bytes(),
        }
    }
}

impl Cases {
    /// Reads a file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the cases {}", path.display()))?;
        let cases: Self = serde_saphyr::from_str(&text)
            .with_context(|| format!("the cases {} can't be used", path.display()))?;
        for case in &cases.cases {
            case.items().with_context(|| {
                format!(
                    "the cases {} can't be used: {:?}",
                    path.display(),
                    case.name
                )
            })?;
        }
        Ok(cases)
    }

    /// How the destination says that it took what was sent.
    pub fn success(&self) -> Answer {
        self.success
            .as_ref()
            .map_or_else(|| Answer::of(200), Answer::from)
    }

    /// Tries all.
    pub async fn run(&self, subject: &Subject) -> Vec<Finding> {
        let mut found = Vec::new();
        for case in &self.cases {
            let (verdict, seen) = match case.run(subject).await {
                Ok(()) => (Verdict::Passed, String::new()),
                Err(seen) => (Verdict::Failed, seen),
            };
            let check = format!("case: {}", case.name);
            let expected = case.outcome.told();
            found.push(Finding {
                check,
                verdict,
                expected,
                seen,
                mend: String::new(),
            });
        }
        found
    }
}

impl Case {
    fn items(&self) -> anyhow::Result<Vec<Arc<Item>>> {
        let item = |(position, event): (i64, &Value)| {
            let (raw, _) = Raw::from_object(&event.to_string())?;
            let event = event::normalize(&raw, Timestamp::UNIX_EPOCH, &event::Options::default())?;
            anyhow::Ok(Arc::new(Item {
                position,
                event,
                raw,
            }))
        };
        (1..).zip(&self.events).map(item).collect()
    }

    async fn run(&self, subject: &Subject) -> Result<(), String> {
        let batch = self.items().map_err(|why| format!("{why:#}"))?;
        let mut sink = subject.opened().await?;
        if !self.answers.is_empty() {
            subject.destination.plays(
                self.answers
                    .iter()
                    .map(|written| Play::Answer(written.into())),
            );
        }
        let attempt = Attempt {
            number: u32::from(self.maybe_sent),
            maybe_sent: self.maybe_sent,
        };
        let saved = subject.save_again(&mut sink, attempt, &batch).await;
        let sent: Vec<&Sent> = saved
            .seen
            .exchanges
            .iter()
            .map(|exchange| &exchange.sent)
            .collect();
        if let Some(expected) = &self.requests {
            meet(expected, &sent)?;
        }
        if self.outcome.is(&saved.outcome) {
            Ok(())
        } else {
            Err(tell(&saved.outcome))
        }
    }
}

impl Wanted {
    fn is(&self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Self::Word(Word::Stored), Outcome::Stored(failures)) => failures.is_empty(),
            (Self::Word(Word::Retry), Outcome::Retry { .. }) => true,
            (Self::Word(Word::Refused), Outcome::Refused { .. }) => true,
            (Self::Word(Word::Misconfigured), Outcome::Misconfigured { .. }) => true,
            (Self::Failures { failures: wanted }, Outcome::Stored(failures)) => {
                let seen = failures.iter().map(
                    |Failure {
                         index, retryable, ..
                     }| WantedFailure {
                        index: *index,
                        retryable: *retryable,
                    },
                );
                wanted.len() == failures.len()
                    && seen.into_iter().all(|failure| wanted.contains(&failure))
            }
            _ => false,
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Word(Word::Stored) => "stored".to_owned(),
            Self::Word(Word::Retry) => "retry".to_owned(),
            Self::Word(Word::Refused) => "refused".to_owned(),
            Self::Word(Word::Misconfigured) => "misconfigured".to_owned(),
            Self::Failures { failures } => format!("stored but {}", failures.len()),
        }
    }
}

/// Finds a request for each that is expected.
fn meet(expected: &[Expected], sent: &[&Sent]) -> Result<(), String> {
    if expected.len() != sent.len() {
        return Err(format!("{} requests, not {}", sent.len(), expected.len()));
    }
    let mut open: Vec<&Sent> = sent.to_vec();
    for wanted in expected {
        let differs = |sent: &&Sent| wanted.differs(sent);
        match open.iter().position(|sent| differs(sent).is_none()) {
            Some(place) => drop(open.remove(place)),
            None => return Err(open.iter().find_map(differs).unwrap_or_default()),
        }
    }
    Ok(())
}

impl Expected {
    /// The first difference.
    fn differs(&self, sent: &Sent) -> Option<String> {
        if let Some(method) = self
            .method
            .as_ref()
            .filter(|method| **method != sent.method)
        {
            return Some(format!("the method is {}, not {method}", sent.method));
        }
        if let Some(url) = self.url.as_ref().filter(|url| **url != sent.url) {
            return Some(format!("the URL is {}, not {url}", sent.url));
        }
        for (name, value) in &self.headers {
            let found = sent
                .headers
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| String::from_utf8_lossy(value));
            match found {
                Some(found) if found == *value => {}
                Some(found) => {
                    return Some(format!("the header {name} is {found:?}, not {value:?}"));
                }
                None => return Some(format!("there is no header {name}")),
            }
        }
        let body = traffic::unpacked(sent);
        if let Some(text) = self.text.as_ref().filter(|text| text.as_bytes() != body) {
            return Some(format!(
                "the body is {:?}, not {text:?}",
                String::from_utf8_lossy(&body)
            ));
        }
        let wanted = self.json.as_ref()?;
        match serde_json::from_slice::<Value>(&body) {
            Ok(found) => subset(wanted, &found, "the body"),
            Err(why) => Some(format!("the body is not JSON: {why}")),
        }
    }
}

/// The first place where `found` has something else than `wanted`, or nothing.
fn subset(wanted: &Value, found: &Value, place: &str) -> Option<String> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted
                .iter()
                .find_map(|(key, wanted)| match found.get(key) {
                    Some(found) => subset(wanted, found, &format!("{place}.{key}")),
                    None => Some(format!("{place}.{key} is missing")),
                })
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => (0..)
            .zip(wanted.iter().zip(found))
            .find_map(|(index, (wanted, found)): (usize, _)| {
                subset(wanted, found, &format!("{place}[{index}]"))
            }),
        (wanted, found) if wanted == found => None,
        (wanted, found) => Some(format!("{place} is {found}, not {wanted}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_must_be_there_and_the_rest_may_be_anything() {
        let differs = |wanted: Value, found: Value| subset(&wanted, &found, "it");
        assert_eq!(
            differs(
                json!({"a": [{"b": 1}]}),
                json!({"a": [{"b": 1, "c": 2}], "d": 3})
            ),
            None
        );
        assert_eq!(
            differs(json!({"a": {"b": 1}}), json!({"a": {"b": 2}})).unwrap(),
            "it.a.b is 2, not 1"
        );
        assert_eq!(
            differs(json!({"a": 1}), json!({})).unwrap(),
            "it.a is missing"
        );
        assert_eq!(
            differs(json!([1]), json!([1, 2])).unwrap(),
            "it is [1,2], not [1]"
        );
    }

    #[test]
    fn requests_are_met_in_any_order_but_all_of_them() {
        let expected = |url: &str| Expected {
            method: None,
            url: Some(url.to_owned()),
            headers: BTreeMap::new(),
            json: None,
            text: None,
        };
        let sent = |url: &str| Sent {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        let (a, b) = (sent("a"), sent("b"));
        assert_eq!(meet(&[expected("a"), expected("b")], &[&b, &a]), Ok(()));
        assert_eq!(
            meet(&[expected("a"), expected("a")], &[&a, &b]).unwrap_err(),
            "the URL is b, not a"
        );
        assert_eq!(
            meet(&[expected("a")], &[&a, &b]).unwrap_err(),
            "2 requests, not 1"
        );
    }
}
