//! Does a credential plugin hold nothing up, and is it named when it fails?

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::api::Api;
use super::run::{Case, PATIENCE};

/// A plugin that is this script, in the folder of a case. It has `$HERE`, that folder.
fn plugin(case: &Case, script: &str) -> String {
    let path = case.folder.path().join("plugin");
    std::fs::write(
        &path,
        format!(
            "#!/bin/sh\nHERE={}\necho run >> $HERE/runs\n{script}\n",
            case.folder.path().display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, installHint: 'brew install it', interactiveMode: Never, env: [{name: PATH, value: '/usr/bin:/bin'}]}}".to_owned()
}

fn runs(case: &Case) -> usize {
    std::fs::read_to_string(case.folder.path().join("runs"))
        .unwrap_or_default()
        .lines()
        .count()
}

const TOKEN: &str = r#"echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"abc"}}'"#;

/// Hangs, with a child that does, and notes both.
const HANGS: &str = "sleep 600 &\necho $$ $! > $HERE/pids.new\nmv $HERE/pids.new $HERE/pids\nwait";

/// Waits until the plugin hangs.
fn wait_until_it_hangs(case: &Case) {
    let until = Instant::now() + PATIENCE;
    while !case.folder.path().join("pids").exists() {
        assert!(Instant::now() < until, "the plugin was not run");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Neither the plugin nor what it started lives on.
fn is_gone(case: &Case) {
    let pids = std::fs::read_to_string(case.folder.path().join("pids")).unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    // One that ended and was not waited for yet is a zombie: proc(5), the state behind the name.
    let lives = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    while pids.split_whitespace().any(lives) {
        assert!(
            Instant::now() < until,
            "a process of the plugin still lives"
        );
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn it_is_run_once_for_all_connections() {
    let (api, case) = (Api::start(), Case::new());
    let user = plugin(&case, TOKEN);
    case.once(case.by(&format!("{{server: 'http://{}'}}", api.address), &user))
        .is_well();
    assert!(
        api.heads().iter().all(|head| head.contains("Bearer abc")),
        "{:?}",
        api.heads()
    );
    assert_eq!(runs(&case), 1);
}

#[test]
fn one_that_gives_what_is_over_already_is_not_run_for_each_request() {
    let (api, case) = (Api::start(), Case::new());
    let user = plugin(
        &case,
        r#"echo '{"kind":"ExecCredential","status":{"token":"abc","expirationTimestamp":"2020-01-01T00:00:00Z"}}'"#,
    );
    let began = Instant::now();
    case.once(case.by(&format!("{{server: 'http://{}'}}", api.address), &user))
        .is_well();
    // Once, and again each five seconds at most.
    assert!(
        runs(&case) <= 1 + began.elapsed().as_secs() as usize / 5,
        "{} runs",
        runs(&case)
    );
}

#[test]
fn one_that_hangs_is_ended_by_the_timeout() {
    let (api, case) = (Api::start(), Case::new());
    let user = plugin(&case, HANGS);
    case.once_for(
        case.by(&format!("{{server: 'http://{}'}}", api.address), &user),
        "3s",
    )
    .says(4, &[]);
    is_gone(&case);
}

#[test]
fn one_that_hangs_ends_an_audit_when_its_time_is_over_and_by_a_signal() {
    let (api, case) = (Api::start(), Case::new());
    let server = format!("{{server: 'http://{}'}}", api.address);
    case.once(case.by(&server, "{}")).is_well();
    let kubeconfig = super::run::kubeconfig(case.folder.path(), &server, &plugin(&case, HANGS));
    let audit = |time: &str| {
        let mut command = std::process::Command::new(super::run::PROGRAM);
        command
            .env_clear()
            .arg("audit")
            .arg("--data-dir")
            .arg(case.folder.path().join("data"))
            .arg("--kubeconfig")
            .arg(&kubeconfig);
        command
            .args(["--timeout", time])
            .stderr(std::process::Stdio::piped());
        command
    };
    let output = audit("2s").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(4) && said.contains("--timeout (2 s) passed"),
        "{:?} {said}",
        output.status
    );
    is_gone(&case);
    std::fs::remove_file(case.folder.path().join("pids")).unwrap();
    let child = audit("600s").spawn().unwrap();
    wait_until_it_hangs(&case);
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    is_gone(&case);
}

#[test]
fn one_that_hangs_is_ended_by_a_signal() {
    for more in [&[][..], &["--leader-elect"]] {
        let (api, case) = (Api::start(), Case::new());
        let user = plugin(&case, HANGS);
        let start = case.by(&format!("{{server: 'http://{}'}}", api.address), &user);
        let program = more
            .iter()
            .fold(start, |start, flag| start.flag(flag))
            .start()
            .unwrap();
        wait_until_it_hangs(&case);
        let began = Instant::now();
        assert!(program.terminate().unwrap().success());
        // Not the time that a request may take, or the plugin.
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{:?}",
            began.elapsed()
        );
        is_gone(&case);
    }
}

#[test]
fn one_that_hangs_when_credentials_are_renewed_is_ended_by_a_signal() {
    // A watch that ends at once, so that requests go on.
    let api = Api::changed(|line, _| {
        line.contains("watch=")
            .then(|| super::api::json("500 Internal Server Error", "", "{}"))
    });
    let case = Case::new();
    let first = r#"if [ $(wc -l < $HERE/runs) = 1 ]; then echo '{"kind":"ExecCredential","status":{"token":"abc","expirationTimestamp":"2020-01-01T00:00:00Z"}}'; exit; fi"#;
    let user = plugin(&case, &format!("{first}\n{HANGS}"));
    let program = case.until(
        case.by(&format!("{{server: 'http://{}'}}", api.address), &user),
        "The list is read.",
    );
    wait_until_it_hangs(&case);
    assert!(program.terminate().unwrap().success());
    is_gone(&case);
}

#[test]
fn one_that_gives_no_credentials_is_named_with_what_it_wrote() {
    let (api, case) = (Api::start(), Case::new());
    let server = format!("{{server: 'http://{}'}}", api.address);
    let missing = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin, installHint: 'brew install it'}}";
    case.once(case.by(&server, missing)).says(
        1,
        &[
            "error: cannot log in to the cluster",
            "\"no-such-plugin\"",
            "No such file",
            "brew install it",
        ],
    );
    for (script, words) in [
        (
            "echo 'session is over: log in' >&2; exit 3",
            &[
                "exit status: 3",
                "session is over: log in",
                "brew install it",
            ][..],
        ),
        (
            "echo Please log in at https://login.example.test",
            &["printed no ExecCredential", "Please log in at"],
        ),
        ("true", &["it wrote nothing"]),
        (
            r#"echo '{"status":{}}'"#,
            &["neither a token nor a certificate"],
        ),
    ] {
        let user = plugin(&case, script);
        case.once(case.by(&server, &user)).says(1, words);
    }
    let user = plugin(&case, r#"echo '{"status":{"token":"hunter2"'"#);
    let ended = case.once(case.by(&server, &user));
    ended.says(1, &["printed no ExecCredential"]);
    assert!(!ended.log.contains("hunter2"), "{}", ended.log);
}
