//! What can be done to the data folder, and to sinks' files.

// Long: one question, with all of its cases.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kubedl_events::sink::grant::Document;
use kubedl_events::sink::loading::{Fingerprint, Kept};
use kubedl_events::sink::{Artifact, Blueprint, Compiler, Directories, Engine, find};

use crate::guest::Guest;

/// A component whose description has this name.
fn named(name: &str) -> Artifact {
    let bytes: String = name.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let more = format!(
        "(data (i32.const 4096) \"{bytes}\") (data (i32.const 1024) \"\\00\\10\\00\\00\\{:02x}\\00\\00\\00\")",
        name.len()
    );
    Artifact::new(
        Path::new("x.wasm"),
        Guest {
            more,
            ..Guest::default()
        }
        .component(),
    )
}

async fn load(folder: &Path, artifact: &Artifact) -> String {
    let engine = Engine::new(Compiler::Here, Some(folder)).unwrap();
    Blueprint::load(&engine, artifact)
        .await
        .unwrap()
        .description()
        .name
        .clone()
}

/// Files of compiled code.
fn code(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("key"))
        .collect();
    files.sort();
    files
}

/// Tries: to have code of one component run in the place of another, by a copy in the cache, also
/// from another installation
/// Ends: it is compiled again: code is sealed for its component and its installation
#[tokio::test]
async fn compiled_code_serves_its_own_component_and_installation_alone() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (good, evil) = (named("good"), named("evil"));
    assert_eq!(load(one.path(), &good).await, "good");
    let place = code(one.path()).remove(0);
    assert_eq!(load(two.path(), &evil).await, "evil");
    let foreign = code(two.path()).remove(0);
    std::fs::copy(&foreign, &place).unwrap();
    assert_eq!(
        load(one.path(), &good).await,
        "good",
        "another component's, of another installation"
    );
    assert_eq!(load(one.path(), &evil).await, "evil");
    let other = code(one.path())
        .into_iter()
        .find(|path| *path != place)
        .unwrap();
    std::fs::copy(&other, &place).unwrap();
    assert_eq!(
        load(one.path(), &good).await,
        "good",
        "another component's, of this installation"
    );
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(
        load(one.path(), &good).await,
        "good",
        "one that others may write"
    );
    std::fs::remove_file(&place).unwrap();
    std::os::unix::fs::symlink(&other, &place).unwrap();
    assert_eq!(load(one.path(), &good).await, "good", "a link");
    let mut bytes = std::fs::read(&other).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&other, bytes).unwrap();
    assert_eq!(
        load(one.path(), &evil).await,
        "evil",
        "one byte of it was changed"
    );
}

/// Tries: to leave half-written files of compiled code and of kept versions, as on a full disk
/// Ends: the next start removes them
#[tokio::test]
async fn what_was_left_half_written_goes() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), &named("a")).await;
    let left = folder.path().join("0123-4567.new");
    std::fs::write(&left, [0; 100]).unwrap();
    load(folder.path(), &named("a")).await;
    assert!(!left.exists());
    let kept = Kept::new(folder.path());
    std::fs::write(&left, [0; 100]).unwrap();
    kept.tidy();
    assert!(!left.exists() && code(folder.path()).len() == 1);
}

/// Tries: to fill the volume with compiled code, by one version after the other
/// Ends: what was not used for longest goes: all of it together has at most 128 MiB, and an eighth
/// of the volume
#[tokio::test]
async fn compiled_code_is_capped_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    // Passive data goes into the code as it is: 24 MB each.
    for n in 0..8 {
        let more = format!(
            "(data (i32.const 4096) \"version {n}\") (data \"{}\")",
            "z".repeat(24 << 20)
        );
        let guest = Guest {
            more,
            ..Guest::default()
        };
        load(
            folder.path(),
            &Artifact::new(Path::new("x.wasm"), guest.component()),
        )
        .await;
        let bytes: u64 = code(folder.path())
            .iter()
            .map(|path| path.metadata().unwrap().len())
            .sum();
        assert!(bytes <= 128 << 20, "{bytes} bytes after version {n}");
    }
    let files = code(folder.path()).len();
    assert!((1..=5).contains(&files), "{files} files");
}

/// Tries: to have the process killed each time it is loaded
/// Ends: the marks of loads that did not end are counted by the next start, for the same files
/// alone; a stop in order leaves none
#[test]
fn loads_that_killed_the_process_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.wasm");
    std::fs::write(&file, "one").unwrap();
    let (kept, files) = (Kept::new(&folder.path().join("sinks")), || {
        Fingerprint::of([file.clone()])
    });
    let before = files();
    assert_eq!(kept.kills("x", &before), 0);
    kept.loads("x", &before).unwrap();
    assert_eq!((kept.kills("x", &before), kept.kills("y", &before)), (1, 0));
    kept.loads("x", &before).unwrap();
    assert_eq!(kept.kills("x", &before), 2);
    kept.loaded("x");
    assert_eq!(kept.kills("x", &before), 0);
    kept.loads("x", &before).unwrap();
    std::fs::write(&file, "another").unwrap();
    assert_eq!(kept.kills("x", &files()), 0, "it was mended since");
    kept.forgive();
    std::fs::write(&file, "one").unwrap();
    assert_eq!(kept.kills("x", &before), 0);
}

/// Tries: to have the service killed while it is loaded, again and again, so that no other sink
/// delivers
/// Ends: at the third start it is left out, and the others deliver; `status` says so
#[test]
fn a_sink_whose_loading_kills_the_service_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.wasm");
    std::fs::copy(crate::probe(), &bad).unwrap();
    let kept = Kept::new(&folder.path().join("data/sinks"));
    // As two processes that were killed would have left it.
    let state = Fingerprint::of([bad.clone()]);
    kept.loads("bad", &state).unwrap();
    kept.loads("bad", &state).unwrap();
    std::fs::write(folder.path().join("in.json"), crate::recorded("hello", 1)).unwrap();
    let start = testkit::program::Start::new(
        Path::new(env!("CARGO_BIN_EXE_kubedl-events")),
        folder.path(),
        "log",
    );
    let start = start
        .with("--event-storage", "stdout")
        .with("--event-storage", &bad)
        .with("--from", folder.path().join("in.json"));
    let (status, out, log) = start.flag("--once").with("--timeout", "60s").run().unwrap();
    assert!(
        out.contains("hello")
            && log.contains("The sink is left out")
            && log.contains("was being loaded when the process was killed"),
        "{status}: {out}{log}"
    );
    assert_eq!(
        kept.kills("bad", &state),
        0,
        "the next start tries it again"
    );
}

/// Tries: a file of a terabyte, and what is no file at all
/// Ends: each is refused by its size or kind, before a byte of it is read
#[test]
fn a_file_is_judged_by_its_size_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["x.wasm", "x.wasm.gz", "x.wasm.zst", "x.wasm.parts"] {
        let path = folder.path().join(name);
        std::fs::File::create(&path)
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let began = std::time::Instant::now();
        let why = Artifact::read(&path)
            .map(|artifact| artifact.digest)
            .unwrap_err()
            .to_string();
        assert!(
            why.contains("more than 64 MiB") && why.contains(name),
            "{why}"
        );
        assert!(began.elapsed() < Duration::from_secs(30));
    }
    let pipe = folder.path().join("pipe.wasm");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let kernels = folder.path().join("kernels.wasm");
    std::os::unix::fs::symlink("/proc/kmsg", &kernels).unwrap();
    let directories = Directories {
        sinks: vec![folder.path().into()],
        ..Directories::default()
    };
    for name in ["pipe", "kernels"] {
        let found = find(name, &directories).unwrap();
        let why = Artifact::read(&found.component)
            .map(|artifact| artifact.digest)
            .unwrap_err()
            .to_string();
        assert!(why.contains("no file") && why.contains(name), "{why}");
    }
    let why = Artifact::read(Path::new("/dev/zero"))
        .map(|artifact| artifact.digest)
        .unwrap_err()
        .to_string();
    assert!(why.contains("no file"), "{why}");
}

/// Tries: nothing; whoever may edit the Secret of a variable makes its value large, or its file a
/// pipe that nobody writes
/// Ends: the grant is refused by the size, which is looked at first, or as no file; what is allowed
/// costs some megabytes
#[test]
fn values_are_bounded_before_they_are_read() {
    // Long: one story, told in its order.
    if !crate::memory::is_alone("folder::values_are_bounded_before_they_are_read") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("value");
    let text = format!("env:\n  K: {{file: {}}}\n", file.display());
    let resolve = |text: &str| {
        Document::parse(text)
            .unwrap()
            .resolve("x", None, &|_| None)
            .map_err(|why| why.to_string())
    };
    std::fs::File::create(&file)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let why = resolve(&text).unwrap_err();
    assert!(why.contains("at most 262144 are allowed"), "{why}");
    std::fs::write(&file, "s".repeat((64 << 10) + 1)).unwrap();
    let why = resolve(&text).unwrap_err();
    assert!(
        why.contains("65537 bytes") && why.contains("secret: false"),
        "{why}"
    );
    assert!(resolve(&text.replace('}', ", secret: false}")).is_ok());
    std::fs::remove_file(&file).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&file)
            .status()
            .unwrap()
            .success()
    );
    assert!(resolve(&text).unwrap_err().contains("it is no file"));
    // Nothing in it looks like anything else.
    let random = |length: usize| {
        (0..length as u64)
            .map(|n| char::from(b'0' + (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as u8))
            .collect::<String>()
    };
    for value in [
        random(64 << 10),
        (0..1_600)
            .map(|n| format!("{}{n}\n", &random(1_000)[n % 900..n % 900 + 34]))
            .collect(),
    ] {
        let before = crate::memory::peak();
        let grant = Document::parse("env:\n  K: {from: K}\n")
            .unwrap()
            .resolve("x", None, &|_| Some(value.clone()))
            .unwrap();
        let said =
            kubedl_events::sink::words(&grant, &format!("it has {} in it", &value[1_000..1_100]));
        assert!(said.contains("(secret K)"), "{said}");
        assert!(
            crate::memory::peak() - before < 120,
            "{} MiB, {before} MiB before",
            crate::memory::peak()
        );
    }
}

/// Tries: to get the grant of a sink whose name differs by a dash alone
/// Ends: the grant is the other sink's, and this one has none
#[test]
fn two_files_never_share_a_grant_by_accident() {
    let folder = tempfile::tempdir().unwrap();
    let directories = Directories {
        sinks: vec![folder.path().into()],
        grants: vec![folder.path().into()],
        ..Directories::default()
    };
    std::fs::write(folder.path().join("my_sink.wasm"), "").unwrap();
    std::fs::write(folder.path().join("my-sink.yaml"), "").unwrap();
    assert!(
        find("my_sink", &directories).unwrap().grant.is_some(),
        "as cargo names it"
    );
    std::fs::write(folder.path().join("my-sink.wasm"), "").unwrap();
    assert!(find("my_sink", &directories).unwrap().grant.is_none());
    assert!(find("my-sink", &directories).unwrap().grant.is_some());
}

/// Tries: to be granted what a file beside it says
/// Ends: the file counts for nothing; `sink inspect` shows what it would give
#[test]
fn a_grant_beside_a_foreign_component_is_shown_and_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(crate::probe(), folder.path().join("mine.wasm")).unwrap();
    std::fs::write(
        folder.path().join("mine.yaml"),
        "env: {TOKEN: {from: TOKEN}}\nhttp: [\"https://evil.example.com\"]\n",
    )
    .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_kubedl-events"))
        .args(["sink", "inspect"])
        .arg(folder.path().join("mine.wasm"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("none: it reaches nothing"),
        "{said}"
    );
    assert!(
        said.contains("mine.yaml: a grant that counts for nothing here")
            && said.contains("TOKEN")
            && said.contains("https://evil.example.com"),
        "{said}"
    );
}

/// Tries: nothing; an operator writes what no grant should have
/// Ends: files of the system and the service account, wildcards below a public suffix, and networks
/// that are none are refused in words
#[test]
fn what_no_grant_may_have_is_refused() {
    // Long: one story, told in its order.
    let resolve = |text: &str| {
        Document::parse(text)
            .map_err(|why| why.clone())
            .and_then(|grant| {
                grant
                    .resolve("x", None, &|_| Some("http://127.0.0.1".to_owned()))
                    .map_err(|why| why.to_string())
            })
    };
    let link = tempfile::tempdir().unwrap();
    let link = link.path().join("link");
    std::os::unix::fs::symlink("/proc/self/environ", &link).unwrap();
    for (text, words) in [
        (
            "env:\n  A: {file: /proc/self/environ}\n".to_owned(),
            "/proc is the host's own",
        ),
        (
            "env:\n  A: {file: /var/run/secrets/kubernetes.io/serviceaccount/token}\n".to_owned(),
            "can't be granted",
        ),
        (
            "env:\n  A: {file: /sys/class/dmi/id/product_uuid}\n".to_owned(),
            "/sys is the host's own",
        ),
        (
            format!("env:\n  A: {{file: {}}}\n", link.display()),
            "/proc is the host's own",
        ),
        ("http: [\"https://*.com\"]\n".to_owned(), "everybody's"),
        ("http: [\"https://*.com.cn\"]\n".to_owned(), "everybody's"),
        ("http: [\"https://*.co.uk\"]\n".to_owned(), "everybody's"),
        (
            "http: [\"https://*.github.io\"]\n".to_owned(),
            "everybody's",
        ),
        (
            "http: [\"https://*.nosuchtld\"]\n".to_owned(),
            "everybody's",
        ),
        ("private: [10.0.0.0/33]\n".to_owned(), "a list of networks"),
        ("private: some\n".to_owned(), "private is true, false"),
    ] {
        let why = resolve(&text)
            .err()
            .unwrap_or_else(|| panic!("{text} was taken"));
        assert!(why.contains(words), "{text}: {why}");
    }
    for text in [
        "http: [\"https://*.example.com\"]\n",
        "http: [\"http://*.svc\"]\n",
        "http: [\"https://*.svc.cluster.local\"]\n",
        "private: [10.0.0.0/8, \"fd00::/8\"]\n",
        "private: true\n",
    ] {
        assert!(resolve(text).is_ok(), "{text}: {:?}", resolve(text).err());
    }
    // A scheme that is written wins over the value's.
    let grant = resolve("env:\n  A: {from: A}\nhttp: [\"https://${A}\"]\n").unwrap();
    assert_eq!(grant.http[0].to_string(), "https://127.0.0.1");
    let grant = resolve("env:\n  A: {from: A}\nhttp: [\"${A}\"]\n").unwrap();
    assert_eq!(grant.http[0].to_string(), "http://127.0.0.1");
}
