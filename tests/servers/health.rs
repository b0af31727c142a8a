//! gRPC health, by etcd.

use std::net::SocketAddr;

use super::encrypted::certificate;
use super::kit::{Running, Wait, free, listening, wait};

fn etcd(client: SocketAddr, peer: SocketAddr, data: &str, more: &[&str]) -> Running {
    let scheme = if more.is_empty() { "http" } else { "https" };
    let (client, peer) = (format!("{scheme}://{client}"), format!("http://{peer}"));
    let cluster = format!("default={peer}");
    let common = [
        "--data-dir",
        data,
        "--listen-client-urls",
        &client,
        "--advertise-client-urls",
        &client,
        "--listen-peer-urls",
        &peer,
        "--initial-advertise-peer-urls",
        &peer,
        "--initial-cluster",
        &cluster,
        "--unsafe-no-fsync",
    ];
    Running::start("etcd", &[&common, more].concat())
}

#[test]
fn grpc_health_is_asked() {
    let (client, peer) = (free("127.88.3.1"), free("127.88.3.1"));
    let folder = tempfile::tempdir().expect("a folder");
    let target = format!("grpc://{client}");
    let mut waiting = Wait::start(&[&target]);
    waiting.says("000 connection refused");
    let _running = etcd(client, peer, &folder.path().display().to_string(), &[]);
    let last = waiting.ends(0);
    assert!(last.contains("(SERVING, "), "{last}");
    let last = wait(&["--timeout=1s", &format!("{target}/shop.v1.Orders")], 124);
    assert!(last.contains("NOT_FOUND, no service shop.v1.Orders"), "{last}");
}

#[test]
fn grpc_health_is_asked_over_tls() {
    let (client, peer) = (free("127.88.3.2"), free("127.88.3.2"));
    let folder = tempfile::tempdir().expect("a folder");
    let (crt, key) = certificate(folder.path(), "IP:127.88.3.2", 1);
    let data = folder.path().join("data").display().to_string();
    let _running = etcd(client, peer, &data, &["--cert-file", &crt, "--key-file", &key]);
    listening(client);
    let target = format!("grpcs://{client}");
    let last = wait(&["--timeout=1s", &target], 124);
    assert!(last.contains("certificate of an unknown authority"), "{last}");
    let last = wait(&["--ca-file", &crt, &target], 0);
    assert!(last.contains("(SERVING, "), "{last}");
}
