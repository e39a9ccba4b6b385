//! Hides parts of events before anything keeps them. Pure.
//!
//! A rule is a name and a regular expression. What it matches in any text of an event becomes
//! `[redacted:NAME]`. Texts that say which event it is, what it is about and when it was stay as
//! they are: without them an event is no event.
//!
//! | stays | |
//! |---|---|
//! | of the event | `apiVersion`, `kind`, `type`, `metadata.name`, `.namespace`, `.uid`, `.resourceVersion`, `.creationTimestamp` |
//! | of `involvedObject`, `regarding`, `related` | all but `fieldPath` |
//! | times | `firstTimestamp`, `lastTimestamp`, `eventTime`, `series.lastObservedTime` and their `deprecated` forms |

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use regex::{NoExpand, Regex, RegexBuilder};
use serde_json::Value;

use crate::cluster::Raw;

/// The most that one compiled expression takes, in bytes.
const LARGEST: usize = 1 << 20;
/// The longest name, in bytes: it is written in place of what is hidden.
const LONGEST_NAME: usize = 63;

/// One thing to hide.
#[derive(Debug)]
struct Rule {
    name: String,
    expression: Regex,
    mark: String,
    hidden: AtomicU64,
}

/// All that is to be hidden.
#[derive(Debug, Default)]
pub struct Redaction {
    rules: Vec<Rule>,
}

/// A rule that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The name can't be written in place of what is hidden.
    Name {
        /// As given.
        name: String,
    },
    /// Two rules have it.
    Twice {
        /// As given.
        name: String,
    },
    /// It is no regular expression, or one that is too large.
    Expression {
        /// Of the rule.
        name: String,
        /// The parser's words.
        why: String,
    },
    /// It matches a text of no characters, and so between any two.
    Empty {
        /// Of the rule.
        name: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => {
                write!(
                    f,
                    "the redaction rule {name:?} needs another name: letters, digits, - and _, at most {LONGEST_NAME} of them"
                )
            }
            Self::Twice { name } => write!(f, "two redaction rules are named {name:?}"),
            Self::Expression { name, why } => write!(
                f,
                "the redaction rule {name:?} has no regular expression that can be used: {why}"
            ),
            Self::Empty { name } => write!(
                f,
                "the redaction rule {name:?} matches the empty text, and so everywhere: use + in place of *"
            ),
        }
    }
}

impl std::error::Error for Error {}

impl Redaction {
    /// Of names and regular expressions (syntax of the crate `regex`), applied in this order.
    ///
    /// # Errors
    /// The first rule that can't be used.
    pub fn new<N: AsRef<str>, E: AsRef<str>>(
        rules: impl IntoIterator<Item = (N, E)>,
    ) -> Result<Self, Error> {
        let mut made: Vec<Rule> = Vec::new();
        for (name, expression) in rules {
            let name = name.as_ref().to_owned();
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fits) {
                return Err(Error::Name { name });
            }
            if made.iter().any(|rule| rule.name == name) {
                return Err(Error::Twice { name });
            }
            let built = RegexBuilder::new(expression.as_ref())
                .size_limit(LARGEST)
                .dfa_size_limit(LARGEST)
                .build();
            let expression = built.map_err(|why| Error::Expression {
                name: name.clone(),
                why: why.to_string().replace('\n', " "),
            })?;
            if expression.is_match("") {
                return Err(Error::Empty { name });
            }
            made.push(Rule {
                mark: format!("[redacted:{name}]"),
                name,
                expression,
                hidden: AtomicU64::new(0),
            });
        }
        Ok(Self { rules: made })
    }

    /// Whether nothing is to be hidden.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Each rule, and how often it has hidden something.
    pub fn hidden(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rules
            .iter()
            .map(|rule| (rule.name.as_str(), rule.hidden.load(Ordering::Relaxed)))
    }

    /// The event without what is to be hidden. It keeps its bytes when nothing is.
    pub fn apply(&self, raw: Raw) -> Raw {
        if self.rules.is_empty() {
            return raw;
        }
        let Ok(mut value) = serde_json::from_str::<Value>(raw.json()) else {
            // Nobody can tell what is what in it.
            let mut text = raw.json().to_owned();
            return if self.hide(&mut text) {
                Raw::stored(text)
            } else {
                raw
            };
        };
        let changed = self.walk(&mut value, &mut Vec::new());
        // Of a key that is there twice, the first value is read by nobody, and was not looked at.
        if changed || members(&value) != keys(raw.json()) {
            Raw::stored(value.to_string())
        } else {
            raw
        }
    }

    /// Hides in one text; says whether it changed.
    pub fn hide(&self, text: &mut String) -> bool {
        let mut changed = false;
        for rule in &self.rules {
            let found = rule.expression.find_iter(text).count() as u64;
            if found > 0 {
                *text = rule
                    .expression
                    .replace_all(text, NoExpand(&rule.mark))
                    .into_owned();
                rule.hidden.fetch_add(found, Ordering::Relaxed);
                changed = true;
            }
        }
        changed
    }

    fn walk(&self, value: &mut Value, path: &mut Vec<String>) -> bool {
        match value {
            Value::String(text) => !stays(path) && self.hide(text),
            Value::Array(items) => items
                .iter_mut()
                .fold(false, |changed, item| self.walk(item, path) | changed),
            Value::Object(members) => {
                let mut changed = false;
                for (key, member) in members.iter_mut() {
                    path.push(key.clone());
                    changed |= self.walk(member, path);
                    path.pop();
                }
                changed
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}

/// How many members a value has, and those in it.
fn members(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(members).sum(),
        Value::Object(inner) => inner.len() + inner.values().map(members).sum::<usize>(),
        _ => 0,
    }
}

/// How many keys a JSON text has: a colon follows each, and none is elsewhere outside of texts.
fn keys(json: &str) -> usize {
    let (mut count, mut text, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b':' if !text => count += 1,
            _ => {}
        }
    }
    count
}

/// Whether a text is among those that say which event it is.
fn stays(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        [
            "apiVersion"
            | "kind"
            | "type"
            | "firstTimestamp"
            | "lastTimestamp"
            | "eventTime"
            | "deprecatedFirstTimestamp"
            | "deprecatedLastTimestamp",
        ] => true,
        [
            "metadata",
            "name" | "namespace" | "uid" | "resourceVersion" | "creationTimestamp",
        ] => true,
        ["series", "lastObservedTime"] => true,
        ["involvedObject" | "regarding" | "related", part] => part != "fieldPath",
        _ => false,
    }
}
