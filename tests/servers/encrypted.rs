//! TLS by OpenSSL: who is believed, and what is said of those who are not.

use std::path::Path;
use std::process::Command;

use super::kit::{Running, Wait, free, listening, run, wait};

/// A certificate that vouches for itself, and its key: valid for this many days from now, a negative number
/// for one that is over.
pub(crate) fn certificate(folder: &Path, name: &str, days: i32) -> (String, String) {
    let [crt, key] = ["tls.crt", "tls.key"].map(|file| folder.join(file).display().to_string());
    let alternative = format!("subjectAltName={name}");
    let common = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=test",
        "-addext",
        &alternative,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        &key,
        "-out",
        &crt,
    ];
    if days > 0 {
        run(
            "openssl",
            &[common.as_slice(), &["-days", &days.to_string()]].concat(),
        );
    } else {
        let made = Command::new("faketime")
            .args(["10 days ago", "openssl"])
            .args(common)
            .args(["-days", "1"])
            .output()
            .expect("faketime, which tests/setup installs");
        assert!(made.status.success(), "{made:?}");
    }
    (crt, key)
}

fn serve(address: std::net::SocketAddr, crt: &str, key: &str) -> Running {
    let running = Running::start(
        "openssl",
        &[
            "s_server",
            "-quiet",
            "-www",
            "-accept",
            &address.to_string(),
            "-cert",
            crt,
            "-key",
            key,
        ],
    );
    listening(address);
    running
}

#[test]
fn an_unknown_authority_is_waited_out_until_it_is_named() {
    let address = free("127.88.4.1");
    let folder = tempfile::tempdir().expect("a folder");
    let (crt, key) = certificate(folder.path(), "IP:127.88.4.1", 1);
    let _running = serve(address, &crt, &key);
    let url = format!("https://{address}/");
    let last = wait(&["--timeout=1s", &url], 124);
    assert!(
        last.contains("000 certificate of an unknown authority (--ca-file names one)"),
        "{last}"
    );
    for flags in [["--ca-file", &crt].as_slice(), &["--insecure-skip-tls-verify"]] {
        let last = wait(&[flags, &[url.as_str()]].concat(), 0);
        assert!(last.contains("(200 OK, "), "{last}");
    }
}

#[test]
fn a_certificate_that_is_over_or_for_another_is_said() {
    for (address, name, days, says) in [
        ("127.88.4.2", "IP:127.88.4.2", -1, "certificate has expired"),
        (
            "127.88.4.3",
            "DNS:elsewhere.test",
            1,
            "certificate is for another name",
        ),
    ] {
        let address = free(address);
        let folder = tempfile::tempdir().expect("a folder");
        let (crt, key) = certificate(folder.path(), name, days);
        let _running = serve(address, &crt, &key);
        let url = format!("https://{address}/");
        let last = wait(&["--timeout=1s", "--ca-file", &crt, &url], 124);
        assert!(last.contains(says), "{last}");
    }
}

#[test]
fn a_server_that_is_given_a_right_certificate_later_becomes_ready() {
    let address = free("127.88.4.4");
    let folder = tempfile::tempdir().expect("a folder");
    let (right, key) = certificate(folder.path(), "IP:127.88.4.4", 1);
    let other = tempfile::tempdir().expect("a folder");
    let (wrong, wrong_key) = certificate(other.path(), "IP:127.88.4.4", 1);
    let running = serve(address, &wrong, &wrong_key);
    let mut waiting = Wait::start(&["--ca-file", &right, &format!("https://{address}/")]);
    waiting.says("000 certificate ");
    drop(running);
    waiting.says("000 connection refused");
    let _running = serve(address, &right, &key);
    waiting.ends(0);
}

#[test]
fn who_does_not_speak_tls_is_said() {
    let address = free("127.88.4.5");
    let folder = tempfile::tempdir().expect("a folder");
    let _running = Running::start(
        "redis-server",
        &[
            "--bind",
            &address.ip().to_string(),
            "--port",
            &address.port().to_string(),
            "--dir",
            &folder.path().display().to_string(),
        ],
    );
    listening(address);
    let last = wait(
        &[
            "--timeout=1s",
            "--insecure-skip-tls-verify",
            &format!("https://{address}/"),
        ],
        124,
    );
    assert!(last.contains("last answer 000 "), "{last}");
}
