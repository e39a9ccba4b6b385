//! Do the commands that pages show do what they are shown for? Those that need a node are run by
//! `on_a_node.rs`.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::graphite::Graphite;
use testkit::hook::Hook;
use testkit::sls::{self, Order};
use testkit::stage::Stage;

use crate::pages::{NOT_RUN, ON_A_NODE, commands};
use crate::shell::Shell;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn each_documented_command_runs() {
    let stage = Stage::set(PROGRAM, &std::env::temp_dir()).unwrap();
    let mut life = stage.life("train").await.unwrap();
    life.train("mnist").await.unwrap();
    life.train("cifar").await.unwrap();
    let shell = &mut Shell::new(
        &stage.folder.path().join("shell"),
        PROGRAM,
        &stage.server.kubeconfig,
    );
    let (graphite, hook) = (Graphite::start().unwrap(), Hook::start().unwrap());
    shell.env("GRAPHITE_URL", graphite.url());
    shell.env("WEBHOOK_URL", &format!("{}/in", hook.url()));
    for (name, value) in credentials(&stage.sls) {
        shell.env(name, &value);
    }
    questions(shell, &stage);
    // From here on the service is to end when all that is there is stored.
    for (name, value) in [
        ("ONCE", "true"),
        ("TIMEOUT", "100s"),
        ("DATA_DIR", "./data"),
    ] {
        shell.env(&format!("KUBEDL_EVENTS_{name}"), value);
    }
    destinations(shell);
    settings(shell);
    recordings(shell);
    sinks_of_others(shell);
    sinks_of_your_own(shell);
    from_config_maps(shell);
    policies(shell);

    let elsewhere = |text: &String| {
        ON_A_NODE.contains(&text.as_str())
            || NOT_RUN.iter().any(|(start, _)| text.starts_with(start))
    };
    let left: Vec<_> = commands()
        .into_iter()
        .filter(|(text, _)| !shell.done.contains(text) && !elsewhere(text))
        .collect();
    assert!(left.is_empty(), "no test runs these commands: {left:#?}");
}

#[test]
fn what_is_run_elsewhere_is_documented() {
    let commands = commands();
    let stale = |start: &&str| !commands.keys().any(|text| text.starts_with(start));
    let starts = ON_A_NODE
        .iter()
        .copied()
        .chain(NOT_RUN.iter().map(|(start, _)| *start));
    assert_eq!(starts.filter(stale).collect::<Vec<_>>(), Vec::<&str>::new());
}

fn credentials(server: &sls::Server) -> [(&'static str, String); 5] {
    let known = sls::Options::default();
    [
        ("SLS_ENDPOINT", server.endpoint()),
        ("SLS_KEY_ID", known.access_key_id),
        ("SLS_KEY_SECRET", known.access_key_secret),
        ("SLS_PROJECT", known.project),
        ("SLS_LOG_STORE", known.log_store),
    ]
}

/// What is asked of a running service.
fn questions(shell: &mut Shell, stage: &Stage) {
    stage
        .sls
        .order(Order::refuse_logs_with("Reason", "JobSucceeded"));
    let program = stage.program(PATIENCE).unwrap();
    shell.env(
        "KUBEDL_EVENTS_DATA_DIR",
        stage.folder.path().join("data").to_str().unwrap(),
    );
    let letters = letters(shell);
    assert!(
        shell
            .run("kubedl-events dead-letters list")
            .contains("aliyun-sls")
    );
    assert!(shell.run("kubedl-events status").contains("aliyun-sls"));
    assert!(
        shell
            .run("kubedl-events egress list")
            .contains("POST http://")
    );
    shell.run("kubedl-events gaps");
    assert!(shell.run_to(3, "kubedl-events audit").contains("dead"));
    stage.sls.clear_orders();
    shell.stands_for("12", &letters[0]);
    assert!(
        shell
            .run("kubedl-events dead-letters show 12")
            .contains("JobSucceeded")
    );
    shell.run("kubedl-events dead-letters retry 12");
    shell.stands_for("12", &letters[1]);
    shell.run("kubedl-events dead-letters drop 12");
    program.terminate().unwrap();
}

/// The numbers of dead letters, once there are two.
fn letters(shell: &Shell) -> Vec<String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let said = shell.other("kubedl-events dead-letters list --format json");
        let letters: Value = serde_json::from_str(&said).unwrap_or_default();
        let letters: Vec<String> = letters
            .as_array()
            .into_iter()
            .flatten()
            .map(|letter| letter["id"].to_string())
            .collect();
        if letters.len() > 1 {
            return letters;
        }
        assert!(Instant::now() < until, "{said}");
    }
}

fn destinations(shell: &mut Shell) {
    shell.run("kubedl-events --event-storage aliyun-sls");
    shell.run("kubedl-events --event-storage graphite");
    assert!(
        shell
            .run("kubedl-events --event-storage stdout")
            .contains("JobSucceeded")
    );
    shell.run("kubedl-events --event-storage webhook");
    shell.run("kubedl-events --event-storage aliyun-sls --event-storage graphite --select ");
    // As a service that has none of them yet; jq is not among what the tests need.
    shell.other("rm -r data");
    if Command::new("jq").arg("--version").output().is_ok() {
        assert!(
            shell
                .run("kubedl-events --event-storage stdout | jq")
                .contains("BackOff")
        );
    } else {
        shell.skip("kubedl-events --event-storage stdout | jq");
    }
    assert!(
        shell
            .run("curl \"$GRAPHITE_URL/events/get_data?tags=Warning")
            .contains("BackOff")
    );
}

fn policies(shell: &mut Shell) {
    shell.run("kubectl get endpointslices -l kubernetes.io/service-name=kubernetes");
    assert!(shell.run("kubedl-events sink grant graphite --network-policy | kubectl -n kubedl-system apply -f -").contains("created"));
    shell.yaml("docs/install.md", "kind: NetworkPolicy", "api-server.yaml");
    assert!(
        shell
            .other("kubectl apply -f api-server.yaml")
            .contains("kubedl-events-api-server created")
    );
}

fn settings(shell: &mut Shell) {
    shell.yaml("docs/configuration.md", "# config.yaml", "config.yaml");
    assert!(
        shell
            .run("kubedl-events config show --config config.yaml")
            .contains("warnings")
    );
    shell.run("kubedl-events config check --config config.yaml");
    shell.yaml("docs/coming-from.md", "# config.yaml", "from-exporter.yaml");
    shell.other("kubedl-events config check --config from-exporter.yaml");
    shell.run("kubedl-events config schema");
    let explained = shell
        .run("kubectl get events,pods -A -o json | kubedl-events explain - --config config.yaml");
    assert!(explained.contains("PyTorchJob"), "{explained}");
    shell.run("kubedl-events completions bash");
    shell.run("kubectl get events,pods -A -o json > events.json");
    let printed = shell.run("target/debug/kubedl-events --shipped-sinks target/sinks --event-storage stdout --from events.json --once");
    assert!(printed.contains("JobSucceeded"), "{printed}");
}

/// A file with something in it that can't be read.
fn recordings(shell: &mut Shell) {
    shell.run("kubectl get events,pods -A -o json");
    shell.run("kubectl get events,pods -A -o yaml");
    shell.other("rm -r data; (cat events.json; echo a line of a log) > odd.json");
    shell.env("KUBEDL_EVENTS_EVENT_STORAGE", "stdout");
    let played = shell.other("kubedl-events --from odd.json || echo exit code $?");
    assert!(
        played.contains("JobSucceeded") && played.contains("exit code 3"),
        "{played}"
    );
    assert!(
        shell
            .run("kubedl-events dead-letters list --data-dir ./data")
            .contains("a line of a log")
    );
    assert!(
        shell
            .run("kubedl-events dead-letters show 1 --data-dir ./data")
            .contains("a line of a log")
    );
    shell.run("kubedl-events dead-letters retry 1 --data-dir ./data");
    shell.run("kubedl-events dead-letters drop 1 --data-dir ./data");
    shell.unset("KUBEDL_EVENTS_EVENT_STORAGE");
}

fn sinks_of_others(shell: &mut Shell) {
    shell.sink("webhook", "my-sink.wasm");
    shell.sink("stdout", "new.wasm");
    assert!(
        shell
            .run("kubedl-events sink inspect ./my-sink.wasm")
            .contains("WEBHOOK_URL")
    );
    shell.run("kubedl-events sink grant ./my-sink.wasm > my-sink.yaml");
    shell.run("mkdir -p grants");
    shell.run("kubedl-events sink grant ./my-sink.wasm > grants/my-sink.yaml");
    shell.run("kubedl-events sink diff ./my-sink.wasm ./new.wasm");
    shell.run("kubedl-events --event-storage ./my-sink.wasm --grant-dir grants");
    shell.run("kubedl-events --event-storage ./my-sink.wasm --grant-dir . --objects all --data-dir ./data");
}

fn sinks_of_your_own(shell: &mut Shell) {
    shell.run("kubedl-events sink new my-sink --language go");
    shell.sink("webhook", "my-sink/my-sink.wasm");
    shell.other("cp my-sink.yaml my-sink/my-sink.yaml && cp sinks/webhook/cases.yaml cases.yaml");
    shell.run("kubedl-events sink test my-sink/my-sink.wasm");
    shell.run("kubedl-events sink test my-sink.wasm --cases cases.yaml");
    shell.run(
        "kubedl-events sink test target/sinks/graphite.wasm --cases sinks/graphite/cases.yaml",
    );
    shell.run("kubedl-events sink test target/sinks/webhook.wasm --cases sinks/webhook/cases.yaml");
    shell.run("kubedl-events sink run my-sink/my-sink.wasm --grant my-sink/my-sink.yaml");
    shell.run("kubedl-events sink run my-sink.wasm --grant my-sink.yaml");
    shell.other("rm -r my-sink");
}

fn from_config_maps(shell: &mut Shell) {
    shell.run("kubectl create namespace kubedl-system");
    shell.run("kubectl -n kubedl-system create configmap my-grants --from-file=my-sink.yaml");
    shell.run("kubedl-events sink pack my-sink.wasm --configmap my-sink --namespace kubedl-system -o my-sink/");
    assert!(
        shell
            .run("kubectl apply --server-side -f my-sink/")
            .contains("configmap/my-sink")
    );
}
