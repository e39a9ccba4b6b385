//! Do the commands of the pages that need a cluster do on a node what they are shown for? Needs
//! root, containerd and the image, so it is only run by `cargo xtask test --cluster`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::pages::{ON_A_NODE, root};
use crate::shell::Shell;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");

/// Ends the node however the test ends.
struct Ended<'a>(&'a Path);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("bash")
            .arg(root().join("testkit/node/node.sh"))
            .arg("down")
            .arg(self.0)
            .output();
    }
}

#[test]
#[ignore = "needs root, containerd and the image: cargo xtask test --cluster"]
fn each_documented_command_for_a_cluster_runs() {
    let root = root().canonicalize().unwrap();
    let (folder, node) = (root.join("target/documented"), root.join("target/node"));
    let _ = std::fs::remove_dir_all(&folder);
    let shell = &mut Shell::new(&folder, PROGRAM, &node.join("api/kubeconfig"));
    shell.run("cargo xtask cluster up");
    let ended = Ended(&node);
    shell.run("cargo xtask cluster load target/image/kubedl-events-amd64.tar");
    assert!(
        shell
            .run("cargo xtask cluster exec kubectl get pods -A")
            .contains("No resources found")
    );
    shell.run("cargo xtask cluster exec bash");
    shell.enter(&node);
    // Its volumes have no class.
    assert!(
        shell
            .run("kubectl get storageclass")
            .contains("No resources found")
    );
    prepare(shell);
    beside_kubedl(shell);
    turn_the_managers_own_off(shell);
    another_overlay(shell);
    from_the_deployment_of_before(shell);
    taking_it_away(shell);
    with_helm(shell);
    shell.leave_node();
    shell.run("cargo xtask cluster down");
    drop(ended);
    assert_eq!(
        shell.done,
        ON_A_NODE
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
    );
}

fn apply(shell: &Shell, object: &Value) {
    shell.other(&format!("kubectl apply -f - <<'END'\n{object}\nEND"));
}

/// What a cluster has: the manager's namespace, and the Secret of the page.
fn prepare(shell: &Shell) {
    shell.other("kubectl create namespace kubedl-system");
    shell.other(
        "kubectl label namespace kubedl-system pod-security.kubernetes.io/enforce=restricted",
    );
    shell.yaml("docs/install.md", "kind: Secret", "secret.yaml");
    shell.other("kubectl apply -f secret.yaml");
}

fn beside_kubedl(shell: &mut Shell) {
    shell.run("kubectl apply --server-side -k deploy/kustomize/overlays/beside-kubedl");
    shell.run("kubectl -n kubedl-system rollout status statefulset/kubedl-events");
    assert!(
        shell
            .run_for(
                5,
                "kubectl -n kubedl-system logs statefulset/kubedl-events -f"
            )
            .contains("Watching events.")
    );
    assert!(
        shell
            .run("kubectl -n kubedl-system exec kubedl-events-0 -- kubedl-events status")
            .contains("ready, delivering, up")
    );
    // Nothing is KubeDL's in this cluster.
    shell.run("kubectl -n kubedl-system exec kubedl-events-0 -- kubedl-events audit");
    shell.run("kubectl -n kubedl-system get lease kubedl-events");
}

/// With a program in the manager's place that does nothing.
fn turn_the_managers_own_off(shell: &mut Shell) {
    let context = json!({"allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 65532, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"}});
    let args = ["--event-storage", "aliyun-sls", "--region", "hangzhou"];
    let container = json!({"name": "manager", "image": "localhost/pause:1", "args": args, "securityContext": context});
    apply(shell, &deployment("kubedl", &container));
    shell.env(
        "KUBE_EDITOR",
        "sed -i -e /--event-storage/d -e /aliyun-sls$/d",
    );
    assert!(
        shell
            .run("kubectl -n kubedl-system edit deployment kubedl")
            .contains("edited")
    );
    shell.run("kubectl -n kubedl-system rollout status deployment/kubedl");
    let left = shell.other("kubectl -n kubedl-system get deployment kubedl -o jsonpath={.spec.template.spec.containers[0].args}");
    assert_eq!(left, r#"["--region","hangzhou"]"#);
}

fn deployment(name: &str, container: &Value) -> Value {
    let labels = json!({"app": name});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
    let spec = json!({"selector": {"matchLabels": labels}, "template": template});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "kubedl-system"}, "spec": spec})
}

/// From one replica to two, by replacing the StatefulSet.
fn another_overlay(shell: &mut Shell) {
    shell.run("kubectl -n kubedl-system delete statefulset kubedl-events --cascade=orphan");
    shell.stands_for("YOUR-OVERLAY", "deploy/kustomize/overlays/aliyun-sls");
    shell.run("kubectl apply --server-side -k YOUR-OVERLAY");
    shell.run("kubectl -n kubedl-system delete pod kubedl-events-1");
    shell.run("kubectl -n kubedl-system rollout status statefulset/kubedl-events");
    let ready = shell.other("kubectl -n kubedl-system get statefulset kubedl-events -o jsonpath={.status.readyReplicas}");
    assert_eq!(ready, "2");
    shell.other("kubectl delete -k deploy/kustomize/overlays/aliyun-sls");
}

fn from_the_deployment_of_before(shell: &mut Shell) {
    apply(
        shell,
        &deployment(
            "kubedl-events",
            &json!({"name": "kubedl-events", "image": "localhost/pause:1"}),
        ),
    );
    let spec =
        json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    let metadata = json!({"name": "kubedl-events", "namespace": "kubedl-system"});
    apply(
        shell,
        &json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}),
    );
    shell.run("kubectl -n kubedl-system delete deployment kubedl-events");
    shell.run(
        "kubectl apply --server-side --force-conflicts -k deploy/kustomize/overlays/beside-kubedl",
    );
    shell.run("kubectl -n kubedl-system delete pvc kubedl-events");
    shell.run("kubectl -n kubedl-system rollout status statefulset/kubedl-events");
}

fn taking_it_away(shell: &mut Shell) {
    shell.run("kubectl delete -k deploy/kustomize/overlays/beside-kubedl");
    shell.run("kubectl -n kubedl-system delete pvc -l app.kubernetes.io/name=kubedl-events");
    shell.run("kubectl -n kubedl-system delete lease kubedl-events");
    let everything = "kubectl -n kubedl-system get all,pvc,lease,networkpolicy,pdb,role,rolebinding,serviceaccount -o name";
    let left = shell.other(everything);
    let ours = left
        .lines()
        .filter(|name| name.contains("kubedl-events") && !name.starts_with("pod/"))
        .collect::<Vec<_>>();
    assert_eq!(ours, Vec::<&str>::new());
}

fn with_helm(shell: &mut Shell) {
    shell.run("helm install kubedl-events deploy/helm/kubedl-events --namespace kubedl-system --set replicas=1 --set aliyunSls.enabled=true");
    shell.run("kubectl -n kubedl-system rollout status statefulset/kubedl-events");
    assert!(
        shell
            .run("helm test kubedl-events --namespace kubedl-system")
            .contains("Succeeded")
    );
    shell.run("helm upgrade kubedl-events deploy/helm/kubedl-events -n kubedl-system --reset-then-reuse-values");
    shell.run("helm uninstall kubedl-events --namespace kubedl-system");
}
