# shellcheck shell=bash
# A cluster's directory, its processes and its namespaces.

# The network as the cluster sees it; the same in each cluster, since each has
# a network namespace of its own.
# shellcheck disable=SC2034 # read by the scripts that source this file
{
  readonly NODE_NAME=node-1 NODE_IP=10.88.0.1 GATEWAY_IP=10.88.0.254
  readonly POD_CIDR=10.77.0.0/24 SERVICE_CIDR=10.0.0.0/24
  readonly API_SERVICE_IP=10.0.0.1 DNS_IP=10.0.0.10
}

# use_cluster NAME: sets STATE, NETNS and the paths below STATE.
use_cluster() {
  [[ $1 =~ ^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$ ]] ||
    die "bad cluster name '$1'" "use 1 to 20 of a-z, 0-9 and -, as in --name default"
  CLUSTER=$1
  STATE_ROOT=${HOOKBUDGET_STATE:-/tmp/hookbudget-cluster}
  STATE=$STATE_ROOT/$CLUSTER
  NETNS=hookbudget-$CLUSTER
  LOGS=$STATE/logs
  PIDS=$STATE/pids
  KUBECONFIG_ADMIN=$STATE/kubeconfig
  CONTAINERD_SOCKET=$STATE/containerd.sock
  # A Unix socket's path ends at 107 bytes.
  [ ${#CONTAINERD_SOCKET} -le 107 ] ||
    die "the path $CONTAINERD_SOCKET is too long for a socket" "choose a shorter HOOKBUDGET_STATE"
}

# parse_name ARGS...: takes `--name NAME` off the front; the rest is REST.
parse_name() {
  local name=default
  case ${1:-} in
    --name)
      [ $# -ge 2 ] || die "--name needs a value" "for example: --name default"
      name=$2
      shift 2
      ;;
    --name=*)
      name=${1#--name=}
      shift
      ;;
  esac
  use_cluster "$name"
  # shellcheck disable=SC2034 # read by the scripts that source this file
  REST=("$@")
}

lock_cluster() {
  mkdir -p "$STATE_ROOT"
  exec 8>"$STATE_ROOT/$CLUSTER.lock"
  flock --timeout 300 8 || die "another up or down of cluster '$CLUSTER' does not end" \
    "see who holds $STATE_ROOT/$CLUSTER.lock"
}

# start_time PID: in clock ticks since boot; with the pid it names one process
# for good, since a pid alone is given out again.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # The second field is a name in parentheses that may hold spaces.
  read -r -a stat <<<"${stat##*) }"
  # A zombie has ended, whoever has yet to collect it.
  [ "${stat[0]}" != Z ] || return 1
  printf '%s' "${stat[19]}"
}

# record_pid COMPONENT PID
record_pid() {
  printf '%s %s\n' "$2" "$(start_time "$2")" >"$PIDS/$1"
}

# live_pid COMPONENT: prints its pid if that very process still runs.
live_pid() {
  local pid started now
  [ -e "$PIDS/$1" ] || return 1
  read -r pid started <"$PIDS/$1"
  now=$(start_time "$pid") && [ "$now" = "$started" ] && printf '%s' "$pid"
}

# spawn COMPONENT CMD...: starts CMD as a daemon that outlives this script and
# holds none of its files: an inherited pipe would keep the caller waiting.
spawn() {
  local component=$1
  shift
  (
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    # Nothing of the caller's environment (proxies, for one) may reach it.
    exec env --ignore-environment "PATH=$PATH" "HOME=$STATE" setsid "$@" \
      </dev/null >>"$LOGS/$component.log" 2>&1
  ) &
  record_pid "$component" $!
  # Or this shell would report its end when `down` ends it.
  disown $!
}

in_network() {
  nsenter --net="/run/netns/$NETNS" "$@"
}

# spawn_in_network: for what needs the cluster's addresses only.
spawn_in_network() {
  local component=$1
  shift
  spawn "$component" nsenter --net="/run/netns/$NETNS" "$@"
}

# spawn_on_node: for what also mounts and keeps files in places of the machine;
# those places are the cluster's own inside its mount namespace.
spawn_on_node() {
  local component=$1
  shift
  spawn "$component" nsenter --net="/run/netns/$NETNS" \
    --mount="/proc/$(live_pid namespaces)/ns/mnt" "$@"
}

# wait_until SECONDS COMPONENT CMD...: until CMD succeeds; fails at once when
# COMPONENT has died.
wait_until() {
  local deadline component=$2
  deadline=$(($(now_ms) + $1 * 1000))
  shift 2
  until "$@"; do
    live_pid "$component" >/dev/null || {
      echo "$component has died; the end of its log:"
      tail -n 20 "$LOGS/$component.log"
      return 1
    }
    [ "$(now_ms)" -lt $deadline ] || {
      echo "gave up on: $*; the end of the log of $component:"
      tail -n 20 "$LOGS/$component.log"
      return 1
    }
    sleep 0.2
  done
}

cluster_kubectl() {
  in_network kubectl --kubeconfig "$KUBECONFIG_ADMIN" "$@"
}

cluster_ctr() {
  ctr --address "$CONTAINERD_SOCKET" --namespace k8s.io "$@"
}
