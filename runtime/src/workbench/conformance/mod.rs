//! `kubedl-events sink test`: plays the destination and the host, and says where a sink doesn't do
//! what the contract asks of it.
//!
//! Each check takes a fresh instance and a destination that answers as the check wants it to
//! ([`destination`]); the gate judges the requests as in the service. Events carry marks
//! ([`events`]) by which they are known again in what was sent ([`traffic`]).

mod answering;
mod cases;
mod destination;
pub(crate) mod dummy;
mod enduring;
pub(crate) mod events;
mod finding;
mod granted;
mod report;
mod situation;
mod storing;
mod subject;
mod traffic;

use std::io::{IsTerminal, Write};
use std::time::Instant;

use anyhow::bail;
use clap::Args as Flags;

use crate::service::Exit;
use crate::service::settings::Format;
use crate::sink::Version;

use cases::Cases;
use finding::{Check, Finding, Kind, Outcome};

pub(crate) use granted::Grants;
pub(crate) use subject::Subject;

use crate::service::Folders;
use crate::workbench::{Described, load};

/// `sink test`.
#[derive(Clone, Debug, Flags)]
pub struct Test {
    /// A .wasm file, or the NAME of a sink in a sink folder
    #[arg(value_name = "SINK")]
    pub sink: String,

    /// Where its variables' values come from.
    #[command(flatten)]
    pub grants: Grants,

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

/// All checks but the sink's own cases, in the order in which they are made.
pub(crate) const CHECKS: [&Check; 22] = [
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

pub(crate) async fn run(flags: &Test) -> anyhow::Result<Exit> {
    if let Some(wrong) = flags
        .only
        .iter()
        .find(|only| !CHECKS.iter().any(|check| check.name == **only))
    {
        let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        bail!(
            "there is no check {wrong:?}; the checks are {}",
            names.join(", ")
        );
    }
    let began = Instant::now();
    let cases = flags.grants.cases()?;
    let Described {
        found, blueprint, ..
    } = load(&flags.sink, &flags.folders).await?;
    let (grant, success) = flags.grants.resolve(&found, &blueprint)?;
    let name = found.name;
    let bare = Version::ungranted(&name, blueprint.clone());
    let digest = blueprint.digest().to_string();
    // Answers of cases come in turn: so do their requests.
    let mut narrow = grant.clone();
    narrow.limits.http_width = 1;
    let ordered = Subject::new(
        Version::new(&name, blueprint.clone(), narrow)?,
        success.clone(),
    );
    let subject = Subject::new(Version::new(&name, blueprint, grant)?, success);
    let bare = bare.heard_by(subject.ear());
    if flags.format == Format::Text {
        say!("{name}  sha256 {digest}");
    }
    let found = checks(flags, &subject, bare, &ordered, &cases).await;
    let count = report::Count::of(&found);
    match flags.format {
        Format::Json => say_json!(
            "{:#}",
            report::as_json(subject.description(), &digest, &found)
        ),
        Format::Text => say!("{}", report::summary(count, began.elapsed())),
    }
    Ok(if count.failed == 0 {
        Exit::Stopped
    } else {
        Exit::NotConformant
    })
}

async fn checks(
    flags: &Test,
    subject: &Subject,
    bare: Version,
    ordered: &Subject,
    cases: &Cases,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let colours = report::colours();
    let mut say = |finding: Finding| {
        if flags.format == Format::Text {
            // Its colours are ours; what the sink said in it is shown as foreign text.
            println!("{}", report::line(&finding, colours));
        }
        found.push(finding);
    };
    let wanted =
        |check: &&&Check| flags.only.is_empty() || flags.only.iter().any(|only| only == check.name);
    for check in CHECKS.iter().filter(wanted) {
        say(check.found(one(flags, subject, check, &bare).await));
    }
    if flags.only.is_empty() {
        cases.run(ordered).await.into_iter().for_each(say);
    }
    found
}

async fn one(flags: &Test, subject: &Subject, check: &Check, bare: &Version) -> Outcome {
    match check.kind {
        Kind::Describe => storing::describe(subject),
        Kind::OpenWithoutEnv => storing::open_bare(subject, bare.clone()).await,
        Kind::Open => storing::open(subject).await,
        Kind::NoLoss => storing::no_loss(subject).await,
        Kind::LargeBatch => storing::large(subject).await,
        Kind::OddEvents => storing::odd(subject).await,
        Kind::Partial => answering::partial(subject).await,
        Kind::Again => answering::again(subject).await,
        Kind::Close => storing::close(subject).await,
        Kind::Memory => enduring::memory(subject, flags.batches, &progress(flags)).await,
        Kind::Secrets => enduring::secrets(subject, subject.secrets()),
        Kind::Hosts => enduring::hosts(subject),
        Kind::Answers(situations) => answering::check(subject, situations()).await,
    }
}

/// Shows on a terminal how far the longest check has come.
fn progress(flags: &Test) -> impl Fn(u64) {
    let shown = flags.format == Format::Text && std::io::stdout().is_terminal();
    let batches = flags.batches;
    move |number| {
        if shown && number.is_multiple_of(100) {
            let end = if number + 100 >= batches {
                "\r\x1b[K".to_owned()
            } else {
                format!("\r        memory: {number} of {batches} batches")
            };
            print!("{end}");
            let _ = std::io::stdout().flush();
        }
    }
}
