//! `PostgreSQL` and Redis, by the first bytes of their protocols.

use std::path::{Path, PathBuf};

use super::kit::{Running, Wait, free, listening, run, wait};

/// `PostgreSQL` does not run as root.
const AS_NOBODY: [&str; 3] = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"];

/// The newest version that is installed.
fn postgres_programs() -> PathBuf {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL, which tests/setup installs")
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|path| path.join("postgres").exists())
        .collect();
    versions.sort();
    versions.pop().expect("a server")
}

fn postgres(data: &Path, options: &[&str]) -> Running {
    let program = postgres_programs().join("postgres").display().to_string();
    let data = data.display().to_string();
    let mut arguments = AS_NOBODY.to_vec();
    arguments.extend([program.as_str(), "-D", &data, "-c", "unix_socket_directories="]);
    for option in options {
        arguments.extend(["-c", option]);
    }
    Running::start("setpriv", &arguments)
}

#[test]
fn postgres_is_ready_when_it_takes_connections() {
    let address = free("127.88.2.1");
    let folder = tempfile::tempdir().expect("a folder");
    run("chown", &["nobody:nogroup", &folder.path().display().to_string()]);
    let data = folder.path().join("data");
    let initdb = postgres_programs().join("initdb").display().to_string();
    let place = data.display().to_string();
    let mut arguments = AS_NOBODY.to_vec();
    arguments.extend([
        initdb.as_str(),
        "-D",
        &place,
        "-A",
        "scram-sha-256",
        "--no-sync",
        "-U",
        "owner",
    ]);
    let password = folder.path().join("password");
    std::fs::write(&password, "of-the-test\n").expect("a file");
    run("chmod", &["644", &password.display().to_string()]);
    let pwfile = format!("--pwfile={}", password.display());
    arguments.push(&pwfile);
    run("setpriv", &arguments);

    let listen = format!("listen_addresses={}", address.ip());
    let port = format!("port={}", address.port());
    let target = format!("postgres://{address}/shop");
    let mut waiting = Wait::start(&[&target]);
    waiting.says("000 connection refused");
    // A server in recovery that takes no readers yet, as every server is for a moment after it starts.
    std::fs::write(data.join("standby.signal"), "").expect("a file");
    let recovering = postgres(&data, &[&listen, &port, "hot_standby=off", "fsync=off"]);
    waiting.says("the database system is ");
    recovering.stop();
    std::fs::remove_file(data.join("standby.signal")).expect("the file");
    let _running = postgres(&data, &[&listen, &port, "fsync=off"]);
    let last = waiting.ends(0);
    assert!(last.contains("accepting connections"), "{last}");
    // What the server itself ships agrees.
    let isready = postgres_programs().join("pg_isready").display().to_string();
    run(
        &isready,
        &["-h", &address.ip().to_string(), "-p", &address.port().to_string()],
    );
}

#[test]
fn redis_is_ready_when_its_data_are_loaded() {
    let address = free("127.88.2.2");
    let folder = tempfile::tempdir().expect("a folder");
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let place = folder.path().display().to_string();
    let common = [
        "--bind",
        &ip,
        "--port",
        &port,
        "--dir",
        &place,
        "--enable-debug-command",
        "yes",
    ];
    let target = format!("redis://{address}/0");

    let mut waiting = Wait::start(&[&target]);
    waiting.says("000 connection refused");
    let running = Running::start("redis-server", &common);
    let last = waiting.ends(0);
    assert!(last.contains("(PONG, "), "{last}");

    let client = |words: &[&str]| run("redis-cli", &[&["-h", &ip, "-p", &port], words].concat());
    client(&["debug", "populate", "3000"]);
    client(&["save"]);
    running.stop();
    // Two milliseconds for each of 3,000 keys.
    let slow = [
        "--key-load-delay",
        "2000",
        "--loading-process-events-interval-bytes",
        "1024",
    ];
    let running = Running::start("redis-server", &[common.as_slice(), &slow].concat());
    let mut waiting = Wait::start(&[&target]);
    waiting.says("LOADING");
    waiting.ends(0);
    running.stop();

    let _running = Running::start(
        "redis-server",
        &[common.as_slice(), &["--requirepass", "x"]].concat(),
    );
    listening(address);
    let last = wait(&[&target], 0);
    assert!(last.contains("it says NOAUTH") || last.contains("PONG"), "{last}");
}

#[test]
fn who_speaks_another_protocol_is_told_apart() {
    let address = free("127.88.2.3");
    let folder = tempfile::tempdir().expect("a folder");
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let _running = Running::start(
        "redis-server",
        &[
            "--bind",
            &ip,
            "--port",
            &port,
            "--dir",
            &folder.path().display().to_string(),
        ],
    );
    listening(address);
    for (scheme, says) in [("postgres", "000 "), ("http", "000 "), ("grpc", "000 ")] {
        let target = format!("{scheme}://{address}");
        let last = wait(&["--timeout=1s", &target], 124);
        assert!(last.contains(&format!("last answer {says}")), "{last}");
    }
}
