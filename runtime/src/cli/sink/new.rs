//! `kubedl-events sink new`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args as Flags, ValueEnum};

use crate::service::Exit;

mod templates {
    /// Paths, and what is in the files.
    type Files = &'static [(&'static str, &'static [u8])];

    include!(concat!(env!("OUT_DIR"), "/templates.rs"));
}

/// The name in the templates; also with underscores.
const NAME: &str = "my-sink";

/// `sink new`.
#[derive(Clone, Debug, Flags)]
pub struct New {
    /// Name of the sink: lower case letters, digits and -, a letter first
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: String,

    /// The language that it is to be written in
    #[arg(short, long, value_enum)]
    pub language: Language,

    /// The new folder [default: NAME]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// `--language`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// With rustup alone.
    Rust,
    /// With the plain Go compiler.
    Go,
    /// With componentize-py.
    Python,
    /// On QuickJS, with Node and npm to build it.
    Javascript,
    /// The same, with types.
    Typescript,
    /// With zig's C compiler.
    C,
}

fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let whole = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(plain)
        && !text.ends_with('-')
        && text.len() <= 40;
    if whole {
        Ok(text.to_owned())
    } else {
        Err("a name has lower case letters, digits and -, begins with a letter, and has 40 characters at most".to_owned())
    }
}

pub(super) fn run(flags: &New) -> anyhow::Result<Exit> {
    let name = &flags.name;
    let folder = flags.output.clone().unwrap_or_else(|| PathBuf::from(name));
    if folder
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some())
        || folder.is_file()
    {
        bail!(
            "{} is there already: name another place with --output",
            folder.display()
        );
    }
    let language = flags
        .language
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default();
    let files = templates::TEMPLATES
        .iter()
        .find(|(known, _)| *known == language)
        .map_or(&[][..], |(_, files)| files);
    for (path, bytes) in files {
        let to = folder.join(named(path, name));
        let told = || format!("cannot write {}", to.display());
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).with_context(told)?;
        }
        // The SDK is the same in every sink.
        let content = if path.starts_with("sdk/") {
            bytes.to_vec()
        } else {
            named(&String::from_utf8_lossy(bytes), name).into_bytes()
        };
        std::fs::write(&to, content).with_context(told)?;
    }
    say!(
        "{} files of a sink in {language}: a webhook of CloudEvents, to make yours of.",
        files.len()
    );
    say!(
        "Next: cd {}, and see its README.md: how to build, test and run it.",
        folder.display()
    );
    Ok(Exit::Stopped)
}

fn named(text: &str, name: &str) -> String {
    text.replace(NAME, name)
        .replace(&NAME.replace('-', "_"), &name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_a_template_with_what_each_sink_needs() {
        for language in Language::value_variants() {
            let language = language.to_possible_value().unwrap().get_name().to_owned();
            let (_, files) = templates::TEMPLATES
                .iter()
                .find(|(known, _)| *known == language)
                .unwrap();
            for needed in [
                "README.md",
                "my-sink.yaml",
                "cases.yaml",
                ".gitignore",
                "sdk/README.md",
            ] {
                assert!(
                    files.iter().any(|(path, _)| *path == needed),
                    "{language} has no {needed}"
                );
            }
        }
    }

    #[test]
    fn names_that_every_language_takes_are_taken() {
        assert!(
            ["loki", "my-sink2", "a"]
                .iter()
                .all(|text| name(text).is_ok())
        );
        assert!(
            ["", "My", "2a", "a_b", "a-", "-a", "a b", &"a".repeat(41)]
                .iter()
                .all(|text| name(text).is_err())
        );
    }

    #[test]
    fn both_spellings_of_the_name_are_replaced() {
        assert_eq!(
            named("my-sink.yaml my_sink.wasm", "to-loki"),
            "to-loki.yaml to_loki.wasm"
        );
    }
}
