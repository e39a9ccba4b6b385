//! Single questions to the API server, each bounded in time, several at once.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ApiResource};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::identity::Identified;
use super::lock::lock;
use super::object::Object;
use super::step::{Step, namesake, step_of};
use crate::cluster::client::{About, Client, sort};
use crate::cluster::{Error, Scope, Seldom, name};

/// At a time.
const QUESTIONS: usize = 16;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long an answer holds that may change: that there is no such object of a name, and refusals.
const HOLDS: Duration = Duration::from_secs(60);
/// How long nothing is asked of an API server that did not answer: at first, and at most; twice as
/// long each time.
const SILENT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What came of a question.
pub(super) struct Answer {
    pub(super) step: Step,
    /// None: for ever.
    pub(super) holds_for: Option<Duration>,
    /// Only the connection may have died, or the credentials have aged: another try has others.
    pub(super) may_differ: bool,
}

impl Answer {
    fn of(step: Step, holds_for: Option<Duration>) -> Self {
        Self {
            step,
            holds_for,
            may_differ: false,
        }
    }
}

pub(super) struct Asking {
    permits: Semaphore,
    silence: Mutex<Silence>,
    /// Until when questions of a resource in a namespace are refused.
    refused: Mutex<HashMap<(&'static str, String), Instant>>,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(QUESTIONS),
            silence: Mutex::default(),
            refused: Mutex::default(),
        }
    }
}

/// Of an API server that does not answer.
#[derive(Default)]
struct Silence {
    until: Option<Instant>,
    wait: Duration,
    said: Seldom,
}

impl Asking {
    /// Whether the last question was answered.
    pub(super) fn is_answered(&self) -> bool {
        lock(&self.silence).until.is_none()
    }

    /// Asks, unless the API server was silent a moment ago.
    pub(super) async fn ask(&self, client: &Client, object: &Object) -> Answer {
        if lock(&self.silence)
            .until
            .is_some_and(|until| Instant::now() < until)
        {
            return Answer::of(Step::Unknown, Some(Duration::ZERO));
        }
        self.ask_again(client, object).await
    }

    pub(super) async fn ask_again(&self, client: &Client, object: &Object) -> Answer {
        let unknown = |holds_for| Answer::of(Step::Unknown, Some(holds_for));
        let Some((resource, group, plural)) = resource(object) else {
            return Answer::of(Step::Gone, None);
        };
        let place = (plural, object.namespace.clone());
        let _permit = self.permits.acquire().await;
        if lock(&self.refused)
            .get(&place)
            .is_some_and(|until| Instant::now() < *until)
        {
            return unknown(Duration::ZERO);
        }
        let api: Api<Identified> =
            Api::namespaced_with(client.kube.clone(), &object.namespace, &resource);
        let about = About {
            verb: "get",
            resource: plural,
            group,
            scope: Scope::Namespace(object.namespace.clone()),
        };
        let asked = timeout(PATIENCE, api.get_opt(&object.name)).await;
        let found = match asked {
            Ok(answer) => answer.map_err(|error| sort(error, about)),
            Err(_) => Err(Error::Unreachable(format!("no answer within {PATIENCE:?}"))),
        };
        match found {
            Ok(found) => {
                self.answers();
                judge(object, found.map(|found| found.0).as_ref())
            }
            Err(error) => {
                let may_differ =
                    matches!(error, Error::Unauthorized { .. } | Error::Unreachable(_));
                let holds_for = self.fails(object, place, &error);
                Answer {
                    may_differ,
                    ..unknown(holds_for)
                }
            }
        }
    }

    fn answers(&self) {
        let mut silence = lock(&self.silence);
        silence.until = None;
        silence.wait = Duration::ZERO;
        if let Some((time, times)) = silence.said.over() {
            info!(
                times,
                seconds = time.as_secs(),
                "Who controls objects can be looked up again."
            );
        }
    }

    /// Notes a failure; gives how long the answer "unknown" holds for this object.
    fn fails(&self, object: &Object, place: (&'static str, String), error: &Error) -> Duration {
        let mut silence = lock(&self.silence);
        if let Some(times) = silence.said.fails(place.0) {
            let (kind, namespace, name) = (&object.kind, &object.namespace, &object.name);
            warn!(
                kind,
                namespace,
                name,
                times,
                "Cannot look up who controls an object, and its event is kept by the rule owner-unknown: {error}."
            );
        }
        match error {
            Error::Forbidden { .. } | Error::Unauthorized { .. } => {
                let now = Instant::now();
                let mut refused = lock(&self.refused);
                refused.retain(|_, until| now < *until);
                refused.insert(place, now + HOLDS);
                HOLDS
            }
            Error::Busy {
                status: 400..=428 | 430..=499,
                ..
            } => HOLDS,
            _ => {
                silence.wait = (silence.wait * 2).clamp(SILENT.0, SILENT.1);
                silence.until =
                    Some(Instant::now() + silence.wait.max(error.after()).min(SILENT.1));
                Duration::ZERO
            }
        }
    }
}

/// What the object that has the name now tells.
fn judge(object: &Object, found: Option<&ObjectMeta>) -> Answer {
    match found {
        Some(meta) if meta.uid.as_deref() == Some(&object.uid) => Answer::of(step_of(meta), None),
        Some(meta) if !object.has_uid() => Answer::of(step_of(meta), Some(HOLDS)),
        Some(meta) => Answer::of(namesake(step_of(meta)), None),
        // A uid is never given again.
        None => Answer::of(Step::Gone, Some(HOLDS).filter(|_| !object.has_uid())),
    }
}

/// None where there can be no such object.
fn resource(object: &Object) -> Option<(ApiResource, &'static str, &'static str)> {
    let (group, plural) = object.known()?;
    let version = object
        .api_version
        .split_once('/')
        .map_or(object.api_version.as_str(), |(_, version)| version);
    let version = if version.is_empty() { "v1" } else { version };
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: object.kind.clone(),
        plural: plural.to_owned(),
    };
    name::label(version)
        .is_ok()
        .then_some((resource, group, plural))
}
