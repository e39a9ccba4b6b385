//! Text of a query -> symbols.

use super::NotAQuery;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    Open,
    Close,
    Colon,
    And,
    Or,
    Not,
    Word(String),
    Quoted(String),
    Phrase(String),
}

pub(super) fn symbols(text: &str) -> Result<Vec<Symbol>, NotAQuery> {
    let mut symbols = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = match first {
            '(' => push(&mut symbols, Symbol::Open, after),
            ')' => push(&mut symbols, Symbol::Close, after),
            ':' => push(&mut symbols, Symbol::Colon, after),
            '|' => {
                return Err(NotAQuery(
                    "This server has no SQL: the query must end before \"|\".".into(),
                ));
            }
            '"' => {
                let (quoted, after) = quoted(after)?;
                push(&mut symbols, Symbol::Quoted(quoted), after)
            }
            '#' if after.starts_with('"') => {
                let (quoted, after) = quoted(after.get(1..).unwrap_or_default())?;
                push(&mut symbols, Symbol::Phrase(quoted), after)
            }
            '<' | '>' | '=' => return Err(NotAQuery("This server compares no numbers.".into())),
            _ => {
                let ends =
                    |character: char| character.is_whitespace() || "():|\"<>=".contains(character);
                let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
                push(&mut symbols, keyword_or_word(word), after)
            }
        }
        .trim_start();
    }
    Ok(symbols)
}

fn push<'a>(symbols: &mut Vec<Symbol>, symbol: Symbol, after: &'a str) -> &'a str {
    symbols.push(symbol);
    after
}

fn keyword_or_word(word: &str) -> Symbol {
    match word.to_ascii_lowercase().as_str() {
        "and" => Symbol::And,
        "or" => Symbol::Or,
        "not" => Symbol::Not,
        _ => Symbol::Word(word.to_owned()),
    }
}

/// The text up to the closing quote, with `\"` and `\\` undone, and what follows.
fn quoted(text: &str) -> Result<(String, &str), NotAQuery> {
    let mut content = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Ok((content, text.get(position + 1..).unwrap_or_default())),
            '\\' => content.extend(characters.next().map(|(_, escaped)| escaped)),
            other => content.push(other),
        }
    }
    Err(NotAQuery("A quotation mark is not closed.".into()))
}
