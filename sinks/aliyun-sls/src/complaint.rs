//! The body of an answer that is not a success: `{"errorCode":"X","errorMessage":"Y"}`
//! (aliyun-log-go-sdk client.go Error).
//!
//! Read by hand: these two strings through a JSON library would be a fifth of the component's size.

use crate::prelude::String;

/// What SLS says about a request that it did not take.
#[derive(Debug, PartialEq, Eq)]
pub struct Complaint {
    /// A word for machines: `SignatureNotMatch`.
    pub code: String,
    /// A sentence for people; may be empty.
    pub message: String,
}

/// The complaint in a body; none where another server than SLS answered.
pub fn complaint(body: &[u8]) -> Option<Complaint> {
    let body = core::str::from_utf8(body).ok()?.trim();
    if !(body.starts_with('{') && body.ends_with('}')) {
        return None;
    }
    let code = member(body, "\"errorCode\"")?;
    Some(Complaint {
        code,
        message: member(body, "\"errorMessage\"").unwrap_or_default(),
    })
}

/// The string that follows `name` and a colon. A string value can't hold `name` unescaped, so it is
/// a name wherever it is.
fn member(object: &str, name: &str) -> Option<String> {
    let (_, rest) = object.split_once(name)?;
    let text = rest
        .trim_start()
        .strip_prefix(':')?
        .trim_start()
        .strip_prefix('"')?;
    let mut chars = text.chars();
    let mut value = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(value),
            '\\' => value.push(escaped(&mut chars)?),
            plain => value.push(plain),
        }
    }
}

fn escaped(chars: &mut core::str::Chars) -> Option<char> {
    Some(match chars.next()? {
        'n' | 'r' | 't' | 'b' | 'f' => ' ',
        'u' => {
            let digits = chars.as_str().get(..4)?;
            *chars = chars.as_str().get(4..)?.chars();
            char::from_u32(u32::from_str_radix(digits, 16).ok()?)
                .unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        other => other,
    })
}
