//! Foreign text, as it is shown to people: what an event, a component, a destination or an API
//! server says must not steer a terminal, forge a line of a log, or fill it. Pure.

/// Prints lines for people on standard output; nothing in them steers a terminal.
macro_rules! say {
    ($($words:tt)*) => { println!("{}", $crate::shown::visible(&format!($($words)*))) };
}

/// Prints lines for people on standard error, in the same way.
macro_rules! note {
    ($($words:tt)*) => { eprintln!("{}", $crate::shown::visible(&format!($($words)*))) };
}

/// Prints JSON on standard output; it stays the same JSON, and steers no terminal.
macro_rules! say_json {
    ($($words:tt)*) => { println!("{}", $crate::shown::json(&format!($($words)*))) };
}

use std::fmt::{self, Write};

/// Characters of a text that are shown, at most.
pub const MOST: usize = 2_000;
/// Texts of a list that are shown; more are counted.
const MOST_TEXTS: usize = 10;
/// Characters of each.
const MOST_OF_ONE: usize = 100;

/// A foreign text in one line: white space is a space, every other character that can't be seen
/// stands as `\u{1b}`, and what is beyond [`MOST`] is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = MOST;
        for character in self.0.chars() {
            let width = if is_hidden(character) && !is_space(character) {
                character.escape_unicode().count()
            } else {
                1
            };
            let Some(rest) = left.checked_sub(width) else {
                return Ok(());
            };
            left = rest;
            match character {
                space if is_space(space) => f.write_char(' ')?,
                hidden if is_hidden(hidden) => write!(f, "{}", hidden.escape_unicode())?,
                plain => f.write_char(plain)?,
            }
        }
        Ok(())
    }
}

/// A foreign text, as [`Shown`].
pub fn shown(text: &str) -> String {
    Shown(text).to_string()
}

/// A foreign name, as [`Shown`], and not longer than most names are.
pub fn brief(text: &str) -> String {
    let all = shown(text);
    if all.chars().count() <= MOST_OF_ONE {
        all
    } else {
        all.chars().take(MOST_OF_ONE).chain("...".chars()).collect()
    }
}

/// Foreign texts with commas between; what is beyond ten is counted.
pub fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let first: Vec<String> = texts
        .iter()
        .take(MOST_TEXTS)
        .map(|text| brief(text.as_ref()))
        .collect();
    let more = texts.len() - first.len();
    first.join(", ")
        + &if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        }
}

fn is_space(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t')
}

/// A text of several lines of ours, in which foreign ones may be: nothing but the line ends has an
/// effect.
pub fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => visible.push('\n'),
            '\r' | '\t' => visible.push(' '),
            hidden if is_hidden(hidden) => visible.extend(hidden.escape_unicode()),
            plain => visible.push(plain),
        }
    }
    visible
}

/// JSON, in which such characters stand only in strings, with each of them as `\u009b`: RFC 8259
/// wants that for the first 32 alone.
pub fn json(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || !is_hidden(character) {
            visible.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(visible, "\\u{unit:04x}");
        }
    }
    visible
}

/// Control characters, and what Unicode calls ignorable by default (DerivedCoreProperties.txt,
/// Default_Ignorable_Code_Point), which nothing shows, or which turns the direction of others; line
/// and paragraph separators, and annotations.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_or_hides_is_made_visible_and_the_rest_stays() {
        assert_eq!(
            shown("caf\u{e9} \u{4f60}\u{597d} <&> \"x\""),
            "caf\u{e9} \u{4f60}\u{597d} <&> \"x\""
        );
        assert_eq!(shown("a\r\n  1  fine\tb"), "a    1  fine b");
        assert_eq!(
            shown("\u{1b}]0;t\u{7}\u{9b}2J\u{7f}"),
            "\\u{1b}]0;t\\u{7}\\u{9b}2J\\u{7f}"
        );
        for hidden in [
            '\0',
            '\u{8}',
            '\u{200b}',
            '\u{200d}',
            '\u{202e}',
            '\u{2066}',
            '\u{2060}',
            '\u{feff}',
            '\u{2028}',
            '\u{e0041}',
            '\u{ad}',
            '\u{fe0f}',
        ] {
            assert_eq!(
                shown(&hidden.to_string()),
                hidden.escape_unicode().to_string()
            );
            assert!(!json(&hidden.to_string()).contains(hidden));
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(shown(&"x".repeat(MOST)), "x".repeat(MOST));
        assert_eq!(shown(&"\u{e4}".repeat(MOST + 3)), "\u{e4}".repeat(MOST));
        assert!(shown(&"\u{1b}".repeat(MOST)).chars().count() <= MOST);
        let names: Vec<String> = (0..1_000_000).map(|n| format!("V{n}")).collect();
        assert_eq!(
            list(&names),
            "V0, V1, V2, V3, V4, V5, V6, V7, V8, V9 and 999990 more"
        );
        assert_eq!(list::<&str>(&[]), "");
    }

    #[test]
    fn lines_of_ours_stay_lines() {
        assert_eq!(visible("a\n  b\u{1b}[2J\r\nc"), "a\n  b\\u{1b}[2J \nc");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value =
            serde_json::json!({"k\u{9b}": "\u{1b}[2J\u{202e}\u{e0041}\n\"", "l": [1, "\u{4f60}"]});
        for text in [value.to_string(), format!("{value:#}")] {
            let visible = json(&text);
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&visible).unwrap_or_default(),
                value
            );
            assert!(
                !visible.chars().any(|c| c != '\n' && is_hidden(c)),
                "{visible}"
            );
        }
    }
}
