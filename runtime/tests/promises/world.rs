//! A cluster, hooks, and the program between them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kubedl_events::journal::{Gap, Reader};
use serde_json::{Value, json};
use testkit::apiserver::{ApiServer, client};
use testkit::hook::{Hook, Posted};
use testkit::program::{Program, Start};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct World {
    pub folder: tempfile::TempDir,
    pub server: ApiServer,
    pub client: kube::Client,
}

impl World {
    /// A real API server with these namespaces, started with these arguments.
    pub async fn new(namespaces: &[&str], arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir_in(testkit::memory_folder()).unwrap();
        let server = ApiServer::start(&folder.path().join("cluster"), arguments).unwrap();
        let client = client(&server.kubeconfig).await.unwrap();
        let world = Self {
            folder,
            server,
            client,
        };
        for namespace in namespaces {
            world
                .post(
                    "/api/v1/namespaces",
                    json!({"metadata": {"name": namespace}}),
                )
                .await;
            let account = json!({"metadata": {"name": "default"}});
            world
                .try_post(
                    &format!("/api/v1/namespaces/{namespace}/serviceaccounts"),
                    account,
                )
                .await
                .ok();
        }
        world
    }

    pub async fn try_post(&self, path: &str, body: Value) -> Result<Value, kube::Error> {
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .unwrap();
        self.client.request(request).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.try_post(path, body).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Value {
        self.client
            .request(http::Request::get(path).body(Vec::new()).unwrap())
            .await
            .unwrap()
    }

    pub async fn delete(&self, path: &str) {
        let _: Value = self
            .client
            .request(http::Request::delete(path).body(Vec::new()).unwrap())
            .await
            .unwrap();
    }

    /// An event about a job.
    pub async fn event(&self, namespace: &str, name: &str, message: &str) {
        let job = json!({"apiVersion": "training.kubedl.io/v1alpha1", "kind": "PyTorchJob", "namespace": namespace, "name": "j", "uid": "11111111-1111-1111-1111-111111111111"});
        self.event_about(namespace, name, message, job).await;
    }

    pub async fn event_about(&self, namespace: &str, name: &str, message: &str, object: Value) {
        let now = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        let event = json!({"metadata": {"name": name, "namespace": namespace}, "involvedObject": object, "reason": "R", "message": message, "type": "Normal",
            "source": {"component": "x"}, "firstTimestamp": now, "lastTimestamp": now, "count": 1});
        self.post(&format!("/api/v1/namespaces/{namespace}/events"), event)
            .await;
    }

    /// Makes an object under a controller; gives its uid.
    pub async fn controlled(
        &self,
        path: &str,
        name: &str,
        controller: Value,
        spec: Value,
    ) -> String {
        let mut owner = controller;
        owner["controller"] = true.into();
        let made = self.post(path, json!({"metadata": {"name": name, "labels": {"a": "b"}, "ownerReferences": [owner]}, "spec": spec})).await;
        made["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn start(&self, name: &str) -> Start {
        self.start_with(name, &self.server.kubeconfig)
    }

    pub fn start_with(&self, name: &str, kubeconfig: &Path) -> Start {
        Start::new(Path::new(PROGRAM), self.folder.path(), name)
            .with("--kubeconfig", kubeconfig)
            .with("--lease-namespace", "default")
    }

    pub fn gaps(&self) -> Vec<Gap> {
        Reader::open(&self.data()).unwrap().gaps().unwrap()
    }

    /// Takes the disk away, as an emptyDir goes with its Pod.
    pub fn lose_disk(&self) {
        std::fs::remove_dir_all(self.data()).unwrap();
    }

    /// What `audit` prints, and its exit code.
    pub fn audit(&self) -> (i32, String) {
        let output = Command::new(PROGRAM)
            .env_clear()
            .arg("audit")
            .arg("--data-dir")
            .arg(self.data())
            .arg("--kubeconfig")
            .arg(&self.server.kubeconfig)
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }
}

/// An instance of the webhook sink that posts to a hook, or to where nobody listens yet; its grant
/// in the folder of grants.
pub fn to_hook(start: Start, folder: &Path, name: &str, url: &str) -> Start {
    let grants = folder.join("grants");
    std::fs::create_dir_all(&grants).unwrap();
    let grant = format!("env:\n  WEBHOOK_URL: {{value: '{url}'}}\nhttp:\n  - {url}\n");
    std::fs::write(grants.join(format!("{name}.yaml")), grant).unwrap();
    let start = start.with("--event-storage", format!("{name}=webhook"));
    start.with("--grant-dir", &grants)
}

/// A port where nobody listens.
pub fn nobody() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Messages of the events that a hook has, in the order in which they came.
pub fn messages(posted: &[Posted]) -> Vec<String> {
    let message = |body: &[u8]| {
        serde_json::from_slice::<Value>(body)
            .ok()?
            .pointer("/data/message")?
            .as_str()
            .map(str::to_owned)
    };
    posted
        .iter()
        .filter_map(|(_, body)| message(body))
        .collect()
}

/// Waits until a hook has all of these.
pub fn expect(hook: &Hook, wanted: &[&str]) -> Vec<String> {
    let all = |posted: &[Posted]| {
        let got = messages(posted);
        wanted
            .iter()
            .all(|wanted| got.iter().any(|message| message == wanted))
    };
    messages(&hook.wait(PATIENCE, all).unwrap_or_else(|posted| {
        panic!("{wanted:?} are wanted, there are {:?}", messages(&posted))
    }))
}

pub fn wait(program: &mut Program, text: &str) {
    program.wait_for_log(text, PATIENCE).unwrap();
}

/// SIGTERM, and the time until its end.
pub fn time_to_end(program: Program) -> Duration {
    let began = std::time::Instant::now();
    program.terminate().unwrap();
    began.elapsed()
}
