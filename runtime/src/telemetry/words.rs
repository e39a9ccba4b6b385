//! A status in words, a line each, for people.

use std::time::Duration;

use crate::shown::shown;

use super::{FailingStatus, FileStatus, JournalStatus, ScopeStatus, SinkStatus, Status};

/// The whole: a line for the process, each scope and the journal, then a table of sinks.
pub fn words(status: &Status) -> Vec<String> {
    let mut lines = vec![head(status)];
    lines.extend(
        status
            .not_ready
            .iter()
            .map(|(check, why)| format!("not ready: {check}: {}", shown(why))),
    );
    lines.extend(status.scopes.iter().map(scope));
    lines.extend(status.journal.iter().map(journal));
    lines.extend(sinks(&status.sinks));
    lines
}

fn head(status: &Status) -> String {
    let Status {
        version,
        uptime_seconds,
        role,
        holder,
        ..
    } = status;
    let role = match holder {
        Some(holder) => format!("standing by, {holder} delivers"),
        None if role == "alone" => "delivering".to_owned(),
        None => role.clone(),
    };
    let ready = if status.not_ready.is_empty() {
        "ready"
    } else {
        "not ready"
    };
    format!(
        "kubedl-events {version}: {ready}, {role}, up {}",
        time(*uptime_seconds)
    )
}

fn scope(scope: &ScopeStatus) -> String {
    let ScopeStatus {
        scope: name,
        events,
        losses,
        trouble,
        checkpoint_age_seconds,
        ..
    } = scope;
    let name = if name == "*" {
        "all namespaces".to_owned()
    } else {
        format!("namespace {name}")
    };
    let mut line = format!("watch of {name}: {} seen", count(*events, "event"));
    if let Some(age) = checkpoint_age_seconds {
        line += &format!(", whole until {} ago", time(*age));
    }
    if *losses > 0 {
        line += &format!(", sight lost {}", count(*losses, "time"));
    }
    match trouble {
        Some(why) => format!("{line}; NOTHING IS SEEN: {}", shown(why)),
        None => line,
    }
}

fn journal(journal: &JournalStatus) -> String {
    let JournalStatus {
        stored,
        known,
        dropped,
        unreadable,
        trouble,
        limit_bytes,
        file,
        ..
    } = journal;
    let filtered: u64 = dropped.values().sum();
    let mut line = format!("journal: {stored} kept, {filtered} filtered, {known} seen again");
    if *unreadable > 0 {
        line += &format!(", {unreadable} unreadable");
    }
    if let Some(FileStatus {
        size_bytes,
        full_in_seconds,
        gaps_possible,
        gaps_certain,
        ..
    }) = file
    {
        line += &format!("; {}", size(*size_bytes));
        line += &limit_bytes
            .map(|limit| format!(" of {}", size(limit)))
            .unwrap_or_default();
        line += &full_in_seconds
            .map(|seconds| format!(", full in {}", time(seconds)))
            .unwrap_or_default();
        let gaps = gaps_possible + gaps_certain;
        if gaps > 0 {
            line += &format!("; {}: see `kubedl-events gaps`", count(gaps, "gap"));
        }
    }
    match trouble {
        Some(why) => format!("{line}; NOTHING CAN BE STORED: {}", shown(why)),
        None => line,
    }
}

/// A table, with remarks below the line of a sink.
fn sinks(sinks: &[SinkStatus]) -> Vec<String> {
    let rows = rows(sinks);
    let mut widths = [0; 6];
    for row in &rows {
        widths
            .iter_mut()
            .zip(row)
            .for_each(|(width, cell)| *width = cell.chars().count().max(*width));
    }
    let mut lines = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        lines.push(cells.join("  ").trim_end().to_owned());
        if let Some(sink) = place.checked_sub(1).and_then(|place| sinks.get(place)) {
            lines.extend(remarks(sink));
        }
    }
    lines
}

/// The head, and a row a sink.
fn rows(sinks: &[SinkStatus]) -> Vec<[String; 6]> {
    let mut rows = vec![
        [
            "sink",
            "state",
            "delivered",
            "to deliver",
            "lag",
            "dead letters",
        ]
        .map(str::to_owned),
    ];
    rows.extend(sinks.iter().map(|sink| {
        let unknown = || "?".to_owned();
        [
            sink.sink.clone(),
            sink.state.clone(),
            sink.delivered.to_string(),
            sink.backlog
                .map_or_else(unknown, |backlog| backlog.to_string()),
            sink.lag_seconds.map_or_else(unknown, |lag| {
                if lag > 0.0 { time(lag) } else { "-".to_owned() }
            }),
            sink.dead_letters
                .map_or_else(unknown, |letters| letters.to_string()),
        ]
    }));
    rows
}

/// What is wrong with a sink.
fn remarks(sink: &SinkStatus) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(
        sink.failing
            .as_ref()
            .filter(|failing| !failing.over)
            .map(fails),
    );
    lines.extend(
        sink.blocked
            .as_ref()
            .map(|why| format!("  waits for the journal: {}", shown(why))),
    );
    if let Some(held_back) = sink.held_back.filter(|held_back| *held_back > 0) {
        let what = count(held_back, "event");
        lines.push(format!("  {what} not stored while others are, and tried again beside them: see `kubedl-events dead-letters list`"));
    }
    if sink.reloads_refused > 0 {
        lines.push(format!(
            "  {} refused since the start: the log says why",
            count(sink.reloads_refused, "new version")
        ));
    }
    lines
}

fn fails(failing: &FailingStatus) -> String {
    let FailingStatus {
        reason,
        times,
        since_seconds,
        ..
    } = failing;
    format!(
        "  fails since {} ({}): {}",
        time(*since_seconds),
        count(*times, "time"),
        shown(reason)
    )
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The two largest units.
fn time(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds)
        .unwrap_or(Duration::MAX)
        .as_secs();
    match whole {
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..172_800 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} days", whole / 86_400),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
