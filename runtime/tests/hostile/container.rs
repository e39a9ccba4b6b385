//! The memory limit of the manifests, in a real cgroup. It needs the right to make one: where that
//! is missing, this is said, and nothing is tried.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guest::Guest;
use crate::memory::{describes, imports};
use crate::{probe, recorded};

/// `resources.limits.memory` of `deploy/kustomize/base/statefulset.yaml`.
const LIMIT: u64 = 256 << 20;

/// A cgroup with that limit, of version 1 or 2; gone when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> Option<Self> {
        let (root, limit) = match Path::new("/sys/fs/cgroup/memory").is_dir() {
            true => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            false => ("/sys/fs/cgroup", "memory.max"),
        };
        let place = Path::new(root).join(format!("kubedl-events-{name}-{}", std::process::id()));
        std::fs::create_dir(&place).ok()?;
        let group = Self(place);
        std::fs::write(group.0.join(limit), LIMIT.to_string()).ok()?;
        Some(group)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A component with a module of so many functions, which a small packed file has room for.
fn functions(count: usize) -> Vec<u8> {
    Guest {
        more: "(func block end)".repeat(count),
        ..Guest::default()
    }
    .component()
}

/// Tries: to have the container killed for want of memory, and with it all other sinks: at the
/// start, and while it serves
/// Ends: at 256 MiB the process is never the one to go: the component is refused in words, or
/// serves beside the good sink
#[test]
fn no_component_has_the_service_killed_at_the_manifests_memory_limit() {
    // Long: a table of cases.
    let Some(group) = Cgroup::new("hostile") else {
        println!("no cgroup can be made here, so nothing was tried");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("in.json");
    let cases: Vec<(&str, Vec<u8>, &str, bool)> = vec![
        ("variables.wasm", describes(1048, 1_130_000, 20), "", false),
        (
            "destinations.wasm",
            describes(1056, 2_600_000, 8),
            "",
            false,
        ),
        ("imports.wasm.gz", gzip(&imports(12_000_000)), "", false),
        ("functions.wasm.gz", gzip(&functions(200_000)), "", true),
        (
            "data.wasm.gz",
            gzip(
                &Guest {
                    more: format!("(data \"{}\")", "z".repeat(40 << 20)),
                    ..Guest::default()
                }
                .component(),
            ),
            "",
            true,
        ),
        (
            "requests.wasm",
            std::fs::read(probe()).unwrap(),
            "all 150000 https://example.com/",
            true,
        ),
        (
            "grows.wasm",
            std::fs::read(probe()).unwrap(),
            "grow 60",
            true,
        ),
        (
            "reason.wasm",
            std::fs::read(probe()).unwrap(),
            "reason 30",
            true,
        ),
    ];
    for (name, component, message, serves) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, component).unwrap();
        std::fs::write(
            &recording,
            [recorded("hello", 1), recorded(message, 2)].join("\n"),
        )
        .unwrap();
        let line = format!(
            "echo $$ > {}/cgroup.procs && exec {} --shipped-sinks {} --event-storage stdout --event-storage {} --data-dir {} --from {} --once --timeout 20s --grace 1s",
            group.0.display(),
            env!("CARGO_BIN_EXE_kubedl-events"),
            testkit::program::sinks().display(),
            path.display(),
            folder.path().join(format!("{name}.data")).display(),
            recording.display()
        );
        let output = Command::new("sh").args(["-c", &line]).output().unwrap();
        let (out, log) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert_eq!(output.status.signal(), None, "{name}: {log}");
        assert!(
            output.status.code().is_some_and(|code| code != 137),
            "{name}: {:?} {log}",
            output.status
        );
        assert!(
            !serves || out.contains("hello") || log.contains("can't be used"),
            "{name}: {out}{log}"
        );
        assert!(
            serves || (output.status.code() == Some(2) && log.contains("can't be used")),
            "{name}: {:?} {log}",
            output.status
        );
    }
}
