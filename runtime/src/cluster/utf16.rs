//! UTF-16, as PowerShell writes files. Pure.

/// Text of UTF-16, with the high bytes first where `big`. What is no character, and half of one at
/// the end, is U+FFFD.
pub(super) fn decode(bytes: &[u8], big: bool) -> String {
    let unit = |pair: &[u8]| match *pair {
        [first, second] if big => u16::from_be_bytes([first, second]),
        [first, second] => u16::from_le_bytes([first, second]),
        _ => 0xfffd,
    };
    char::decode_utf16(bytes.chunks(2).map(unit))
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}
