//! Names as Kubernetes takes them. Pure.

/// A label of DNS (RFC 1123), such as a namespace's name.
///
/// # Errors
/// With a sentence that names the text and what is allowed.
pub fn label(text: &str) -> Result<String, String> {
    checked(
        text,
        63,
        "lower-case letters, digits and -, at most 63 of them, the first and the last no -",
        is_label,
    )
}

/// A subdomain of DNS (RFC 1123), such as a Lease's name.
///
/// # Errors
/// With a sentence that names the text and what is allowed.
pub fn subdomain(text: &str) -> Result<String, String> {
    let allowed = "lower-case letters, digits, - and ., at most 253 of them, the first and the last of each part a letter or a digit";
    checked(text, 253, allowed, |text| text.split('.').all(is_label))
}

/// The group of an `apiVersion`; empty for core/v1, and where there is none.
pub fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn checked(
    text: &str,
    most: usize,
    allowed: &str,
    is_good: impl Fn(&str) -> bool,
) -> Result<String, String> {
    if text.len() <= most && is_good(text) {
        return Ok(text.to_owned());
    }
    let what = match text {
        "" => "it is empty".to_owned(),
        text if text.trim() != text && is_good(text.trim()) => {
            "it has white space around it".to_owned()
        }
        "*" => "leave it out for all namespaces".to_owned(),
        text if text.len() > most && is_good(text) => format!("it has {} characters", text.len()),
        text if is_good(&text.to_ascii_lowercase()) => format!(
            "names have no capital letters: {:?}",
            text.to_ascii_lowercase()
        ),
        text if is_good(text.trim_matches(['-', '.'])) => {
            "it begins or ends with a - or a dot".to_owned()
        }
        _ => "it has something else in it".to_owned(),
    };
    Err(format!(
        "{text:?} is not a name of Kubernetes: {what}. A name has {allowed}"
    ))
}

fn is_label(text: &str) -> bool {
    let inner = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    inner && !text.is_empty() && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        let long = "a".repeat(63);
        for good in ["a", "lab", "kube-system", "0-1", long.as_str()] {
            assert!(label(good).is_ok() && subdomain(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "lab ",
            " lab",
            "Lab",
            "../pods",
            "a/b",
            "-a",
            "a-",
            "a_b",
            "\u{e4}",
            "a\n",
            "a,b",
            &"a".repeat(254),
        ] {
            assert!(label(bad).is_err() && subdomain(bad).is_err(), "{bad:?}");
        }
        for only in ["a.b", "kubedl-events.v1", &"a".repeat(64)] {
            assert!(label(only).is_err(), "{only:?}");
        }
        assert!(label(&"a".repeat(64)).is_err_and(|why| why.contains("it has 64 characters")));
        assert!(label("Lab").is_err_and(|why| why.contains("no capital letters: \"lab\"")));
        assert!(
            subdomain("a.b").is_ok()
                && subdomain("a..b").is_err()
                && subdomain(".a").is_err()
                && subdomain("a.-b").is_err()
        );
    }
}
