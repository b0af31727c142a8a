//! Faults under a steady load of Job creations, against the installed chart: no safe Job fails, and no unsafe one
//! is created in mode enforce while a replica is up.
//!
//! `tests/cluster/run` brings a few of them about, after the other tests: what a fault costs is not told from what a
//! full machine costs. `tests/cluster/fault-table` brings them all about, under both failure policies, and writes the
//! table of `docs/design/faults.md`.

mod certificates;
mod load;
mod place;
mod release;
mod replicas;
mod table;

use std::thread;
use std::time::{Duration, Instant};

use load::Load;
use place::{Installation, LOAD_NAMESPACE};
use table::{Promise, Row, markdown};

use crate::kit::kubectl;

/// How long the load runs before a fault, and after everything is whole again.
const CALM: Duration = Duration::from_secs(3);

struct Fault {
    key: &'static str,
    name: &'static str,
    /// Brings it about and takes it back; since when the installation is on its way back.
    act: fn(&Installation) -> Instant,
    promise: Promise,
}

const fn fault(
    key: &'static str,
    name: &'static str,
    act: fn(&Installation) -> Instant,
    promise: Promise,
) -> Fault {
    Fault {
        key,
        name,
        act,
        promise,
    }
}

/// In the order in which they happen; the last removes the installation.
const FAULTS: [Fault; 18] = [
    fault(
        "leaf-rotated",
        "`hookbudget certs rotate`",
        certificates::leaf_rotated,
        Promise::Nothing,
    ),
    fault(
        "authority-rotated",
        "`hookbudget certs rotate --authority`",
        certificates::authority_rotated,
        Promise::Nothing,
    ),
    fault(
        "leaf-expires",
        "certificate with 15 s to live",
        certificates::leaf_expires,
        Promise::Nothing,
    ),
    fault(
        "bundle-wiped",
        "`caBundle` wiped",
        certificates::ca_bundle_wiped,
        Promise::PolicyFor(3),
    ),
    fault(
        "secret-emptied",
        "data of the Secret wiped",
        certificates::secret_emptied,
        Promise::Nothing,
    ),
    fault(
        "secret-deleted",
        "Secret deleted; `helm upgrade` after 5 s",
        certificates::secret_deleted,
        Promise::Nothing,
    ),
    fault(
        "authority-replaced",
        "`hookbudget certs rotate --replace`",
        certificates::authority_replaced,
        Promise::PolicyFor(5),
    ),
    fault(
        "policy-invalid",
        "policy made invalid",
        release::policy_invalid,
        Promise::Nothing,
    ),
    fault(
        "replica-deleted",
        "a replica deleted",
        replicas::deleted,
        Promise::Nothing,
    ),
    fault(
        "replica-killed",
        "a replica killed (SIGKILL)",
        replicas::killed,
        Promise::PolicyFor(5),
    ),
    fault(
        "replica-hangs",
        "a replica hangs (SIGSTOP)",
        replicas::hangs,
        Promise::PolicyFor(30),
    ),
    fault(
        "node-drained",
        "node drained",
        replicas::node_drained,
        Promise::Nothing,
    ),
    fault(
        "api-restarted",
        "API server killed and started",
        replicas::api_server_restarted,
        Promise::Nothing,
    ),
    fault(
        "clock-ahead",
        "clocks of the replicas an hour ahead",
        release::clock_ahead,
        Promise::Nothing,
    ),
    fault(
        "clock-behind",
        "clocks of the replicas an hour behind",
        release::clock_behind,
        Promise::Nothing,
    ),
    fault("upgraded", "`helm upgrade`", release::upgraded, Promise::Nothing),
    fault(
        "unreachable",
        "packets to the webhook dropped for 8 s",
        replicas::unreachable,
        Promise::PolicyWhileHeld,
    ),
    fault(
        "all-gone",
        "no replica for 15 s",
        replicas::all_gone,
        Promise::PolicyWhileHeld,
    ),
];

const UNINSTALLED: Fault = fault(
    "uninstalled",
    "`helm uninstall`",
    release::uninstalled,
    Promise::NobodyIsAsked,
);

/// What `tests/cluster/run` brings about.
const SHORT: [&str; 5] = [
    "leaf-rotated",
    "authority-rotated",
    "bundle-wiped",
    "secret-deleted",
    "replica-deleted",
];

/// What a replica loses when it ends or hangs is what it is at in that moment: at an ordinary rate, nothing.
const DENSE: [&str; 2] = ["replica-killed", "replica-hangs"];

fn under_load(fault: &Fault, installation: &Installation, rate: u32) -> Row {
    let dense = if DENSE.contains(&fault.key) { 2 } else { 1 };
    let load = Load::start(rate * dense);
    thread::sleep(CALM);
    let begun = (fault.act)(installation);
    if fault.key != UNINSTALLED.key {
        installation.whole(120);
    }
    let whole_after = begun.elapsed();
    thread::sleep(CALM);
    let row = Row::new(
        fault.name,
        installation.policy,
        fault.promise,
        load.end(),
        whole_after,
    );
    println!("{}", row.cells().join(" | "));
    if let Some(example) = row.example() {
        println!("  first failure: {example}");
    }
    kubectl(
        &["-n", LOAD_NAMESPACE, "delete", "jobs", "--all", "--wait=false"],
        "",
    );
    row
}

#[test]
#[ignore = "wants the machine for itself: see tests/cluster/run"]
fn faults_under_load() {
    let setting = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // All of them, in a cluster of their own; or those that are named.
    let chosen = setting("HOOKBUDGET_FAULTS");
    let alone = chosen.is_some();
    let chosen = chosen.unwrap_or_else(|| SHORT.join(","));
    let runs = |key: &str| chosen == "all" || chosen.split(',').any(|name| name == key);
    let policies = if alone {
        &["Ignore", "Fail"][..]
    } else {
        &["Ignore"]
    };
    let rate = if alone { 20 } else { 10 };
    let mut rows = Vec::new();
    for policy in policies {
        let installation = Installation::new(policy, alone);
        for fault in FAULTS.iter().filter(|fault| runs(fault.key)) {
            rows.push(under_load(fault, &installation, rate));
        }
        if runs(UNINSTALLED.key) {
            rows.push(under_load(&UNINSTALLED, &installation, rate));
        } else {
            installation.uninstall();
        }
    }
    let table = markdown(&rows);
    if let Some(path) = setting("HOOKBUDGET_FAULTS_TABLE") {
        std::fs::write(path, &table).expect("written");
    }
    let broken: Vec<String> = rows.iter().flat_map(Row::broken).collect();
    assert!(
        broken.is_empty(),
        "promises that were not kept: {broken:#?}\n{table}"
    );
}
