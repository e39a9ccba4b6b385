//! A recording in place of a cluster: one JSON object a line, or Lists as `kubectl get events,pods -o json` prints them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::Sender;

use super::{Error, Observation, Owners, Raw, Scope, Stats};

/// Events handed over together.
const PAGE: usize = 500;

/// Stands for standard input.
const STDIN: &str = "-";

/// A file of recorded events. Pods, Services, ReplicaSets and Deployments in it serve as owners; other objects are passed over.
#[derive(Clone, Debug)]
pub struct Recording {
    /// For people.
    path: PathBuf,
    /// What was read from standard input, or came with the program: it can be read but once, or from no file.
    text: Option<Arc<[u8]>>,
}

#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow, default)]
    kind: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Owned {
    metadata: ObjectMeta,
}

impl Recording {
    /// Reads the owners in the file, which shows that all of it can be read. `-` is standard input.
    pub fn open(path: &Path) -> Result<(Self, Owners), Error> {
        if path == Path::new(STDIN) {
            let mut text = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut text);
            read.map_err(|why| Error::Recording { path: path.to_owned(), why: why.to_string() })?;
            return Self { path: path.to_owned(), text: Some(text.into()) }.owned();
        }
        Self { path: path.to_owned(), text: None }.owned()
    }

    /// The same of a text; `name` is for people.
    pub fn of(name: &str, text: &str) -> Result<(Self, Owners), Error> {
        Self { path: PathBuf::from(name), text: Some(text.as_bytes().into()) }.owned()
    }

    fn owned(self) -> Result<(Self, Owners), Error> {
        let recording = self;
        let owners = Owners::recorded();
        recording.each(&mut |kind, json| {
            if matches!(kind, "Pod" | "Service" | "ReplicaSet" | "Deployment" | "PodGroup" | "Workload") {
                let owned: Owned = serde_json::from_str(json)?;
                owners.learn(kind, &owned.metadata);
            }
            Ok(())
        })?;
        Ok((recording, owners))
    }

    /// Hands over every event of the file, in its order.
    pub async fn play(&self, out: &Sender<Observation>, stats: &Stats) -> Result<(), Error> {
        let sight = stats.scope(Scope::All.key());
        let mut events = Vec::new();
        self.each(&mut |kind, json| {
            if kind == "Event" {
                events.push(Raw::from_object(json)?.0);
            }
            Ok(())
        })?;
        let mut rest = events.into_iter().peekable();
        while rest.peek().is_some() {
            let events: Vec<Raw> = rest.by_ref().take(PAGE).collect();
            let count = events.len();
            if out.send(Observation { events, ..Observation::of(Scope::All) }).await.is_err() {
                return Ok(());
            }
            sight.saw(count);
        }
        sight.listed();
        Ok(())
    }

    /// Calls `visit` with kind and JSON of every object.
    fn each(&self, visit: &mut dyn FnMut(&str, &str) -> Result<(), serde_json::Error>) -> Result<(), Error> {
        let refuse = |why: &dyn std::fmt::Display| Error::Recording { path: self.path.clone(), why: why.to_string() };
        let reader: Box<dyn Read + '_> = match &self.text {
            Some(text) => Box::new(&**text),
            None => Box::new(BufReader::new(File::open(&self.path).map_err(|why| refuse(&why))?)),
        };
        let objects = serde_json::Deserializer::from_reader(reader).into_iter::<Box<RawValue>>();
        for (number, object) in (1..).zip(objects) {
            let object = object.map_err(|why| refuse(&why))?;
            let refuse = |why: serde_json::Error| refuse(&format!("object {number}: {why}"));
            let outline: Outline<'_> = serde_json::from_str(object.get()).map_err(refuse)?;
            let Some(items) = outline.items else {
                visit(outline.kind.as_deref().unwrap_or_default(), object.get()).map_err(refuse)?;
                continue;
            };
            for item in items {
                let inner: Outline<'_> = serde_json::from_str(item.get()).map_err(refuse)?;
                // Items of a typed list carry no kind: `EventList` says it for them.
                let listed = outline.kind.as_deref().and_then(|kind| kind.strip_suffix("List")).unwrap_or_default();
                visit(inner.kind.as_deref().unwrap_or(listed), item.get()).map_err(refuse)?;
            }
        }
        Ok(())
    }
}
