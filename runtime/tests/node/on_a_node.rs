//! The life of an installation on a real node: by kustomize and by Helm, with a sink from a
//! ConfigMap, a Secret that changes, a leader that dies, a rolling update and an uninstallation,
//! while jobs write events. Is any of them missing at the end? Needs root, containerd and the
//! image, so it is only run by `cargo xtask test --cluster`.

// Long: one question, with all of its cases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::apiserver::{binaries, client};
use testkit::deploy::{Kubectl, NAMESPACE, kustomize_at};
use testkit::graphite::Graphite;
use testkit::hook::Hook;
use testkit::life::{Life, Written};
use testkit::node::{GATEWAY, Node};
use testkit::sls;
use tokio::task::JoinHandle;

/// Says to this program where the node is in whose network it runs.
const INSIDE: &str = "KUBEDL_EVENTS_TEST_NODE";
const PORT: u16 = 18081;
const PATIENCE: Duration = Duration::from_secs(180);
const SET: &str = "statefulset/kubedl-events";

fn target(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target")
        .join(path)
}

/// Servers of the test have to be in the node's network: there, this program runs once more.
#[test]
#[ignore = "needs root, containerd and the image: cargo xtask test --cluster"]
fn nothing_is_lost_in_the_life_of_an_installation() {
    if let Some(folder) = std::env::var_os(INSIDE) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        return runtime.block_on(live(Path::new(&folder)));
    }
    let folder = target("node-test");
    let arch = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let began = Instant::now();
    let node = Node::up(
        &folder,
        &[target(&format!("image/kubedl-events-{arch}.tar"))],
    )
    .unwrap();
    println!(
        "the node was ready after {} ms",
        began.elapsed().as_millis()
    );
    let name = "on_a_node::nothing_is_lost_in_the_life_of_an_installation";
    let mut again = node.enter(std::env::current_exe().unwrap());
    let status = again
        .args(["--ignored", "--exact", name, "--nocapture"])
        .env(INSIDE, &folder)
        .status()
        .unwrap();
    drop(node);
    assert!(status.success());
}

/// Destinations, outside the cluster: what Pods find at the gateway.
struct World {
    kubectl: Kubectl,
    folder: PathBuf,
    sls: sls::Server,
    graphite: Graphite,
    hook: Hook,
}

async fn live(folder: &Path) {
    let kubeconfig = folder.join("api/kubeconfig");
    let sls = sls::Server::start(sls::Options {
        port: PORT,
        other_hosts: vec![format!("sls.test:{PORT}")],
        ..Default::default()
    })
    .unwrap();
    let (graphite, hook) = (Graphite::start().unwrap(), Hook::start().unwrap());
    let world = World {
        kubectl: Kubectl::new(&kubeconfig),
        folder: folder.to_owned(),
        sls,
        graphite,
        hook,
    };
    world.prepare();
    let life = Life::begin(client(&kubeconfig).await.unwrap(), "train")
        .await
        .unwrap();
    let jobs = Jobs::begin(life, 0);

    world.install_by_kustomize();
    world.wait_for_more();
    world.add_a_sink();
    world.change_a_secret();
    world.kill_the_leader();
    world.restart();
    let (life, jobs_before) = jobs.end().await;
    world.account("kustomize", life.written());
    world.uninstall_by_kustomize();

    let jobs = Jobs::begin(life, jobs_before);
    world.install_by_helm();
    world.wait_for_more();
    world.kill_the_leader();
    let (life, _) = jobs.end().await;
    world.account("Helm", life.written());
    world.uninstall_by_helm();
}

/// Jobs one after the other, until they are ended: five versions of events a second, one in three
/// of them an update, since graphite-web takes no more than some six a second here. Nothing runs
/// for them, so that the node has no other work.
struct Jobs {
    ended: Arc<AtomicBool>,
    work: JoinHandle<(Life, u32)>,
}

impl Jobs {
    fn begin(mut life: Life, mut number: u32) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let stop = ended.clone();
        let work = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(200));
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                let job = life.job(&format!("job-{number}")).await.unwrap();
                for step in 0..20 {
                    pace.tick().await;
                    life.say(
                        &job,
                        "JobRunning",
                        "Normal",
                        &format!("Step {step}."),
                        "pytorchjob-controller",
                        true,
                    )
                    .await
                    .unwrap();
                }
                for count in 2..12 {
                    pace.tick().await;
                    life.again(count).await.unwrap();
                }
            }
            (life, number)
        });
        Self { ended, work }
    }

    async fn end(self) -> (Life, u32) {
        self.ended.store(true, Ordering::Relaxed);
        self.work.await.unwrap()
    }
}

impl World {
    /// What an operator has before: the namespace, Secrets.
    fn prepare(&self) {
        let known = sls::Options::default();
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        let secret = json!({"endpoint": format!("http://sls.test:{PORT}"), "accessKey": known.access_key_id, "accessSecret": known.access_key_secret,
            "project": known.project, "logStore": known.log_store});
        self.apply(&[
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kubedl-sls-config", "namespace": NAMESPACE}, "stringData": secret}),
        ]);
    }

    fn apply(&self, objects: &[Value]) {
        self.kubectl
            .apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())
            .unwrap();
    }

    fn run(&self, arguments: &str) -> String {
        let mut words = vec!["--namespace", NAMESPACE];
        words.extend(arguments.split(' '));
        self.kubectl
            .run(&words, "")
            .unwrap_or_else(|why| panic!("{why}\n{}", self.state()))
            .0
    }

    /// For a test that failed.
    fn state(&self) -> String {
        let looks: [&[&str]; 2] = [
            &["get", "pods,pvc,events", "-n", NAMESPACE, "-o", "wide"],
            &[
                "logs",
                "-n",
                NAMESPACE,
                "-l",
                "app.kubernetes.io/name=kubedl-events",
                "--tail=30",
                "--prefix",
            ],
        ];
        looks
            .iter()
            .map(|look| {
                self.kubectl
                    .run(look, "")
                    .map_or_else(|why| why.to_string(), |(out, _)| out)
            })
            .collect()
    }

    /// Where our destinations are: names by hostAliases, since there is no DNS.
    fn graphite_url(&self) -> String {
        self.graphite.url().replace("127.0.0.1", GATEWAY)
    }

    fn aliases() -> Value {
        json!([{"ip": GATEWAY, "hostnames": ["sls.test", format!("{}.sls.test", sls::Options::default().project)]}])
    }

    /// The base with these components, as an operator's own overlay.
    fn overlay(&self, components: &[&str], more: &Value) -> String {
        let folder = tempfile::tempdir_in(binaries()).unwrap();
        let deploy = "../../../deploy/kustomize";
        let patch = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "kubedl-events"}, "spec": {"template": {"spec": more}}});
        let components: Vec<String> = components
            .iter()
            .map(|name| format!("{deploy}/components/{name}"))
            .collect();
        let text = json!({"resources": [format!("{deploy}/base")], "components": components, "patches": [{"patch": patch.to_string()}]});
        std::fs::write(folder.path().join("kustomization.yaml"), text.to_string()).unwrap();
        kustomize_at(folder.path()).unwrap()
    }

    fn ready(&self, what: &str, began: Instant) {
        self.run(&format!("rollout status {SET} --timeout=120s"));
        println!("{what}: ready after {} ms", began.elapsed().as_millis());
    }

    fn container(&self, env: Value, mounts: Value) -> Value {
        json!({"name": "kubedl-events", "env": env, "volumeMounts": mounts})
    }

    fn install_by_kustomize(&self) {
        let env = json!([{"name": "GRAPHITE_URL", "value": self.graphite_url()}]);
        let more =
            json!({"hostAliases": Self::aliases(), "containers": [self.container(env, json!([]))]});
        let yaml = self.overlay(&["aliyun-sls", "graphite"], &more);
        let began = Instant::now();
        self.kubectl.apply(&yaml).unwrap();
        self.ready("installed by kustomize", began);
    }

    /// Events go on arriving.
    fn wait_for_more(&self) {
        let arrived = self.sls.wait_for(self.sls.count() + 60, PATIENCE);
        assert!(arrived.is_ok(), "{:?}\n{}", arrived.err(), self.state());
    }

    /// The shipped webhook, as somebody else's sink: packed by the program itself.
    fn add_a_sink(&self) {
        let folder = tempfile::tempdir().unwrap();
        let component = folder.path().join("my-sink.wasm");
        std::fs::copy(target("sinks/webhook.wasm"), &component).unwrap();
        let mut pack = Command::new(crate::PROGRAM);
        let packed = pack
            .args(["sink", "pack"])
            .arg(&component)
            .args(["--configmap", "my-sink", "--namespace", NAMESPACE])
            .output()
            .unwrap();
        self.kubectl
            .apply(&String::from_utf8(packed.stdout).unwrap())
            .unwrap();
        let host = self.hook.url().replace("localhost", GATEWAY);
        let grant =
            json!({"env": {"WEBHOOK_URL": {"file": "/token/url"}}, "http": [host]}).to_string();
        let metadata = |name: &str| json!({"name": name, "namespace": NAMESPACE});
        self.apply(&[
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("my-grants"), "data": {"my-sink.yaml": grant}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("my-token"), "stringData": {"url": format!("{host}/one")}}),
        ]);
        let env = json!([{"name": "GRAPHITE_URL", "value": self.graphite_url()}]);
        let mounts = json!([{"name": "token", "mountPath": "/token", "readOnly": true}]);
        let volumes = json!([{"name": "token", "secret": {"secretName": "my-token"}}]);
        let more = json!({"hostAliases": Self::aliases(), "containers": [self.container(env, mounts)], "volumes": volumes});
        let yaml = self.overlay(&["aliyun-sls", "graphite", "custom-sink"], &more);
        let began = Instant::now();
        self.kubectl.apply(&yaml).unwrap();
        self.ready("a sink added", began);
        self.posted_to("/one");
    }

    fn posted_to(&self, path: &str) {
        let posted = self
            .hook
            .wait(PATIENCE, |posted| posted.iter().any(|(at, _)| at == path));
        assert!(
            posted.is_ok(),
            "nothing was posted to {path}\n{}",
            self.state()
        );
    }

    /// The sink's URL has its key in the path. It changes in the Pod without a restart.
    fn change_a_secret(&self) {
        let host = self.hook.url().replace("localhost", GATEWAY);
        let metadata = json!({"name": "my-token", "namespace": NAMESPACE});
        let began = Instant::now();
        self.apply(&[json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"url": format!("{host}/two")}})]);
        self.posted_to("/two");
        println!(
            "a changed Secret was in use after {} ms",
            began.elapsed().as_millis()
        );
    }

    fn holder(&self) -> String {
        self.run("get lease kubedl-events -o jsonpath={.spec.holderIdentity}")
    }

    /// The other replica takes the Lease, and delivers.
    fn kill_the_leader(&self) {
        let holder = self.holder();
        let pod = holder.rsplit_once('-').unwrap().0;
        let began = Instant::now();
        self.run(&format!("delete pod {pod} --grace-period=0 --force"));
        while self.holder().is_empty() || self.holder() == holder {
            assert!(began.elapsed() < PATIENCE, "{}", self.state());
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let arrived = self.sls.wait_for(self.sls.count() + 1, PATIENCE);
        assert!(arrived.is_ok(), "{}", self.state());
        println!(
            "{pod}, the leader, was killed: another delivered after {} ms",
            began.elapsed().as_millis()
        );
        self.ready("after the leader was killed", began);
    }

    fn restart(&self) {
        let began = Instant::now();
        self.run(&format!("rollout restart {SET}"));
        self.ready("a rolling update", began);
    }

    /// Every version of every event that was written is at each destination.
    fn account(&self, what: &str, written: &[Written]) {
        let expected: Vec<(String, String)> = written
            .iter()
            .map(|event| (event.uid.clone(), event.resource_version.clone()))
            .collect();
        let until = Instant::now() + PATIENCE;
        for (name, look) in [
            (
                "SLS",
                Self::in_sls as fn(&Self) -> BTreeMap<(String, String), u32>,
            ),
            ("Graphite", Self::in_graphite),
        ] {
            loop {
                let stored = look(self);
                let lost = expected
                    .iter()
                    .filter(|identity| !stored.contains_key(*identity))
                    .count();
                if lost == 0 || Instant::now() > until {
                    let doubled = stored.values().filter(|times| **times > 1).count();
                    println!(
                        "{what}: {} events written, {lost} not in {name}, {doubled} there more than once",
                        expected.len()
                    );
                    assert_eq!(lost, 0, "{}", self.state());
                    break;
                }
                std::thread::park_timeout(Duration::from_millis(200));
            }
        }
    }

    fn in_sls(&self) -> BTreeMap<(String, String), u32> {
        let text = |log: &sls::StoredLog, key: &str| log.get(key).unwrap_or_default().to_owned();
        counted(
            self.sls
                .stored()
                .iter()
                .map(|log| (text(log, "EventUID"), text(log, "ResourceVersion"))),
        )
    }

    fn in_graphite(&self) -> BTreeMap<(String, String), u32> {
        let url = format!("{}/events/get_data?from=-2h&until=now", self.graphite.url());
        let mut answer = ureq::get(&url).call().unwrap();
        let text = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()
            .unwrap();
        let events: Vec<Value> = serde_json::from_str(&text).unwrap();
        let tag = |event: &Value, prefix: &str| {
            let mut tags = event["tags"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|tag| tag.as_str()?.strip_prefix(prefix));
            tags.next().unwrap_or_default().to_owned()
        };
        counted(
            events
                .iter()
                .map(|event| (tag(event, "uid:"), tag(event, "rv:"))),
        )
    }

    fn uninstall_by_kustomize(&self) {
        let yaml = self.overlay(&["aliyun-sls", "graphite", "custom-sink"], &json!({}));
        self.kubectl
            .run(&["delete", "--timeout=60s", "-f", "-"], &yaml)
            .unwrap();
        self.run("delete pvc -l app.kubernetes.io/name=kubedl-events");
        self.gone();
    }

    /// Nothing of it is left but the Lease, which is not the manifests'.
    fn gone(&self) {
        self.run("wait --for=delete pod -l app.kubernetes.io/name=kubedl-events --timeout=60s");
        let left = self.run("get all,networkpolicy,pdb,role,rolebinding,serviceaccount -l app.kubernetes.io/name=kubedl-events -o name");
        assert_eq!(left, "");
        let left = self.run(
            "get clusterrole,clusterrolebinding -l app.kubernetes.io/name=kubedl-events -o name",
        );
        assert_eq!(left, "");
    }

    fn helm(&self, arguments: &[&str]) {
        let mut helm = Command::new(binaries().join("helm"));
        let output = helm
            .args(arguments)
            .args(["--namespace", NAMESPACE])
            .env("KUBECONFIG", self.folder.join("api/kubeconfig"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}\n{}", self.state());
    }

    fn install_by_helm(&self) {
        let values = self.folder.join("values.yaml");
        let text = json!({"aliyunSls": {"enabled": true}, "graphite": {"enabled": true, "url": self.graphite_url()}, "hostAliases": Self::aliases()});
        std::fs::write(&values, text.to_string()).unwrap();
        let chart = testkit::deploy::folder().join("helm/kubedl-events");
        let began = Instant::now();
        self.helm(&[
            "install",
            "kubedl-events",
            chart.to_str().unwrap(),
            "--values",
            values.to_str().unwrap(),
        ]);
        self.ready("installed by Helm", began);
        self.helm(&["test", "kubedl-events", "--timeout", "120s"]);
    }

    fn uninstall_by_helm(&self) {
        self.helm(&["uninstall", "kubedl-events", "--wait"]);
        self.gone();
    }
}

fn counted(identities: impl Iterator<Item = (String, String)>) -> BTreeMap<(String, String), u32> {
    let mut all = BTreeMap::new();
    identities.for_each(|identity| *all.entry(identity).or_default() += 1);
    all
}
