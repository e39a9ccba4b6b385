//! From the bytes of a file to text, and what a file is that is none. Pure.

use std::borrow::Cow;
use std::io::Read;

use crate::cluster::utf16;

/// How often a file may be compressed.
const MOST_LAYERS: usize = 3;
/// Bytes that are looked at where a file's kind is to be guessed.
const LOOKED_AT: usize = 4096;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Files that hold no text, by their first bytes.
const FOREIGN: [(&[u8], &str); 9] = [
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ\x00", "compressed with xz: unpack it first"),
    (
        b"SQLite format 3\x00",
        "a SQLite database, perhaps a journal: --from reads what `kubectl get events -o json` prints",
    ),
    (
        b"k8s\x00",
        "in Kubernetes' protobuf form: have it written as JSON",
    ),
    (b"\x7fELF", "a program"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
];

/// A file's text, as bytes that should be UTF-8.
pub(super) struct Decoded<'a> {
    pub text: Cow<'a, [u8]>,
    /// What is lost at its end, since the compressed file is cut off or damaged.
    pub cut: Option<String>,
}

/// Unpacks gzip, and turns UTF-16 into UTF-8; a byte order mark goes.
///
/// # Errors
/// With what the file is, when it holds no text.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded<'_>, String> {
    let (mut text, mut cut) = (Cow::Borrowed(bytes), None);
    for _ in 0..MOST_LAYERS {
        if !text.starts_with(&GZIP) {
            break;
        }
        let mut unpacked = Vec::new();
        if let Err(why) = flate2::read::MultiGzDecoder::new(&*text).read_to_end(&mut unpacked) {
            if unpacked.is_empty() {
                return Err(format!(
                    "it is compressed with gzip, and can't be unpacked: {why}"
                ));
            }
            cut = Some(format!(
                "the file is compressed with gzip, and is damaged or cut off: {why}"
            ));
        }
        text = Cow::Owned(unpacked);
    }
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| text.starts_with(magic)) {
        return Err(format!("it is {what}"));
    }
    if matches!(
        *text,
        [0xff, 0xfe, 0, 0, ..]
            | [0, 0, 0xfe, 0xff, ..]
            | [b'{' | b'[', 0, 0, 0, ..]
            | [0, 0, 0, b'{' | b'[', ..]
    ) {
        return Err(
            "it is UTF-32: have it written as UTF-8, as by `iconv -f UTF-32 -t UTF-8`".to_owned(),
        );
    }
    if text.get(257..262) == Some(b"ustar") {
        return Err("it is a tar archive: unpack it first, and give a file of it".to_owned());
    }
    let text = match wide(&text) {
        Some((big, mark)) => {
            Cow::Owned(utf16::decode(text.get(mark..).unwrap_or_default(), big).into_bytes())
        }
        None => match text {
            Cow::Borrowed(text) => {
                Cow::Borrowed(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text))
            }
            Cow::Owned(text) => text
                .strip_prefix(b"\xef\xbb\xbf")
                .map(<[u8]>::to_vec)
                .map_or(Cow::Owned(text), Cow::Owned),
        },
    };
    Ok(Decoded { text, cut })
}

/// Whether a text is UTF-16 with its high bytes first, and how long its mark is; none where it is
/// no UTF-16. Without a mark it is told by the zeros beside the first characters, which are of
/// ASCII in JSON and YAML.
fn wide(text: &[u8]) -> Option<(bool, usize)> {
    match text {
        [0xff, 0xfe, ..] => Some((false, 2)),
        [0xfe, 0xff, ..] => Some((true, 2)),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some((true, 0)),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some((false, 0)),
        _ => None,
    }
}

/// What a text is in which no object was found, for people. `shown` gives the beginning of a line.
pub(super) fn what_it_is(text: &[u8], shown: &dyn Fn(&str) -> String) -> String {
    let begin = String::from_utf8_lossy(text.get(..text.len().min(LOOKED_AT)).unwrap_or_default());
    let first = begin
        .trim_start()
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end();
    if first.is_empty() {
        return "it is empty".to_owned();
    }
    let lower = begin.trim_start().to_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return "it is an HTML page, such as a proxy or a login page sends in place of the API server".to_owned();
    }
    if lower.starts_with('<') {
        return "it is XML or HTML".to_owned();
    }
    if text.iter().take(LOOKED_AT).any(|byte| {
        *byte == 0 || (*byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b | 0x1e))
    }) {
        return "it is a binary file".to_owned();
    }
    let words: Vec<&str> = first.split_whitespace().collect();
    if words.contains(&"REASON") && words.contains(&"OBJECT") {
        return "it is the table that `kubectl get events` prints for people".to_owned();
    }
    if first.starts_with("Name:") && lower.contains("events:") {
        return "it is what `kubectl describe` prints for people".to_owned();
    }
    let of_kubectl = [
        "error:",
        "Error from server",
        "The connection to the server",
        "Unable to connect to the server",
        "No resources found",
    ];
    if of_kubectl.iter().any(|words| first.starts_with(words)) {
        return format!(
            "it is what kubectl said in place of events: {:?}",
            shown(first)
        );
    }
    format!(
        "it is text, and neither JSON nor YAML with Kubernetes objects: it begins with {:?}",
        shown(first)
    )
}

/// A text that is not too long for a message.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 100;
    if text.chars().count() <= LONGEST {
        text.to_owned()
    } else {
        text.chars().take(LONGEST).chain("...".chars()).collect()
    }
}
