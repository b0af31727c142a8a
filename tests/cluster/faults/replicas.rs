//! Faults of the replicas, of the node and of the way between them and the API server.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::place::{Installation, NAME, Replica, eventually, get, metrics, replicas};
use crate::kit::{kubectl, run};

/// Port of the reviews.
const PORT: &str = "8443";

/// The replica that answers most reviews: the API server keeps its connections, and may have none to the other.
fn busiest() -> Replica {
    let answered = |replica: &Replica| {
        let text = metrics(replica);
        let counts = text
            .lines()
            .filter(|line| line.starts_with("hookbudget_admission_reviews_total{"));
        counts
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum::<u64>()
    };
    let mut all: Vec<_> = replicas()
        .into_iter()
        .map(|replica| (answered(&replica), replica))
        .collect();
    thread::sleep(Duration::from_secs(1));
    for (count, replica) in &mut all {
        *count = answered(replica).saturating_sub(*count);
    }
    let (count, replica) = all
        .into_iter()
        .max_by_key(|(count, _)| *count)
        .expect("a replica");
    assert!(count > 0, "no replica answers a review");
    replica
}

/// As a scale-down, an eviction or an upgrade ends it.
pub(super) fn deleted(_: &Installation) -> Instant {
    let begun = Instant::now();
    kubectl(
        &["-n", NAME, "delete", "pod", &busiest().name, "--wait=false"],
        "",
    );
    begun
}

/// As a bug or the node's memory ends it: at once.
pub(super) fn killed(_: &Installation) -> Instant {
    let replica = busiest();
    let begun = Instant::now();
    signal(&replica, "KILL");
    eventually(60, "the container to be started again", || {
        let again = replicas().into_iter().find(|again| again.name == replica.name)?;
        (again.restarts > replica.restarts).then_some(())
    });
    begun
}

/// It takes connections, by the kernel, and answers nothing. The probes find it out.
pub(super) fn hangs(_: &Installation) -> Instant {
    let replica = busiest();
    let begun = Instant::now();
    signal(&replica, "STOP");
    eventually(120, "the liveness probe to start it again", || {
        let again = replicas().into_iter().find(|again| again.name == replica.name)?;
        (again.restarts > replica.restarts).then_some(())
    });
    begun
}

/// To the one process of a replica's container.
fn signal(replica: &Replica, signal: &str) {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let cgroup = std::fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        if cgroup.contains(&replica.container) {
            pids.push(entry.file_name().into_string().expect("digits"));
        }
    }
    assert_eq!(pids.len(), 1, "the process of {}: {pids:?}", replica.name);
    let sent = run("kill", &[&format!("-{signal}"), &pids[0]], "");
    assert!(sent.ok, "{}", sent.stderr);
}

/// The only node: the budget lets one Pod go, which finds no place; the other stays until the node takes Pods
/// again, and then goes as well.
pub(super) fn node_drained(_: &Installation) -> Instant {
    let before = replicas();
    let node = get(&["nodes"])["items"][0]["metadata"]["name"]
        .as_str()
        .expect("a node")
        .to_owned();
    let mut drain = Command::new("kubectl")
        .args([
            "drain",
            &node,
            "--pod-selector=app.kubernetes.io/component=webhook",
            "--timeout=120s",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("kubectl starts");
    eventually(60, "the first replica to be evicted", || {
        let evicted = replicas()
            .iter()
            .any(|now| before.iter().all(|then| then.name != now.name));
        evicted.then_some(())
    });
    // Two more attempts of kubectl, five seconds apart, to evict the other.
    thread::sleep(Duration::from_secs(12));
    let stayed = replicas()
        .iter()
        .filter(|now| now.ready && before.iter().any(|then| then.name == now.name))
        .count();
    assert_eq!(stayed, 1, "the PodDisruptionBudget keeps one replica");
    let begun = Instant::now();
    kubectl(&["uncordon", &node], "");
    assert!(
        drain.wait().expect("kubectl ends").success(),
        "the drain came to its end"
    );
    let left = replicas()
        .iter()
        .filter(|now| before.iter().any(|then| then.name == now.name))
        .count();
    assert_eq!(left, 0, "both replicas were moved");
    begun
}

/// SIGKILL, and a new process; the replicas lose every watch.
pub(super) fn api_server_restarted(_: &Installation) -> Instant {
    let begun = Instant::now();
    let cluster = std::env::var("HOOKBUDGET_CLUSTER").expect("tests/cluster/enter sets it");
    let restart = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/restart");
    let printed = run(restart, &["--name", &cluster, "kube-apiserver"], "");
    assert!(printed.ok, "{}{}", printed.stdout, printed.stderr);
    begun
}

/// Packets are dropped, as by a firewall: each call waits for its timeout.
pub(super) fn unreachable(_: &Installation) -> Instant {
    let rule = ["OUTPUT", "-p", "tcp", "--dport", PORT, "-j", "DROP"];
    assert!(run("iptables", &[&["-I"], &rule[..]].concat(), "").ok, "iptables");
    thread::sleep(Duration::from_secs(8));
    assert!(run("iptables", &[&["-D"], &rule[..]].concat(), "").ok, "iptables");
    Instant::now()
}

/// No replica at all: each call is refused at once.
pub(super) fn all_gone(_: &Installation) -> Instant {
    let scale = |count: &str| {
        let replicas = format!("--replicas={count}");
        kubectl(
            &["-n", NAME, "scale", "deployment", "faults-webhook", &replicas],
            "",
        );
    };
    scale("0");
    thread::sleep(Duration::from_secs(15));
    let begun = Instant::now();
    scale("2");
    begun
}
