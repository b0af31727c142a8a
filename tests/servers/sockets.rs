//! Addresses and ports that come and go.

use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::kit::{Wait, free, wait};

#[test]
fn addresses_of_version_6_are_asked() {
    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let target = format!("tcp://{}", listener.local_addr().expect("an address"));
    let last = wait(&[&target], 0);
    assert!(last.starts_with("ready: [::1]:"), "{last}");
    let refused = wait(&["--timeout=500ms", "tcp://[::1]:9"], 124);
    assert!(refused.contains("000 connection refused"), "{refused}");
}

#[test]
fn a_port_that_opens_and_closes_is_ready_the_next_time_it_is_open() {
    let address = free("127.88.5.1");
    let open = || TcpListener::bind(address).expect("the port");
    let first = open();
    wait(&[&format!("tcp://{address}")], 0);
    drop(first);
    let mut waiting = Wait::start(&["--interval=50ms", &format!("tcp://{address}")]);
    waiting.says("000 connection refused");
    thread::sleep(Duration::from_millis(200));
    let _second = open();
    waiting.ends(0);
}

/// A probe that hangs costs its own limit; the budget holds all the same.
#[test]
fn many_addresses_share_one_limit() {
    let silent = TcpListener::bind("127.88.5.2:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let targets = ["http", "grpc", "postgres", "redis"].map(|scheme| format!("{scheme}://{address}"));
    let mut arguments = vec!["--timeout=1s", "--probe-timeout=300ms"];
    arguments.extend(targets.iter().map(String::as_str));
    let start = Instant::now();
    let last = wait(&arguments, 124);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(last.matches("000 no answer in time").count(), 4, "{last}");
}

/// What decides the end is not held up by a target that says nothing.
#[test]
fn one_that_is_silent_does_not_hold_up_the_end() {
    let silent = TcpListener::bind("127.88.5.5:0").expect("a port");
    let open = TcpListener::bind("127.88.5.6:0").expect("a port");
    let targets = [
        format!("http://{}", silent.local_addr().expect("an address")),
        format!("tcp://{}", open.local_addr().expect("an address")),
    ];
    let start = Instant::now();
    wait(&["--any", "--probe-timeout=20s", &targets[0], &targets[1]], 0);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// From a port that opens to the command that runs then, in ten rounds.
fn until_the_command(address: &str, command: impl Fn(&SocketAddr) -> Command) -> Vec<Duration> {
    let mut took: Vec<Duration> = (1..=10)
        .map(|round| {
            let address = free(address);
            let waiting = command(&address).stdout(Stdio::piped()).spawn().expect("it runs");
            // At another moment of the interval each time.
            thread::sleep(Duration::from_millis(300 + 23 * round));
            let open = TcpListener::bind(address).expect("the port");
            let opened = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
            let output = waiting.wait_with_output().expect("its end");
            drop(open);
            let said = String::from_utf8_lossy(&output.stdout);
            let nanos = said
                .lines()
                .last()
                .and_then(|line| line.parse().ok())
                .expect("a time");
            Duration::from_nanos(nanos).saturating_sub(opened)
        })
        .collect();
    took.sort();
    took
}

/// At most one interval and 20 ms. One round of ten may meet a machine that is busy elsewhere. Debian's wait-for-it
/// stands beside it, which looks once a second.
#[test]
fn the_command_runs_an_interval_after_the_port_opens_at_most() {
    let now = ["--", "date", "+%s%N"];
    let ours = until_the_command("127.88.5.3", |address| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookbudget-wait"));
        command
            .args(["--interval=200ms", &format!("tcp://{address}")])
            .args(now);
        command
    });
    let theirs = until_the_command("127.88.5.4", |address| {
        let mut command = Command::new("wait-for-it");
        command
            .args(["--timeout=30", "--quiet", &address.to_string()])
            .args(now);
        command
    });
    println!("hookbudget-wait {ours:?}\nwait-for-it {theirs:?}");
    assert!(ours[8] <= Duration::from_millis(220), "{ours:?}");
}
