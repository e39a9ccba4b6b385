//! 3. Keep or drop, with the name of the rule that decided. Pure.
//!
//! `--objects kubedl` keeps what KubeDL's own persistency keeps, brought up to date with KubeDL's
//! API groups:
//!
//! | rule | the event is about | chain that shows it |
//! |---|---|---|
//! | `kubedl-object` | an object of a group `*.kubedl.io` | |
//! | `legacy-job` | TFJob, PyTorchJob, XDLJob, XGBoostJob, MPIJob, MarsJob, ElasticDLJob, ElasticBatchJob of `kubeflow.org` or without a group | |
//! | `controlled` | a Pod or Service that such an object controls | Pod -> PyTorchJob; Service -> PyTorchJob |
//! | `controlled` | a Pod, ReplicaSet or Deployment of an Inference | Pod -> ReplicaSet -> Deployment -> Inference |
//! | `controlled` | a PodGroup (Volcano, scheduler plugins, kube-batch) or Workload (Kueue) of a job | PodGroup -> PyTorchJob |
//! | `pod-gone` | a Pod that no longer exists and was never seen: it may have been a job's | |
//! | `object-gone` | the same of another kind that a job may control | |
//! | `owner-gone` | an object of which a controller no longer exists, so that what controlled that is not known | Pod -> ReplicaSet -> ? |
//! | `owner-unknown` | an object of which the API server does not say in time who controls it | Pod -> ? |
//!
//! All others are dropped by the rule `not-kubedl`, and the service's own event by the rule
//! `heartbeat`. `--objects all` keeps every event by the rule `all`, and still finds its job.

pub mod select;

pub use select::Select;

use crate::cluster::{COMPONENT, Chain, Owner, REASON, has_controller, name};
use crate::event::{Event, ObjectReference};

/// Kinds that are KubeDL jobs where the group is an older one, or isn't given.
const LEGACY_KINDS: [&str; 8] = [
    "TFJob",
    "PyTorchJob",
    "XDLJob",
    "XGBoostJob",
    "MPIJob",
    "MarsJob",
    "ElasticDLJob",
    "ElasticBatchJob",
];

/// The rule that drops what is none of KubeDL's.
pub const NOT_KUBEDL: &str = "not-kubedl";

/// What `--objects` selects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objects {
    /// Objects of KubeDL and what they control.
    #[default]
    Kubedl,
    /// Everything.
    All,
}

/// What is done with an event, and the rule that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Keep it.
    Keep {
        /// The rule's name, as in the module's table.
        rule: &'static str,
        /// The job that the event belongs to, where one is known.
        job: Option<ObjectReference>,
    },
    /// Drop it.
    Drop {
        /// The rule's name.
        rule: &'static str,
    },
}

/// Whether the chain of controllers is needed to decide about events of this object.
pub fn needs_owners(regarding: &ObjectReference) -> bool {
    has_controller(regarding.group(), &regarding.kind)
}

/// Decides about one event. `chain` is what is known of the controllers of its object; it is only
/// read where [`needs_owners`].
pub fn decide(objects: Objects, event: &Event, chain: &Chain) -> Decision {
    let regarding = &event.regarding;
    if event.component == COMPONENT && event.reason == REASON {
        return Decision::Drop { rule: "heartbeat" };
    }
    if let Some(rule) = kubedl_rule(regarding.group(), &regarding.kind) {
        let job = Some(ObjectReference {
            field_path: String::new(),
            ..regarding.clone()
        });
        return Decision::Keep {
            rule: if objects == Objects::All { "all" } else { rule },
            job,
        };
    }
    let mut job = None;
    // What can't be decided is kept.
    let mut undecided = None;
    if needs_owners(regarding) {
        match chain {
            Chain::Gone => {
                undecided = Some(if regarding.kind == "Pod" {
                    "pod-gone"
                } else {
                    "object-gone"
                })
            }
            Chain::Unknown => undecided = Some("owner-unknown"),
            Chain::Cut(owners) => {
                (job, undecided) = (job_of(owners, regarding), Some("owner-gone"))
            }
            Chain::Owners(owners) => job = job_of(owners, regarding),
        }
    }
    match objects {
        Objects::All => Decision::Keep { rule: "all", job },
        Objects::Kubedl if job.is_some() => Decision::Keep {
            rule: "controlled",
            job,
        },
        Objects::Kubedl => undecided.map_or(Decision::Drop { rule: NOT_KUBEDL }, |rule| {
            Decision::Keep { rule, job: None }
        }),
    }
}

fn job_of(owners: &[Owner], regarding: &ObjectReference) -> Option<ObjectReference> {
    owners
        .iter()
        .find(|owner| is_job(owner))
        .map(|owner| reference(owner, &regarding.namespace))
}

fn is_job(owner: &Owner) -> bool {
    kubedl_rule(name::group(&owner.api_version), &owner.kind).is_some()
}

fn kubedl_rule(group: &str, kind: &str) -> Option<&'static str> {
    if group == "kubedl.io" || group.ends_with(".kubedl.io") {
        return Some("kubedl-object");
    }
    let legacy = matches!(group, "" | "kubeflow.org") && LEGACY_KINDS.contains(&kind);
    legacy.then_some("legacy-job")
}

fn reference(owner: &Owner, namespace: &str) -> ObjectReference {
    ObjectReference {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        namespace: namespace.to_owned(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        field_path: String::new(),
    }
}
