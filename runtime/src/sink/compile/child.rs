//! The compiler as a process of its own: the component comes in on stdin, code goes out on stdout.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

use super::settings;

/// The hidden subcommand that [`main`] is.
pub const SUBCOMMAND: &str = "compile-sink";
/// The longest component, in bytes.
pub const LONGEST: u64 = 256 << 20;
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
    /// Enough for an interpreter of 40 MB compiled into a component, on a processor of which the container has a tenth.
    fn default() -> Self {
        Self { program: PathBuf::from("/proc/self/exe"), memory: 1 << 30, cpu: Duration::from_secs(180), time: Duration::from_secs(1800) }
    }
}

/// Less would not do for the smallest sink: rather try it.
const LEAST: u64 = 32 << 20;

/// What the container has left, where that is less than the limit: a container that goes over its memory is killed as a whole.
/// (cgroup v2, `memory.max`, `memory.current` and `memory.stat`.)
fn in_container(limit: u64) -> u64 {
    let read = |name: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    match (number("memory.max"), number("memory.current")) {
        (Some(most), Some(used)) => left(limit, most, used, &read("memory.stat").unwrap_or_default()),
        _ => limit,
    }
}

/// What may be taken of `limit` where a container has used so many bytes of `most`. Pages of files count as used, but are given back when they are
/// wanted: a journal alone can fill the rest with them.
fn left(limit: u64, most: u64, used: u64, stat: &str) -> u64 {
    let pages = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok()).unwrap_or(0);
    let used = used.saturating_sub(pages("inactive_file ")).saturating_sub(pages("active_file "));
    limit.min(most.saturating_sub(used).saturating_sub(MARGIN).max(LEAST))
}

/// Compiles in a child. Blocks.
pub(super) fn run(component: &[u8], limits: &Limits) -> Result<Vec<u8>, String> {
    let memory = in_container(limits.memory);
    let failed = |why: io::Error| format!("the compiler can't be started: {why}");
    let mut child = Command::new(&limits.program)
        .arg0("kubedl-events")
        .args([SUBCOMMAND, &memory.to_string(), &limits.cpu.as_secs().max(1).to_string()])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // A child that ends early closes its end: its words say why.
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(component)));
        let code = scope.spawn(move || read(stdout, 4 * LONGEST));
        let words = scope.spawn(move || read(stderr, LONGEST_WORDS));
        let status = wait(&mut child, limits.time).map_err(failed)?;
        let code = code.join().ok().and_then(Result::ok).unwrap_or_default();
        let words = words.join().ok().and_then(Result::ok).unwrap_or_default();
        match status {
            Some(status) if status.success() => Ok(code),
            Some(status) => Err(tell(status, &String::from_utf8_lossy(&words), memory, limits)),
            None => Err(format!("it took longer than {} s to compile", limits.time.as_secs())),
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
fn tell(status: ExitStatus, words: &str, memory: u64, limits: &Limits) -> String {
    // signal(7): 24 is SIGXCPU, 6 SIGABRT, which an allocation that fails ends with, 11 SIGSEGV, as on a stack without memory.
    match status.signal() {
        Some(24) => format!("it took more than {} s of a processor to compile", limits.cpu.as_secs()),
        Some(6 | 11) => format!("it took more than {} MiB of memory to compile", memory >> 20),
        Some(signal) => format!("its compiler was killed by signal {signal}: has the container enough memory?"),
        None => crate::sink::bindings::v0_1::words(words.trim()),
    }
}

/// What the child does. `memory` in bytes, `cpu` in seconds.
///
/// # Errors
/// With the compiler's words.
pub fn main(memory: u64, cpu: u64) -> Result<(), String> {
    confine(memory, cpu).map_err(|why| format!("cannot set limits: {why}"))?;
    let mut component = Vec::new();
    io::stdin().lock().take(LONGEST + 1).read_to_end(&mut component).map_err(|why| why.to_string())?;
    if component.len() as u64 > LONGEST {
        return Err(format!("it has more than {} MiB", LONGEST >> 20));
    }
    let mut config = settings();
    // One thread: what it needs doesn't depend on the machine, and each further one would have a heap of its own.
    config.parallel_compilation(false);
    let engine = wasmtime::Engine::new(&config).map_err(|why| why.to_string())?;
    let code = engine.precompile_component(&component).map_err(|why| crate::sink::blueprint::cause(&why))?;
    io::stdout().lock().write_all(&code).map_err(|why| why.to_string())
}

fn confine(memory: u64, cpu: u64) -> io::Result<()> {
    // The one that waits for the answer may end before.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let set = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    set(Resource::Data, memory)?;
    // At the lower one SIGXCPU comes, which tells what happened; at the upper one SIGKILL.
    setrlimit(Resource::Cpu, Rlimit { current: Some(cpu), maximum: Some(cpu + 5) })?;
    set(Resource::Core, 0)?;
    set(Resource::Nofile, 16)?;
    // Nothing is written but to the pipe.
    set(Resource::Fsize, 0)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_gets_what_the_container_has_left_and_pages_of_files_count_as_free() {
        let (mib, stat) = (1 << 20, "anon 58720256\nfile 193986560\ninactive_file 104857600\nactive_file 83886080\n");
        assert_eq!(left(1024 * mib, 256 * mib, 56 * mib, ""), 200 * mib - MARGIN);
        assert_eq!(left(1024 * mib, 256 * mib, 236 * mib, stat), 200 * mib - MARGIN);
        assert_eq!(left(64 * mib, 256 * mib, 56 * mib, ""), 64 * mib);
        assert_eq!(left(1024 * mib, 256 * mib, 250 * mib, ""), LEAST);
    }
}
