//! A process of its own for what is foreign: bytes come in on stdin, and what came of them goes out
//! on stdout.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tracing::info;

use super::report::{Answer, unframed};
use super::{Refusal, Report, container};
use crate::shown::shown;
use crate::sink::loading::{Form, LARGEST};

pub use super::inside::main;

/// The hidden subcommand that [`main`] is.
pub const SUBCOMMAND: &str = "compile-sink";
/// The flag of the subcommand that has it unpack.
pub const UNPACK: &str = "--unpack";
/// The longest component, in bytes.
pub const LONGEST: u64 = LARGEST;
/// The longest code, in bytes: of a component of machine-like instructions it has some twenty times
/// as many.
const LONGEST_CODE: u64 = 192 << 20;
/// The longest text of an error.
const LONGEST_WORDS: u64 = 4 << 10;
/// What a process needs beside its data, in bytes of memory that a container has left.
const MARGIN: u64 = 16 << 20;

/// Who compiles, and what one compilation may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The program; this one, as long as it is not told otherwise.
    pub program: PathBuf,
    /// Bytes of data.
    pub memory: u64,
    /// Time of a processor.
    pub cpu: Duration,
    /// Time of the clock.
    pub time: Duration,
}

impl Default for Limits {
    /// Enough for an interpreter of 40 MB compiled into a component, on a processor of which the
    /// container has a tenth.
    fn default() -> Self {
        Self {
            program: PathBuf::from("/proc/self/exe"),
            memory: 1 << 30,
            cpu: Duration::from_secs(180),
            time: Duration::from_secs(1800),
        }
    }
}

/// Less would not do for the smallest sink: rather try it.
const LEAST: u64 = 32 << 20;

/// What the container has left, where that is less than the limit.
fn in_container(limit: u64) -> u64 {
    container::memory().map_or(limit, |(most, used)| left(limit, most, used))
}

/// What may be taken of `limit` where a container has used so many bytes of `most`.
fn left(limit: u64, most: u64, used: u64) -> u64 {
    limit.min(most.saturating_sub(used).saturating_sub(MARGIN).max(LEAST))
}

/// What a child is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Unpack what comes in.
    Unpack(Form),
    /// Say what the component is that comes in, and compile it.
    Compile,
}

/// Unpacks a file in a child. Blocks. The error is words.
pub(in crate::sink) fn unpack(file: File, form: Form, limits: &Limits) -> Result<Vec<u8>, String> {
    let arguments = [UNPACK, form.suffix()];
    run(&arguments, Input::File(file), LONGEST, "unpack", limits)
}

/// Unpacks bytes in a child. Blocks. The error is words.
pub(in crate::sink) fn unpack_bytes(
    packed: &[u8],
    form: Form,
    limits: &Limits,
) -> Result<Vec<u8>, String> {
    let arguments = [UNPACK, form.suffix()];
    run(&arguments, Input::Bytes(packed), LONGEST, "unpack", limits)
}

/// Looks into a component in a child, and compiles it. Blocks.
pub(super) fn compile(component: &[u8], limits: &Limits) -> Result<(Report, Vec<u8>), Refusal> {
    let faulty = |why: String| Refusal::Faulty(why);
    let mut bytes = run(
        &[],
        Input::Bytes(component),
        LONGEST_CODE,
        "compile",
        limits,
    )
    .map_err(faulty)?;
    let broken = || Refusal::Faulty("the child that compiles gave no answer".to_owned());
    let (json, code) = unframed(&bytes).ok_or_else(broken)?;
    let Answer { found, lacking } = serde_json::from_slice(json).map_err(|_| broken())?;
    let start = bytes.len() - code.len();
    say_lacking(&lacking);
    let report = found?;
    bytes.drain(..start);
    Ok((report, bytes))
}

/// Once.
fn say_lacking(lacking: &[String]) {
    static SAID: std::sync::Once = std::sync::Once::new();
    if !lacking.is_empty() {
        SAID.call_once(|| {
            info!(
                "Sinks are compiled in a child process with limits and without rights; of these, this kernel or container does not give it: {}.",
                lacking.join(", ")
            );
        });
    }
}

enum Input<'a> {
    File(File),
    Bytes(&'a [u8]),
}

/// Runs a child to its end; gives what it wrote. The error is words.
fn run(
    arguments: &[&str],
    input: Input<'_>,
    most: u64,
    verb: &str,
    limits: &Limits,
) -> Result<Vec<u8>, String> {
    let memory = in_container(limits.memory);
    let failed = |why: io::Error| format!("the child that would {verb} it can't be started: {why}");
    let (stdin, bytes) = match input {
        Input::File(file) => (Stdio::from(file), None),
        Input::Bytes(bytes) => (Stdio::piped(), Some(bytes)),
    };
    let mut child = Command::new(&limits.program)
        .arg0("kubedl-events")
        .args([
            SUBCOMMAND,
            &memory.to_string(),
            &limits.cpu.as_secs().max(1).to_string(),
        ])
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // A child that ends early closes its end: its words say why.
        scope.spawn(move || {
            stdin
                .zip(bytes)
                .map(|(mut pipe, bytes)| pipe.write_all(bytes))
        });
        let answer = scope.spawn(move || read(stdout, most + 1));
        let words = scope.spawn(move || read(stderr, LONGEST_WORDS));
        let status = wait(&mut child, limits.time).map_err(failed)?;
        let answer = answer.join().ok().and_then(Result::ok).unwrap_or_default();
        let words = words.join().ok().and_then(Result::ok).unwrap_or_default();
        match status {
            Some(status) if status.success() && answer.len() as u64 > most => {
                Err(format!("what came of it has more than {} MiB", most >> 20))
            }
            Some(status) if status.success() => Ok(answer),
            Some(status) => Err(tell(
                status,
                &String::from_utf8_lossy(&words),
                verb,
                memory,
                limits,
            )),
            None => Err(format!(
                "it took longer than {} s to {verb}",
                limits.time.as_secs()
            )),
        }
    })
}

fn read(pipe: Option<impl Read>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Waits for the end, or kills it when the time is over: none then.
fn wait(child: &mut Child, time: Duration) -> io::Result<Option<ExitStatus>> {
    let until = Instant::now() + time;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// How it ended, for a person.
fn tell(status: ExitStatus, words: &str, verb: &str, memory: u64, limits: &Limits) -> String {
    // signal(7): 24 is SIGXCPU, 6 SIGABRT, which an allocation that fails ends with, 11 SIGSEGV, as
    // on a stack without memory.
    match status.signal() {
        Some(24) => format!(
            "it took more than {} s of a processor to {verb}",
            limits.cpu.as_secs()
        ),
        Some(6 | 11) => format!("it took more than {} MiB of memory to {verb}", memory >> 20),
        Some(signal) => format!(
            "the child that would {verb} it was killed by signal {signal}: has the container enough memory?"
        ),
        None => shown(words.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_gets_what_the_container_has_left() {
        let mib = 1 << 20;
        assert_eq!(left(1024 * mib, 256 * mib, 56 * mib), 200 * mib - MARGIN);
        assert_eq!(left(64 * mib, 256 * mib, 56 * mib), 64 * mib);
        assert_eq!(left(1024 * mib, 256 * mib, 250 * mib), LEAST);
    }
}
