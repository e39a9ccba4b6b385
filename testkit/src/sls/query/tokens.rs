//! Words of a text, as an index made in the vendor's console splits them.

/// What separates tokens there. Neither `-`, `_` nor `.` does: `my-job-0` is one token.
const SEPARATORS: &str = ", '\";=()[]{}?@&<>/:\n\t\r";

/// The lower-cased tokens of a text.
pub(super) fn tokens(text: &str) -> Vec<String> {
    split(text, SEPARATORS)
}

fn split(text: &str, separators: &str) -> Vec<String> {
    let parts = text.split(|character| separators.contains(character));
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Whether the phrase's tokens follow one another somewhere.
pub(super) fn is_sequence_in(phrase: &[String], tokens: &[String]) -> bool {
    !phrase.is_empty() && tokens.windows(phrase.len()).any(|window| window == phrase)
}

/// A token to look for, in lower case; `*` and `?` are wildcards unless it was quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    text: Vec<char>,
    has_wildcards: bool,
}

impl Pattern {
    /// The tokens of a bare word, in which `?` is a wildcard and no separator.
    pub(super) fn of_word(word: &str) -> Vec<Self> {
        let parts = split(word, &SEPARATORS.replace('?', ""));
        parts
            .iter()
            .map(|part| Self {
                text: part.chars().collect(),
                has_wildcards: true,
            })
            .collect()
    }

    /// The tokens of a quoted text.
    pub(super) fn of_quoted(text: &str) -> Vec<Self> {
        tokens(text)
            .iter()
            .map(|part| Self {
                text: part.chars().collect(),
                has_wildcards: false,
            })
            .collect()
    }

    pub(super) fn matches(&self, token: &str) -> bool {
        let token: Vec<char> = token.chars().collect();
        if self.has_wildcards {
            matches(&self.text, &token)
        } else {
            self.text == token
        }
    }
}

/// Greedy matching that goes back to the last `*` only: linear space, no recursion.
fn matches(pattern: &[char], token: &[char]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut last_star = None;
    while let Some(character) = token.get(read) {
        match pattern.get(at) {
            Some('*') => {
                last_star = Some((at + 1, read));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((after_star, eaten)) = last_star else {
                    return false;
                };
                last_star = Some((after_star, eaten + 1));
                at = after_star;
                read = eaten + 1;
            }
        }
    }
    pattern
        .get(at..)
        .unwrap_or_default()
        .iter()
        .all(|rest| *rest == '*')
}
