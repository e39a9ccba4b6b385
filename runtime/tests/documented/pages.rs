//! The commands that pages show, and which test runs each. A command that is added to a page is run
//! by a test, or stands below with the reason why not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Commands that need a node of Kubernetes: `on_a_node.rs` runs them, which `cargo xtask test
/// --cluster` starts.
pub const ON_A_NODE: &[&str] = &[
    "cargo xtask cluster up",
    "cargo xtask cluster load target/image/kubedl-events-amd64.tar",
    "cargo xtask cluster exec kubectl get pods -A",
    "cargo xtask cluster exec bash",
    "kubectl get storageclass",
    "kubectl apply --server-side -k deploy/kustomize/overlays/beside-kubedl",
    "kubectl -n kubedl-system rollout status statefulset/kubedl-events",
    "kubectl -n kubedl-system logs statefulset/kubedl-events -f",
    "kubectl -n kubedl-system get lease kubedl-events",
    "kubectl -n kubedl-system exec kubedl-events-0 -- kubedl-events status",
    "kubectl -n kubedl-system exec kubedl-events-0 -- kubedl-events audit",
    "kubectl -n kubedl-system edit deployment kubedl",
    "kubectl -n kubedl-system rollout status deployment/kubedl",
    "kubectl -n kubedl-system delete statefulset kubedl-events --cascade=orphan",
    "kubectl apply --server-side -k YOUR-OVERLAY",
    "kubectl -n kubedl-system delete pod kubedl-events-1",
    "kubectl -n kubedl-system delete deployment kubedl-events",
    "kubectl apply --server-side --force-conflicts -k deploy/kustomize/overlays/beside-kubedl",
    "kubectl -n kubedl-system delete pvc kubedl-events",
    "kubectl delete -k deploy/kustomize/overlays/beside-kubedl",
    "kubectl -n kubedl-system delete pvc -l app.kubernetes.io/name=kubedl-events",
    "kubectl -n kubedl-system delete lease kubedl-events",
    "helm install kubedl-events deploy/helm/kubedl-events --namespace kubedl-system --set replicas=1 --set aliyunSls.enabled=true",
    "helm test kubedl-events --namespace kubedl-system",
    "helm upgrade kubedl-events deploy/helm/kubedl-events -n kubedl-system --reset-then-reuse-values",
    "helm uninstall kubedl-events --namespace kubedl-system",
    "cargo xtask cluster down",
];

/// Commands that no test of the pages runs, by how they begin, and why.
pub const NOT_RUN: &[(&str, &str)] = &[
    ("apt-get install", "tests change nothing on the machine"),
    ("cargo xtask demo", "`cargo xtask test` ends with it"),
    ("cargo xtask test", "it runs the tests"),
    ("cargo xtask testkit", "a part of `cargo xtask test`"),
    ("cargo xtask sinks", "a part of `cargo xtask test`"),
    (
        "cargo xtask chaos",
        "`chaos.rs` runs what it starts, for a minute",
    ),
    (
        "cargo xtask fuzz",
        "`hostile/fuzz` is what it runs, for some seconds",
    ),
    ("cargo xtask measure", "its own tests hold what it prints"),
    (
        "cargo install --locked cargo-deny",
        "from outside: where it is, `cargo xtask test` runs it",
    ),
    (
        "cargo deny check advisories",
        "it fetches a database from outside",
    ),
    (
        "cargo xtask image",
        "`cargo xtask test --cluster` begins with it",
    ),
    (
        "cargo build",
        "`cargo xtask test` builds the same with all packages",
    ),
    ("cargo test", "`cargo xtask test` runs them all"),
    (
        "(cd my-sink && go run",
        "`cargo xtask test --languages` builds the templates",
    ),
    (
        "go run",
        "`cargo xtask test --languages` builds the templates",
    ),
];

/// Spans of text that name a command and are not a whole one.
const NAMES: &[&str] = &[
    "kubectl apply -k",
    "kubectl describe pod",
    "kubectl get events,pods -o json",
    "kubectl get pods",
    "kubedl-events sink component",
    "kubedl-events sink grant FILE.wasm",
    "kubedl-events sink inspect",
    "kubedl-events sink pack",
    "cargo xtask templates [LANGUAGE]",
];

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The pages for operators and for those who write sinks, by their paths.
pub fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "sdk/README.md",
        "testkit/node/README.md",
    ]
    .map(|name| root().join(name))
    .into();
    let folders = [
        root().join("docs"),
        root().join("docs/sinks"),
        root().join("deploy"),
    ];
    let sinks = std::fs::read_dir(root().join("sinks"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.is_symlink());
    for folder in folders.into_iter().chain(sinks) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        pages.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|end| end == "md")),
        );
    }
    pages
}

/// Lines of code blocks, whether between fences or indented, with continued lines joined.
pub fn code(page: &str) -> Vec<String> {
    let (mut fenced, mut lines) = (false, Vec::<String>::new());
    let mut open = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if !fenced && !line.starts_with("    ") {
            continue;
        }
        let (text, goes_on) = line
            .strip_suffix('\\')
            .map_or((line, false), |text| (text, true));
        match lines.last_mut().filter(|_| open) {
            Some(last) => last.push_str(text),
            None => lines.push(text.to_owned()),
        }
        open = goes_on;
    }
    lines
}

/// What stands between backticks in the text of a page, a line at a time.
fn spans(page: &str) -> Vec<String> {
    let mut fenced = false;
    let mut spans = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced && !line.starts_with("    ") {
            spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    spans
}

/// The commands of a line, without what is said about them; what `# or:` leads is a command, too.
fn commands_of(line: &str) -> Vec<String> {
    let mut quote = None;
    let end = line.char_indices().find(|(place, c)| match (quote, *c) {
        (Some(open), c) => {
            quote = Some(open).filter(|open| *open != c);
            false
        }
        (None, '\'' | '"') => {
            quote = Some(*c);
            false
        }
        (None, '#') => line[..*place].ends_with(' '),
        _ => false,
    });
    let (command, said) = line.split_at(end.map_or(line.len(), |(place, _)| place));
    let other = said.strip_prefix("# or: ");
    [Some(command), other]
        .into_iter()
        .flatten()
        .map(|text| text.trim().to_owned())
        .collect()
}

/// Whether a shell would run one of the programs that the pages speak of, with arguments.
fn is_command(text: &str) -> bool {
    let programs = [
        "kubectl ",
        "helm ",
        "kubedl-events ",
        "target/debug/kubedl-events ",
        "cargo ",
        "curl ",
        "apt-get ",
        "mkdir ",
        "(cd ",
        "go ",
    ];
    programs.iter().any(|program| text.starts_with(program))
}

/// All commands of all pages, each once, with the pages that show it.
pub fn commands() -> BTreeMap<String, Vec<String>> {
    let mut commands = BTreeMap::<String, Vec<String>>::new();
    for path in pages() {
        let page = std::fs::read_to_string(&path).unwrap();
        // One of two words, such as `kubectl exec`, names a command, too.
        let spans = spans(&page)
            .into_iter()
            .filter(|span| span.split(' ').count() > 2 && !NAMES.contains(&span.as_str()));
        for text in code(&page)
            .iter()
            .flat_map(|line| commands_of(line))
            .chain(spans)
            .filter(|text| is_command(text))
        {
            let shown = path.strip_prefix(root()).unwrap().display().to_string();
            commands.entry(text).or_default().push(shown);
        }
    }
    commands
}
