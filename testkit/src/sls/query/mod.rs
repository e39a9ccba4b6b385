//! The part of the query language that KubeDL's reader and people need (doc "Search syntax",
//! "Phrase search").
//!
//! | query | finds logs with |
//! |---|---|
//! | (empty), `*` | anything |
//! | `word`, `te?t*` | the token, in any key or value; wildcards within a token |
//! | `"a b"`, `a/b` | all of the tokens, in any order |
//! | `#"a b"` | the tokens one after another |
//! | `key: value`, `key: "a b"`, `key: *` | the same in one field; the field at all. `__topic__`, `__source__`, `__tag__:k` are fields |
//! | `a and b`, `a b`, `a or b`, `not a`, `( )` | `not` binds closest, then `and` |
//!
//! Nothing is case-sensitive. Comparisons of numbers and SQL after `|` are not understood, and
//! refused.

mod lexer;
mod parser;
mod tokens;

use std::fmt;

use super::StoredLog;
use tokens::{Pattern, is_sequence_in, tokens};

/// No longer query is parsed, which also bounds how deep parentheses go.
const MAX_QUERY_BYTES: usize = 4096;

/// Why a text is not a query; a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAQuery(String);

impl fmt::Display for NotAQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAQuery {}

/// A parsed query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(Node);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Everything,
    Term { field: Option<String>, test: Test },
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    IsThere,
    AllOf(Vec<Pattern>),
    Phrase(Vec<String>),
}

impl Query {
    /// Parses a query.
    ///
    /// # Errors
    /// When the text is no query, or needs what this server doesn't have.
    pub fn parse(text: &str) -> Result<Self, NotAQuery> {
        if text.len() > MAX_QUERY_BYTES {
            return Err(NotAQuery(format!(
                "The query is {} bytes, over {MAX_QUERY_BYTES}.",
                text.len()
            )));
        }
        parser::parse(text).map(Self)
    }

    /// Whether the query finds this log.
    #[must_use]
    pub fn finds(&self, log: &StoredLog) -> bool {
        self.0.finds(log)
    }
}

impl Node {
    fn finds(&self, log: &StoredLog) -> bool {
        match self {
            Node::Everything => true,
            Node::And(left, right) => left.finds(log) && right.finds(log),
            Node::Or(left, right) => left.finds(log) || right.finds(log),
            Node::Not(inner) => !inner.finds(log),
            Node::Term { field: None, test } => test.holds(&all_text(log)),
            Node::Term {
                field: Some(name),
                test,
            } => field(log, name).is_some_and(|value| test.holds(&[value])),
        }
    }
}

impl Test {
    fn holds(&self, texts: &[&str]) -> bool {
        match self {
            Test::IsThere => true,
            Test::AllOf(patterns) => {
                let found: Vec<_> = texts.iter().flat_map(|text| tokens(text)).collect();
                patterns
                    .iter()
                    .all(|pattern| found.iter().any(|token| pattern.matches(token)))
            }
            Test::Phrase(phrase) => texts
                .iter()
                .any(|text| is_sequence_in(phrase, &tokens(text))),
        }
    }
}

/// Field names and values alike are full text (doc "Create indexes").
fn all_text(log: &StoredLog) -> Vec<&str> {
    let pairs = log.contents.iter().chain(&log.tags);
    let texts = pairs.flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    texts
        .chain([log.topic.as_str(), log.source.as_str()])
        .collect()
}

fn field<'a>(log: &'a StoredLog, name: &str) -> Option<&'a str> {
    match name {
        "__topic__" => Some(&log.topic),
        "__source__" => Some(&log.source),
        _ => match name.strip_prefix("__tag__:") {
            Some(tag) => log
                .tags
                .iter()
                .find(|(key, _)| key == tag)
                .map(|(_, value)| value.as_str()),
            None => log.get(name),
        },
    }
}
