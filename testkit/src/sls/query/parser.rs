//! Symbols -> tree.
//!
//! ```text
//! any  = all { "or" all }        all  = one { ["and"] one }
//! one  = "not" one | "(" any ")" | term
//! term = text | name ":" text | "__tag__" ":" name ":" text
//! ```

use std::iter::Peekable;
use std::vec::IntoIter;

use super::lexer::{Symbol, symbols};
use super::tokens::{Pattern, tokens};
use super::{Node, NotAQuery, Test};

pub(super) fn parse(text: &str) -> Result<Node, NotAQuery> {
    let mut parser = Parser(symbols(text)?.into_iter().peekable());
    if parser.0.peek().is_none() {
        return Ok(Node::Everything);
    }
    let node = parser.any()?;
    match parser.0.next() {
        None => Ok(node),
        Some(symbol) => Err(unexpected(Some(&symbol))),
    }
}

struct Parser(Peekable<IntoIter<Symbol>>);

impl Parser {
    fn any(&mut self) -> Result<Node, NotAQuery> {
        let mut left = self.all()?;
        while self.0.next_if_eq(&Symbol::Or).is_some() {
            left = Node::Or(Box::new(left), Box::new(self.all()?));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Node, NotAQuery> {
        let mut left = self.one()?;
        loop {
            match self.0.peek() {
                None | Some(Symbol::Or | Symbol::Close) => return Ok(left),
                Some(Symbol::And) => drop(self.0.next()),
                // Terms beside each other mean "and" (doc "Phrase search").
                Some(_) => {}
            }
            left = Node::And(Box::new(left), Box::new(self.one()?));
        }
    }

    fn one(&mut self) -> Result<Node, NotAQuery> {
        match self.0.next() {
            Some(Symbol::Not) => Ok(Node::Not(Box::new(self.one()?))),
            Some(Symbol::Open) => {
                let inner = self.any()?;
                match self.0.next() {
                    Some(Symbol::Close) => Ok(inner),
                    other => Err(unexpected(other.as_ref())),
                }
            }
            Some(Symbol::Phrase(text)) => Ok(Node::Term {
                field: None,
                test: Test::Phrase(tokens(&text)),
            }),
            Some(Symbol::Word(text)) => self.term(text, false),
            Some(Symbol::Quoted(text)) => self.term(text, true),
            other => Err(unexpected(other.as_ref())),
        }
    }

    /// A text that may turn out to be a field's name.
    fn term(&mut self, text: String, is_quoted: bool) -> Result<Node, NotAQuery> {
        if self.0.next_if_eq(&Symbol::Colon).is_none() {
            return Ok(match (text.as_str(), is_quoted) {
                ("*", false) => Node::Everything,
                _ => Node::Term {
                    field: None,
                    test: all_of(&text, is_quoted),
                },
            });
        }
        let mut name = text;
        if name == "__tag__" {
            match (self.0.next(), self.0.next()) {
                (Some(Symbol::Word(tag) | Symbol::Quoted(tag)), Some(Symbol::Colon)) => {
                    name = format!("__tag__:{tag}")
                }
                (other, _) => return Err(unexpected(other.as_ref())),
            }
        }
        let test = match self.0.next() {
            Some(Symbol::Word(star)) if star == "*" => Test::IsThere,
            Some(Symbol::Word(text)) => all_of(&text, false),
            Some(Symbol::Quoted(text)) => all_of(&text, true),
            Some(Symbol::Phrase(text)) => Test::Phrase(tokens(&text)),
            other => return Err(unexpected(other.as_ref())),
        };
        Ok(Node::Term {
            field: Some(name),
            test,
        })
    }
}

fn all_of(text: &str, is_quoted: bool) -> Test {
    Test::AllOf(if is_quoted {
        Pattern::of_quoted(text)
    } else {
        Pattern::of_word(text)
    })
}

fn unexpected(symbol: Option<&Symbol>) -> NotAQuery {
    NotAQuery(match symbol {
        Some(symbol) => format!("The query has {symbol:?} where it can't stand."),
        None => "The query ends too early.".to_owned(),
    })
}
