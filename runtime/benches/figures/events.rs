//! Events as a cluster writes them, straight into a journal.

use kubedl_events::journal::{Batch, Entry, Journal, Kept};

use crate::Done;

/// What differs between measurements.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Kubelets, each a source of its own at SLS.
    pub hosts: u32,
    /// More words of the message.
    pub words: &'static str,
}

/// About 1 KB each, from five kubelets.
pub const ONE_KB: Shape = Shape {
    hosts: 5,
    words: ": failed to pull and unpack image registry.example.com/training/pytorch-mnist:1.13-cuda11.6: failed to resolve reference: \
            unexpected status from HEAD request to https://registry.example.com/v2/training/pytorch-mnist/manifests: 503 Service Unavailable",
};

pub fn entry(n: u32, shape: Shape, now: jiff::Timestamp) -> Entry {
    let uid = format!("4b0173e5-7482-44d5-add8-{n:012x}");
    let raw = format!(
        r#"{{"kind":"Event","apiVersion":"v1","metadata":{{"name":"mnist-worker-0.{n:x}","namespace":"training","uid":"{uid}","resourceVersion":"{n}","creationTimestamp":"{time}"}},"involvedObject":{{"kind":"Pod","namespace":"training","name":"mnist-worker-0","uid":"1048da4b-7482-44d5-add8-63beb2bc7419","apiVersion":"v1","resourceVersion":"712","fieldPath":"spec.containers{{main}}"}},"reason":"BackOff","message":"Back-off restarting failed container main in pod mnist-worker-0{words}","source":{{"component":"kubelet","host":"node-{host}"}},"firstTimestamp":"{time}","lastTimestamp":"{time}","count":3,"type":"Warning","eventTime":null,"reportingComponent":"kubelet","reportingInstance":"node-{host}"}}"#,
        time = now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        words = shape.words,
        host = n % shape.hosts,
    );
    let job = r#"{"api_version":"training.kubedl.io/v1alpha1","kind":"PyTorchJob","namespace":"training","name":"mnist","uid":"1048da4b"}"#;
    let observed_at = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
    let kept = Kept {
        observed_at,
        job: Some(job.to_owned()),
        labels: None,
        raw,
        repeats: false,
    };
    Entry {
        uid,
        resource_version: n.to_string(),
        rule: "controlled",
        kept: Some(kept),
    }
}

/// Events `from` up to `to`, as one batch of the watch of all namespaces.
pub fn batch(from: u32, to: u32, shape: Shape, now: jiff::Timestamp) -> Batch {
    let entries = (from..to).map(|n| entry(n, shape, now)).collect();
    Batch {
        scope: "*".to_owned(),
        entries,
        ..Batch::default()
    }
}

/// So many events, observed now.
pub async fn fill(journal: &Journal, events: u32, shape: Shape) -> Done<()> {
    let now = jiff::Timestamp::now();
    for from in (0..events).step_by(1_000) {
        journal
            .append(batch(from, events.min(from + 1_000), shape, now))
            .await?;
    }
    Ok(())
}
