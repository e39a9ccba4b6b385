//! `kubedl-events egress`: which requests the sinks of the running service sent.

use anyhow::bail;
use serde_json::json;

use crate::shown::shown;
use crate::sink::Exchange;

use super::gaps::when;
use super::tasks::Egress;

use crate::service::Exit;
use crate::service::control;
use crate::service::settings::Format;

pub(super) fn run(task: &Egress) -> anyhow::Result<Exit> {
    let Egress::List { sink, look } = task;
    let Some(mut sent) = control::ask_egress(&look.data_dir)? else {
        bail!(
            "no service runs with {}: what was sent is known to the service alone, while it runs",
            look.data_dir.display()
        );
    };
    if let Some(sink) = sink {
        let known = sent.keys().cloned().collect::<Vec<_>>().join(", ");
        sent.retain(|name, _| name == sink);
        if sent.is_empty() {
            bail!("the service has no sink {sink:?} that is ready: it has {known}");
        }
    }
    let mut all: Vec<(&String, &Exchange)> = sent
        .iter()
        .flat_map(|(sink, exchanges)| exchanges.iter().map(move |exchange| (sink, exchange)))
        .collect();
    all.sort_by_key(|(_, exchange)| exchange.at);
    match look.format {
        Format::Json => say_json!(
            "{:#}",
            all.iter()
                .map(|(sink, exchange)| as_json(sink, exchange))
                .collect::<serde_json::Value>()
        ),
        Format::Text if all.is_empty() => say!("No request was sent since the start."),
        Format::Text => all
            .iter()
            .for_each(|(sink, exchange)| print(sink, exchange)),
    }
    Ok(Exit::Stopped)
}

fn as_json(sink: &str, exchange: &Exchange) -> serde_json::Value {
    let Exchange {
        at,
        batch,
        method,
        scheme,
        host,
        port,
        address,
        sent,
        received,
        result,
        milliseconds,
    } = exchange;
    json!({
        "at": when(*at), "sink": sink, "batch": batch, "method": method, "scheme": scheme, "host": host, "port": port, "address": address,
        "sent": sent, "received": received, "result": result, "milliseconds": milliseconds,
    })
}

fn print(sink: &str, exchange: &Exchange) {
    let Exchange {
        at,
        batch,
        method,
        scheme,
        host,
        port,
        address,
        sent,
        received,
        result,
        milliseconds,
    } = exchange;
    let address = address.map_or_else(|| "?".to_owned(), |address| address.to_string());
    let [sink, method, host, result] = [sink, method, host, result].map(|text: &str| shown(text));
    say!(
        "{}  {sink}  batch {batch}  {method} {scheme}://{host}:{port} ({address})  {result}  {sent} bytes sent, {received} received, {milliseconds} ms",
        when(*at)
    );
}
