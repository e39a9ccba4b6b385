//! Lines of a container's log that the runtime cut in parts. Pure.
//!
//! CRI writes `2016-10-06T00:17:09.669794202Z stdout P {"kind": ...`, with `F` in place of `P`
//! where a line ends (kubernetes, pkg/kubelet/kuberuntime/logs, parseCRILog). Docker writes
//! `{"log":"...","stream":"stdout",...}` with at most 16 KiB in `log`, of which the last part of a
//! line ends with a line end (moby, daemon/logger/copier.go).

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Docker<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(default)]
    stream: Cow<'a, str>,
}

/// A part of a line.
enum Part<'a> {
    Cri {
        stream: &'a [u8],
        content: &'a [u8],
        goes_on: bool,
    },
    Docker(Docker<'a>),
}

impl<'a> Part<'a> {
    fn of(line: &'a [u8]) -> Option<Self> {
        if line.starts_with(b"{") {
            let docker: Docker<'_> = line
                .starts_with(b"{\"log\":")
                .then(|| serde_json::from_slice(line).ok())
                .flatten()?;
            return Some(Self::Docker(docker));
        }
        let mut words = line.splitn(4, |byte| *byte == b' ');
        let (time, stream, tags) = (words.next()?, words.next()?, words.next()?);
        let is_time = time.len() >= 20 && time.get(4) == Some(&b'-') && time.get(10) == Some(&b'T');
        let goes_on = match tags.split(|byte| *byte == b':').next()? {
            b"P" => true,
            b"F" => false,
            _ => return None,
        };
        (is_time && matches!(stream, b"stdout" | b"stderr")).then(|| Self::Cri {
            stream,
            content: words.next().unwrap_or_default(),
            goes_on,
        })
    }

    fn stream(&self) -> Vec<u8> {
        match self {
            Self::Cri { stream, .. } => stream.to_vec(),
            Self::Docker(docker) => docker.stream.as_bytes().to_vec(),
        }
    }

    fn goes_on(&self) -> bool {
        match self {
            Self::Cri { goes_on, .. } => *goes_on,
            Self::Docker(docker) => !docker.log.ends_with('\n'),
        }
    }
}

/// The text with the parts of each line put together, where the first of them stood; the others
/// leave empty lines, so that numbers of lines stay.
pub(super) fn joined(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let lines = || {
        text.split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    };
    if !lines().any(|line| Part::of(line).is_some_and(|part| part.goes_on())) {
        return text;
    }
    let mut out: Vec<Cow<'_, [u8]>> = Vec::new();
    // Of each stream, the line that goes on, and what Docker's has so far.
    let mut open: HashMap<Vec<u8>, (usize, Option<String>)> = HashMap::new();
    for line in lines() {
        let Some(part) = Part::of(line) else {
            out.push(Cow::Borrowed(line));
            continue;
        };
        let (stream, goes_on) = (part.stream(), part.goes_on());
        let (place, mut log) = match open.remove(&stream) {
            None => {
                out.push(Cow::Borrowed(line));
                let log = if let Part::Docker(docker) = part {
                    Some(docker.log.into_owned())
                } else {
                    None
                };
                (out.len() - 1, log)
            }
            Some((place, mut log)) => {
                match (part, &mut log) {
                    (Part::Cri { content, .. }, _) => {
                        if let Some(first) = out.get_mut(place) {
                            first.to_mut().extend_from_slice(content);
                        }
                    }
                    (Part::Docker(docker), Some(log)) => log.push_str(&docker.log),
                    (Part::Docker(docker), None) => log = Some(docker.log.into_owned()),
                }
                out.push(Cow::Borrowed(b""));
                (place, log)
            }
        };
        if goes_on {
            open.insert(stream, (place, log));
        } else if let (Some(log), Some(first)) = (log.take(), out.get_mut(place)) {
            close(first, log);
        }
    }
    for (place, log) in open.into_values() {
        if let (Some(log), Some(first)) = (log, out.get_mut(place)) {
            close(first, log);
        }
    }
    Cow::Owned(out.join(&b'\n'))
}

fn close(line: &mut Cow<'_, [u8]>, log: String) {
    if let Ok(whole) = serde_json::to_vec(&Docker {
        log: log.into(),
        stream: Cow::Borrowed(""),
    }) {
        *line = Cow::Owned(whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(text: &str) -> String {
        String::from_utf8_lossy(&joined(Cow::Borrowed(text.as_bytes()))).into_owned()
    }

    #[test]
    fn parts_of_cri_are_put_together_by_their_streams_and_lines_keep_their_numbers() {
        let line = |stream: &str, tag: &str, content: &str| {
            format!("2016-10-06T00:17:09.669794202Z {stream} {tag} {content}")
        };
        let parts = [
            line("stdout", "P", "{\"a\":"),
            line("stderr", "F", "{\"b\":2}"),
            line("stdout", "P:x", " "),
            line("stdout", "F", "1}"),
            "end".to_owned(),
        ];
        let whole = [
            line("stdout", "P", "{\"a\": 1}"),
            line("stderr", "F", "{\"b\":2}"),
            String::new(),
            String::new(),
            "end".to_owned(),
        ];
        // The space at the end of a part is a part of its text.
        assert_eq!(
            join(&parts.join("\n")).replace(' ', ""),
            whole.join("\n").replace(' ', "")
        );
    }

    #[test]
    fn parts_of_docker_are_put_together() {
        let parts = "{\"log\":\"{\\\"a\\\":\",\"stream\":\"stdout\",\"time\":\"t\"}\n{\"log\":\"1}\\n\",\"stream\":\"stdout\",\"time\":\"t\"}\n";
        let first = join(parts);
        assert_eq!(
            first.lines().next(),
            Some("{\"log\":\"{\\\"a\\\":1}\\n\",\"stream\":\"\"}")
        );
        assert_eq!(first.matches('\n').count(), 2);
    }

    #[test]
    fn what_is_whole_stays_as_it_is() {
        for text in [
            "",
            "a\nb",
            "{\"log\":\"x\\n\"}\n",
            "2016-10-06T00:17:09.669794202Z stdout F {\"a\":1}\n",
            "{\"kind\":\"Event\"}",
        ] {
            assert!(
                matches!(joined(Cow::Borrowed(text.as_bytes())), Cow::Borrowed(same) if same == text.as_bytes()),
                "{text}"
            );
        }
    }
}
