//! Does a component go into a cluster by ConfigMaps, and come out of a volume as it was?

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::cluster_events::Teller;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ObjectMeta, PostParams};
use testkit::apiserver::{ApiServer, binaries, client};
use testkit::program::Start;
use testkit::volume::{Volume, padded};

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(120);

fn pack(file: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(["sink", "pack"])
        .arg(file)
        .args(arguments)
        .output()
        .unwrap()
}

/// Bytes that no packer makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(step).flatten().take(bytes).collect()
}

/// The probe as a file, with so much noise in it.
fn write_probe(folder: &Path, bytes: usize) -> (std::path::PathBuf, Vec<u8>) {
    let probe = std::fs::read(binaries().join("probe.wasm"))
        .expect("`cargo xtask testkit` builds the probe");
    let (path, component) = (folder.join("probe.wasm"), padded(&probe, &noise(bytes)));
    std::fs::write(&path, &component).unwrap();
    (path, component)
}

/// What `kubectl apply --server-side` sends, with the manifest's own text.
async fn apply(client: &kube::Client, manifest: &Path) -> ConfigMap {
    let name = manifest.file_stem().unwrap().to_str().unwrap();
    let url = format!("/api/v1/namespaces/default/configmaps/{name}?fieldManager=kubectl");
    let request = http::Request::patch(url)
        .header("Content-Type", "application/apply-patch+yaml")
        .body(std::fs::read(manifest).unwrap())
        .unwrap();
    client.request(request).await.unwrap()
}

#[tokio::test]
async fn a_component_of_twelve_megabytes_goes_through_real_configmaps_and_a_volume_and_runs() {
    // Long: one story, told in its order.
    let folder = tempfile::tempdir().unwrap();
    let server = ApiServer::start(&folder.path().join("cluster"), &[]).unwrap();
    let client = client(&server.kubeconfig).await.unwrap();
    let (file, component) = write_probe(folder.path(), 12 << 20);
    let output = folder.path().join("manifests");
    let done = pack(
        &file,
        &["--configmap", "my-sink", "-o", output.to_str().unwrap()],
    );
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    let mut manifests: Vec<_> = std::fs::read_dir(&output)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    manifests.sort();
    assert!(manifests.len() > 12, "{manifests:?}");
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for manifest in &manifests {
        let stored = apply(&client, manifest).await;
        let name = stored.metadata.name.unwrap();
        assert!(
            said.contains(&format!("configMap: {{name: \"{name}\"}}")),
            "{name} is not mounted: {said}"
        );
        files.extend(
            stored
                .binary_data
                .unwrap()
                .into_iter()
                .map(|(name, ByteString(bytes))| (name, bytes)),
        );
    }
    let volume = Volume::new(&folder.path().join("sinks")).unwrap();
    volume
        .write(
            &files
                .iter()
                .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
                .collect::<Vec<_>>(),
        )
        .unwrap();
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .with("--sink-dir", volume.folder())
        .with("--event-storage", "probe");
    let mut program = start
        .with("--kubeconfig", &server.kubeconfig)
        .with("--objects", "all")
        .start()
        .unwrap();
    program.wait_for_log("Watching events.", PATIENCE).unwrap();
    program
        .wait_for_log(
            &kubedl_events::sink::Digest::of(&component).to_string(),
            PATIENCE,
        )
        .unwrap();
    Teller::new(&server.kubeconfig)
        .await
        .tell("show DELIVERED")
        .await;
    program.wait_for_log("DELIVERED is", PATIENCE).unwrap();
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn the_api_server_takes_as_much_as_is_packed_into_one_configmap_and_no_byte_more() {
    let folder = tempfile::tempdir().unwrap();
    let server = ApiServer::start(&folder.path().join("cluster"), &[]).unwrap();
    let maps: Api<ConfigMap> =
        Api::namespaced(client(&server.kubeconfig).await.unwrap(), "default");
    let (file, _) = write_probe(folder.path(), 3 << 20);
    let output = folder.path().join("manifests");
    assert!(
        pack(
            &file,
            &["--configmap", "edge", "-o", output.to_str().unwrap()]
        )
        .status
        .success()
    );
    let part = apply(
        &client(&server.kubeconfig).await.unwrap(),
        &output.join("edge-000.yaml"),
    )
    .await;
    let (name, ByteString(bytes)) = part.binary_data.unwrap().into_iter().next().unwrap();
    assert_eq!(bytes.len(), 1 << 20, "a whole part is as large as can be");
    let one_more = ConfigMap {
        metadata: ObjectMeta {
            name: Some("more".into()),
            ..ObjectMeta::default()
        },
        binary_data: Some([(name, ByteString(bytes)), ("x".into(), ByteString(vec![0]))].into()),
        ..ConfigMap::default()
    };
    let why = maps
        .create(&PostParams::default(), &one_more)
        .await
        .unwrap_err()
        .to_string();
    assert!(why.contains("1048576"), "{why}");
}

#[test]
fn what_fits_is_one_manifest_and_is_always_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = write_probe(folder.path(), 0);
    for (encoding, suffix) in [("zstd", "wasm.zst"), ("gz", "wasm.gz")] {
        let arguments = [
            "--configmap",
            "small",
            "--namespace",
            "n",
            "--encoding",
            encoding,
        ];
        let (one, two) = (pack(&file, &arguments), pack(&file, &arguments));
        assert!(
            one.status.success() && one.stdout == two.stdout,
            "{}",
            String::from_utf8_lossy(&one.stderr)
        );
        let text = String::from_utf8(one.stdout).unwrap();
        assert!(
            text.contains(&format!("  \"probe.{suffix}\": "))
                && text.contains("  namespace: \"n\"\n"),
            "{suffix}"
        );
        assert!(
            text.contains("kubectl apply --server-side -f")
                && text.contains("# ")
                && !text.contains("---\n")
        );
    }
}

#[test]
fn what_can_not_be_packed_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = write_probe(folder.path(), 0);
    let refused = |file: &Path, arguments: &[&str], words: &str| {
        let output = pack(file, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(2) && said.contains(words),
            "{said}"
        );
    };
    refused(&file, &["--configmap", "Not_A_Name"], "lower-case letters");
    refused(
        &folder.path().join("none.wasm"),
        &["--configmap", "x"],
        "cannot read",
    );
    let module = folder.path().join("module.wasm");
    std::fs::write(&module, b"\0asm\x01\0\0\0").unwrap();
    refused(&module, &["--configmap", "x"], "core WebAssembly module");
    let other = folder.path().join("component.bin");
    std::fs::copy(&file, &other).unwrap();
    refused(&other, &["--configmap", "x"], "must end with .wasm");
}
