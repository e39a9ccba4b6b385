//! The manifests of `deploy/`, as an operator's own tools make them: `kubectl kustomize` and `helm
//! template`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::apiserver::binaries;

/// The namespace that the kustomizations name.
pub const NAMESPACE: &str = "kubedl-system";

/// The folder `deploy`.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// What `kubectl kustomize` makes of a folder below `deploy/kustomize`.
///
/// # Errors
/// When kubectl is not built, or refuses, with its words.
pub fn kustomize(place: &str) -> io::Result<String> {
    kustomize_at(&folder().join("kustomize").join(place))
}

/// What `kubectl kustomize` makes of a folder.
///
/// # Errors
/// When kubectl is not built, or refuses, with its words.
pub fn kustomize_at(folder: &Path) -> io::Result<String> {
    said(
        Command::new(built("kubectl")?).arg("kustomize").arg(folder),
        "",
    )
    .map(|(out, _)| out)
}

/// What `helm template` makes of the chart, as the release `kubedl-events`, with the values of a
/// file in the chart's folder `ci`, and others in the way of `--set`.
///
/// # Errors
/// When helm is not built, or refuses, with its words.
pub fn chart(values: &str, set: &[&str]) -> io::Result<String> {
    let chart = folder().join("helm/kubedl-events");
    let mut helm = Command::new(built("helm")?);
    helm.args(["template", "kubedl-events"])
        .arg(&chart)
        .args(["--namespace", NAMESPACE, "--values"])
        .arg(chart.join("ci").join(values));
    helm.args(set.iter().flat_map(|value| ["--set", value]));
    said(&mut helm, "").map(|(out, _)| out)
}

/// The objects of a text with several YAML documents.
///
/// # Errors
/// When it is not YAML.
pub fn objects(yaml: &str) -> io::Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)
        .map_err(|why| io::Error::other(format!("not YAML: {why}")))?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// kubectl, for one cluster.
#[derive(Clone, Debug)]
pub struct Kubectl {
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// With the rights of a kubeconfig.
    #[must_use]
    pub fn new(kubeconfig: &Path) -> Self {
        Self {
            kubeconfig: kubeconfig.to_owned(),
        }
    }

    /// Runs it; gives what it printed, and what it warned of.
    ///
    /// # Errors
    /// When it is not built, or fails, with its words.
    pub fn run(&self, arguments: &[&str], input: &str) -> io::Result<(String, String)> {
        said(
            Command::new(built("kubectl")?)
                .arg("--kubeconfig")
                .arg(&self.kubeconfig)
                .args(arguments),
            input,
        )
    }

    /// Applies server-side: a field that Kubernetes doesn't know is an error.
    ///
    /// # Errors
    /// When the API server refuses, with its words.
    pub fn apply(&self, yaml: &str) -> io::Result<(String, String)> {
        self.run(
            &["apply", "--server-side", "--validate=strict", "-f", "-"],
            yaml,
        )
    }
}

/// A program that `cargo xtask` builds for tests.
fn built(name: &str) -> io::Result<PathBuf> {
    let path = binaries().join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(io::Error::other(format!(
        "{} is not built: run `cargo xtask testkit`",
        path.display()
    )))
}

fn said(command: &mut Command, input: &str) -> io::Result<(String, String)> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take();
    let text = input.to_owned();
    // Beside, since the program may write before it has read all.
    let writer =
        std::thread::spawn(move || stdin.as_mut().map(|stdin| stdin.write_all(text.as_bytes())));
    let output = child.wait_with_output()?;
    // A program that ends early reads no more; its own words say why.
    let _ = writer.join();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    if output.status.success() {
        Ok((out, err))
    } else {
        Err(io::Error::other(format!(
            "{command:?}: {}: {out}{err}",
            output.status
        )))
    }
}
