//! The headers that a sink sets: checked, counted and weighed. Pure.

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

/// Headers that frame a message or steer a proxy: the host's own to set.
const HOSTS_OWN: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy",
];
/// The most headers of a request.
const MOST_HEADERS: usize = 100;
/// Bytes of all headers of a request together, and of an answer.
pub const HEADER_BYTES: usize = 64 << 10;

/// Checks headers, and how many they are.
pub fn headers(written: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, String> {
    let bytes: usize = written
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if written.len() > MOST_HEADERS || bytes > HEADER_BYTES {
        let count = written.len();
        return Err(format!(
            "{count} headers of {bytes} bytes, at most {MOST_HEADERS} of {HEADER_BYTES} bytes together are allowed"
        ));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{name:?} is not the name of a header"))?;
        if HOSTS_OWN.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
            return Err(format!("the header {name} is the host's to set"));
        }
        let value = HeaderValue::from_bytes(&value)
            .map_err(|_| format!("the value of the header {name} has a forbidden character"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_frame_a_message_or_break_out_of_it_are_refused() {
        let refused =
            |name: &str, value: &[u8]| headers(vec![(name.to_owned(), value.to_vec())]).is_err();
        for name in [
            "Host",
            "host",
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "Keep-Alive",
            "TE",
            "Trailer",
            "Upgrade",
            "Expect",
            "Proxy",
            "Proxy-Connection",
            "Proxy-Authorization",
            "proxy-x",
            "",
            "a b",
            "a:b",
            "a\r\nb",
            "a\0",
            "\u{e4}",
        ] {
            assert!(refused(name, b"x"), "{name:?}");
        }
        for value in [&b"a\r\nHost: evil"[..], b"a\nb", b"a\rb", b"a\0b", b"\x7f"] {
            assert!(refused("x-a", value), "{value:?}");
        }
        for name in [
            "Accept-Encoding",
            "Authorization",
            "Content-Type",
            "X-Forwarded-Host",
        ] {
            assert!(!refused(name, b"x \t\xff"), "{name}");
        }
    }

    #[test]
    fn headers_are_counted_and_weighed() {
        let many = |count: usize, bytes: usize| {
            headers(
                (0..count)
                    .map(|n| (format!("x-{n}"), vec![b'v'; bytes]))
                    .collect(),
            )
        };
        assert_eq!(many(MOST_HEADERS, 10).unwrap().len(), MOST_HEADERS);
        assert!(many(MOST_HEADERS + 1, 10).is_err());
        assert!(many(2, HEADER_BYTES / 2).is_err());
        assert!(many(2, HEADER_BYTES / 2 - 10).is_ok());
    }
}
