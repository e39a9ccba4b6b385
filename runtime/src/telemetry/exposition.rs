//! The text format of Prometheus (version 0.0.4): it is all that a library for metrics would still
//! have to do.

use std::fmt::Write;

use crate::relay::Counted;

use super::Status;
use super::metrics::{METRICS, Metric, Value};

/// What Prometheus reads.
pub fn page(status: &Status) -> String {
    let mut page = String::new();
    for metric in METRICS {
        let Metric {
            name,
            kind,
            labels,
            help,
            read,
        } = metric;
        let mut samples = String::new();
        read(status, &mut |values, value| match value {
            Value::Number(number) => sample(&mut samples, name, "", labels, values, None, number),
            Value::Counted(counted) => histogram(&mut samples, name, labels, values, counted),
        });
        if !samples.is_empty() {
            let _ = write!(
                page,
                "# HELP {name} {help}.\n# TYPE {name} {}\n{samples}",
                kind.name()
            );
        }
    }
    page
}

fn histogram(page: &mut String, name: &str, labels: &[&str], values: &[&str], counted: &Counted) {
    for (bound, count) in &counted.buckets {
        sample(
            page,
            name,
            "_bucket",
            labels,
            values,
            Some(&bound.to_string()),
            *count as f64,
        );
    }
    sample(
        page,
        name,
        "_bucket",
        labels,
        values,
        Some("+Inf"),
        counted.count as f64,
    );
    sample(page, name, "_sum", labels, values, None, counted.sum);
    sample(
        page,
        name,
        "_count",
        labels,
        values,
        None,
        counted.count as f64,
    );
}

fn sample(
    page: &mut String,
    name: &str,
    suffix: &str,
    labels: &[&str],
    values: &[&str],
    bound: Option<&str>,
    number: f64,
) {
    let pairs = labels
        .iter()
        .copied()
        .zip(values.iter().copied())
        .chain(bound.map(|bound| ("le", bound)));
    let pairs: Vec<String> = pairs
        .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
        .collect();
    let labels = if pairs.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", pairs.join(","))
    };
    let _ = writeln!(page, "{name}{suffix}{labels} {number}");
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
