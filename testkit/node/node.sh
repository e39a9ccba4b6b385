#!/bin/bash
# One node of Kubernetes on this machine, in network, pid and mount namespaces of its own. Needs root. README.md says more.
#   node.sh up DIR BIN IMAGE.tar...   starts it; says "ready" once the node is, and the default service account is there
#   node.sh exec DIR COMMAND...       runs a command in its namespaces, with KUBECONFIG
#   node.sh enter DIR COMMAND...      runs a command of this machine in the node's network alone, with KUBECONFIG
#   node.sh load DIR IMAGE.tar...     takes in images (OCI archives)
#   node.sh down DIR                  ends all of it; the logs stay in DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
task=${1:?up, exec, enter, load or down} dir=$(realpath -m "${2:?DIR}")
shift 2
# Each folder's own: two clones can have a node each.
name=kubedl-events-$(cksum <<<"$dir" | cut -d' ' -f1)

# The outer process, and the first process inside.
outer() { cat "$dir/pid" 2>/dev/null || { echo "no node runs in $dir: begin with \`cargo xtask cluster up\`" >&2; exit 1; }; }
inner() {
    local outer
    outer=$(outer) || exit 1
    pgrep -P "$outer" | head -1
}

up() {
    if [ -e "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; then
        echo "a node runs in $dir already: end it with \`cargo xtask cluster down\`" >&2
        exit 1
    fi
    rm -rf "$dir"
    mkdir -p "$dir"
    local bin images=()
    bin=$(realpath "$1")
    shift
    for image in "$@"; do images+=("$(realpath "$image")"); done
    # Version 1 of cgroups has a folder for each controller, version 2 one for all.
    for hierarchy in /sys/fs/cgroup/*/; do
        [ "$(stat -fc %T "$hierarchy")" = cgroupfs ] && mkdir -p "$hierarchy$name"
    done
    mkdir -p "/sys/fs/cgroup/unified/$name" 2>/dev/null || true
    # When the outer process ends, the first one inside is killed, and everything inside with it.
    setsid unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private \
        bash "$here/init.sh" "$dir" "$bin" "$name" "${images[@]}" </dev/null >"$dir/init.log" 2>&1 &
    echo $! >"$dir/pid"
    for _ in $(seq 600); do
        if [ -e "$dir/ready" ]; then
            echo "ready: cargo xtask cluster exec kubectl get pods -A"
            return
        fi
        kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
        sleep 0.1
    done
    echo "the node did not become ready: see $dir/*.log" >&2
    tail -n 5 "$dir"/*.log >&2
    exit 1
}

down() {
    local outer inner
    outer=$(outer)
    inner=$(pgrep -P "$outer" | head -1 || true)
    [ -n "$inner" ] && kill -TERM "$inner" 2>/dev/null || true
    for _ in $(seq 50); do
        kill -0 "$outer" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$outer" 2>/dev/null || true
    for _ in $(seq 20); do
        for folder in /sys/fs/cgroup/*/"$name"; do
            [ -d "$folder" ] && find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
        done
        compgen -G "/sys/fs/cgroup/*/$name" >/dev/null || break
        sleep 0.1
    done
    rm -rf "$dir/pid" "$dir/ready" "$dir/ctd" "$dir/kubelet" "$dir/volumes"
}

export KUBECONFIG=$dir/api/kubeconfig CONTAINERD_ADDRESS=$dir/ctd/c.sock
case $task in
up) up "$@" ;;
exec)
    process=$(inner) || exit 1
    exec nsenter --target "$process" --mount --net --pid --wdns="$PWD" -- "$@"
    ;;
enter)
    process=$(inner) || exit 1
    exec nsenter --target "$process" --net -- "$@"
    ;;
load)
    process=$(inner) || exit 1
    for image in "$@"; do nsenter --target "$process" --mount --net --pid -- ctr -n k8s.io images import "$(realpath "$image")"; done
    ;;
down) down ;;
*) echo "node.sh up, exec, enter, load or down, not $task" >&2; exit 2 ;;
esac
