//! A text as it is without its escapes: what a secret is searched for in. Pure.

/// The bytes that an escape stands for, and its length.
type Read = (Vec<u8>, usize);

/// A text without escapes of one kind, and where each byte comes from.
pub(super) struct View {
    pub bytes: Vec<u8>,
    /// One more than there are bytes.
    origins: Vec<usize>,
}

impl View {
    /// The place in the text that the byte at a place of the view comes from.
    pub(super) fn origin(&self, place: usize) -> usize {
        self.origins
            .get(place)
            .or(self.origins.last())
            .copied()
            .unwrap_or(place)
    }

    fn plain(text: &[u8]) -> Self {
        Self {
            bytes: text.to_vec(),
            origins: (0..=text.len()).collect(),
        }
    }

    /// `read` reads an escape at a place of a text. None where there is none.
    fn without(&self, read: fn(&[u8], usize) -> Option<Read>) -> Option<Self> {
        let mut view = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            origins: Vec::with_capacity(self.origins.len()),
        };
        let (mut place, mut any) = (0, false);
        while let Some(byte) = self.bytes.get(place) {
            let origin = self.origin(place);
            match read(&self.bytes, place) {
                Some((bytes, length)) => {
                    any = true;
                    view.origins
                        .extend(std::iter::repeat_n(origin, bytes.len()));
                    view.bytes.extend(bytes);
                    place += length.max(1);
                }
                None => {
                    view.origins.push(origin);
                    view.bytes.push(*byte);
                    place += 1;
                }
            }
        }
        view.origins.push(self.origin(self.bytes.len()));
        any.then_some(view)
    }
}

/// All views of a text, itself the first.
pub(super) fn of(text: &[u8]) -> Vec<View> {
    let plain = View::plain(text);
    let has = |mark: u8| text.contains(&mark);
    let mut views = Vec::new();
    if has(b'%') {
        twice(&plain, percent, &mut views);
    }
    if has(b'\\') {
        let first = views.len();
        twice(&plain, escape, &mut views);
        let unwrapped: Vec<View> = views
            .iter()
            .skip(first)
            .filter_map(|view| view.without(space))
            .collect();
        views.extend(unwrapped);
    }
    if has(b'&') {
        twice(&plain, entity, &mut views);
    }
    views.extend(plain.without(space));
    views.extend(plain.without(number));
    let pairs = plain.without(pair);
    views.extend(pairs.as_ref().and_then(|pairs| pairs.without(space)));
    views.extend(pairs);
    views.insert(0, plain);
    views
}

/// Without escapes, and without those that were escaped themselves.
fn twice(of: &View, read: fn(&[u8], usize) -> Option<Read>, views: &mut Vec<View>) {
    let Some(first) = of.without(read) else {
        return;
    };
    let second = first.without(read);
    views.push(first);
    views.extend(second);
}

/// `%41` (RFC 3986, section 2.1).
fn percent(text: &[u8], at: usize) -> Option<Read> {
    let rest = text.get(at..)?.strip_prefix(b"%")?;
    Some((vec![u8::try_from(hexadecimal(rest.get(..2)?)?).ok()?], 3))
}

/// `\n`, `\"`, `\u0041` and the like (RFC 8259, section 7); `\x41` and `\u{41}`, as other languages
/// print them.
fn escape(text: &[u8], at: usize) -> Option<Read> {
    let text = text.get(at..)?;
    let rest = text.strip_prefix(b"\\")?;
    if let Some(digits) = rest.strip_prefix(b"u{") {
        let length = digits
            .iter()
            .position(|byte| *byte == b'}')
            .filter(|length| (1..=8).contains(length))?;
        let character = char::from_u32(hexadecimal(digits.get(..length)?)?)?;
        return Some((character.to_string().into_bytes(), length + 4));
    }
    if let Some(byte) = rest
        .strip_prefix(b"x")
        .and_then(|digits| hexadecimal(digits.get(..2)?))
    {
        return Some((vec![u8::try_from(byte).ok()?], 4));
    }
    let unit = |text: &[u8]| {
        text.strip_prefix(b"\\u")
            .and_then(|rest| hexadecimal(rest.get(..4)?))
            .and_then(|unit| u16::try_from(unit).ok())
    };
    let Some(first) = unit(text) else {
        let byte = match rest.first()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            other => *other,
        };
        return Some((vec![byte], 2));
    };
    let pair = text
        .get(6..)
        .and_then(unit)
        .and_then(|second| char::decode_utf16([first, second]).next()?.ok())
        .filter(|c| c.len_utf16() == 2);
    let (character, length) = match pair {
        Some(character) => (character, 12),
        None => (char::from_u32(first.into())?, 6),
    };
    Some((character.to_string().into_bytes(), length))
}

/// `&#65;`, `&#x41;`, and the names of the five characters that XML has (XML 1.0, section 4.6).
fn entity(text: &[u8], at: usize) -> Option<Read> {
    let rest = text.get(at..)?.strip_prefix(b"&")?;
    let length = rest.iter().take(10).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(rest.get(..length)?).ok()?;
    let number = match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => digits.parse().ok()?,
        },
        None => u32::from(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        }),
    };
    Some((char::from_u32(number)?.to_string().into_bytes(), length + 2))
}

/// White space, as where base64 is wrapped over lines; NULs, as of UTF-16; characters that take no
/// room (U+00AD, U+200B to U+200F, U+2060, U+FEFF).
fn space(text: &[u8], at: usize) -> Option<Read> {
    let length = match text.get(at..)? {
        [byte, ..] if byte.is_ascii_whitespace() || *byte == 0 => 1,
        [0xc2, 0xad, ..] => 2,
        [0xe2, 0x80, 0x8b..=0x8f, ..] | [0xe2, 0x81, 0xa0, ..] | [0xef, 0xbb, 0xbf, ..] => 3,
        _ => return None,
    };
    Some((Vec::new(), length))
}

/// Characters between two numbers.
const MOST_BETWEEN: usize = 4;

/// `104, 117, `: bytes as numbers, as a debugger prints a list of them; `0x68, 0x75, `.
fn number(text: &[u8], at: usize) -> Option<Read> {
    if at > 0 && text.get(at - 1).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let rest = text.get(at..)?;
    let (digits, radix, before) = match rest.strip_prefix(b"0x") {
        Some(digits) => (digits, 16, 2),
        None => (rest, 10, 0),
    };
    let length = digits
        .iter()
        .take(4)
        .take_while(|byte| char::from(**byte).is_digit(radix))
        .count();
    let byte = u8::from_str_radix(std::str::from_utf8(digits.get(..length)?).ok()?, radix).ok()?;
    let behind = digits.get(length..)?;
    let gap = behind
        .iter()
        .take(MOST_BETWEEN)
        .take_while(|byte| !byte.is_ascii_alphanumeric())
        .count();
    Some((vec![byte], before + length + gap))
}

/// `68:75:`, `68 75 `, `6875 6e74`: bytes in hex with something between them, as of a dump.
fn pair(text: &[u8], at: usize) -> Option<Read> {
    let byte = u8::try_from(hexadecimal(text.get(at..at + 2)?)?).ok()?;
    let gap = text
        .get(at + 2..)?
        .iter()
        .take(MOST_BETWEEN)
        .take_while(|byte| !byte.is_ascii_alphanumeric())
        .count();
    Some((vec![byte], 2 + gap))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}
