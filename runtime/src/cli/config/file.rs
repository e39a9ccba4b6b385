//! The file of `--config`: settings under the names of their flags.
//!
//! Two settings may be written at more length than a flag has room for:
//!
//! ```yaml
//! event-storage:
//!   - aliyun-sls
//!   - {name: warnings, sink: graphite, select: type == "Warning"}
//! redact:
//!   - {name: token, pattern: 'token=\S+'}
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Arg, ArgAction, Command};

use super::settable::flags;
use crate::cluster::yaml::{self, Node};

/// Settings that have the same meaning for some subcommands.
const SHARED: [&str; 10] = [
    "data_dir",
    "namespace",
    "kubeconfig",
    "context",
    "sink_dir",
    "grant_dir",
    "shipped_sinks",
    "https_proxy",
    "no_proxy",
    "ca_file",
];

const STORAGE: &str = "event_storage";
const SELECTION: &str = "select";
const REDACT: &str = "redact";

/// What a file says: values by the ids of arguments, as a command line would have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct File {
    pub path: PathBuf,
    values: BTreeMap<String, Vec<String>>,
    /// Selections that stand beside their sinks under `event-storage`: they go where that goes.
    beside: Vec<String>,
}

/// A file that can't be used.
#[derive(Debug)]
pub(in crate::cli) struct Error {
    path: PathBuf,
    why: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the configuration {} can't be used: {}",
            self.path.display(),
            self.why
        )
    }
}

impl std::error::Error for Error {}

impl File {
    /// Reads a file of settings of `command`.
    pub fn read(path: &Path, command: &Command) -> Result<Self, Error> {
        let refuse = |why: String| Error {
            path: path.to_owned(),
            why,
        };
        let bytes = std::fs::read(path).map_err(|why| refuse(why.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|why| {
            let line = 1 + why
                .as_bytes()
                .iter()
                .take(why.utf8_error().valid_up_to())
                .filter(|byte| **byte == b'\n')
                .count();
            refuse(format!("line {line}: it is not UTF-8"))
        })?;
        Self::parse(path, &text, command).map_err(refuse)
    }

    fn parse(path: &Path, text: &str, command: &Command) -> Result<Self, String> {
        let mut file = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        for (name, value) in settings(text)? {
            let Some(flag) = flags(command)
                .find(|flag| flag.get_long() == Some(&name) && flag.get_id() != super::FLAG)
            else {
                let names: Vec<&str> = flags(command)
                    .filter_map(clap::Arg::get_long)
                    .filter(|name| *name != super::FLAG)
                    .collect();
                return Err(format!(
                    "there is no setting {name:?}; there are {}",
                    names.join(", ")
                ));
            };
            let values = file
                .lower(flag, &value)
                .map_err(|why| format!("{name}: {why}"))?;
            let many = matches!(flag.get_action(), ArgAction::Append);
            if !many && values.len() != 1 {
                return Err(format!(
                    "{name}: one value is asked for, and {} are given",
                    values.len()
                ));
            }
            if file
                .values
                .insert(flag.get_id().to_string(), values)
                .is_some()
            {
                return Err(format!("{name} is set twice: write it once"));
            }
        }
        Ok(file)
    }

    fn lower(&mut self, flag: &Arg, value: &Node) -> Result<Vec<String>, String> {
        match (flag.get_id().as_str(), value) {
            (_, Node::Scalar { .. }) => {
                Ok(vec![if matches!(flag.get_action(), ArgAction::SetTrue) {
                    truth(value)?
                } else {
                    text(value)?
                }])
            }
            (SELECTION, Node::Map(members)) => members
                .iter()
                .map(|(sink, expression)| {
                    Ok(format!(
                        "{sink}={}",
                        text(expression).map_err(|why| format!("{sink}: {why}"))?
                    ))
                })
                .collect(),
            (_, Node::Map(_)) => Err("a list or a single value is asked for".to_owned()),
            (id, Node::List(items)) => items.iter().map(|item| self.item(id, item)).collect(),
        }
    }

    fn item(&mut self, id: &str, item: &Node) -> Result<String, String> {
        let members = match item {
            Node::Scalar { .. } => return text(item),
            Node::List(_) => {
                return Err("a list of texts is asked for, and a list is in it".to_owned());
            }
            Node::Map(members) => members,
        };
        let allowed: &[&str] = match id {
            STORAGE => &["name", "sink", SELECTION],
            REDACT => &["name", "pattern"],
            _ => return Err("a list of texts is asked for".to_owned()),
        };
        let mut entry = BTreeMap::new();
        for (key, value) in members {
            if !allowed.contains(&key.as_str()) {
                return Err(format!("an entry has {key:?}, which means nothing here"));
            }
            if entry
                .insert(
                    key.as_str(),
                    text(value).map_err(|why| format!("{key} of an entry: {why}"))?,
                )
                .is_some()
            {
                return Err(format!("an entry has {key:?} twice"));
            }
        }
        if id == REDACT {
            return match (entry.remove("name"), entry.remove("pattern")) {
                (Some(name), Some(pattern)) => Ok(format!("{name}={pattern}")),
                _ => Err("an entry needs name and pattern".to_owned()),
            };
        }
        let sink = entry.remove("sink");
        let Some(name) = entry.remove("name").or_else(|| sink.clone()) else {
            return Err("an entry has no name".to_owned());
        };
        if let Some(expression) = entry.remove(SELECTION) {
            self.beside.push(format!("{name}={expression}"));
        }
        Ok(sink.map_or_else(
            || name.clone(),
            |sink| {
                if sink == name {
                    sink
                } else {
                    format!("{name}={sink}")
                }
            },
        ))
    }

    /// Whether the file has a value for an argument.
    pub fn has(&self, id: &str) -> bool {
        self.values.contains_key(id) || (id == SELECTION && !self.beside.is_empty())
    }

    /// Without the selections of the file's own sinks: others are asked for.
    pub fn without_its_sinks(mut self) -> Self {
        self.beside.clear();
        self
    }

    /// The command with the file's values in place of its defaults, and so below flags and
    /// environment.
    pub fn under(&self, command: Command) -> Command {
        let command = self.defaults(command, true);
        command.mut_subcommands(|task| self.subcommand(task))
    }

    fn subcommand(&self, task: Command) -> Command {
        let whole = task
            .get_arguments()
            .any(|argument| argument.get_id() == STORAGE);
        self.defaults(task, whole)
            .mut_subcommands(|inner| self.subcommand(inner))
    }

    fn defaults(&self, command: Command, whole: bool) -> Command {
        let ids: Vec<String> = flags(&command)
            .map(|flag| flag.get_id().to_string())
            .filter(|id| whole || SHARED.contains(&id.as_str()))
            .collect();
        ids.into_iter()
            .filter(|id| self.has(id))
            .fold(command, |command, id| {
                let mut values = self.values.get(&id).cloned().unwrap_or_default();
                if id == SELECTION {
                    values.extend(self.beside.iter().cloned());
                }
                command.mut_arg(id, |argument| {
                    // A value of the file may have several lines; one of the environment is then
                    // split by nobody, but it isn't there.
                    let lines = argument.get_value_delimiter() == Some('\n');
                    let unset = argument
                        .get_env()
                        .is_none_or(|name| std::env::var_os(name).is_none());
                    let argument = if lines && unset {
                        argument.value_delimiter(None)
                    } else {
                        argument
                    };
                    argument.default_values(values)
                })
            })
    }
}

/// The settings of a text, in their order. A file of comments alone is one without settings.
fn settings(text: &str) -> Result<Vec<(String, Arc<Node>)>, String> {
    let documents = yaml::documents(text).map_err(|why| why.to_string())?;
    match documents.as_slice() {
        [] => Ok(Vec::new()),
        [document] => match &**document {
            Node::Map(settings) => Ok(settings.clone()),
            nothing if nothing.is_null() => Ok(Vec::new()),
            _ => Err("it has no settings: write each as `name: value` on a line of its own, with the name of a flag".to_owned()),
        },
        more => Err(format!("it has {} documents: leave one, without `---` between settings", more.len())),
    }
}

/// A text as it is written, whatever YAML takes it for.
fn text(value: &Node) -> Result<String, String> {
    match value {
        Node::Scalar { text, .. } if value.is_null() && text.is_empty() => Err(
            "it has no value: write one, or leave the setting out; an empty text is written \"\""
                .to_owned(),
        ),
        Node::Scalar { text, .. } if value.is_null() => Err(format!(
            "{text} stands for no value in YAML: leave the setting out, or write it in quotes, \"{text}\", if it is this text"
        )),
        Node::Scalar { text, .. } => Ok(text.clone()),
        Node::List(_) | Node::Map(_) => Err("a text is asked for".to_owned()),
    }
}

/// Yes or no, in the words that YAML has ever had for them (yaml.org/type/bool.html).
fn truth(value: &Node) -> Result<String, String> {
    let written = text(value)?;
    match written.to_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Ok("true".to_owned()),
        "false" | "no" | "off" | "n" => Ok("false".to_owned()),
        _ => Err(format!("{written:?} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Args;

    fn parse(text: &str) -> Result<File, String> {
        File::parse(Path::new("c.yaml"), text, &Args::command())
    }

    #[test]
    fn settings_stand_under_the_names_of_their_flags() {
        let file =
            parse("retain: 3h\nonce: true\nnamespace: [a, b]\nevent-storage:\n- stdout\n- {name: w, sink: graphite, select: 'count > 1'}\n").unwrap();
        assert_eq!(file.values.get("retain").unwrap(), &["3h"]);
        assert_eq!(file.values.get("once").unwrap(), &["true"]);
        assert_eq!(file.values.get("namespace").unwrap(), &["a", "b"]);
        assert_eq!(
            file.values.get("event_storage").unwrap(),
            &["stdout", "w=graphite"]
        );
        assert_eq!(file.beside, ["w=count > 1"]);
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        for (text, word) in [
            ("retian: 3h", "\"retian\""),
            ("config: other.yaml", "\"config\""),
            ("help: true", "\"help\""),
            ("retain: [1h, 2h]", "retain"),
            ("retain: {a: b}", "retain"),
            ("event-storage: [{sink: stdout, selekt: x}]", "\"selekt\""),
            ("redact: [{name: a}]", "pattern"),
            ("namespace: [{name: a}]", "namespace"),
        ] {
            let why = parse(text).unwrap_err();
            assert!(why.contains(word), "{text}: {why}");
        }
    }

    #[test]
    fn an_empty_file_has_no_settings() {
        for text in ["", "# retain: 3h\n", "{}"] {
            assert!(parse(text).unwrap().values.is_empty(), "{text:?}");
        }
    }
}
