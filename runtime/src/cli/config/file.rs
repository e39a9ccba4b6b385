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

use clap::Command;
use serde::Deserialize;

use super::flags;

/// Settings that have the same meaning for some subcommands.
const SHARED: [&str; 10] =
    ["data_dir", "namespace", "kubeconfig", "context", "sink_dir", "grant_dir", "shipped_sinks", "https_proxy", "no_proxy", "ca_file"];

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
        write!(f, "the configuration {} can't be used: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for Error {}

/// A setting's value.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Item>),
    Map(BTreeMap<String, String>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Item {
    Text(String),
    Map(BTreeMap<String, String>),
}

impl File {
    /// Reads a file of settings of `command`.
    pub fn read(path: &Path, command: &Command) -> Result<Self, Error> {
        let refuse = |why: String| Error { path: path.to_owned(), why };
        let text = std::fs::read_to_string(path).map_err(|why| refuse(why.to_string()))?;
        Self::parse(path, &text, command).map_err(refuse)
    }

    fn parse(path: &Path, text: &str, command: &Command) -> Result<Self, String> {
        let mut file = Self { path: path.to_owned(), ..Self::default() };
        // A file of comments alone is one without settings.
        let settings: Option<BTreeMap<String, Value>> = serde_saphyr::from_str(text).map_err(|why| why.to_string())?;
        for (name, value) in settings.unwrap_or_default() {
            let Some(flag) = flags(command).find(|flag| flag.get_long() == Some(&name) && flag.get_id() != super::FLAG) else {
                let names: Vec<&str> = flags(command).filter_map(clap::Arg::get_long).filter(|name| *name != super::FLAG).collect();
                return Err(format!("there is no setting {name:?}; there are {}", names.join(", ")));
            };
            let id = flag.get_id().as_str();
            let values = file.lower(id, value).map_err(|why| format!("{name}: {why}"))?;
            let many = matches!(flag.get_action(), clap::ArgAction::Append);
            if !many && values.len() != 1 {
                return Err(format!("{name}: one value is asked for, and {} are given", values.len()));
            }
            file.values.insert(id.to_owned(), values);
        }
        Ok(file)
    }

    fn lower(&mut self, id: &str, value: Value) -> Result<Vec<String>, String> {
        match (id, value) {
            (_, Value::Bool(value)) => Ok(vec![value.to_string()]),
            (_, Value::Number(value)) => Ok(vec![value.to_string()]),
            (_, Value::Text(value)) => Ok(vec![value]),
            (SELECTION, Value::Map(selections)) => Ok(selections.into_iter().map(|(sink, expression)| format!("{sink}={expression}")).collect()),
            (_, Value::Map(_)) => Err("a list or a single value is asked for".to_owned()),
            (_, Value::List(items)) => items.into_iter().map(|item| self.item(id, item)).collect(),
        }
    }

    fn item(&mut self, id: &str, item: Item) -> Result<String, String> {
        let mut members = match item {
            Item::Text(text) => return Ok(text),
            Item::Map(members) => members,
        };
        let lowered = match id {
            STORAGE => {
                let sink = members.remove("sink");
                let Some(name) = members.remove("name").or_else(|| sink.clone()) else { return Err("an entry has no name".to_owned()) };
                if let Some(expression) = members.remove(SELECTION) {
                    self.beside.push(format!("{name}={expression}"));
                }
                sink.map_or_else(|| name.clone(), |sink| if sink == name { sink } else { format!("{name}={sink}") })
            }
            REDACT => match (members.remove("name"), members.remove("pattern")) {
                (Some(name), Some(pattern)) => format!("{name}={pattern}"),
                _ => return Err("an entry needs name and pattern".to_owned()),
            },
            _ => return Err("a list of texts is asked for".to_owned()),
        };
        match members.keys().next() {
            Some(other) => Err(format!("an entry has {other:?}, which means nothing here")),
            None => Ok(lowered),
        }
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

    /// The command with the file's values in place of its defaults, and so below flags and environment.
    pub fn under(&self, command: Command) -> Command {
        let command = self.defaults(command, true);
        command.mut_subcommands(|task| self.subcommand(task))
    }

    fn subcommand(&self, task: Command) -> Command {
        let whole = task.get_arguments().any(|argument| argument.get_id() == STORAGE);
        self.defaults(task, whole).mut_subcommands(|inner| self.subcommand(inner))
    }

    fn defaults(&self, command: Command, whole: bool) -> Command {
        let ids: Vec<String> = flags(&command).map(|flag| flag.get_id().to_string()).filter(|id| whole || SHARED.contains(&id.as_str())).collect();
        ids.into_iter().filter(|id| self.has(id)).fold(command, |command, id| {
            let mut values = self.values.get(&id).cloned().unwrap_or_default();
            if id == SELECTION {
                values.extend(self.beside.iter().cloned());
            }
            command.mut_arg(id, |argument| {
                // A value of the file may have several lines; one of the environment is then split by nobody, but it isn't there.
                let lines = argument.get_value_delimiter() == Some('\n');
                let unset = argument.get_env().is_none_or(|name| std::env::var_os(name).is_none());
                let argument = if lines && unset { argument.value_delimiter(None) } else { argument };
                argument.default_values(values)
            })
        })
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
        assert_eq!(file.values.get("event_storage").unwrap(), &["stdout", "w=graphite"]);
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
