//! Faults of the certificate and of what the API server is told to trust.

use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookbudget::tls::{Authority, CertificateFacts, KeyPem, LEAF_LIFETIME};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::place::{Installation, KINDS, NAME, SECRET, eventually, patch_secret, secret};
use crate::kit::kubectl;

pub(super) fn leaf_rotated(installation: &Installation) -> Instant {
    let begun = Instant::now();
    installation.product(&["certs", "rotate"]);
    begun
}

pub(super) fn authority_rotated(installation: &Installation) -> Instant {
    let begun = Instant::now();
    let old = secret("ca.crt");
    installation.product(&["certs", "rotate", "--authority"]);
    assert_ne!(secret("ca.crt"), old, "a new authority signs");
    begun
}

/// Puts a certificate with seconds to live in the place of the good one, and stays until it is over.
pub(super) fn leaf_expires(_: &Installation) -> Instant {
    const LIFE: SignedDuration = SignedDuration::from_secs(15);
    let signer =
        Authority::from_pem(&secret("ca.crt"), &KeyPem::new(secret("ca.key"))).expect("an authority");
    let names = &CertificateFacts::read(&secret("tls.crt")).expect("PEM")[0].names;
    let made = Timestamp::now()
        .checked_sub(LEAF_LIFETIME)
        .and_then(|at| at.checked_add(LIFE))
        .expect("a date");
    let brief = signer.issue(names, made).expect("a certificate");
    let encoded = |text: &str| STANDARD.encode(text);
    let begun = Instant::now();
    patch_secret(
        &json!([{"op": "replace", "path": "/data/tls.crt", "value": encoded(&brief.cert_pem)},
        {"op": "replace", "path": "/data/tls.key", "value": encoded(brief.key_pem.expose())}]),
    );
    eventually(10, "the certificate to be renewed before its end", || {
        let present = secret("tls.crt");
        (!present.is_empty() && present != brief.cert_pem).then_some(())
    });
    // Until it would have been over.
    thread::sleep(Duration::from_secs(16).saturating_sub(begun.elapsed()));
    begun
}

pub(super) fn ca_bundle_wiped(_: &Installation) -> Instant {
    let begun = Instant::now();
    let wipe = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]).to_string();
    // At the same moment, or there would be two faults.
    thread::scope(|scope| {
        for kind in KINDS {
            scope.spawn(|| kubectl(&["patch", kind, NAME, "--type=json", "-p", &wipe], ""));
        }
    });
    begun
}

pub(super) fn secret_emptied(_: &Installation) -> Instant {
    let authority = secret("ca.crt");
    let begun = Instant::now();
    patch_secret(&json!([{"op": "remove", "path": "/data"}]));
    eventually(10, "the Secret to be filled with what was in it", || {
        (secret("ca.crt") == authority).then_some(())
    });
    begun
}

/// The webhook may not make the Secret; `helm upgrade` does. Until then nobody needs it.
pub(super) fn secret_deleted(installation: &Installation) -> Instant {
    let authority = secret("ca.crt");
    kubectl(&["-n", NAME, "delete", "secret", SECRET], "");
    thread::sleep(Duration::from_secs(5));
    let begun = Instant::now();
    installation.helm("upgrade", &[]);
    eventually(40, "the Secret to be filled with what was in it", || {
        (secret("ca.crt") == authority).then_some(())
    });
    begun
}

/// The old key is in wrong hands: nothing that it signed is to be believed from now on.
pub(super) fn authority_replaced(installation: &Installation) -> Instant {
    let begun = Instant::now();
    installation.product(&["certs", "rotate", "--replace"]);
    begun
}
