//! What the machine gave meanwhile: a figure means little without it.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Done;

/// How long the disk takes for an fsync of one page.
pub fn disk(folder: &Path) -> Done<String> {
    let mut file = std::fs::File::create(folder.join("fsync"))?;
    let mut times = Vec::new();
    for _ in 0..500 {
        let start = Instant::now();
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |place: usize| {
        times
            .get(place)
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    Ok(format!(
        "fsync of this disk: p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        at(249),
        at(494),
        at(499)
    ))
}

/// For how long something on the machine has waited for the disk, for a CPU (Linux
/// `Documentation/accounting/psi.rst`), and how many processes were ready to run, others' included.
pub struct Waited(Vec<(&'static str, u64)>);

impl Waited {
    pub fn begin() -> Self {
        Self(totals())
    }
}

impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "something on the machine waited for")?;
        for ((what, before), (_, after)) in self.0.iter().zip(totals()) {
            write!(f, " {what} {} ms,", after.saturating_sub(*before) / 1_000)?;
        }
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        write!(
            f,
            " load average {}",
            load.split(' ').next().unwrap_or("unknown")
        )
    }
}

fn totals() -> Vec<(&'static str, u64)> {
    let total = |what| {
        let text = std::fs::read_to_string(format!("/proc/pressure/{what}")).unwrap_or_default();
        text.split("total=")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    };
    vec![("io", total("io")), ("cpu", total("cpu"))]
}

/// CPU of this process.
pub fn own_cpu() -> Done<Duration> {
    // schedstat has nanoseconds, for each thread (Documentation/scheduler/sched-stats.rst).
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        total += text
            .split(' ')
            .next()
            .and_then(|ns| ns.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(Duration::from_nanos(total))
}
