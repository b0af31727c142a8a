# shellcheck shell=bash
# Can this machine carry the cluster? Each answer names its remedy.

check_machine() {
  unshare --net --mount true 2>/dev/null ||
    die "network and mount namespaces cannot be made here" \
      "in a container: run it privileged; on a host: the kernel needs CONFIG_NET_NS and CONFIG_NAMESPACES"
  unshare --net ip link add probe type veth peer name probe-peer 2>/dev/null ||
    die "the kernel has no veth devices" "load the module: modprobe veth"
  unshare --net iptables --table nat --list-rules >/dev/null 2>&1 ||
    die "iptables cannot use its nat table" \
      "load the modules: modprobe nf_tables nft_compat nf_nat, or ip_tables iptable_nat"
  has_memory_cgroup ||
    die "the memory cgroup controller is missing" \
      "boot with cgroup_enable=memory, and mount cgroups on /sys/fs/cgroup"
  [ -c /dev/kmsg ] ||
    die "/dev/kmsg is missing, and the kubelet reads it" "in a container: pass --device /dev/kmsg"
}

has_memory_cgroup() {
  [ -d /sys/fs/cgroup/memory ] ||
    grep --quiet --word-regexp memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null
}

# snapshotter_for DIR: overlayfs where DIR can be its upper layer; containerd's
# plain copies elsewhere, as on the overlay root of a container.
snapshotter_for() {
  local probe
  probe=$(mktemp -d "$1/overlay.XXXXXX")
  mkdir "$probe"/{lower,upper,work,merged}
  if unshare --mount mount -t overlay overlay \
    -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" "$probe/merged" 2>/dev/null; then
    echo overlayfs
  else
    echo native
  fi
  rm -rf "$probe"
}
