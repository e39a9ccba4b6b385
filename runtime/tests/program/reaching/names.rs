//! Are names and addresses that can't be told before anything is asked, by the start and by `config
//! check` alike?

use std::path::Path;
use std::process::Command;

use super::run::{Case, PROGRAM};

/// Exit code and words of the start and of the check, which must agree on the first.
fn told(line: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let sinks = testkit::program::sinks();
    let run = |begin: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .args(begin)
            .args(["--event-storage", "stdout", "--shipped-sinks"])
            .arg(&sinks)
            .arg("--data-dir")
            .arg(folder.path());
        let output = command.args(line).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let check = run(&["config", "check"]);
    // What would start is not started here.
    if check.0 == 0 {
        return check;
    }
    let start = run(&[]);
    assert_eq!(start.0, check.0, "{line:?}: {} {}", start.1, check.1);
    (start.0, format!("{}{}", start.1, check.1))
}

#[test]
fn a_namespace_that_can_not_be_is_refused_with_a_sentence() {
    for (value, words) in [
        ("*", "leave it out for all namespaces"),
        ("all", "leave --namespace out for all namespaces"),
        ("lab ", "white space around it"),
        (" lab", "white space around it"),
        ("Lab", "no capital letters: \"lab\""),
        ("../pods", "something else in it"),
        ("", "it is empty"),
        ("lab,", "it is empty"),
        ("a.b", "something else in it"),
        ("-a", "it begins or ends with a -"),
    ] {
        let (code, said) = told(&[&format!("--namespace={value}")]);
        assert!(
            code == 2 && said.contains(words),
            "{value:?}: {code} {said}"
        );
        if value != "all" && value != "lab," {
            let (code, said) = told(&[&format!("--lease-namespace={value}")]);
            assert!(
                code == 2 && said.contains(words),
                "{value:?}: {code} {said}"
            );
        }
    }
    assert_eq!(
        told(&[
            "--namespace=lab,kube-system",
            "--lease-namespace=lab",
            "--lease-name=kubedl.events-2",
            "--listen-address=:8080"
        ])
        .0,
        0
    );
}

#[test]
fn a_lease_name_and_an_address_that_can_not_be_are_refused() {
    for value in ["", "a/b", "A", "a..b", "kubedl events"] {
        let (code, said) = told(&[&format!("--lease-name={value}")]);
        assert!(
            code == 2 && said.contains("--lease-name") && said.contains(&format!("{value:?}")),
            "{value:?}: {code} {said}"
        );
    }
    for (value, words) in [
        ("8080", "it is a port alone"),
        ("", "it has no port"),
        ("localhost", "it has no port"),
        (":http", "\"http\" is not a port"),
        (":99999", "is not a port"),
        (":+1", "is not a port"),
        ("::1:8080", "brackets"),
        ("256.0.0.1:80", "neither an address nor a name"),
        ("http://a:80", "neither an address nor a name"),
        ("a b:80", "neither an address nor a name"),
    ] {
        let (code, said) = told(&[&format!("--listen-address={value}")]);
        assert!(
            code == 2 && said.contains("--listen-address") && said.contains(words),
            "{value:?}: {code} {said}"
        );
    }
    for value in [
        ":0",
        "127.0.0.1:8080",
        "[::1]:8080",
        "[fe80::1%eth0]:1",
        "localhost:8080",
        "0.0.0.0:1",
    ] {
        let (code, said) = told(&[&format!("--listen-address={value}")]);
        assert_eq!(code, 0, "{value:?}: {said}");
    }
}

#[test]
fn a_file_is_checked_as_flags_are() {
    let case = Case::new();
    let file = case.folder.path().join("config.yaml");
    for (text, words) in [
        ("listen-address: 8080\n", "listen-address is set in"),
        ("namespace: [lab, '']\n", "namespace is set in"),
        ("lease-name: A\n", "lease-name is set in"),
    ] {
        std::fs::write(&file, text).unwrap();
        let (code, said) = told(&["--config", file.to_str().unwrap()]);
        assert!(code == 2 && said.contains(words), "{text}: {code} {said}");
    }
}

#[test]
fn the_namespace_of_a_context_is_looked_at_where_it_is_for_the_lease() {
    let case = Case::new();
    let path = case.folder.path().join("odd");
    let text = "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\ncontexts: [{name: x, context: {cluster: c, namespace: 'My Lab'}}]\ncurrent-context: x\n";
    std::fs::write(&path, text).unwrap();
    let (status, _, log) = case
        .start()
        .with("--kubeconfig", Path::new(&path))
        .run()
        .unwrap();
    assert!(
        status.code() == Some(1) && log.contains("\"My Lab\" is not a name of Kubernetes"),
        "{log}"
    );
}
