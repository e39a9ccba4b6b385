//! Do two replicas deliver everything, and never both at once?

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use testkit::apiserver::client;
use testkit::load::{Account, Load, Put};
use testkit::program::{Program, Start};
use testkit::proxy::Proxy;
use testkit::sls::{self, StoredLog};
use testkit::stage::Stage;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(120);
/// Events and updates a second, where they trickle.
const TRICKLE: u32 = 25;
/// Seconds of events that a failover may double: two between renewals, one between marks, and as
/// much for a busy machine.
const DOUBLED: usize = 6;

/// Where two processes meet, with the objects that events will be about.
struct Pair(Stage);

impl std::ops::Deref for Pair {
    type Target = Stage;
    fn deref(&self) -> &Stage {
        &self.0
    }
}

impl Pair {
    fn set() -> Self {
        let stage = Stage::set(PROGRAM, &std::env::temp_dir()).unwrap();
        Load::set_up(&stage.server).unwrap();
        Self(stage)
    }

    /// A process with a data folder of its own, whose name goes as the cluster's name into every
    /// event.
    fn process(&self, name: &str, kubeconfig: &Path) -> Start {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        self.start_in(&folder, kubeconfig).with("--cluster", name)
    }

    fn replica(&self, name: &str) -> Start {
        self.process(name, &self.server.kubeconfig)
            .flag("--leader-elect")
    }

    /// Two of them; the first one leads.
    fn pair(&self) -> (Program, Program) {
        let mut a = self.replica("a").start().unwrap();
        a.wait_for_log("The list is read.", PATIENCE).unwrap();
        a.wait_for_log("Sink is open.", PATIENCE).unwrap();
        let mut b = self.replica("b").start().unwrap();
        b.wait_for_log("Watching events.", PATIENCE).unwrap();
        b.wait_for_log("Standing by", PATIENCE).unwrap();
        (a, b)
    }

    fn load(&self, name: &str, events: u32, updates: f64, rate: u32) -> Load {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Load::start(&self.server, &folder, events, updates, rate).unwrap()
    }

    /// Waits until everything has come, whatever is doubled.
    fn account(&self, put: &[Put]) -> Account {
        let mut wanted = put.len();
        loop {
            let stored = self.sls.wait_for(wanted, PATIENCE);
            let stored = stored.unwrap_or_else(|why| {
                panic!(
                    "{why}; {} are missing",
                    Account::of(put, &self.sls.stored()).missing.len()
                )
            });
            let account = Account::of(put, &stored);
            if account.missing.is_empty() {
                return account;
            }
            wanted = stored.len() + 1;
        }
    }

    async fn lease(&self) -> Lease {
        let api: Api<Lease> =
            Api::namespaced(client(&self.server.kubeconfig).await.unwrap(), "default");
        api.get("kubedl-events").await.unwrap()
    }

    /// Waits until the Lease says that everything put so far is delivered.
    async fn wait_for_lease(&self, put: &[Put]) {
        let newest: u64 = put.last().unwrap().resource_version.parse().unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            let annotations = self.lease().await.metadata.annotations.unwrap_or_default();
            let said: serde_json::Value =
                serde_json::from_str(&annotations["events.kubedl.io/delivered"]).unwrap();
            if said["aliyun-sls"]["*"]
                .as_str()
                .is_some_and(|version| version.parse::<u64>().unwrap() >= newest)
            {
                return;
            }
            assert!(
                Instant::now() < until,
                "the Lease says {said}, not {newest}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn of<'a>(
    stored: &'a [StoredLog],
    replica: &'a str,
) -> impl DoubleEndedIterator<Item = &'a StoredLog> {
    stored
        .iter()
        .filter(move |log| log.get("Cluster") == Some(replica))
}

/// From `since` to the first log of a replica.
fn delay(stored: &[StoredLog], replica: &str, since: Instant) -> Duration {
    of(stored, replica)
        .next()
        .unwrap()
        .arrived
        .saturating_duration_since(since)
}

#[test]
fn when_the_leader_is_killed_the_other_delivers_what_it_did_not() {
    let stage = Pair::set();
    let (a, b) = stage.pair();
    let load = stage.load("load", TRICKLE * 24, 0.25, TRICKLE);
    stage.sls.wait_for(100, PATIENCE).unwrap();
    let killed = Instant::now();
    a.kill().unwrap();
    let put = load.finish().unwrap();
    let account = stage.account(&put);
    let stored = stage.sls.stored();
    println!(
        "killed: the other delivered after {:?}, {} doubled",
        delay(&stored, "b", killed),
        account.doubled.len()
    );
    assert!(delay(&stored, "b", killed) < Duration::from_secs(60));
    assert_eq!((account.missing, account.foreign), (vec![], 0));
    assert!(
        account.doubled.len() <= DOUBLED * TRICKLE as usize,
        "{} doubled",
        account.doubled.len()
    );
    assert!(b.terminate().unwrap().success());
}

#[test]
fn a_leader_that_is_stopped_hands_over_at_once() {
    let stage = Pair::set();
    let (a, b) = stage.pair();
    let load = stage.load("load", TRICKLE * 10, 0.25, TRICKLE);
    stage.sls.wait_for(100, PATIENCE).unwrap();
    let stopped = Instant::now();
    assert!(a.terminate().unwrap().success());
    let gone = stopped.elapsed();
    let put = load.finish().unwrap();
    let account = stage.account(&put);
    let stored = stage.sls.stored();
    println!(
        "stopped: gone after {gone:?}, the other delivered after {:?}, {} doubled",
        delay(&stored, "b", stopped),
        account.doubled.len()
    );
    // Well below the time after which an abandoned Lease is taken.
    assert!(delay(&stored, "b", stopped) < Duration::from_secs(12));
    assert_eq!((account.missing, account.foreign), (vec![], 0));
    assert!(
        account.doubled.len() <= TRICKLE as usize,
        "{} doubled",
        account.doubled.len()
    );
    assert!(b.terminate().unwrap().success());
}

/// The kubeconfig of the administrator, by way of the proxy.
fn by_way_of(stage: &Pair, proxy: &Proxy) -> PathBuf {
    let text = std::fs::read_to_string(&stage.server.kubeconfig).unwrap();
    assert!(text.contains(&stage.server.url));
    let path = stage.folder.path().join("proxied.yaml");
    std::fs::write(
        &path,
        text.replace(&stage.server.url, &format!("https://{}", proxy.address())),
    )
    .unwrap();
    path
}

#[tokio::test]
async fn a_leader_cut_off_from_the_api_server_is_silent_before_the_other_speaks() {
    // Long: one story, told in its order.
    let stage = Pair::set();
    let proxy = Proxy::start(
        stage
            .server
            .url
            .trim_start_matches("https://")
            .parse()
            .unwrap(),
    )
    .unwrap();
    // One event a request, and each takes a while: when it is cut off, the leader has enough to go
    // on with.
    let grant = std::fs::read_to_string(testkit::program::sinks().join("aliyun-sls.yaml")).unwrap();
    assert!(grant.contains("batch-events: 4096"));
    std::fs::write(
        stage.folder.path().join("aliyun-sls.yaml"),
        grant.replace("batch-events: 4096", "batch-events: 1"),
    )
    .unwrap();
    stage
        .sls
        .order(sls::Order::delay(Duration::from_millis(300)));
    let start = stage
        .process("a", &by_way_of(&stage, &proxy))
        .flag("--leader-elect")
        .with("--grant-dir", stage.folder.path());
    let mut a = start.start().unwrap();
    a.wait_for_log("The list is read.", PATIENCE).unwrap();
    a.wait_for_log("Sink is open.", PATIENCE).unwrap();
    let mut b = stage.replica("b").start().unwrap();
    b.wait_for_log("Standing by", PATIENCE).unwrap();
    let put = stage.load("load", 150, 0.0, 300).finish().unwrap();
    stage.sls.wait_for(10, PATIENCE).unwrap();
    proxy.cut();
    let spec = stage.lease().await.spec.unwrap();
    let renewed = u64::try_from(spec.renew_time.unwrap().0.as_nanosecond()).unwrap();
    assert!(
        stage.sls.count() < put.len() / 2,
        "the leader has nothing left to say"
    );

    b.wait_for_log("Leading: this replica delivers.", PATIENCE)
        .unwrap();
    stage.sls.clear_orders();
    let account = stage.account(&put);
    let stored = stage.sls.stored();
    let after = |log: &StoredLog| Duration::from_nanos(log.arrived_ns.saturating_sub(renewed));
    let (last, first) = (
        after(of(&stored, "a").next_back().unwrap()),
        after(
            of(&stored, "b")
                .next()
                .expect("the other had nothing left to say"),
        ),
    );
    println!(
        "cut off: silent {last:?} after its last renewal, the other spoke at {first:?}, {} doubled",
        account.doubled.len()
    );
    assert!(
        last > Duration::from_secs(4),
        "it was silent before it had to be, so this proves nothing: {last:?}"
    );
    assert!(last <= Duration::from_secs(10));
    assert!(first >= Duration::from_secs(15));
    assert_eq!((account.missing, account.foreign), (vec![], 0));
    // What it delivered after its last renewal it could not say: three a second.
    assert!(
        account.doubled.len() <= 60,
        "{} doubled",
        account.doubled.len()
    );
    assert!(a.log().unwrap().contains("No longer leading"));
    assert!(a.terminate().unwrap().success() && b.terminate().unwrap().success());
}

#[tokio::test]
async fn a_standby_with_an_empty_disk_leaves_no_hole() {
    let stage = Pair::set();
    let mut a = stage.replica("a").start().unwrap();
    a.wait_for_log("The list is read.", PATIENCE).unwrap();
    a.wait_for_log("Sink is open.", PATIENCE).unwrap();
    let mut put = stage.load("before", 40, 0.25, 100).finish().unwrap();
    stage.sls.wait_for(put.len(), PATIENCE).unwrap();
    stage.wait_for_lease(&put).await;
    // From here on nothing is delivered, and what is updated no list shows.
    stage
        .sls
        .order(sls::Order::answer(503, "ServerBusy", "Server is busy."));
    put.extend(stage.load("undelivered", 100, 1.0, 200).finish().unwrap());
    let mut b = stage.replica("b").start().unwrap();
    b.wait_for_log("Watching events.", PATIENCE).unwrap();
    a.kill().unwrap();
    b.wait_for_log("Leading: this replica delivers.", PATIENCE)
        .unwrap();
    stage.sls.clear_orders();
    let account = stage.account(&put);
    assert_eq!(
        (account.missing, account.doubled, account.foreign),
        (vec![], vec![], 0)
    );
    assert!(
        !b.log().unwrap().contains("The list is read."),
        "it had to go on where the Lease said"
    );
    assert!(b.terminate().unwrap().success());
}

#[tokio::test]
async fn without_an_election_a_lost_disk_goes_on_where_the_lease_says_and_a_second_process_is_warned()
 {
    let stage = Pair::set();
    let mut one = stage
        .process("a", &stage.server.kubeconfig)
        .start()
        .unwrap();
    one.wait_for_log("The list is read.", PATIENCE).unwrap();
    let mut put = stage.load("before", 40, 0.25, 100).finish().unwrap();
    stage.sls.wait_for(put.len(), PATIENCE).unwrap();
    let folder = stage.folder.path().join("second");
    std::fs::create_dir(&folder).unwrap();
    let second = Start::new(Path::new(PROGRAM), &folder, "log").with("--event-storage", "stdout");
    let mut second = second
        .with("--kubeconfig", &stage.server.kubeconfig)
        .start()
        .unwrap();
    second
        .wait_for_log("Another process that lives holds the Lease", PATIENCE)
        .unwrap();
    assert!(second.terminate().unwrap().success());

    assert!(one.terminate().unwrap().success());
    let spec = stage.lease().await.spec.unwrap();
    assert_eq!(
        (spec.holder_identity.as_deref(), spec.lease_duration_seconds),
        (Some(""), Some(1)),
        "it was given back"
    );
    std::fs::remove_dir_all(stage.folder.path().join("a/data")).unwrap();
    put.extend(stage.load("meanwhile", 40, 1.0, 100).finish().unwrap());
    let mut one = stage
        .process("a", &stage.server.kubeconfig)
        .start()
        .unwrap();
    one.wait_for_log("Watching events.", PATIENCE).unwrap();
    let account = stage.account(&put);
    assert_eq!(
        (account.missing, account.doubled, account.foreign),
        (vec![], vec![], 0)
    );
    assert!(one.terminate().unwrap().success());
}
