//! Faults of the policy and of clocks, and what a release goes through.

use std::time::Instant;

use hookbudget::tls::CertificateFacts;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::place::{Installation, NAME, eventually, metrics, patch_secret, replicas, secret};
use crate::kit::kubectl;

fn write_policy(text: &str) {
    let patch = json!({"data": {"policy.yaml": text}});
    kubectl(
        &[
            "-n",
            NAME,
            "patch",
            "configmap",
            "faults-policy",
            "-p",
            &patch.to_string(),
        ],
        "",
    );
    // A kubelet looks at its volumes once a minute, or when the Pod changes.
    let stamp = format!("faults/look-again={}", Timestamp::now().as_millisecond());
    kubectl(
        &["-n", NAME, "annotate", "pods", "--all", "--overwrite", &stamp],
        "",
    );
}

/// A policy that cannot be read, and back; what is in force stays in force, and the metrics tell.
pub(super) fn policy_invalid(_: &Installation) -> Instant {
    const GOOD: &str = "apiVersion: hookbudget.dev/v1alpha1\nkind: Policy\nheadroom: 240s\n";
    write_policy(&format!("{GOOD}hedroom: 1s\n"));
    told("0");
    assert!(
        replicas().iter().all(|replica| replica.ready),
        "a bad policy does not end a replica"
    );
    let begun = Instant::now();
    write_policy(GOOD);
    told("1");
    begun
}

/// Waits until every replica says whether it took the policy.
fn told(success: &str) {
    let line = format!("hookbudget_policy_load_success {success}");
    eventually(90, &line, || {
        replicas()
            .iter()
            .all(|replica| metrics(replica).lines().any(|found| found == line))
            .then_some(())
    });
}

/// Every replica runs on a clock that is an hour ahead, and makes a certificate by it.
pub(super) fn clock_ahead(installation: &Installation) -> Instant {
    skewed(installation, "+3600")
}

/// The same with clocks that are an hour behind.
pub(super) fn clock_behind(installation: &Installation) -> Instant {
    skewed(installation, "-3600")
}

fn skewed(installation: &Installation, by: &str) -> Instant {
    let clock = format!("webhook.extraEnv[1].value={by}");
    let environment = [
        "image.tag=skewed",
        "webhook.extraEnv[0].name=LD_PRELOAD",
        "webhook.extraEnv[0].value=/usr/local/bin/libfaketime.so.1",
        "webhook.extraEnv[1].name=FAKETIME",
        clock.as_str(),
        "webhook.extraEnv[2].name=FAKETIME_DONT_FAKE_MONOTONIC",
        "webhook.extraEnv[2].value=1",
    ];
    installation.helm("upgrade", &environment);
    installation.whole(60);
    let (old, begun) = (secret("tls.crt"), Instant::now());
    patch_secret(&json!([{"op": "remove", "path": "/data/tls.crt"}]));
    let made = eventually(20, "a certificate by the wrong clock", || {
        let present = secret("tls.crt");
        (!present.is_empty() && present != old).then_some(present)
    });
    let facts = CertificateFacts::read(&made).expect("PEM");
    let off = facts[0].not_after.duration_since(Timestamp::now()) - hookbudget::tls::LEAF_LIFETIME;
    assert!(
        off.abs() > SignedDuration::from_mins(50),
        "the clock of the replicas is off by {off:?}"
    );
    installation.whole(60);
    // Back to the image and the clock of the others.
    installation.helm("upgrade", &[]);
    begun
}

/// Both replicas are replaced, one after the other.
pub(super) fn upgraded(installation: &Installation) -> Instant {
    let begun = Instant::now();
    let stamp = format!(
        "webhook.podAnnotations.again=x{}",
        Timestamp::now().as_millisecond()
    );
    installation.helm("upgrade", &[&stamp]);
    begun
}

/// Helm removes the configurations last, when no replica is left: under Fail a hook of the chart lets them go first.
pub(super) fn uninstalled(installation: &Installation) -> Instant {
    let begun = Instant::now();
    installation.uninstall();
    begun
}
