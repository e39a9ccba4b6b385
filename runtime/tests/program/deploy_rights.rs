//! Are the rights of `deploy/` enough, is none of them too much, and does the program say which one
//! is missing?

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::apiserver::{ApiServer, binaries, kubeconfig_of};
use testkit::deploy::{Kubectl, NAMESPACE, kustomize_at, objects};
use testkit::memory_folder;
use testkit::program::{Program, Start, sinks};
use testkit::stage::Stage;

const PATIENCE: Duration = Duration::from_secs(120);
/// Events about objects that are not there.
const GHOSTS: usize = 3;

/// One verb on one resource, in the role of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Right {
    kind: String,
    resource: String,
    verb: String,
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

fn of_kind<'a>(all: &'a [Value], kind: &str) -> &'a Value {
    all.iter().find(|object| object["kind"] == kind).unwrap()
}

/// Every verb of the manifests' roles.
fn rights(manifests: &[Value]) -> Vec<Right> {
    let mut all = Vec::new();
    for kind in ["ClusterRole", "Role"] {
        for rule in of_kind(manifests, kind)["rules"].as_array().unwrap() {
            for resource in texts(&rule["resources"]) {
                all.extend(texts(&rule["verbs"]).into_iter().map(|verb| Right {
                    kind: kind.to_owned(),
                    resource: resource.clone(),
                    verb,
                }));
            }
        }
    }
    all
}

/// A role's rules without one right, a rule a resource.
fn without(role: &Value, missing: Option<&Right>) -> Vec<Value> {
    let mut rules = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        for resource in texts(&rule["resources"]) {
            let is_missing = |verb: &String| {
                missing.is_some_and(|m| {
                    role["kind"] == m.kind && resource == m.resource && *verb == m.verb
                })
            };
            let verbs: Vec<String> = texts(&rule["verbs"])
                .into_iter()
                .filter(|verb| !is_missing(verb))
                .collect();
            let mut ours = rule.clone();
            (ours["resources"], ours["verbs"]) = (json!([resource]), json!(verbs));
            if !verbs.is_empty() {
                rules.push(ours);
            }
        }
    }
    rules
}

/// The base, with what has rights of its own.
fn manifests() -> String {
    // Beside `deploy`, since kustomize takes relative paths alone.
    let place = tempfile::tempdir_in(binaries()).unwrap();
    let text = "resources: [../../../deploy/kustomize/base]\ncomponents: [../../../deploy/kustomize/components/heartbeat]\n";
    std::fs::write(place.path().join("kustomization.yaml"), text).unwrap();
    kustomize_at(place.path()).unwrap()
}

/// A cluster in which a job has run, and an identity for each case.
struct Scene {
    stage: Stage,
    kubectl: Kubectl,
    manifests: Vec<Value>,
    /// Events of the job and the serving, and the ghosts': as a list shows them, in their last
    /// version.
    events: usize,
}

impl Scene {
    async fn set() -> Self {
        let stage = Stage::set(crate::PROGRAM, &memory_folder()).unwrap();
        let mut life = stage.life("train").await.unwrap();
        life.train("mnist").await.unwrap();
        life.serve("llm").await.unwrap();
        let kubectl = Kubectl::new(&stage.server.kubeconfig);
        kubectl
            .run(&["create", "namespace", NAMESPACE], "")
            .unwrap();
        // About objects that are not there, and are asked for all the same; but for the Pod, which
        // the list of Pods would have.
        for (number, (api_version, kind)) in [
            ("v1", "Pod"),
            ("scheduling.sigs.k8s.io/v1alpha1", "PodGroup"),
            ("kueue.x-k8s.io/v1beta1", "Workload"),
        ]
        .iter()
        .enumerate()
        {
            let object = json!({"apiVersion": api_version, "kind": kind, "namespace": "train", "name": "ghost", "uid": "0-ghost"});
            let ghost = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("ghost.{number}"), "namespace": "train"}, "reason": "Killing",
                "type": "Normal", "involvedObject": object});
            kubectl
                .run(&["create", "-f", "-"], &ghost.to_string())
                .unwrap();
        }
        let uids: BTreeSet<&str> = life
            .written()
            .iter()
            .map(|event| event.uid.as_str())
            .collect();
        Self {
            stage,
            kubectl,
            manifests: objects(&manifests()).unwrap(),
            events: uids.len() + GHOSTS,
        }
    }

    /// A kubeconfig with the token of a service account of its own, which has the manifests' rights
    /// but one.
    fn identity(&self, name: &str, missing: Option<&Right>) -> PathBuf {
        let mut list = vec![
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}),
        ];
        for kind in ["ClusterRole", "Role"] {
            let api_version = "rbac.authorization.k8s.io/v1";
            let metadata = json!({"name": name, "namespace": if kind == "Role" { Some(NAMESPACE) } else { None }});
            let mut rules = without(of_kind(&self.manifests, kind), missing);
            // The Lease of each case has a name of its own; that of the manifests is the flag's
            // default.
            for named in rules
                .iter_mut()
                .filter_map(|rule| rule.get_mut("resourceNames"))
                .filter(|names| **names == json!(["kubedl-events"]))
            {
                *named = json!([name]);
            }
            list.push(json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "rules": rules}));
            list.push(json!({"apiVersion": api_version, "kind": format!("{kind}Binding"), "metadata": metadata,
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]}));
        }
        self.kubectl
            .apply(&json!({"apiVersion": "v1", "kind": "List", "items": list}).to_string())
            .unwrap();
        let token = self
            .kubectl
            .run(&["create", "token", name, "--namespace", NAMESPACE], "")
            .unwrap()
            .0;
        let path = self
            .stage
            .folder
            .path()
            .join(name)
            .with_extension("kubeconfig");
        kubeconfig_of(token.trim(), &self.stage.server, path).unwrap()
    }

    /// The program with the arguments of the manifests that need rights.
    fn start(&self, name: &str, missing: Option<&Right>) -> Start {
        let folder = self.stage.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let start = self
            .stage
            .start_in(&folder, &self.identity(name, missing))
            .flag("--leader-elect")
            .flag("--heartbeat=1s");
        start
            .with("--lease-namespace", NAMESPACE)
            .with("--lease-name", name)
    }
}

/// The log, once it has all of the words, or the program has ended, or too much time has passed.
fn log_with(program: &mut Program, words: &[String]) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let ended = program.ended().unwrap().is_some();
        // A line of JSON has its quotes escaped.
        let log = program.log().unwrap().replace("\\\"", "\"");
        if ended || Instant::now() > until || words.iter().all(|words| log.contains(words)) {
            return log;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn the_rights_of_the_manifests_are_enough_and_each_that_is_missing_is_named() {
    let scene = Scene::set().await;
    let program = scene.start("whole", None).start().unwrap();
    let stored = scene.stage.sls.wait_for(scene.events, PATIENCE);
    let log = program.log().unwrap();
    assert!(stored.is_ok(), "{stored:?}: {log}");
    assert!(
        !log.contains("forbidden") && !log.contains("not permitted"),
        "{log}"
    );
    assert!(program.terminate().unwrap().success());
    for (place, right) in rights(&scene.manifests).iter().enumerate() {
        let mut program = scene
            .start(&format!("case-{place}"), Some(right))
            .start()
            .unwrap();
        let Right {
            kind,
            resource,
            verb,
        } = right;
        let cause = format!("cannot {verb} resource \"{resource}\"");
        let mut words = vec![
            cause,
            "with this rule gives it".to_owned(),
            format!("resources: [\"{resource}\"]"),
            format!("\"{verb}\""),
        ];
        if kind == "Role" {
            words.push(format!("in the namespace \"{NAMESPACE}\""));
        }
        let log = log_with(&mut program, &words);
        for words in words {
            assert!(
                log.contains(&words),
                "without {right:?}, {words:?} is not in the log:\n{log}"
            );
        }
    }
}

/// The policy of a shipped sink's grant, with this variable of its destination.
fn policy(sink: &str, variable: &str, value: &str) -> std::process::Output {
    let mut command = std::process::Command::new(crate::PROGRAM);
    command
        .env_clear()
        .args(["sink", "grant", sink, "--network-policy", "--shipped-sinks"])
        .arg(sinks())
        .env(variable, value);
    command.output().unwrap()
}

#[test]
fn the_api_server_takes_the_policy_of_a_grant() {
    // Long: a table of cases.
    let folder = tempfile::tempdir().unwrap();
    let server = ApiServer::start(folder.path(), &[]).unwrap();
    let kubectl = Kubectl::new(&server.kubeconfig);
    for (sink, variable, value, named) in [
        (
            "graphite",
            "GRAPHITE_URL",
            "http://graphite.monitoring.svc:8080",
            "\"monitoring\"",
        ),
        (
            "graphite",
            "GRAPHITE_URL",
            "http://[fd00::1]:8080",
            "\"fd00::1/128\"",
        ),
        (
            "webhook",
            "WEBHOOK_URL",
            "https://hooks.example.com/secret",
            "\"0.0.0.0/0\"",
        ),
    ] {
        let output = policy(sink, variable, value);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success()
                && text.contains(named)
                && !text.contains("secret")
                && !text.contains("example"),
            "{text}"
        );
        kubectl.apply(&text).unwrap();
        let made = kubectl
            .run(
                &[
                    "get",
                    "networkpolicy",
                    &format!("kubedl-events-{sink}"),
                    "-o",
                    "json",
                ],
                "",
            )
            .unwrap()
            .0;
        let made: Value = serde_json::from_str(&made).unwrap();
        assert_eq!(
            made["spec"]["egress"].as_array().unwrap().len(),
            2,
            "{made}"
        );
    }
    // What its destinations do not have is not needed; what they have is.
    let output = policy("aliyun-sls", "SLS_ENDPOINT", "cn-hangzhou.log.aliyuncs.com");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && words.contains("SLS_PROJECT") && !words.contains("SLS_KEY"),
        "{words}"
    );
}
