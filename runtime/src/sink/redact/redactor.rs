//! Finds the secrets of a grant in a text, and puts the names of their variables in their place.

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::shown::shown;

use crate::sink::grant::Variable;

use super::parts::{self, SHORTEST};
use super::views;

/// Bytes of a text for people that are looked at. More would be cut off in any case.
const LOOKED_AT: usize = 64 << 10;
/// Bytes between two pieces of a long secret, in whichever form, that are hidden with them.
const GAP: usize = 240;
/// Bytes that one byte of a secret takes at most: `\\u0041`, with some room.
const WIDEST: usize = 8;

/// Finds the secrets of one grant.
#[derive(Debug, Default)]
pub(in crate::sink) struct Redactor {
    search: Option<AhoCorasick>,
    /// The variable of each pattern.
    names: Vec<String>,
    /// Bytes that a secret takes at most, in whatever form.
    longest: usize,
    /// Bytes between two hits of one variable that are hidden, too.
    gap: usize,
    /// Variables whose values can't be searched for.
    unsearchable: Vec<String>,
}

impl Redactor {
    /// For the variables of a grant.
    pub(in crate::sink) fn new(env: &[Variable]) -> Self {
        let (mut names, mut patterns, mut longest, mut gap, mut unsearchable) =
            (Vec::new(), Vec::new(), 0, 0, Vec::new());
        for variable in env.iter().filter(|variable| variable.secret) {
            let whole = variable.value.trim();
            let lines = whole.lines().map(str::trim).filter(|line| *line != whole);
            let long = lines.clone().any(|line| line.len() >= SHORTEST);
            if whole.len() < SHORTEST || (!long && lines.count() > 0) {
                unsearchable.push(variable.name.clone());
                continue;
            }
            longest = longest.max(whole.len().min(parts::LONGEST) * WIDEST);
            if parts::is_long(whole) {
                gap = GAP;
            }
            for pattern in parts::of(whole).iter().flat_map(|part| forms(part)) {
                names.push(variable.name.clone());
                patterns.push(pattern);
            }
        }
        // Hex comes in both cases; that other forms are found in the wrong case does no harm.
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(patterns)
            .ok();
        if search.is_none() {
            unsearchable.append(&mut names.clone());
            unsearchable.dedup();
        }
        Self {
            search,
            names,
            longest,
            gap,
            unsearchable,
        }
    }

    /// Variables whose secret values can't be searched for, so that nothing of the guest's is
    /// shown.
    pub(in crate::sink) fn unsearchable(&self) -> &[String] {
        &self.unsearchable
    }

    /// A guest's text for people: without secrets and control characters, and cut.
    pub(in crate::sink) fn words(&self, text: &str) -> String {
        if !self.unsearchable.is_empty() {
            return format!(
                "(not shown: the secret in {} is too short to be found in it)",
                self.unsearchable.join(", ")
            );
        }
        let bytes = text.as_bytes();
        let looked_at = if bytes.len() > LOOKED_AT {
            self.cut(bytes, LOOKED_AT)
        } else {
            bytes.len()
        };
        shown(&String::from_utf8_lossy(
            &self.redact(bytes.get(..looked_at).unwrap_or_default()),
        ))
    }

    /// Puts the name of its variable in the place of each secret.
    pub(in crate::sink) fn redact<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let found = self.find(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut clean, mut done) = (Vec::with_capacity(text.len()), 0);
        for (place, name) in found {
            clean.extend_from_slice(text.get(done..place.start).unwrap_or_default());
            clean.extend_from_slice(b"(secret ");
            clean.extend_from_slice(name.as_bytes());
            clean.push(b')');
            done = place.end;
        }
        clean.extend_from_slice(text.get(done..).unwrap_or_default());
        Cow::Owned(clean)
    }

    /// Where a text can be cut, at `most` or before, so that no secret that begins before it is cut
    /// in two: not even one whose end is yet to come.
    pub(in crate::sink) fn cut(&self, text: &[u8], most: usize) -> usize {
        let most = most.min(text.len()).saturating_sub(self.longest);
        let over = self
            .find(text)
            .into_iter()
            .find(|(place, _)| place.contains(&most));
        over.map_or(most, |(place, _)| place.start)
    }

    /// Bytes by which a cut may lie before the end.
    pub(in crate::sink) fn longest(&self) -> usize {
        self.longest
    }

    /// Places of secrets, in order and apart from each other, each with the name of a variable.
    fn find(&self, text: &[u8]) -> Vec<(Range<usize>, &str)> {
        let Some(search) = self
            .search
            .as_ref()
            .filter(|search| search.patterns_len() > 0)
        else {
            return Vec::new();
        };
        let mut found: Vec<(Range<usize>, &str)> = Vec::new();
        for view in views::of(text) {
            for hit in search.find_overlapping_iter(&view.bytes) {
                let name = self
                    .names
                    .get(hit.pattern().as_usize())
                    .map_or("", String::as_str);
                let (start, end) = (view.origin(hit.start()), view.origin(hit.end()));
                // What stands between two bytes of it, and behind the last, is no part of it.
                let behind = text
                    .get(start..end)
                    .unwrap_or_default()
                    .iter()
                    .rev()
                    .take_while(|byte| byte.is_ascii_whitespace())
                    .count();
                found.push((start..end - behind, name));
            }
        }
        found.sort_by_key(|(place, _)| (place.start, place.end));
        found.dedup_by(|next, before| {
            // Between pieces of one long secret stands the rest of it.
            let joined = (next.1 == before.1 && next.0.start <= before.0.end + self.gap)
                || next.0.start < before.0.end;
            before.0.end = if joined {
                before.0.end.max(next.0.end)
            } else {
                before.0.end
            };
            joined
        });
        found
    }
}

/// What a secret looks like without escapes, which a view takes away.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![bytes.to_vec(), hex.into_bytes()];
    if secret.contains(' ') {
        // As in a form of HTML.
        forms.push(secret.replace(' ', "+").into_bytes());
    }
    for before in 0..3 {
        // What stands before and after the secret goes into the characters at its ends.
        let mut shifted = vec![0; before];
        shifted.extend_from_slice(bytes);
        let (first, last) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
        for text in [
            STANDARD_NO_PAD.encode(&shifted),
            URL_SAFE_NO_PAD.encode(&shifted),
        ] {
            forms.push(
                text.as_bytes()
                    .get(first..last)
                    .unwrap_or_default()
                    .to_vec(),
            );
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let variable = |(n, value): (usize, &&str)| Variable {
            name: format!("S{n}"),
            value: (*value).to_owned(),
            secret: true,
        };
        Redactor::new(&secrets.iter().enumerate().map(variable).collect::<Vec<_>>())
    }

    /// Knuth's MMIX generator: the same numbers on every machine.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (self.0 >> 33) as usize % limit
        }

        fn text(&mut self, length: usize) -> String {
            let alphabet: Vec<char> = "abcXYZ0189 +/%\\\"'{}=&-_.é\u{1F600}\t".chars().collect();
            (0..length)
                .map(|_| alphabet[self.below(alphabet.len())])
                .collect()
        }
    }

    fn percent_encode(secret: &str, which: impl Fn(u8) -> bool) -> String {
        secret
            .bytes()
            .map(|b| {
                if which(b) || !b.is_ascii() {
                    format!("%{b:02X}")
                } else {
                    char::from(b).to_string()
                }
            })
            .collect()
    }

    /// Each encoding of a secret between two texts.
    fn encoded(secret: &str, before: &str, after: &str) -> Vec<String> {
        let all = format!("{before}{secret}{after}");
        let json = serde_json::to_string(&all).unwrap();
        // What stands around an escape doesn't begin one itself.
        let (before, after) = ([before, after])
            .map(|text| text.replace(['%', '\\'], "-"))
            .into();
        let units: String = secret
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04X}"))
            .collect();
        vec![
            all.clone(),
            json,
            format!("{before}{units}{after}"),
            STANDARD_NO_PAD.encode(&all),
            URL_SAFE_NO_PAD.encode(&all),
            all.bytes().map(|b| format!("{b:02x}")).collect(),
            all.bytes().map(|b| format!("{b:02X}")).collect(),
            format!("{before}{}{after}", percent_encode(secret, |_| true)),
            format!(
                "{before}{}{after}",
                percent_encode(secret, |b| !b.is_ascii_alphanumeric()).to_lowercase()
            ),
            format!(
                "{before}{}{after}",
                percent_encode(secret, |b| !b.is_ascii_alphanumeric() && b != b' ')
                    .replace(' ', "+")
            ),
            format!(
                "{before}{}{after}",
                percent_encode(&STANDARD_NO_PAD.encode(secret), |b| !b
                    .is_ascii_alphanumeric())
            ),
        ]
    }

    #[test]
    fn a_random_secret_in_any_encoding_inside_of_random_text_never_comes_through() {
        let mut random = Random(1);
        for round in 0..300 {
            let length = SHORTEST + random.below(40);
            let secret = random.text(length).trim().to_owned();
            if secret.len() < SHORTEST {
                continue;
            }
            let redactor = redactor(&["another-secret", &secret]);
            let (before, after) = (random.below(30), random.below(30));
            let (before, after) = (random.text(before), random.text(after));
            for text in encoded(&secret, &before, &after) {
                let clean = redactor.redact(text.as_bytes());
                let clean = String::from_utf8_lossy(&clean).into_owned();
                assert!(
                    clean.contains("(secret S1)"),
                    "round {round}: {secret:?} in {text:?} became {clean:?}"
                );
                assert!(
                    !clean.contains(&secret),
                    "round {round}: {secret:?} is in {clean:?}"
                );
            }
        }
    }

    #[test]
    fn text_without_a_secret_stays_as_it_is() {
        let redactor = redactor(&["hunter2-hunter2"]);
        for text in ["hunter2", "100% \\ done %zz \\u00", "", "hunter2-hunter"] {
            assert_eq!(redactor.redact(text.as_bytes()), text.as_bytes());
        }
        assert_eq!(
            redactor.redact(b"a hunter2-hunter2, b").as_ref(),
            b"a (secret S0), b"
        );
    }

    #[test]
    fn each_line_of_a_secret_of_many_lines_is_found_alone() {
        let redactor = redactor(&["-----BEGIN KEY-----\nMC4CAQAwBQYDK2Vw\nend\n"]);
        assert_eq!(
            redactor.words("it has MC4CAQAwBQYDK2Vw."),
            "it has (secret S0)."
        );
        assert!(redactor.unsearchable().is_empty());
    }

    #[test]
    fn a_secret_too_short_to_be_searched_for_silences_all() {
        for short in ["1234567", "abc\ndefgh", " 1234567 "] {
            let redactor = redactor(&["long-enough-secret", short]);
            assert_eq!(redactor.unsearchable(), ["S1"], "{short}");
            assert!(
                redactor
                    .words("anything")
                    .starts_with("(not shown: the secret in S1"),
                "{short}"
            );
        }
        let open = Variable {
            name: "OPEN".into(),
            value: "x".into(),
            secret: false,
        };
        assert_eq!(Redactor::new(&[open]).words("x"), "x");
    }

    #[test]
    fn a_cut_goes_through_no_secret() {
        let secret = "0123456789abcdef";
        let redactor = redactor(&[secret]);
        for before in 0..400 {
            let text = format!("{}{secret}{}", "x".repeat(before), "y".repeat(150));
            for end in [text.len(), before + 3, before + secret.len() + 7] {
                let text = &text.as_bytes()[..end];
                let cut = redactor.cut(text, 300);
                assert!(
                    cut <= before || cut >= before + secret.len(),
                    "{before} {end} {cut}"
                );
            }
        }
    }

    #[test]
    fn a_long_text_is_cut_before_it_is_searched() {
        let secret = "s".repeat(5_000);
        let text = format!("{}{}", format!("{secret} ").repeat(13), "rest");
        let words = redactor(&[&secret]).words(&text);
        assert!(words.len() < 2_100 && !words.contains("sssss"), "{words}");
    }
}
