//! The shipped sink's code without wasm.

use std::sync::Arc;
use std::time::Duration;

use aliyun_sls as native;
use kubedl_events::event;
use kubedl_events::relay::{Attempt, Destination, Item, Limits, Outcome};
use kubedl_events::sink::Term;
use kubedl_events::sink::grant::Grant;
use kubedl_events::sink::http::{self, Gate, Network};

use crate::Done;

/// The sink's own code, in this process, behind the same gate.
pub struct Native {
    sink: native::Sink,
    way: Way,
}

struct Way(Gate);

impl Native {
    pub fn new(grant: &Grant, environment: &dyn Fn(&str) -> Option<String>) -> Done<Self> {
        let settings = native::Settings::from_env(environment).map_err(|why| format!("{why:?}"))?;
        Ok(Self {
            sink: native::Sink::new(settings),
            way: Way(Gate::new(
                "aliyun-sls",
                Arc::new(grant.clone()),
                Term::endless(),
                &Network::default(),
                Arc::default(),
            )),
        })
    }
}

impl native::Transport for Way {
    fn send(&mut self, request: &native::Request) -> Result<native::Response, native::HttpError> {
        let request = http::Request {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            timeout: None,
        };
        let answer = self
            .0
            .send(request, Duration::from_secs(60), usize::MAX)
            .map_err(|why| native::HttpError::Other(why.to_string()))?;
        Ok(native::Response {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
            truncated: answer.truncated,
        })
    }

    fn send_all(
        &mut self,
        requests: &[native::Request],
    ) -> Vec<Result<native::Response, native::HttpError>> {
        requests.iter().map(|request| self.send(request)).collect()
    }
}

impl Destination for Native {
    fn limits(&self) -> Limits {
        Limits {
            events: 4_096,
            bytes: 3 << 20,
        }
    }

    async fn open(&mut self) -> Outcome {
        Outcome::Stored(vec![])
    }

    async fn save(&mut self, _: Attempt, items: &[Arc<Item>]) -> Outcome {
        let events: Vec<native::Event> = items.iter().map(|item| event_of(item)).collect();
        let clock = || time_of(jiff::Timestamp::now());
        match self.sink.save(&events, &clock, &mut self.way) {
            Ok(failures) if failures.is_empty() => Outcome::Stored(vec![]),
            other => Outcome::Refused {
                reason: format!("{other:?}"),
            },
        }
    }

    async fn close(&mut self) {}
}

fn time_of(time: jiff::Timestamp) -> native::Timestamp {
    native::Timestamp {
        seconds: time.as_second(),
        nanoseconds: time.subsec_nanosecond().unsigned_abs(),
    }
}

fn reference_of(object: &event::ObjectReference) -> native::ObjectReference {
    native::ObjectReference {
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        uid: object.uid.clone(),
        field_path: object.field_path.clone(),
    }
}

fn event_of(item: &Item) -> native::Event {
    let event = &item.event;
    native::Event {
        uid: event.uid.clone(),
        resource_version: event.resource_version.clone(),
        namespace: event.namespace.clone(),
        name: event.name.clone(),
        type_: event.kind.clone(),
        reason: event.reason.clone(),
        action: event.action.clone(),
        message: event.message.clone(),
        count: event.count,
        first_timestamp: time_of(event.first_timestamp),
        last_timestamp: time_of(event.last_timestamp),
        observed_at: time_of(event.observed_at),
        component: event.component.clone(),
        host: event.host.clone(),
        instance: event.instance.clone(),
        regarding: reference_of(&event.regarding),
        related: event.related.as_ref().map(reference_of),
        job: event.job.as_ref().map(reference_of),
        region: event.region.clone(),
        cluster: event.cluster.clone(),
        labels: event.labels.clone(),
        attributes: vec![],
    }
}
