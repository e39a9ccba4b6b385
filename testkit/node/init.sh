#!/bin/bash
# The first process in the node's namespaces; node.sh starts it.
set -euo pipefail
dir=$1 bin=$2 name=$3
shift 3
# Pods' addresses, and the node's among them: what listens on loopback here, Pods find there.
pods=10.88.77.0/24 gateway=10.88.77.1
trap 'kill $(jobs -p) 2>/dev/null; sleep 0.5; exit 0' TERM
export CONTAINERD_ADDRESS=$dir/ctd/c.sock KUBECONFIG=$dir/api/kubeconfig

mounts() {
    # kubelet wants shared mounts; the namespace keeps them in here.
    mount --make-rshared /
    for folder in /var/lib/kubelet /usr/libexec/kubernetes /run/containerd /run/runc /run/netns /var/lib/cni; do
        mkdir -p "$folder"
        mount -t tmpfs tmpfs "$folder"
    done
    # kubelet sets these for the whole machine, unless they are so already.
    mkdir -p "$dir/sysctl"
    for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1; do
        local file=$dir/sysctl/${setting//\//-}
        echo "${setting#*=}" >"$file"
        mount --bind "$file" "/proc/sys/${setting%=*}"
    done
}

network() {
    ip link set lo up
    ip link add node0 type bridge
    ip address add 10.99.0.1/24 dev node0
    ip link set node0 up
    ip route add default dev node0
    sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1
    # No controller fills the endpoints of the Service "kubernetes": the API server listens on loopback.
    for chain in OUTPUT PREROUTING; do
        iptables -t nat -A $chain -d 10.0.0.1 -p tcp --dport 443 -j DNAT --to-destination 127.0.0.1:16443
    done
    iptables -t nat -A PREROUTING -d $gateway -p tcp --dport 1024:65535 -j DNAT --to-destination 127.0.0.1
    mkdir -p "$dir/cni"
    cat >"$dir/cni/10-node.conflist" <<C
{"cniVersion": "0.4.0", "name": "node", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
 "ipam": {"type": "host-local", "dataDir": "$dir/ipam", "ranges": [[{"subnet": "$pods", "gateway": "$gateway"}]],
          "routes": [{"dst": "0.0.0.0/0"}]}}]}
C
}

containers() {
    cat >"$dir/containerd.toml" <<C
version = 2
root = "$dir/ctd/root"
state = "$dir/ctd/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "$CONTAINERD_ADDRESS"
[ttrpc]
  address = "$CONTAINERD_ADDRESS.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
C
    containerd -c "$dir/containerd.toml" >"$dir/containerd.log" 2>&1 &
}

apiserver() {
    "$bin/kube-test-apiserver" --dir "$dir/api" --port 16443 --light=false -- --allow-privileged=true \
        --kubelet-client-certificate="$dir/api/pki/admin.crt" --kubelet-client-key="$dir/api/pki/admin.key" \
        --kubelet-preferred-address-types=InternalIP >"$dir/api.out" 2>"$dir/api.log" &
}

controllers() {
    "$bin/kube-controller-manager" --kubeconfig "$KUBECONFIG" --use-service-account-credentials=false --leader-elect=false \
        --root-ca-file "$dir/api/pki/ca.crt" --service-account-private-key-file "$dir/api/pki/sa.key" \
        --bind-address=127.0.0.1 >"$dir/controller-manager.log" 2>&1 &
    "$bin/kube-scheduler" --kubeconfig "$KUBECONFIG" --leader-elect=false --bind-address=127.0.0.1 >"$dir/scheduler.log" 2>&1 &
    cat >"$dir/kube-proxy.yaml" <<C
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: {kubeconfig: $KUBECONFIG}
hostnameOverride: node
clusterCIDR: $pods
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
metricsBindAddress: 127.0.0.1:10249
healthzBindAddress: 127.0.0.1:10256
C
    "$bin/kube-proxy" --config "$dir/kube-proxy.yaml" >"$dir/kube-proxy.log" 2>&1 &
}

kubelet() {
    cat >"$dir/kubelet.yaml" <<C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$name
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix://$CONTAINERD_ADDRESS
address: 10.99.0.1
podLogsDir: $dir/podlogs
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $dir/api/pki/ca.crt}}
authorization: {mode: AlwaysAllow}
failSwapOn: false
makeIPTablesUtilChains: false
localStorageCapacityIsolation: false
evictionHard: {memory.available: 100Mi}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
syncFrequency: 5s
nodeStatusUpdateFrequency: 5s
resolvConf: ""
maxPods: 50
C
    "$bin/kubelet" --config "$dir/kubelet.yaml" --kubeconfig "$KUBECONFIG" --root-dir "$dir/kubelet" --cert-dir "$dir/kubelet-pki" \
        --hostname-override node --node-ip 10.99.0.1 >"$dir/kubelet.log" 2>&1 &
}

# No provisioner is here. Those that know fsGroup are `local`; one that was used is not given to another claim.
volumes() {
    local number
    for number in {0..19}; do
        mkdir -p "$dir/volumes/$number"
        cat <<C
apiVersion: v1
kind: PersistentVolume
metadata: {name: volume-$number}
spec:
  capacity: {storage: 2Gi}
  accessModes: [ReadWriteOnce]
  local: {path: $dir/volumes/$number}
  nodeAffinity:
    required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node]}]}]}
---
C
    done | "$bin/kubectl" apply -f - >"$dir/volumes.log" 2>&1
}

mounts
network
containers
apiserver
until ctr version >/dev/null 2>&1; do sleep 0.1; done
for image in "$@"; do ctr -n k8s.io images import "$image"; done
until grep -q ^ready "$dir/api.out"; do sleep 0.1; done
controllers
kubelet
until "$bin/kubectl" get node node 2>/dev/null | grep -qw Ready; do sleep 0.1; done
until "$bin/kubectl" get serviceaccount default >/dev/null 2>&1; do sleep 0.1; done
volumes
touch "$dir/ready"
# A node of which nothing is left ends.
while :; do
    wait -n || true
    jobs -r | grep -q . || exit 0
done
