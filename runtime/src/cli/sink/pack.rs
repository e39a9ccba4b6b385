//! `sink pack`: a component, packed and cut into ConfigMaps.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};

use crate::cli::Exit;
use crate::sink::loading::{self, Form, Index};
use crate::sink::{Artifact, Blueprint, Digest};

/// The most bytes of values in a ConfigMap: what the API server counts, before base64 and without
/// names (`ValidateConfigMap` in k8s.io/kubernetes/pkg/apis/core/validation, `MaxSecretSize`).
const LARGEST: usize = 1 << 20;
/// ConfigMaps that are mounted before they are there, for a later version with more parts.
const SPARE: usize = 2;

/// `sink pack`.
#[derive(Clone, Debug, Args)]
pub struct Pack {
    /// The component: its name, without .wasm, is the sink's name
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,

    /// Name of the ConfigMap; where one is not enough, those with parts are NAME-000, NAME-001 and
    /// so on
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    configmap: String,

    /// Their namespace [default: that of `kubectl apply`]
    #[arg(short, long, value_name = "NAMESPACE", value_parser = object_name)]
    namespace: Option<String>,

    /// Folder that they are written to, a file each; - for stdout
    #[arg(short, long, value_name = "DIR|-", default_value = "-")]
    output: PathBuf,

    /// How the component is packed
    #[arg(long, value_enum, default_value_t = Encoding::Zstd)]
    encoding: Encoding,
}

/// `--encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Encoding {
    /// Zstandard: the smallest.
    Zstd,
    /// gzip.
    Gz,
}

/// A name of Kubernetes (RFC 1123 subdomain), with room for the number of a part.
fn object_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let inner = |c: char| plain(c) || c == '-' || c == '.';
    if text.len() > 240
        || !text.starts_with(plain)
        || !text.ends_with(plain)
        || !text.chars().all(inner)
    {
        return Err("a name in Kubernetes has lower-case letters, digits, - and ., and at most 240 of them here".to_owned());
    }
    Ok(text.to_owned())
}

/// What is written.
struct Packed<'a> {
    sink: &'a str,
    digest: Digest,
    configmap: &'a str,
    namespace: Option<&'a str>,
}

pub(super) fn run(pack: &Pack) -> anyhow::Result<Exit> {
    let sink = sink_name(&pack.file)?;
    let artifact = Artifact::read(&pack.file)?;
    Blueprint::check(&artifact)?;
    if artifact.bytes.len() as u64 > loading::LARGEST {
        bail!(
            "{} has {} bytes, and a packed sink may have {} MiB at most",
            pack.file.display(),
            artifact.bytes.len(),
            loading::LARGEST >> 20
        );
    }
    let form = match pack.encoding {
        Encoding::Zstd => Form::Zstd,
        Encoding::Gz => Form::Gzip,
    };
    let bytes = loading::pack(form, &artifact.bytes).context("cannot pack the component")?;
    let packed = Packed {
        sink,
        digest: artifact.digest,
        configmap: &pack.configmap,
        namespace: pack.namespace.as_deref(),
    };
    let manifests = packed.manifests(form, &bytes, LARGEST)?;
    let help = packed.help(manifests.len(), &pack.output);
    write(&manifests, &help, &pack.output)?;
    let total = artifact.bytes.len();
    note!(
        "{}: {total} bytes, packed {}, in {} ConfigMaps.\n{help}",
        pack.file.display(),
        bytes.len(),
        manifests.len()
    );
    Ok(Exit::Stopped)
}

fn sink_name(file: &Path) -> anyhow::Result<&str> {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(Form::of)
        .map(|(name, _)| name);
    let name = name.with_context(|| {
        format!(
            "the name of {} must end with .wasm: what is before that is the sink's name",
            file.display()
        )
    })?;
    if name.len() > 100
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    {
        bail!(
            "{name:?} can't be the name of a file in a ConfigMap: use letters, digits, -, _ and ., at most 100 of them"
        );
    }
    Ok(name)
}

impl Packed<'_> {
    /// Name and text of each manifest. Values of one have no more than `largest` bytes.
    fn manifests(
        &self,
        form: Form,
        packed: &[u8],
        largest: usize,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let Self {
            sink, configmap, ..
        } = self;
        if packed.len() <= largest {
            let file = format!("{sink}{}", form.suffix());
            return Ok(vec![(
                self.configmap.to_owned(),
                self.manifest(configmap, &file, packed),
            )]);
        }
        let (index, files) = Index::cut(sink, self.digest, form, packed, largest);
        let text = serde_json::to_vec(&index)?;
        let mut manifests = vec![(
            self.configmap.to_owned(),
            self.manifest(configmap, &format!("{sink}{}", Form::Parts.suffix()), &text),
        )];
        for (place, (part, file)) in index.parts.iter().zip(files).enumerate() {
            let name = self.part(place);
            let manifest = self.manifest(&name, &part.name, file);
            manifests.push((name, manifest));
        }
        Ok(manifests)
    }

    fn part(&self, place: usize) -> String {
        format!("{}-{place:03}", self.configmap)
    }

    fn manifest(&self, name: &str, file: &str, content: &[u8]) -> String {
        let namespace = self
            .namespace
            .map(|namespace| format!("  namespace: {namespace:?}\n"))
            .unwrap_or_default();
        let content = STANDARD.encode(content);
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name:?}\n{namespace}binaryData:\n  {file:?}: {content}\n"
        )
    }

    /// What to do with them.
    fn help(&self, manifests: usize, output: &Path) -> String {
        let Self {
            sink,
            digest,
            configmap,
            ..
        } = self;
        let apply = if output == Path::new("-") {
            "FILE".to_owned()
        } else {
            output.display().to_string()
        };
        let mut sources = format!("      - configMap: {{name: {configmap:?}}}\n");
        if manifests > 1 {
            for place in 0..manifests - 1 + SPARE {
                let spare = place + 1 >= manifests;
                let rest = if spare {
                    ", optional: true}   # for a later version with more parts"
                } else {
                    "}"
                };
                let _ = writeln!(
                    sources,
                    "      - configMap: {{name: {:?}{rest}",
                    self.part(place)
                );
            }
        }
        format!(
            "Sink {sink}, component {digest}.\n\
             1. kubectl apply --server-side -f {apply}\n   \
             (without --server-side, kubectl copies each into an annotation, for which they are too large)\n\
             2. In the Pod of kubedl-events, the whole volume (a subPath would never change):\n  \
             volumes:\n  - name: sinks\n    projected:\n      sources:\n{sources}  \
             volumeMounts:\n  - {{name: sinks, mountPath: /sinks, readOnly: true}}\n\
             3. Its arguments: --sink-dir=/sinks --grant-dir=/grants --event-storage={sink}\n\
             4. What it may reach, in /grants/{sink}.yaml (`env`, `http`), with the line\n  \
             sha256: {digest}\n\
             A later version: pack and apply it in the same way; it takes over within some minutes, when the node has seen it.\n"
        )
    }
}

fn write(manifests: &[(String, String)], help: &str, output: &Path) -> anyhow::Result<()> {
    let comment: String = help.lines().map(|line| format!("# {line}\n")).collect();
    if output == Path::new("-") {
        let all: Vec<&str> = manifests.iter().map(|(_, text)| text.as_str()).collect();
        return Ok(std::io::stdout()
            .lock()
            .write_all(format!("{comment}{}", all.join("---\n")).as_bytes())?);
    }
    let told = || format!("cannot write to {}", output.display());
    std::fs::create_dir_all(output).with_context(told)?;
    for (place, (name, text)) in manifests.iter().enumerate() {
        let comment = if place == 0 { &comment } else { "" };
        std::fs::write(
            output.join(format!("{name}.yaml")),
            format!("{comment}{text}"),
        )
        .with_context(told)?;
    }
    Ok(())
}
