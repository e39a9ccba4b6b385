//! A credential plugin: a program that a kubeconfig names (`exec`), which prints credentials
//! (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>).

use std::fmt;
use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use kube::config::{ExecConfig, ExecInteractiveMode};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::debug;

use super::issued::{Identity, Issued, bearer};
use crate::shown::shown;

/// Characters of what a plugin wrote that are told.
const LONGEST: usize = 300;

/// A program, and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plugin {
    command: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    hint: Option<String>,
    /// It never asks a person.
    silent: bool,
    api_version: Option<String>,
    /// What it is told about the cluster, where it is to be.
    cluster: Option<Value>,
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the credential plugin {:?} of the kubeconfig",
            self.command
        )
    }
}

#[derive(Deserialize)]
struct Answer {
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

impl TryFrom<&ExecConfig> for Plugin {
    type Error = String;

    fn try_from(written: &ExecConfig) -> Result<Self, String> {
        let command = written
            .command
            .clone()
            .filter(|command| !command.trim().is_empty())
            .ok_or("the exec of the kubeconfig's user names no command")?;
        let pair = |entry: &std::collections::HashMap<String, String>| {
            Some((entry.get("name")?.clone(), entry.get("value")?.clone()))
        };
        Ok(Self {
            command,
            arguments: written.args.clone().unwrap_or_default(),
            variables: written.env.iter().flatten().filter_map(pair).collect(),
            hint: written
                .install_hint
                .clone()
                .filter(|hint| !hint.trim().is_empty()),
            silent: written.interactive_mode == Some(ExecInteractiveMode::Never),
            api_version: written.api_version.clone(),
            cluster: written
                .cluster
                .as_ref()
                .filter(|_| written.provide_cluster_info)
                .and_then(|cluster| serde_json::to_value(cluster).ok()),
        })
    }
}

/// The process of a plugin, so that another thread can end it.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<Process>>);

#[derive(Default)]
struct Process {
    pid: Option<Pid>,
    /// It leads a group of its own, in which what it starts is, too.
    leads: bool,
    killed: bool,
    said: bool,
}

impl Running {
    /// At once.
    pub(super) fn kill(&self) {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        process.killed = true;
        if let Some(pid) = process.pid {
            let _ = if process.leads {
                kill_process_group(pid, Signal::KILL)
            } else {
                kill_process(pid, Signal::KILL)
            };
        }
    }

    /// True the first time.
    pub(super) fn is_said_first(&self) -> bool {
        !std::mem::replace(
            &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).said,
            true,
        )
    }

    fn is_killed(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).killed
    }

    /// Starts a process, unless it was ended before it began; gives what it wrote and how it ended.
    fn output(&self, command: &mut Command, leads: bool) -> std::io::Result<Output> {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if process.killed {
            return Err(std::io::Error::other("ended before it began"));
        }
        let child = command.spawn()?;
        (process.pid, process.leads) = (
            i32::try_from(child.id()).ok().and_then(Pid::from_raw),
            leads,
        );
        drop(process);
        let output = child.wait_with_output();
        // Another process may have the number from now on.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pid = None;
        output
    }
}

impl Plugin {
    /// Runs it to its end. The error is a sentence.
    pub(super) fn run(&self, running: &Running) -> Result<Issued, String> {
        // Where a person may sit there, it asks them; else what it has to say is ours to tell.
        let asks = !self.silent && std::io::stdin().is_terminal();
        let mut command = Command::new(&self.command);
        command
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        let told = json!({
            "kind": "ExecCredential", "apiVersion": self.api_version,
            "spec": match &self.cluster {
                Some(cluster) => json!({ "interactive": asks, "cluster": cluster }),
                None => json!({ "interactive": asks }),
            },
        });
        command
            .env("KUBERNETES_EXEC_INFO", told.to_string())
            .stdout(Stdio::piped());
        if asks {
            command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
        } else {
            command
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .process_group(0);
        }
        debug!("Running {self}.");
        let output = running.output(&mut command, !asks).map_err(|why| {
            let hint = self.hint.as_ref().map_or_else(String::new, |hint| {
                format!(". To install it: {}", hint.trim())
            });
            format!("{self} can't be run: {why}{hint}")
        })?;
        if running.is_killed() {
            return Err(format!("{self} was ended, as the program ends"));
        }
        let wrote = wrote(&output);
        if !output.status.success() {
            return Err(format!(
                "{self} failed ({}){wrote}{}",
                output.status,
                self.help()
            ));
        }
        self.read(&output.stdout)
            .map_err(|why| format!("{self} {why}{wrote}{}", self.help()))
    }

    fn help(&self) -> String {
        self.hint.as_ref().map_or_else(String::new, |hint| {
            format!(". The kubeconfig's hint: {}", hint.trim())
        })
    }

    /// YAML is taken, too, as client-go does.
    fn read(&self, printed: &[u8]) -> Result<Issued, String> {
        let answer: Answer = serde_saphyr::from_slice(printed)
            .map_err(|_| "printed no ExecCredential, which is JSON".to_owned())?;
        let status = answer
            .status
            .ok_or("printed an answer without a status, so without credentials")?;
        let until = match &status.expiration_timestamp {
            Some(text) => Some(
                text.trim()
                    .parse::<Timestamp>()
                    .map_err(|_| format!("says expirationTimestamp {text:?}, which is no time"))?,
            ),
            None => None,
        };
        let token = status.token.filter(|token| !token.trim().is_empty());
        let header = token
            .map(|token| bearer(&token, "printed a token: it"))
            .transpose()?;
        let identity = match (status.client_certificate_data, status.client_key_data) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            (None, None) => None,
            _ => {
                return Err(
                    "printed a certificate without a key, or a key without a certificate"
                        .to_owned(),
                );
            }
        };
        if header.is_none() && identity.is_none() {
            return Err("printed neither a token nor a certificate".to_owned());
        }
        Ok(Issued::new(header, identity, until.map(SystemTime::from)))
    }
}

/// What it wrote, as far as it may be told: what looks like an answer may have secrets in it.
fn wrote(output: &Output) -> String {
    let plain = |bytes: &[u8]| {
        shown(String::from_utf8_lossy(bytes).trim())
            .chars()
            .take(LONGEST)
            .collect::<String>()
    };
    let (out, err) = (plain(&output.stdout), plain(&output.stderr));
    let secret = [
        "{",
        "token",
        "Token",
        "clientKeyData",
        "PRIVATE KEY",
        "status:",
    ]
    .iter()
    .any(|word| out.contains(word));
    let out = if secret {
        format!("{} bytes of what may be credentials", output.stdout.len())
    } else {
        out
    };
    match (out.is_empty(), err.is_empty()) {
        (true, true) => "; it wrote nothing".to_owned(),
        (false, true) => format!("; it wrote: {out}"),
        (true, false) => format!("; it wrote: {err}"),
        (false, false) => format!("; it wrote: {err}, and as its answer: {out}"),
    }
}
