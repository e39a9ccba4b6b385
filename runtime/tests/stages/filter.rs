//! Does the filter keep what KubeDL keeps, and name its rule?

use jiff::Timestamp;
use kubedl_events::cluster::{Chain, Owner, Raw};
use kubedl_events::event::{Event, Options, normalize};
use kubedl_events::filter::{Decision, Objects, decide};

fn about(api_version: &str, kind: &str) -> Event {
    let json = format!(
        r#"{{"metadata":{{"name":"e","uid":"u","resourceVersion":"1","creationTimestamp":"2026-11-23T01:00:00Z"}},
        "involvedObject":{{"apiVersion":"{api_version}","kind":"{kind}","namespace":"ns","name":"o","uid":"ou"}}}}"#
    );
    normalize(
        &Raw::from_object(&json).unwrap().0,
        Timestamp::UNIX_EPOCH,
        &Options::default(),
    )
    .unwrap()
}

fn chain(kinds: &[(&str, &str)]) -> Chain {
    Chain::Owners(owners(kinds))
}

fn owners(kinds: &[(&str, &str)]) -> Vec<Owner> {
    let owner = |(api_version, kind): &(&str, &str)| Owner {
        api_version: (*api_version).to_owned(),
        kind: (*kind).to_owned(),
        name: "job".to_owned(),
        uid: "ju".to_owned(),
    };
    kinds.iter().map(owner).collect()
}

fn rule(decision: Decision) -> (&'static str, Option<String>) {
    match decision {
        Decision::Keep { rule, job } => (rule, job.map(|job| format!("{}/{}", job.kind, job.name))),
        Decision::Drop { rule } => (rule, None),
    }
}

#[test]
fn the_rules_are_those_of_the_table() {
    // Long: a table of cases.
    let job = Some("PyTorchJob/job".to_owned());
    let none = chain(&[]);
    let pytorch = chain(&[("training.kubedl.io/v1alpha1", "PyTorchJob")]);
    let inference = chain(&[
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "Deployment"),
        ("serving.kubedl.io/v1alpha1", "Inference"),
    ]);
    let cut = Chain::Cut(owners(&[("apps/v1", "ReplicaSet")]));
    let plain = chain(&[("apps/v1", "ReplicaSet"), ("apps/v1", "Deployment")]);
    let cases = [
        (
            about("training.kubedl.io/v1alpha1", "PyTorchJob"),
            &none,
            "kubedl-object",
            Some("PyTorchJob/o".to_owned()),
        ),
        (
            about("notebook.kubedl.io/v1alpha1", "Notebook"),
            &none,
            "kubedl-object",
            Some("Notebook/o".to_owned()),
        ),
        (
            about("kubeflow.org/v1", "TFJob"),
            &none,
            "legacy-job",
            Some("TFJob/o".to_owned()),
        ),
        (
            about("", "XDLJob"),
            &none,
            "legacy-job",
            Some("XDLJob/o".to_owned()),
        ),
        (
            about("kubeflow.org/v1", "Experiment"),
            &none,
            "not-kubedl",
            None,
        ),
        (
            about("evil-kubedl.io/v1", "PyTorchJob"),
            &none,
            "not-kubedl",
            None,
        ),
        (about("v1", "Pod"), &pytorch, "controlled", job.clone()),
        (about("v1", "Service"), &pytorch, "controlled", job.clone()),
        (
            about("v1", "Pod"),
            &inference,
            "controlled",
            Some("Inference/job".to_owned()),
        ),
        (
            about("apps/v1", "Deployment"),
            &chain(&[("serving.kubedl.io/v1alpha1", "Inference")]),
            "controlled",
            Some("Inference/job".to_owned()),
        ),
        (about("v1", "Pod"), &plain, "not-kubedl", None),
        (about("v1", "Pod"), &none, "not-kubedl", None),
        (about("v1", "Pod"), &Chain::Gone, "pod-gone", None),
        (about("v1", "Service"), &Chain::Gone, "object-gone", None),
        (about("v1", "Pod"), &Chain::Unknown, "owner-unknown", None),
        (about("v1", "Pod"), &cut, "owner-gone", None),
        (
            about("v1", "Pod"),
            &Chain::Cut(owners(&[("training.kubedl.io/v1alpha1", "PyTorchJob")])),
            "controlled",
            job.clone(),
        ),
        (
            about("scheduling.sigs.k8s.io/v1alpha1", "PodGroup"),
            &pytorch,
            "controlled",
            job.clone(),
        ),
        (
            about("scheduling.volcano.sh/v1beta1", "PodGroup"),
            &none,
            "not-kubedl",
            None,
        ),
        (
            about("kueue.x-k8s.io/v1beta1", "Workload"),
            &pytorch,
            "controlled",
            job.clone(),
        ),
        (about("v1", "Node"), &pytorch, "not-kubedl", None),
    ];
    for (event, chain, expected, job) in cases {
        assert_eq!(
            rule(decide(Objects::Kubedl, &event, chain)),
            (expected, job),
            "{:?}",
            event.regarding
        );
    }
}

#[test]
fn all_keeps_everything_and_still_finds_the_job() {
    let pytorch = chain(&[("training.kubedl.io/v1alpha1", "PyTorchJob")]);
    assert_eq!(
        rule(decide(Objects::All, &about("v1", "Node"), &Chain::Gone)),
        ("all", None)
    );
    assert_eq!(
        rule(decide(Objects::All, &about("v1", "Pod"), &pytorch)),
        ("all", Some("PyTorchJob/job".to_owned()))
    );
    assert_eq!(
        rule(decide(
            Objects::All,
            &about("kubeflow.org/v1", "TFJob"),
            &Chain::Gone
        )),
        ("all", Some("TFJob/o".to_owned()))
    );
}
