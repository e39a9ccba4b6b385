//! What a sink asks for: as a grant for a person to read and keep, beside what is granted, and
//! against another version's wishes.

use std::fmt::{self, Write};

use super::Document;
use super::destinations::Template;
use super::name::Name;
use crate::shown::shown;
use crate::sink::egress::host_pattern;
use crate::sink::{Description, Digest, EnvVar};

/// A grant that gives what a sink asks for, as YAML. What can't be granted stands in comments.
/// Whatever the sink says of itself, the text is a grant, and its comments stay comments.
pub fn suggest(description: &Description, digest: Digest, file: &str) -> String {
    let mut text = String::new();
    // Writing into a text can't fail.
    let _ = write(&mut text, description, digest, file);
    text
}

fn write(text: &mut String, description: &Description, digest: Digest, file: &str) -> fmt::Result {
    let Description {
        name,
        version,
        summary,
        ..
    } = description;
    writeln!(
        text,
        "# What the sink {} {} asks for; it says of itself: {}",
        shown(name),
        shown(version),
        shown(summary)
    )?;
    writeln!(
        text,
        "# Read it, take away what it should not have, and keep it as {}.yaml in a --grant-dir.",
        shown(file)
    )?;
    writeln!(text, "sha256: {digest}")?;
    let granted = write_variables(text, &description.env)?;
    write_hosts(text, &description.hosts, &granted)
}

/// Gives the names of those that can be granted.
fn write_variables<'a>(
    text: &mut String,
    variables: &'a [EnvVar],
) -> Result<Vec<&'a str>, fmt::Error> {
    let mut granted: Vec<&str> = Vec::new();
    let mut lines = String::new();
    for variable in variables {
        let mut words = vec![shown(&variable.help)];
        words.extend(
            variable
                .required
                .then(|| "The sink can't be opened without it.".to_owned()),
        );
        match Name::try_from(variable.name.clone()) {
            Ok(_) if granted.contains(&variable.name.as_str()) => writeln!(
                lines,
                "  # It asks for {} again: {}",
                variable.name,
                words.join(" ")
            )?,
            Ok(_) => {
                let name = plain(&variable.name);
                let optional = if variable.required {
                    ""
                } else {
                    ", optional: true"
                };
                let secret = if variable.secret {
                    ""
                } else {
                    ", secret: false"
                };
                writeln!(
                    lines,
                    "  # {}\n  {name}: {{from: {name}{secret}{optional}}}",
                    words.join(" ")
                )?;
                granted.push(variable.name.as_str());
            }
            Err(why) => writeln!(
                lines,
                "  # It asks for a variable that can't be granted: {}",
                shown(&why)
            )?,
        }
    }
    writeln!(
        text,
        "{}",
        if granted.is_empty() {
            "env: {}"
        } else {
            "env:"
        }
    )?;
    text.push_str(&lines);
    Ok(granted)
}

fn write_hosts(text: &mut String, wanted: &[String], granted: &[&str]) -> fmt::Result {
    let (mut hosts, mut lines) = (0, String::new());
    for host in wanted {
        let unknown = host_pattern::variables(host).find(|name| !granted.contains(name));
        match (Template::try_from(host.clone()), unknown) {
            (Ok(_), None) => {
                if host.contains("*.") {
                    writeln!(lines, "  # Every host with one label in place of the *:")?;
                }
                writeln!(lines, "  - {}", quoted(host))?;
                hosts += 1;
            }
            (Ok(_), Some(name)) => writeln!(
                lines,
                "  # It asks for {}, but not for the variable {}",
                shown(host),
                shown(name)
            )?,
            (Err(why), _) => writeln!(
                lines,
                "  # It asks for a host that can't be granted: {}",
                shown(&why)
            )?,
        }
    }
    writeln!(text, "{}", if hosts == 0 { "http: []" } else { "http:" })?;
    text.push_str(&lines);
    if hosts > 0 {
        writeln!(
            text,
            "# Where one of these has a private address and is no Service of this cluster: private: true, or private: [NETWORK]"
        )?;
    }
    Ok(())
}

/// Between quotes where YAML would read something else than a text, as `null`, `no` or `y`.
fn plain(name: &str) -> String {
    let short = matches!(
        name.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    if short { quoted(name) } else { name.to_owned() }
}

/// As a YAML text between quotes; JSON's are YAML's, too (YAML 1.2, section 1.3).
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One wish of a sink, and whether its grant fulfils it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// `env` or `http`.
    pub kind: &'static str,
    /// The variable, or the destination.
    pub name: String,
    /// Whether the sink can't be opened without it; never for a destination.
    pub required: bool,
    /// Whether the sink asks for it at all, or has it without asking.
    pub asked: bool,
    /// Whether the grant gives it.
    pub granted: bool,
}

/// What a sink asks for beside what is granted. Values are not looked at: destinations are compared
/// as they are written.
pub fn compare(description: &Description, grant: &Document) -> Vec<Wish> {
    let mut wishes = Vec::new();
    let (names, hosts): (Vec<&str>, Vec<&str>) = (grant.names().collect(), grant.hosts().collect());
    for variable in &description.env {
        let (name, required, granted) = (
            variable.name.clone(),
            variable.required,
            names.contains(&variable.name.as_str()),
        );
        wishes.push(Wish {
            kind: "env",
            name,
            required,
            asked: true,
            granted,
        });
    }
    for host in &description.hosts {
        wishes.push(Wish {
            kind: "http",
            name: host.clone(),
            required: false,
            asked: true,
            granted: hosts.contains(&host.as_str()),
        });
    }
    let unasked = |kind, name: &str| Wish {
        kind,
        name: name.to_owned(),
        required: false,
        asked: false,
        granted: true,
    };
    let asked = |name: &&&str| {
        !description
            .env
            .iter()
            .any(|variable| variable.name == **name)
    };
    wishes.extend(names.iter().filter(asked).map(|name| unasked("env", name)));
    wishes.extend(
        hosts
            .iter()
            .filter(|host| !description.hosts.iter().any(|asked| asked == **host))
            .map(|host| unasked("http", host)),
    );
    wishes
}

/// One difference between what two versions of a sink ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// True for what the new one wants more, so that somebody must look at its grant.
    pub more: bool,
    /// For a person.
    pub words: String,
}

/// What a new version asks for, against an old one; `imports` are the interfaces that each of them
/// uses.
pub fn differ(old: (&Description, &[String]), new: (&Description, &[String])) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut say = |more: bool, words: String| found.push(Difference { more, words });
    for variable in &new.0.env {
        let Some(before) = old.0.env.iter().find(|before| before.name == variable.name) else {
            let required = if variable.required {
                "required"
            } else {
                "optional"
            };
            say(
                true,
                format!("env {} ({required}): {}", variable.name, variable.help),
            );
            continue;
        };
        if variable.required && !before.required {
            say(true, format!("env {} is required now", variable.name));
        }
        if before.secret && !variable.secret {
            say(
                true,
                format!("env {} is no longer said to be secret", variable.name),
            );
        }
    }
    for variable in old.0.env.iter().filter(|before| {
        !new.0
            .env
            .iter()
            .any(|variable| variable.name == before.name)
    }) {
        say(false, format!("env {}", variable.name));
    }
    for (kind, old, new) in [
        ("http", &*old.0.hosts, &*new.0.hosts),
        ("import", old.1, new.1),
    ] {
        new.iter()
            .filter(|name| !old.contains(name))
            .for_each(|name| say(true, format!("{kind} {name}")));
        old.iter()
            .filter(|name| !new.contains(name))
            .for_each(|name| say(false, format!("{kind} {name}")));
    }
    found
}
