//! What a sink sent, read as its destination would: which events are in it. Pure.

use std::collections::BTreeSet;
use std::io::Read;

use crate::sink::http::Sent;

use super::events::{DIGITS, MARK};

/// Bytes of a body that are looked at once it is unpacked.
const LARGEST: u64 = 256 << 20;

/// The numbers of the events whose marks are in a text.
pub(super) fn marks(text: &[u8]) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let mark = MARK.as_bytes();
    for (place, window) in text.windows(mark.len() + DIGITS).enumerate() {
        if window.starts_with(mark)
            && let Some(digits) = text.get(place + mark.len()..place + mark.len() + DIGITS)
            && let Some(number) = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse().ok())
        {
            found.insert(number);
        }
    }
    found
}

/// The numbers of the events that a request is about: in its URL, its headers, or its body.
pub(super) fn events(sent: &Sent) -> BTreeSet<u64> {
    let mut found = marks(sent.url.as_bytes());
    sent.headers
        .iter()
        .for_each(|(_, value)| found.append(&mut marks(value)));
    found.append(&mut marks(&unpacked(sent)));
    found
}

fn header<'a>(sent: &'a Sent, name: &str) -> Option<&'a str> {
    let value = &sent.headers.iter().find(|(key, _)| key == name)?.1;
    std::str::from_utf8(value).ok().map(str::trim)
}

/// A request's body without its compression: gzip, deflate and zstd by `Content-Encoding`, and the
/// lz4 of SLS. As it is, where that is unknown or not true.
pub(super) fn unpacked(sent: &Sent) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = match header(sent, "content-encoding") {
        Some("gzip") => flate2::read::MultiGzDecoder::new(&*sent.body)
            .take(LARGEST)
            .read_to_end(&mut bytes)
            .ok(),
        Some("deflate") => flate2::read::ZlibDecoder::new(&*sent.body)
            .take(LARGEST)
            .read_to_end(&mut bytes)
            .ok(),
        Some("zstd") => zstd::stream::read::Decoder::new(&*sent.body)
            .ok()
            .and_then(|reader| reader.take(LARGEST).read_to_end(&mut bytes).ok()),
        _ => None,
    };
    match (
        read,
        header(sent, "x-log-compresstype"),
        header(sent, "x-log-bodyrawsize").and_then(|size| size.parse::<usize>().ok()),
    ) {
        (Some(_), ..) => bytes,
        (None, Some("lz4"), Some(size)) if size as u64 <= LARGEST => {
            lz4_flex::block::decompress(&sent.body, size).unwrap_or_else(|_| sent.body.clone())
        }
        _ => sent.body.clone(),
    }
}

/// What is wrong with a body, given what it says it is; none where nothing is, or nobody can tell.
pub(super) fn flaw(sent: &Sent) -> Option<String> {
    let kind = header(sent, "content-type")?
        .split(';')
        .next()?
        .trim()
        .to_ascii_lowercase();
    let body = unpacked(sent);
    let lines = kind.contains("ndjson") || kind.contains("jsonl");
    if lines {
        let wrong = |line: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(line).err();
        let lines = body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        return lines
            .filter_map(wrong)
            .next()
            .map(|why| format!("a line of its body is not JSON: {why}"));
    }
    let json = kind == "application/json" || kind.ends_with("+json");
    let why = serde_json::from_slice::<serde::de::IgnoredAny>(&body)
        .err()
        .filter(|_| json)?;
    Some(format!("its body says {kind}, but is not JSON: {why}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::events::mark;
    use super::*;

    fn sent(headers: &[(&str, &str)], body: &[u8]) -> Sent {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect();
        Sent {
            method: "POST".to_owned(),
            url: format!("https://a/?q={}", mark(3)),
            headers,
            body: body.to_vec(),
        }
    }

    #[test]
    fn events_are_found_wherever_they_are() {
        let body = format!("x{}y{}", mark(1), mark(999_999));
        assert_eq!(
            events(&sent(&[("x-event", &mark(2))], body.as_bytes())),
            [1, 2, 3, 999_999].into()
        );
    }

    #[test]
    fn what_only_looks_like_a_mark_is_none() {
        assert_eq!(marks(b"e7e7-00000000001"), [].into());
        assert_eq!(
            marks(b"e7e7-00000000001x e7e7-e7e7-000000000004"),
            [4].into()
        );
    }

    #[test]
    fn compressed_bodies_are_unpacked() {
        let text = mark(7).repeat(50);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(text.as_bytes()).unwrap();
        let size = text.len().to_string();
        for (headers, body) in [
            (vec![("content-encoding", "gzip")], gzip.finish().unwrap()),
            (
                vec![("content-encoding", "deflate")],
                zlib.finish().unwrap(),
            ),
            (
                vec![("content-encoding", "zstd")],
                zstd::encode_all(text.as_bytes(), 1).unwrap(),
            ),
            (
                vec![("x-log-compresstype", "lz4"), ("x-log-bodyrawsize", &*size)],
                lz4_flex::block::compress(text.as_bytes()),
            ),
            (
                vec![("content-encoding", "gzip")],
                text.clone().into_bytes(),
            ),
        ] {
            assert!(events(&sent(&headers, &body)).contains(&7), "{headers:?}");
        }
    }

    #[test]
    fn a_body_that_is_not_what_it_says_has_a_flaw() {
        let flawed = |kind: &str, body: &str| {
            flaw(&sent(&[("content-type", kind)], body.as_bytes())).is_some()
        };
        assert!(flawed("application/json", "{\"a\":\"\u{1}\"}"));
        assert!(flawed(
            "application/cloudevents-batch+json; charset=utf-8",
            "[1,"
        ));
        assert!(flawed("application/x-ndjson", "{}\n{\n"));
        assert!(!flawed("application/x-ndjson", "{}\n{}\n"));
        assert!(!flawed("application/json", "[]"));
        assert!(!flawed("text/plain", "{"));
    }
}
