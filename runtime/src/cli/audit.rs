//! `kubedl-events audit`: what the API server has, against the journal.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::{self, Listed, Scope, is_before};
use crate::event;
use crate::filter::Select;
use crate::journal::{Fate, Gap, Origin, Position, Reader, Standing, covers as covers_version};
use crate::relay::Item;
use crate::shown::shown;

use super::tasks::Audit;

use crate::service::Exit;
use crate::service::control;
use crate::service::settings::Format;
use crate::service::stop_signal;

/// Examples of each kind that are shown.
const EXAMPLES: usize = 10;

/// What became of one version of one event, for one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// At the destination, by its own word.
    Stored,
    /// Dropped by the filter.
    Filtered,
    /// Not selected for this sink.
    Unselected,
    /// From before this journal, which began where the Lease said that others had come to.
    Before,
    /// In the journal, still to be delivered.
    Pending,
    /// The sink won't have it.
    DeadLetter,
    /// Never seen, or given up, and a gap says so.
    InGap,
    /// Never seen, and nothing says why.
    Missing,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Filtered => "filtered",
            Self::Unselected => "not selected",
            Self::Before => "settled before",
            Self::Pending => "pending",
            Self::DeadLetter => "dead letters",
            Self::InGap => "in a gap",
            Self::Missing => "missing",
        }
    }
}

/// Whether a gap covers a resource version, for a sink or for all.
pub(super) fn covers(gap: &Gap, version: &str, sink: &str) -> bool {
    let for_this = gap.sink.as_deref().is_none_or(|name| name == sink);
    let after = gap
        .since_version
        .as_deref()
        .is_none_or(|since| is_before(version, since) == Some(false));
    let before = gap
        .until_version
        .as_deref()
        .is_none_or(|until| is_before(until, version) == Some(false));
    for_this && after && before
}

/// Whether a journal begins for a sink after a version of an event in a namespace.
fn begins_after(origin: &Origin, sink: &str, namespace: &str, version: &str) -> bool {
    let of_this =
        origin.sink == sink && (origin.scope == Scope::All.key() || origin.scope == namespace);
    of_this && covers_version(&origin.resource_version, version)
}

/// Judges one event for one sink; `before` is whether the journal begins after it, `letter` its
/// dead letter, and whether that is to be tried again. Pure.
pub(super) fn judge(
    fate: &Fate,
    version: &str,
    sink: &Standing,
    before: bool,
    letter: Option<bool>,
    gaps: &[Gap],
) -> Verdict {
    let in_gap = |own: bool| {
        gaps.iter()
            .any(|gap| gap.sink.is_some() == own && covers(gap, version, &sink.sink))
    };
    match fate {
        Fate::Unknown if in_gap(false) => Verdict::InGap,
        Fate::Unknown if before => Verdict::Before,
        Fate::Unknown => Verdict::Missing,
        Fate::Dropped { .. } => Verdict::Filtered,
        Fate::Kept { .. } if letter == Some(true) => Verdict::Pending,
        Fate::Kept { .. } if letter.is_some() => Verdict::DeadLetter,
        Fate::Kept { position, .. } if *position > sink.position => Verdict::Pending,
        Fate::Kept { .. } if in_gap(true) => Verdict::InGap,
        Fate::Kept { .. } => Verdict::Stored,
    }
}

/// Compiled selections, by their texts.
#[derive(Default)]
struct Selects(HashMap<String, Option<Select>>);

impl Selects {
    /// Whether a kept event was for a sink at all. Yes where the row is gone, or the selection
    /// means nothing to this program.
    fn admit(&mut self, reader: &Reader, sink: &str, fate: &Fate) -> anyhow::Result<bool> {
        let Fate::Kept {
            position,
            there: true,
        } = fate
        else {
            return Ok(true);
        };
        let text = reader.selection(sink, *position)?;
        if text.is_empty() {
            return Ok(true);
        }
        let select = self
            .0
            .entry(text)
            .or_insert_with_key(|text| Select::compile(text).ok());
        let (Some(select), Some(row)) = (select, reader.row(*position)?) else {
            return Ok(true);
        };
        let Ok(item) = Item::from_row(row, &event::Options::default()) else {
            return Ok(true);
        };
        Ok(select.admits(&item.event).unwrap_or(true))
    }
}

/// Counts and examples, by sink.
type Account = BTreeMap<String, BTreeMap<Verdict, (u64, Vec<String>)>>;

pub(super) async fn run(args: &Audit) -> anyhow::Result<Exit> {
    let reader = Reader::open(&args.look.data_dir)?;
    let mut options = args.cluster_flags.options();
    if args.cluster_flags.namespace.is_empty() {
        options.scopes = watched(&args.look.data_dir, &reader)?;
    }
    let Some((listed, at)) = in_time(&options, args.timeout, list(&options)).await? else {
        let seconds = args.timeout.as_secs();
        note!(
            "--timeout ({seconds} s) passed before the API server had shown its events. Where the kubeconfig has a credential plugin, see that it ends."
        );
        return Ok(Exit::TimedOut);
    };
    let until = Instant::now() + args.wait;
    let mut told = false;
    let account = loop {
        let account = compare(&reader, &listed)?;
        let open = account.values().any(|sink| {
            sink.contains_key(&Verdict::Missing) || sink.contains_key(&Verdict::Pending)
        });
        if !open || Instant::now() >= until {
            break account;
        }
        if !std::mem::replace(&mut told, true) {
            let wait = args.wait.as_secs();
            note!(
                "Not all of it is in the journal and delivered yet: waiting for up to {wait} s, as --wait says."
            );
        }
        sleep(Duration::from_millis(500)).await;
    };
    match args.look.format {
        Format::Text => print(&account, &at, listed.len()),
        Format::Json => say_json!("{:#}", as_json(&account, &at, listed.len())),
    }
    Ok(exit(&account))
}

/// Every event of the cluster that is watched, and as of when, for people.
async fn list(options: &cluster::Options) -> anyhow::Result<(Vec<Listed>, Vec<String>)> {
    let client = cluster::connect(options).await?;
    let (mut listed, mut at) = (Vec::new(), Vec::new());
    for scope in &options.scopes {
        let (version, events) = cluster::inventory(&client, scope, options.page).await?;
        at.push(format!("{scope} at resource version {version}"));
        listed.extend(events);
    }
    Ok((listed, at))
}

/// Does something with a cluster; none where it is not done in time. A credential plugin that hangs
/// ends with it, by a signal, too.
async fn in_time<T>(
    options: &cluster::Options,
    limit: Duration,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<Option<T>> {
    let mut stop = stop_signal()?;
    let done = tokio::select! {
        done = timeout(limit, work) => done.ok().transpose(),
        _ = stop.wait_for(|stop| *stop) => Err(anyhow!("stopped by a signal")),
    };
    options.access.close();
    done
}

/// What is watched: by the service that runs, else by those that wrote the journal.
fn watched(data_dir: &Path, reader: &Reader) -> anyhow::Result<Vec<Scope>> {
    let running = control::ask_status(data_dir)
        .ok()
        .flatten()
        .map(|status| status.scopes.into_iter().map(|scope| scope.scope).collect());
    let keys: Vec<String> = running
        .filter(|keys: &Vec<String>| !keys.is_empty())
        .map_or_else(|| reader.scopes(), Ok)?;
    if keys.is_empty() || keys.iter().any(|key| key == Scope::All.key()) {
        return Ok(vec![Scope::All]);
    }
    Ok(keys.into_iter().map(Scope::Namespace).collect())
}

fn compare(reader: &Reader, listed: &[Listed]) -> anyhow::Result<Account> {
    let (gaps, origins) = (reader.gaps()?, reader.origins()?);
    let mut sinks: Vec<Standing> = reader
        .standings()?
        .into_iter()
        .filter(|sink| sink.active)
        .collect();
    if sinks.is_empty() {
        // Nothing was ever delivered, but the journal can be judged.
        sinks.push(Standing {
            sink: "(no sink)".to_owned(),
            position: Position::MAX,
            active: true,
        });
    }
    let mut account = Account::new();
    let mut selects = Selects::default();
    for event in listed {
        let fate = reader.fate(&event.uid, &event.resource_version)?;
        for sink in &sinks {
            let letter = if let Fate::Kept { position, .. } = fate {
                reader.letter_of(&sink.sink, position)?
            } else {
                None
            };
            let before = origins.iter().any(|origin| {
                begins_after(
                    origin,
                    &sink.sink,
                    &event.namespace,
                    &event.resource_version,
                )
            });
            let verdict = match judge(&fate, &event.resource_version, sink, before, letter, &gaps) {
                Verdict::Stored if !selects.admit(reader, &sink.sink, &fate)? => {
                    Verdict::Unselected
                }
                verdict => verdict,
            };
            let (count, examples) = account
                .entry(sink.sink.clone())
                .or_default()
                .entry(verdict)
                .or_default();
            *count += 1;
            if examples.len() < EXAMPLES
                && !matches!(
                    verdict,
                    Verdict::Stored | Verdict::Filtered | Verdict::Unselected | Verdict::Before
                )
            {
                examples.push(format!(
                    "{}/{} (uid {}, resource version {})",
                    event.namespace, event.name, event.uid, event.resource_version
                ));
            }
        }
    }
    Ok(account)
}

/// The worst of all decides.
fn exit(account: &Account) -> Exit {
    let worst = account
        .values()
        .filter_map(|sink| sink.keys().max())
        .max()
        .copied();
    match worst {
        Some(Verdict::Missing) => Exit::Missing,
        Some(Verdict::DeadLetter | Verdict::InGap) => Exit::NotAllStored,
        Some(Verdict::Pending) => Exit::Pending,
        Some(Verdict::Stored | Verdict::Filtered | Verdict::Unselected | Verdict::Before)
        | None => Exit::Stopped,
    }
}

fn print(account: &Account, at: &[String], events: usize) {
    say!("{events} events in the API server, {}", at.join(", "));
    for (sink, verdicts) in account {
        let counts: Vec<String> = verdicts
            .iter()
            .map(|(verdict, (count, _))| format!("{count} {}", verdict.word()))
            .collect();
        say!("{sink}: {}", counts.join(", "));
        for (verdict, (count, examples)) in verdicts {
            for example in examples {
                say!("  {}: {}", verdict.word(), shown(example));
            }
            if *count > examples.len() as u64 && !examples.is_empty() {
                say!(
                    "  {}: and {} more",
                    verdict.word(),
                    *count - examples.len() as u64
                );
            }
        }
    }
}

fn as_json(account: &Account, at: &[String], events: usize) -> serde_json::Value {
    let sinks: BTreeMap<&String, BTreeMap<String, serde_json::Value>> = account
        .iter()
        .map(|(sink, verdicts)| {
            let verdicts = verdicts.iter().map(|(verdict, (count, examples))| {
                (
                    verdict.word().replace(' ', "_"),
                    json!({ "count": count, "examples": examples }),
                )
            });
            (sink, verdicts.collect())
        })
        .collect();
    json!({ "events": events, "lists": at, "sinks": sinks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(sink: Option<&str>, since: Option<&str>, until: Option<&str>) -> Gap {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let reason = String::new();
        Gap {
            id: 1,
            scope: None,
            sink: text(sink),
            since: None,
            until: None,
            since_version: text(since),
            until_version: text(until),
            certain: true,
            reason,
        }
    }

    #[test]
    fn each_event_has_exactly_the_verdict_that_the_journal_supports() {
        let sink = Standing {
            sink: "s".to_owned(),
            position: 10,
            active: true,
        };
        let kept = |position| Fate::Kept {
            position,
            there: true,
        };
        let (own, all) = (
            gap(Some("s"), Some("5"), Some("7")),
            gap(None, Some("5"), Some("7")),
        );
        for (fate, version, letter, gaps, verdict) in [
            (kept(10), "6", None, vec![], Verdict::Stored),
            (kept(11), "6", None, vec![], Verdict::Pending),
            (kept(10), "6", Some(false), vec![], Verdict::DeadLetter),
            (kept(10), "6", Some(true), vec![], Verdict::Pending),
            (kept(10), "6", None, vec![own.clone()], Verdict::InGap),
            (kept(10), "8", None, vec![own.clone()], Verdict::Stored),
            (
                kept(10),
                "6",
                None,
                vec![gap(Some("t"), None, None)],
                Verdict::Stored,
            ),
            (kept(10), "6", None, vec![all.clone()], Verdict::Stored),
            (
                Fate::Dropped {
                    rule: "r".to_owned(),
                },
                "6",
                None,
                vec![],
                Verdict::Filtered,
            ),
            (Fate::Unknown, "6", None, vec![all.clone()], Verdict::InGap),
            (Fate::Unknown, "6", None, vec![own], Verdict::Missing),
            (Fate::Unknown, "9", None, vec![all], Verdict::Missing),
        ] {
            assert_eq!(
                judge(&fate, version, &sink, false, letter, &gaps),
                verdict,
                "{fate:?} at {version}, {gaps:?}"
            );
        }
        assert_eq!(
            judge(&Fate::Unknown, "6", &sink, true, None, &[]),
            Verdict::Before
        );
        assert_eq!(
            judge(&kept(10), "6", &sink, true, None, &[]),
            Verdict::Stored
        );
    }

    #[test]
    fn a_journal_begins_after_what_the_lease_said_of_the_same_sink_and_scope() {
        let origin = |scope: &str| Origin {
            scope: scope.to_owned(),
            sink: "s".to_owned(),
            resource_version: "10".to_owned(),
        };
        for (scope, sink, namespace, version, before) in [
            ("*", "s", "train", "9", true),
            ("*", "s", "train", "10", true),
            ("*", "s", "train", "11", false),
            ("*", "t", "train", "9", false),
            ("train", "s", "train", "9", true),
            ("train", "s", "serve", "9", false),
        ] {
            assert_eq!(
                begins_after(&origin(scope), sink, namespace, version),
                before,
                "{scope} {sink} {namespace} {version}"
            );
        }
    }
}
