//! `kubedl-events sink test`: plays the destination and the host, and says where a sink doesn't do what the contract asks of it.
//!
//! Each check takes a fresh instance and a destination that answers as the check wants it to ([`destination`]); the gate judges the requests as in
//! the service. Events carry marks ([`events`]) by which they are known again in what was sent ([`traffic`]).

mod answering;
mod cases;
mod destination;
mod dummy;
mod enduring;
mod events;
mod finding;
mod report;
mod storing;
mod subject;
mod traffic;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args as Flags;

use crate::cli::args::Format;
use crate::cli::exit::Exit;
use crate::sink::grant::{self, Document, wish};
use crate::sink::{Blueprint, Version};

use cases::Cases;
use finding::{Check, Finding, Outcome};
use subject::Subject;

use super::{Folders, load};

/// `sink test`.
#[derive(Clone, Debug, Flags)]
pub struct Test {
    /// A .wasm file, or the NAME of a sink in a sink folder
    #[arg(value_name = "SINK")]
    pub sink: String,

    /// Cases of the sink's own, and values of its variables
    #[arg(long, value_name = "FILE.yaml")]
    pub cases: Option<PathBuf>,

    /// A value of a variable; may be repeated [default: the one in --cases; made up for those that the sink requires]
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub env: Vec<(String, String)>,

    /// Its grant [default: what it asks for]
    #[arg(long, value_name = "FILE.yaml")]
    pub grant: Option<PathBuf>,

    /// Only this check; may be repeated
    #[arg(long, value_name = "CHECK")]
    pub only: Vec<String>,

    /// How many batches the check `memory` hands over, of ten events each
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    pub batches: u64,

    /// Where sinks and grants lie.
    #[command(flatten)]
    pub folders: Folders,

    /// For people, or for machines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// All checks but the sink's own cases, in the order in which they are made.
const CHECKS: [&Check; 22] = [
    &storing::DESCRIBE,
    &storing::OPEN_BARE,
    &storing::OPEN,
    &storing::NO_LOSS,
    &storing::LARGE,
    &storing::ODD,
    &answering::TOO_MANY,
    &answering::SERVER,
    &answering::CLIENT,
    &answering::CREDENTIALS,
    &answering::NOT_FOUND,
    &answering::REDIRECT,
    &answering::CUT,
    &answering::SLOW,
    &answering::UNREACHABLE,
    &answering::STRANGE,
    &answering::PARTIAL,
    &answering::AGAIN,
    &storing::CLOSE,
    &enduring::MEMORY,
    &enduring::SECRETS,
    &enduring::HOSTS,
];

pub(super) async fn run(flags: &Test) -> anyhow::Result<Exit> {
    if let Some(wrong) = flags.only.iter().find(|only| !CHECKS.iter().any(|check| check.name == **only)) {
        let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        bail!("there is no check {wrong:?}; the checks are {}", names.join(", "));
    }
    let began = Instant::now();
    let cases = flags.cases.as_deref().map(Cases::read).transpose()?.unwrap_or_default();
    let loaded = load(&flags.sink, &flags.folders).await?;
    let (name, blueprint) = (loaded.found.name.clone(), loaded.blueprint);
    let granted = flags.grant.as_ref().or(loaded.found.grant.as_ref());
    let grant = grant(flags, granted, &cases, &name, &blueprint)?;
    let bare = Version::ungranted(&name, blueprint.clone());
    let digest = blueprint.digest().to_string();
    let subject = Subject::new(Version::new(&name, blueprint, grant)?, cases.success());
    let bare = bare.heard_by(subject.ear());
    if flags.format == Format::Text {
        println!("{name}  sha256 {digest}");
    }
    let found = checks(flags, &subject, bare, &cases).await;
    let count = report::Count::of(&found);
    match flags.format {
        Format::Json => println!("{:#}", report::as_json(subject.description(), &digest, &found)),
        Format::Text => println!("{}", report::summary(count, began.elapsed())),
    }
    Ok(if count.failed == 0 { Exit::Stopped } else { Exit::NotConformant })
}

async fn checks(flags: &Test, subject: &Subject, bare: Version, cases: &Cases) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut bare = Some(bare);
    let colours = report::colours();
    let mut say = |finding: Finding| {
        if flags.format == Format::Text {
            println!("{}", report::line(&finding, colours));
        }
        found.push(finding);
    };
    let wanted = |check: &&&Check| flags.only.is_empty() || flags.only.iter().any(|only| only == check.name);
    for check in CHECKS.iter().filter(wanted) {
        say(check.found(one(flags, subject, check, bare.take_if(|_| check.name == storing::OPEN_BARE.name)).await));
    }
    if flags.only.is_empty() {
        cases.run(subject).await.into_iter().for_each(say);
    }
    found
}

async fn one(flags: &Test, subject: &Subject, check: &Check, bare: Option<Version>) -> Outcome {
    match (check.name, bare) {
        ("describe", _) => storing::describe(subject),
        ("open-without-env", Some(bare)) => storing::open_bare(subject, bare).await,
        ("open", _) => storing::open(subject).await,
        ("no-loss", _) => storing::no_loss(subject).await,
        ("large-batch", _) => storing::large(subject).await,
        ("odd-events", _) => storing::odd(subject).await,
        ("partial", _) => answering::partial(subject).await,
        ("again", _) => answering::again(subject).await,
        ("close", _) => storing::close(subject).await,
        ("memory", _) => enduring::memory(subject, flags.batches, &progress(flags)).await,
        ("secrets", _) => enduring::secrets(subject, subject.secrets()),
        ("hosts", _) => enduring::hosts(subject),
        _ => answering::check(subject, check).await,
    }
}

/// Shows on a terminal how far the longest check has come.
fn progress(flags: &Test) -> impl Fn(u64) {
    let shown = flags.format == Format::Text && std::io::stdout().is_terminal();
    let batches = flags.batches;
    move |number| {
        if shown && number.is_multiple_of(100) {
            let end = if number + 100 >= batches { "\r\x1b[K".to_owned() } else { format!("\r        memory: {number} of {batches} batches") };
            print!("{end}");
            let _ = std::io::stdout().flush();
        }
    }
}

/// What the sink is granted: the operator's grant, or all that it asks for; with made-up values where none is given.
fn grant(flags: &Test, path: Option<&PathBuf>, cases: &Cases, name: &str, blueprint: &Blueprint) -> anyhow::Result<grant::Grant> {
    let document = match path {
        Some(path) => Document::read(path)?,
        None => Document::parse(&wish::suggest(blueprint.description(), blueprint.digest(), name))
            .map_err(|why| anyhow::anyhow!("no grant can be made of what the sink asks for: {why}"))?,
    };
    let given: BTreeMap<&str, &str> = cases
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain(flags.env.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .collect();
    let description = blueprint.description();
    let lookup = |name: &str| {
        let made_up =
            || description.env.iter().find(|variable| variable.name == name && variable.required).map(|variable| dummy::value(variable, description));
        given.get(name).map(|value| (*value).to_owned()).or_else(made_up)
    };
    if let Some(unknown) = given.keys().find(|name| !document.names().any(|granted| granted == **name)) {
        bail!("the variable {unknown} is given, but the sink doesn't ask for it, or its grant doesn't give it");
    }
    document.resolve(name, path.map(PathBuf::as_path), &lookup).context("the sink's variables have no values that fit; give them by --env NAME=VALUE")
}
