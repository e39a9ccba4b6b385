//! A guest's URL, taken apart once. Pure.

use ureq::http::Uri;
use ureq::http::uri::PathAndQuery;

use crate::sink::egress::{Authority, Scheme, plain_host};

/// Characters of a URL, at most.
const LONGEST: usize = 16 << 10;

/// Takes a URL apart, and puts it together from the parts that were judged. Odd forms are refused,
/// so that no two readers can differ about them.
pub(super) fn parse(url: &str) -> Result<(Uri, Authority), String> {
    if url.len() > LONGEST {
        return Err(format!(
            "the URL has {} characters, at most {LONGEST} are allowed",
            url.len()
        ));
    }
    if !url.is_ascii()
        || url
            .bytes()
            .any(|b| b == b'\\' || b.is_ascii_control() || b == b' ')
    {
        return Err(
            "the URL has a backslash, a space, a control or a non-ASCII character".to_owned(),
        );
    }
    let written: Uri = url
        .parse()
        .map_err(|why| format!("{url:?} is not a URL: {why}"))?;
    let scheme = match written.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err("the URL must begin with http:// or https://".to_owned()),
    };
    let authority = written.authority().ok_or("the URL names no host")?.as_str();
    if authority.contains('@') {
        return Err("the URL has a user in it".to_owned());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (
            host,
            plain_port(port).ok_or_else(|| format!("{port:?} is not a plain port"))?,
        ),
        _ => (authority, scheme.default_port()),
    };
    let authority = Authority {
        scheme,
        host: plain_host(host)?,
        port,
    };
    let path = written
        .path_and_query()
        .cloned()
        .unwrap_or(PathAndQuery::from_static("/"));
    let built = Uri::builder()
        .scheme(scheme.as_str())
        .authority(authority.place())
        .path_and_query(path)
        .build();
    Ok((
        built.map_err(|why| format!("{url:?} is not a URL: {why}"))?,
        authority,
    ))
}

/// From 1 to 65535, without signs and zeros before it.
fn plain_port(text: &str) -> Option<u16> {
    text.parse()
        .ok()
        .filter(|port: &u16| *port != 0 && port.to_string() == text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces that readers of URLs differ about.
    fn piece() -> impl Strategy<Value = String> {
        let sly = prop::sample::select(vec![
            "http://",
            "https:",
            "//",
            "/",
            "\\",
            "@",
            ":",
            "?",
            "#",
            "[",
            "]",
            "%2e",
            "%00",
            ".",
            "..",
            "0x7f",
            "0177",
            "127.1",
            "2130706433",
            "127.0.0.1",
            "[::1]",
            "::ffff:1.2.3.4",
            "%25",
            "*",
            "example.com",
            "xn--a",
            "_",
            "-",
            ":80",
            ":0443",
            ";",
            "&",
            "\t",
            "\r\n",
            " ",
            "\u{3002}",
            "\u{ff0e}",
            "\u{ad}",
        ]);
        prop_oneof![
            sly.prop_map(str::to_owned),
            "[a-zA-Z0-9.-]{1,12}",
            any::<char>().prop_map(String::from)
        ]
    }

    proptest! {
        /// The other reader follows the URL standard (url.spec.whatwg.org), as browsers do.
        #[test]
        fn what_is_taken_is_read_in_the_same_way_by_another_reader(begin in "(https?://)?", pieces in prop::collection::vec(piece(), 0..8)) {
            let text = begin + &pieces.concat();
            if let Ok((built, authority)) = parse(&text) {
                let again = parse(&built.to_string());
                prop_assert_eq!(again.as_ref().map(|(_, authority)| authority), Ok(&authority), "{}", built);
                match url::Url::parse(&text) {
                    Ok(other) => {
                        let port = other.port_or_known_default();
                        prop_assert_eq!((other.scheme(), other.host_str(), port), (authority.scheme.as_str(), Some(&*authority.host), Some(authority.port)), "{}", text);
                    }
                    // Punycode that decodes to nothing: a name that can be looked up in vain, and
                    // no other's.
                    Err(why) => prop_assert!(authority.host.contains("xn--"), "{text}: {why}"),
                }
            }
        }
    }

    #[test]
    fn odd_forms_are_refused() {
        for url in [
            "",
            "/",
            "example.com",
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://",
            "http:///path",
            "http://user@example.com/",
            "http://user:word@example.com/",
            "http://example.com@evil.example/",
            "http://example.com\\@evil.example/",
            "http://example.com\\.evil.example/",
            "http://ex\u{e4}mple.com/",
            "http://\u{ff11}27.0.0.1/",
            "http://example.com/\u{e4}",
            "http://example%2ecom/",
            "http://%65xample.com/",
            "http://example.com%00.evil.example/",
            "http://0177.0.0.1/",
            "http://0x7f.0.0.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://127.1/",
            "http://127.0.1/",
            "http://127.0.0.0x1/",
            "http://127.0.0.1./",
            "http://256.0.0.1/",
            "http://[fe80::1%25eth0]/",
            "http://[fe80::1%eth0]/",
            "http://[::1/",
            "http://[]/",
            "http://[::127.0.0.0x1]/",
            "http://::1/",
            "http://example.com./",
            "http://.example.com/",
            "http://example..com/",
            "http://exa\tmple.com/",
            "http://example.com/\n",
            "http://example.com\r\nHost: evil.example/",
            "http://example.com/a b",
            "http://example.com:/",
            "http://example.com:0/",
            "http://example.com:080/",
            "http://example.com:+80/",
            "http://example.com:65536/",
            "http://example.com:80:80/",
            "http://example.com:8o/",
            "http://*.example.com/",
            "http://exam$ple.com/",
        ] {
            assert!(parse(url).is_err(), "{url:?} became {:?}", parse(url));
        }
        assert!(parse(&format!("http://example.com/{}", "a".repeat(LONGEST))).is_err());
        assert!(parse(&format!("http://{}.com/", "a".repeat(64))).is_err());
    }

    #[test]
    fn the_request_is_built_from_what_was_judged() {
        for (url, wanted) in [
            ("http://example.com", "http://example.com/"),
            (
                "HTTP://EXAMPLE.com:80/A?b=%20C",
                "http://example.com/A?b=%20C",
            ),
            ("https://example.com:443/#fragment", "https://example.com/"),
            ("https://example.com:8443/", "https://example.com:8443/"),
            ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
            ("http://[0:0:0:0:0:0:0:1]:81/", "http://[::1]:81/"),
            ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:127.0.0.1]/"),
            ("http://a_b-c.example.com?q", "http://a_b-c.example.com/?q"),
        ] {
            assert_eq!(parse(url).unwrap().0.to_string(), wanted, "{url}");
        }
    }
}
