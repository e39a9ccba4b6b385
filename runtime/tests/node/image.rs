//! Does the image run as a cluster runs it: not as root, without rights, on a root that can't be
//! written? Needs root and podman, so it is only run by `cargo xtask test --cluster`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::deploy::{kustomize, objects};
use testkit::stage::Stage;
use testkit::{memory_folder, sls};

const PATIENCE: Duration = Duration::from_secs(60);

fn archive() -> PathBuf {
    let arch = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../target/image/kubedl-events-{arch}.tar"))
}

/// podman, with a store of its own.
fn podman(folder: &Path) -> Command {
    let mut podman = Command::new("podman");
    podman
        .arg("--root")
        .arg(folder.join("store"))
        .arg("--runroot")
        .arg(folder.join("run"));
    podman.args([
        "--storage-driver",
        "vfs",
        "--runtime",
        "runc",
        "--cgroup-manager",
        "cgroupfs",
    ]);
    podman
}

/// As the manifests have it.
fn run(folder: &Path) -> Command {
    let mut podman = podman(folder);
    podman.args([
        "run",
        "--rm",
        "--name",
        "kubedl-events",
        "--network",
        "host",
        "--user",
        "65532:65532",
        "--read-only",
        "--cap-drop",
        "all",
    ]);
    podman.args([
        "--security-opt",
        "no-new-privileges",
        "--ulimit",
        "nofile=1024:1024",
        "--ulimit",
        "nproc=1024:1024",
        "--memory",
        "256m",
    ]);
    // A folder and not a tmpfs, of which runc leaves the owner to root.
    let data = folder.join("data");
    if !data.is_dir() {
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::chown(&data, Some(65532), Some(65532)).unwrap();
    }
    podman
        .arg("--read-only-tmpfs=false")
        .arg("--volume")
        .arg(format!("{}:/var/lib/kubedl-events", data.display()));
    podman
}

/// The container of the overlay that has what KubeDL's page has.
fn beside_kubedl() -> Value {
    let all = objects(&kustomize("overlays/beside-kubedl").unwrap()).unwrap();
    let set = all
        .into_iter()
        .find(|object| object["kind"] == "StatefulSet")
        .unwrap();
    set["spec"]["template"]["spec"]["containers"][0].clone()
}

/// What stands under a key of the Secret of KubeDL's page.
fn secret(key: &str, server: &sls::Server) -> String {
    let known = sls::Options::default();
    match key {
        "endpoint" => server.endpoint(),
        "accessKey" => known.access_key_id,
        "accessSecret" => known.access_key_secret,
        "project" => known.project,
        "logStore" => known.log_store,
        other => panic!("the Secret has no key {other}"),
    }
}

#[tokio::test]
#[ignore = "needs root, podman and the image: cargo xtask test --cluster"]
async fn the_container_beside_kubedl_delivers_from_the_image_when_restricted() {
    // Long: one story, told in its order.
    let stage = Stage::set("", &memory_folder()).unwrap();
    let mut life = stage.life("train").await.unwrap();
    life.train("mnist").await.unwrap();
    let size = std::fs::metadata(archive())
        .expect("the image is built by `cargo xtask image`")
        .len();
    println!("the archive of the image has {size} bytes");
    assert!(size < 40 << 20, "{size}");
    let store = tempfile::tempdir().unwrap();
    let image = format!("oci-archive:{}", archive().display());
    let pulled = podman(store.path())
        .args(["pull", "--quiet", &image])
        .output()
        .unwrap();
    assert!(pulled.status.success(), "{pulled:?}");
    let id = String::from_utf8_lossy(&pulled.stdout).trim().to_owned();

    // It finds the cluster by a file that it may read.
    let kubeconfig = store.path().join("kubeconfig");
    std::fs::copy(&stage.server.kubeconfig, &kubeconfig).unwrap();
    std::fs::set_permissions(
        &kubeconfig,
        std::os::unix::fs::PermissionsExt::from_mode(0o444),
    )
    .unwrap();
    let container = beside_kubedl();
    let texts = |value: &Value| {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let log = store.path().join("log");
    let mut command = run(store.path());
    command
        .arg("--volume")
        .arg(format!("{}:/kubeconfig:ro", kubeconfig.display()));
    for variable in container["env"].as_array().unwrap() {
        let (name, key) = (
            variable["name"].as_str().unwrap(),
            &variable["valueFrom"]["secretKeyRef"],
        );
        assert_eq!(key["name"], "kubedl-sls-config");
        command.arg("--env").arg(format!(
            "{name}={}",
            secret(key["key"].as_str().unwrap(), &stage.sls)
        ));
    }
    // Outside of a cluster there is no identity of a Pod.
    command
        .arg(&id)
        .args(texts(&container["args"]))
        .arg("--kubeconfig=/kubeconfig");
    let began = Instant::now();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    // A list shows each in its last version.
    let events: BTreeSet<&str> = life
        .written()
        .iter()
        .map(|event| event.uid.as_str())
        .collect();
    let stored = stage.sls.wait_for(events.len(), PATIENCE);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(stored.is_ok(), "{stored:?}\n{text}");
    println!(
        "all events of a job were stored {} ms after `podman run`",
        began.elapsed().as_millis()
    );
    let at = |words: &str| {
        let line = text
            .lines()
            .find(|line| line.contains(words))
            .unwrap_or_else(|| panic!("{words:?} is not in the log:\n{text}"));
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["timestamp"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let first: serde_json::Value = text
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
        .unwrap();
    let first: jiff::Timestamp = first["timestamp"].as_str().unwrap().parse().unwrap();
    let read = at("The list is read.").duration_since(first).as_millis();
    println!("the list was read {read} ms after the program's first line");

    let stopped = podman(store.path())
        .args(["stop", "kubedl-events"])
        .output()
        .unwrap();
    assert!(stopped.status.success(), "{stopped:?}");
    assert!(
        child.wait().unwrap().success(),
        "{}",
        std::fs::read_to_string(&log).unwrap()
    );
}

#[test]
#[ignore = "needs root, podman and the image: cargo xtask test --cluster"]
fn nothing_but_the_program_and_the_shipped_sinks_is_in_the_image() {
    let store = tempfile::tempdir().unwrap();
    let pulled = podman(store.path())
        .args([
            "pull",
            "--quiet",
            &format!("oci-archive:{}", archive().display()),
        ])
        .output()
        .unwrap();
    let id = String::from_utf8_lossy(&pulled.stdout).trim().to_owned();
    let mut shown = run(store.path());
    let shown = shown
        .arg(&id)
        .args([
            "sink",
            "inspect",
            "graphite",
            "--shipped-sinks",
            "/opt/kubedl-events/sinks",
        ])
        .output()
        .unwrap();
    assert!(shown.status.success(), "{shown:?}");
    let mut shell = run(store.path());
    assert!(
        !shell
            .args(["--entrypoint", "/bin/sh", &id])
            .output()
            .unwrap()
            .status
            .success()
    );
}
