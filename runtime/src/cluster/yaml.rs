//! YAML as it is written: a tree of texts, of which nobody has decided yet whether they are
//! numbers, truth values or nothing. Pure.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

/// What aliases may add to a document, beside eight times what is written in it: a small file could
/// stand for any amount.
const FREE: u64 = 100_000;

/// A value of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A text.
    Scalar {
        /// Without quotes and escapes.
        text: String,
        /// Written without quotes, so that YAML may take it for something else.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Arc<Node>>),
    /// A mapping, in its order. A key may be there twice.
    Map(Vec<(String, Arc<Node>)>),
}

/// Text that is no YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Of the text, from 1 on.
    pub line: usize,
    /// What is wrong there.
    pub why: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for Error {}

impl From<ScanError> for Error {
    fn from(why: ScanError) -> Self {
        Self {
            line: why.marker().line().max(1),
            why: why.info(),
        }
    }
}

impl Node {
    /// Whether YAML takes it for nothing: `null`, `~`, or no text at all.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Something that is open.
enum Open {
    List(usize, Vec<Arc<Node>>),
    Map(usize, Vec<(String, Arc<Node>)>, Option<String>),
}

/// Puts a document together.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: Vec<(usize, Arc<Node>, u64)>,
    /// Nodes that are written, and that aliases stand for.
    written: u64,
    repeated: u64,
    done: Vec<Arc<Node>>,
}

/// Reads every document of a text.
///
/// # Errors
/// When the text is no YAML, with the line.
pub fn documents(text: &str) -> Result<Vec<Arc<Node>>, Error> {
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next?;
        builder.take(event, span)?;
    }
    Ok(builder.done)
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Error> {
        let refuse = |why: &str| Error {
            line: span.start.line(),
            why: why.to_owned(),
        };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !is_text(tag.as_deref());
                // Where nothing is written the parser gives what stands for it.
                let text = if style == ScalarStyle::Plain && span.is_empty() {
                    String::new()
                } else {
                    text.into_owned()
                };
                self.close(anchor, Node::Scalar { text, plain }, span)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open::List(anchor, Vec::new()));
                Ok(())
            }
            Event::MappingStart(_, anchor, _) => {
                self.open.push(Open::Map(anchor, Vec::new(), None));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(anchor, items)) => self.close(anchor, Node::List(items), span),
                Some(Open::Map(anchor, members, _)) => {
                    self.close(anchor, Node::Map(merged(members)), span)
                }
                None => Err(refuse("something ends that never began")),
            },
            Event::Alias(anchor) => {
                let Some((_, node, size)) =
                    self.anchors.iter().rev().find(|(id, ..)| *id == anchor)
                else {
                    return Err(refuse("an alias stands for something around it"));
                };
                let (node, size) = (node.clone(), *size);
                self.repeated += size;
                if self.repeated > FREE + 8 * self.written {
                    return Err(refuse("its aliases stand for more than anybody writes"));
                }
                self.put(node, span)
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn close(&mut self, anchor: usize, node: Node, span: Span) -> Result<(), Error> {
        self.written += 1;
        let node = Arc::new(node);
        if anchor > 0 {
            self.anchors.push((anchor, node.clone(), size(&node)));
        }
        self.put(node, span)
    }

    fn put(&mut self, node: Arc<Node>, span: Span) -> Result<(), Error> {
        match self.open.last_mut() {
            None => self.done.push(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, members, key)) => match key.take() {
                Some(key) => members.push((key, node)),
                None => match &*node {
                    Node::Scalar { text, .. } => *key = Some(text.clone()),
                    _ => {
                        return Err(Error {
                            line: span.start.line(),
                            why: "a list or a mapping is no key".to_owned(),
                        });
                    }
                },
            },
        }
        Ok(())
    }
}

fn is_text(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| tag.suffix().ends_with("str") || tag.suffix() == "!")
}

fn size(node: &Node) -> u64 {
    match node {
        Node::Scalar { .. } => 1,
        Node::List(items) => items
            .iter()
            .fold(1, |sum, item| sum.saturating_add(size(item))),
        Node::Map(members) => members
            .iter()
            .fold(1, |sum, (_, member)| sum.saturating_add(size(member))),
    }
}

/// With what `<<` brings; what is written beside it wins.
fn merged(members: Vec<(String, Arc<Node>)>) -> Vec<(String, Arc<Node>)> {
    if !members.iter().any(|(key, _)| key == "<<") {
        return members;
    }
    let (merges, mut members): (Vec<_>, Vec<_>) =
        members.into_iter().partition(|(key, _)| key == "<<");
    for (key, node) in merges {
        let sources = match &*node {
            Node::Map(_) => vec![node.clone()],
            Node::List(items) if items.iter().all(|item| matches!(**item, Node::Map(_))) => {
                items.clone()
            }
            _ => {
                members.push((key, node));
                continue;
            }
        };
        for source in sources {
            let Node::Map(more) = &*source else { continue };
            for (key, value) in more {
                if !members.iter().any(|(known, _)| known == key) {
                    members.push((key.clone(), value.clone()));
                }
            }
        }
    }
    members
}

/// Members that are texts in any Kubernetes object, however YAML would take them.
const TEXTS: [&str; 20] = [
    "action",
    "apiVersion",
    "component",
    "fieldPath",
    "generateName",
    "host",
    "instance",
    "kind",
    "message",
    "name",
    "namespace",
    "node",
    "note",
    "reason",
    "reportingComponent",
    "reportingController",
    "reportingInstance",
    "resourceVersion",
    "type",
    "uid",
];

/// Mappings of which every member is a text.
const OF_TEXTS: [&str; 2] = ["annotations", "labels"];

/// A document as JSON, by YAML 1.2's core schema (yaml.org/spec/1.2.2, 10.3.2), but that a number
/// is one only where JSON would write it so.
pub fn to_json(node: &Node) -> String {
    let mut json = String::new();
    write(node, false, &mut json);
    json
}

fn write(node: &Node, text_wanted: bool, out: &mut String) {
    match node {
        Node::Scalar { text, plain } => out.push_str(&scalar(text, *plain, text_wanted)),
        Node::List(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                write(item, text_wanted, out);
            }
            out.push(']');
        }
        Node::Map(members) => {
            out.push('{');
            for (number, (key, member)) in members.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(key));
                out.push(':');
                let of_texts = OF_TEXTS.contains(&key.as_str());
                let inner = matches!(**member, Node::Map(_));
                write(
                    member,
                    if inner {
                        of_texts
                    } else {
                        text_wanted || TEXTS.contains(&key.as_str())
                    },
                    out,
                );
            }
            out.push('}');
        }
    }
}

fn scalar(text: &str, plain: bool, text_wanted: bool) -> Cow<'_, str> {
    if !plain {
        return Cow::Owned(quoted(text));
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Cow::Borrowed("null"),
        _ if text_wanted => Cow::Owned(quoted(text)),
        "true" | "True" | "TRUE" => Cow::Borrowed("true"),
        "false" | "False" | "FALSE" => Cow::Borrowed("false"),
        _ if serde_json::from_str::<serde_json::Number>(text).is_ok() => Cow::Borrowed(text),
        _ => Cow::Owned(quoted(text)),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
