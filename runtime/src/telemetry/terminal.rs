//! The status at the bottom of a terminal, while the log scrolls above it. A few control sequences
//! that every terminal knows (ECMA-48, and the switch of line wrapping of the VT100), so that no
//! library for progress bars is needed.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tracing_subscriber::fmt::MakeWriter;

use crate::shown;

use super::{Observer, words};

/// Between two looks.
const REFRESH: Duration = Duration::from_secs(1);
/// Lines that are longer than the terminal is wide are cut, so that each takes one row.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// The process's stderr: it has but one.
pub static STDERR: Bottom = Bottom {
    shown: Mutex::new(Vec::new()),
};

/// Lines at the bottom.
pub struct Bottom {
    shown: Mutex<Vec<String>>,
}

impl Bottom {
    /// Puts other lines in place of those that are shown.
    fn show(&self, lines: Vec<String>) {
        self.draw(&[], Some(lines));
    }

    /// Leaves what is shown where it is.
    pub fn release(&self) {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn draw(&self, above: &[u8], lines: Option<Vec<String>>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shown.len();
        if let Some(lines) = lines {
            *shown = lines;
        }
        // Nobody reads any more: that is no reason to end.
        let _ = io::stderr().lock().write_all(&drawn(before, above, &shown));
    }
}

/// Erases so many lines, writes what goes above, and the lines anew.
fn drawn(before: usize, above: &[u8], lines: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if before > 0 {
        bytes.extend_from_slice(format!("\x1b[{before}A\r\x1b[J").as_bytes());
    }
    bytes.extend_from_slice(above);
    if !lines.is_empty() {
        bytes.extend_from_slice(NO_WRAP.as_bytes());
        lines
            .iter()
            .for_each(|line| bytes.extend_from_slice(format!("{line}\r\n").as_bytes()));
        bytes.extend_from_slice(WRAP.as_bytes());
    }
    bytes
}

/// A line of the log in which nothing steers the terminal but the colours that the log gives it:
/// what the library escapes in what it is handed are these alone.
fn harmless(bytes: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return shown::visible(&String::from_utf8_lossy(bytes)).into_bytes();
    };
    if text.starts_with('{') {
        return shown::json(text).into_bytes();
    }
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find("\x1b[") {
        let colour = rest.get(start + 2..).and_then(|after| {
            after
                .find(|c: char| !c.is_ascii_digit() && c != ';')
                .filter(|end| after.get(*end..=*end) == Some("m"))
        });
        let end = colour.map_or(start + 1, |length| start + 3 + length);
        clean += &shown::visible(rest.get(..start).unwrap_or_default());
        let escape = rest.get(start..end).unwrap_or_default();
        clean += &if colour.is_some() {
            escape.to_owned()
        } else {
            shown::visible(escape)
        };
        rest = rest.get(end..).unwrap_or_default();
    }
    clean += &shown::visible(rest);
    clean.into_bytes()
}

/// What the log writes goes above the lines.
impl Write for &Bottom {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.draw(&harmless(bytes), None);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// For the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Above;

impl<'a> MakeWriter<'a> for Above {
    type Writer = &'static Bottom;

    fn make_writer(&'a self) -> Self::Writer {
        &STDERR
    }
}

/// Shows the status, for as long as it is polled, where there is a terminal that can show it.
pub async fn show(observer: Arc<Observer>) {
    if !io::stderr().is_terminal() || std::env::var("TERM").is_ok_and(|term| term == "dumb") {
        return;
    }
    loop {
        sleep(REFRESH).await;
        // A sink that writes events there would write into the status.
        let writes = |sink: super::Watched| {
            sink.ready
                .is_some_and(|ready| ready.slot.serving().grant().stdout)
        };
        if io::stdout().is_terminal() && observer.board().sinks().into_iter().any(writes) {
            return STDERR.show(Vec::new());
        }
        let observer = observer.clone();
        if let Ok(status) = tokio::task::spawn_blocking(move || observer.wait()).await {
            STDERR.show(words(&status));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(before: usize, above: &str, lines: &[&str]) -> String {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        String::from_utf8(drawn(before, above.as_bytes(), &lines)).unwrap()
    }

    #[test]
    fn a_line_of_the_log_goes_between_what_was_shown_and_what_is() {
        assert_eq!(
            text(2, "said\n", &["a", "b"]),
            format!("\x1b[2A\r\x1b[Jsaid\n{NO_WRAP}a\r\nb\r\n{WRAP}")
        );
    }

    #[test]
    fn a_line_of_the_log_keeps_its_colours_and_nothing_else_that_steers() {
        let said = |line: &str| String::from_utf8(harmless(line.as_bytes())).unwrap();
        assert_eq!(
            said("\x1b[2m12:00\x1b[0m \x1b[33m WARN\x1b[0m a\n"),
            "\x1b[2m12:00\x1b[0m \x1b[33m WARN\x1b[0m a\n"
        );
        assert_eq!(
            said("a\x1b[2J\u{9b}1A\x1b]0;t\u{202e}\n"),
            "a\\u{1b}[2J\\u{9b}1A\\u{1b}]0;t\\u{202e}\n"
        );
        assert_eq!(said("{\"a\":\"\u{9b}\"}\n"), "{\"a\":\"\\u009b\"}\n");
    }

    #[test]
    fn without_lines_the_log_is_as_it_was() {
        assert_eq!(text(0, "said\n", &[]), "said\n");
        assert_eq!(text(1, "", &[]), "\x1b[1A\r\x1b[J");
    }
}
