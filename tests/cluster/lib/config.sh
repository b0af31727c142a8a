# shellcheck shell=bash
# Configuration files of the node's programs and of CoreDNS.

write_containerd_config() {
  cat >"$STATE/etc/containerd.toml" <<EOF
version = 2
root = "$STATE/containerd/root"
state = "$STATE/containerd/state"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = "$CONTAINERD_SOCKET"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "$PAUSE_IMAGE"
disable_tcp_service = true
disable_apparmor = true
# Without CAP_SYS_RESOURCE no score can be lowered, and each sandbox would fail.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$STATE/etc/cni"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "$(snapshotter_for "$STATE")"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
EOF
}

# ptp and not bridge: traffic between Pods is routed, so it passes iptables (and
# a Service's address is translated back) without the br_netfilter module.
write_cni_config() {
  mkdir -p "$STATE/etc/cni"
  cat >"$STATE/etc/cni/10-pods.conflist" <<EOF
{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "$POD_CIDR"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    }
  ]
}
EOF
}

# write_kubelet_config [MAX_CONTAINER_RESTART_PERIOD]
write_kubelet_config() {
  cat >"$STATE/etc/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$CONTAINERD_SOCKET
tlsCertFile: $STATE/pki/kubelet-serving.crt
tlsPrivateKeyFile: $STATE/pki/kubelet-serving.key
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: $STATE/pki/ca.crt}
authorization: {mode: AlwaysAllow}
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: $STATE/etc/resolv.conf
# One node on whatever cgroups the machine has, without slices of its own.
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
localStorageCapacityIsolation: false
# The machine's disk and memory are not the tests' subject: nothing is evicted.
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
imageGCHighThresholdPercent: 100
EOF
  [ -z "${1:-}" ] || cat >>"$STATE/etc/kubelet.yaml" <<EOF
crashLoopBackOff: {maxContainerRestartPeriod: $1}
EOF
}

# Names outside the cluster do not exist, and CoreDNS says so at once.
write_coredns_config() {
  echo "nameserver $DNS_IP" >"$STATE/etc/resolv.conf"
  cat >"$STATE/etc/Corefile" <<EOF
cluster.local:53 in-addr.arpa:53 {
  bind $DNS_IP
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $STATE/pki/coredns.kubeconfig
    ttl 1
  }
  errors
}
.:53 {
  bind $DNS_IP
  template ANY ANY . {
    rcode NXDOMAIN
  }
}
EOF
}
