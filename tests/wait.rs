//! `hookbudget-wait` as a Pod would run it: the real binary against real servers on loopback.
#![cfg(feature = "wait")]
#![allow(clippy::expect_used)] // clippy's exception for tests does not reach their helper functions

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// What a busy machine may add to a span that the program itself keeps to the millisecond.
const MARGIN: Duration = Duration::from_millis(900);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookbudget-wait"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn run(arguments: &[&str]) -> (Output, Duration) {
    let start = Instant::now();
    let output = program(arguments).output().expect("the binary runs");
    (output, start.elapsed())
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

fn last(output: &Output) -> String {
    lines(output).pop().unwrap_or_default()
}

fn start(arguments: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut child = program(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let stdout = BufReader::new(child.stdout.take().expect("its output"));
    (child, stdout)
}

/// A server that hands each connection to `answer` together with its number; the requests come out of the
/// channel. It lives until the test process ends.
fn serve_on(
    listener: TcpListener,
    answer: impl Fn(usize, &mut TcpStream) + Send + 'static,
) -> (SocketAddr, Receiver<String>) {
    let address = listener.local_addr().expect("an address");
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                request.push(byte[0]);
            }
            let _ = sender.send(String::from_utf8_lossy(&request).into_owned());
            answer(number, &mut stream);
        }
    });
    (address, requests)
}

fn serve(answer: impl Fn(usize, &mut TcpStream) + Send + 'static) -> (SocketAddr, Receiver<String>) {
    serve_on(TcpListener::bind("127.0.0.1:0").expect("a port"), answer)
}

/// A server that answers with these statuses in turn, and then with the last one.
fn statuses(list: &'static [&'static str]) -> (SocketAddr, Receiver<String>) {
    serve(move |number, stream| {
        let status = list.get(number).or(list.last()).expect("a status");
        let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    })
}

/// A port where nobody listens, on an address of its own so that no other test can be given it.
fn closed(address: &str) -> SocketAddr {
    TcpListener::bind((address, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port")
}

#[test]
fn refused_at_first_then_up() {
    let address = closed("127.77.0.1");
    let url = format!("http://{address}/api/v1/servers");
    let (mut child, mut stdout) = start(&["--timeout", "60s", "--interval", "200ms", &url]);
    let mut first = String::new();
    stdout.read_line(&mut first).expect("a progress line");
    assert_eq!(
        first,
        format!("waiting for {address} (1/300, 000 connection refused, 0s of 60s)\n")
    );

    let up = Instant::now();
    let (_, requests) = serve_on(TcpListener::bind(address).expect("the same port"), |_, stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\n\r\n");
    });
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    assert!(
        up.elapsed() < Duration::from_millis(200) + MARGIN,
        "{:?}",
        up.elapsed()
    );
    let last = stdout.lines().map_while(Result::ok).last().expect("a last line");
    assert!(
        last.starts_with(&format!("ready: {address} after ")) && last.contains("(200 OK, "),
        "{last}"
    );
    let request = requests.recv().expect("a request");
    assert!(
        request.starts_with("GET /api/v1/servers HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains(&format!("Host: {address}\r\n")), "{request}");
}

#[test]
fn wrong_credentials_are_fatal_at_once() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let (address, _requests) = serve(move |_, stream| {
            let _ = write!(stream, "HTTP/1.1 {status}\r\n\r\n");
        });
        let (output, took) = run(&["--timeout", "60s", &format!("http://{address}/")]);
        assert_eq!(output.status.code(), Some(77));
        assert!(
            last(&output).starts_with(&format!("fatal: {address} answered {status}")),
            "{output:?}"
        );
        assert_eq!(lines(&output).len(), 1);
        assert!(took < MARGIN, "{took:?}");
    }
}

#[test]
fn server_errors_and_redirects_pass() {
    let (address, _requests) = statuses(&[
        "503 Service Unavailable",
        "500 Internal Server Error",
        "302 Found",
        "404 Not Found",
        "200 OK",
    ]);
    let (output, _) = run(&[
        "--timeout",
        "60s",
        "--interval",
        "10ms",
        &format!("http://{address}/"),
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for (line, status) in lines(&output)
        .iter()
        .zip(["503 Service", "500 Internal", "302 Found", "404 Not"])
    {
        assert!(line.contains(status), "{line}");
    }
    assert!(last(&output).ends_with("(200 OK, 5 attempts)"), "{output:?}");
}

#[test]
fn the_sets_of_statuses_can_be_named() {
    let (address, _requests) = statuses(&["401 Unauthorized", "204 No Content"]);
    let (output, _) = run(&[
        "--ready=2xx",
        "--fatal=",
        "--interval=10ms",
        &format!("http://{address}/"),
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_server_that_accepts_and_never_answers_costs_one_probe_limit_each_time() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", silent.local_addr().expect("an address"));
    let (output, took) = run(&[
        "--timeout=1200ms",
        "--interval=100ms",
        "--probe-timeout=300ms",
        &url,
    ]);
    assert_eq!(output.status.code(), Some(124), "{output:?}");
    assert!(
        took >= Duration::from_millis(900) && took < Duration::from_millis(1200) + MARGIN,
        "{took:?}"
    );
    let said = lines(&output);
    assert!((3..=6).contains(&said.len()), "{said:?}");
    assert!(
        said.iter().all(|line| line.contains("000 no answer in time")),
        "{said:?}"
    );
}

#[test]
fn a_server_that_drips_bytes_cannot_stretch_the_limit() {
    let (address, _requests) = serve(|_, stream| {
        for byte in b"HTTP/1.1 ".iter().chain(std::iter::repeat(&b'2')) {
            if stream.write_all(&[*byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let url = format!("http://{address}/");
    let (output, took) = run(&["--timeout=1s", "--interval=50ms", "--probe-timeout=200ms", &url]);
    assert_eq!(output.status.code(), Some(124), "{output:?}");
    assert!(took < Duration::from_secs(1) + MARGIN, "{took:?}");
    assert!(
        last(&output).contains("last answer 000 no answer in time"),
        "{output:?}"
    );
}

#[test]
fn what_is_not_http_is_said() {
    for greeting in ["SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "x".repeat(100_000)] {
        let (address, _requests) = serve(move |_, stream| {
            let _ = stream.write_all(greeting.as_bytes());
        });
        let (output, _) = run(&["--timeout=300ms", &format!("http://{address}/")]);
        assert_eq!(output.status.code(), Some(124));
        assert!(last(&output).contains("000 the answer is not HTTP"), "{output:?}");
    }
}

#[test]
fn the_budget_is_used_up_and_not_exceeded() {
    let address = closed("127.77.0.2");
    let (output, took) = run(&[
        "--timeout",
        "2s",
        "--interval",
        "300ms",
        &format!("tcp://{address}"),
    ]);
    assert_eq!(output.status.code(), Some(124), "{output:?}");
    assert!(
        took >= Duration::from_millis(1500) && took < Duration::from_secs(2) + MARGIN,
        "{took:?}"
    );
    let end = last(&output);
    assert!(
        end.starts_with(&format!("out of time: {address} not ready after 1.")),
        "{end}"
    );
    assert!(end.ends_with("last answer 000 connection refused)"), "{end}");
}

#[test]
fn the_budget_comes_from_the_environment() {
    let address = closed("127.77.0.3");
    let output = program(&[&format!("tcp://{address}")])
        .env("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "1")
        .env("HOOKBUDGET_WAIT_INTERVAL_SECONDS", "0.25")
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(124));
    let first = format!("waiting for {address} (1/4, 000 connection refused, 0s of 1s)");
    assert_eq!(lines(&output).first(), Some(&first));
}

#[test]
fn sigterm_is_obeyed_at_once() {
    let address = closed("127.77.0.4");
    let log = tempfile::NamedTempFile::new().expect("a file");
    let path = log.path().to_str().expect("a path");
    let target = format!("tcp://{address}");
    let (mut child, mut stdout) = start(&[
        "--timeout=2h",
        "--interval=1h",
        "--termination-log",
        path,
        &target,
    ]);
    let mut first = String::new();
    stdout.read_line(&mut first).expect("a progress line");
    let sent = Instant::now();
    let killed = Command::new("sh")
        .args(["-c", "kill -TERM $0", &child.id().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(child.wait().expect("an end").code(), Some(143));
    assert!(sent.elapsed() < MARGIN, "{:?}", sent.elapsed());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("the last line");
    assert!(
        rest.starts_with("ended by SIGTERM after ") && rest.contains(&address.to_string()),
        "{rest}"
    );
    assert_eq!(
        std::fs::read_to_string(path).expect("the message"),
        rest.trim_end()
    );
}

#[test]
fn the_command_takes_over_when_ready_and_only_then() {
    let open = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = format!("tcp://{}", open.local_addr().expect("an address"));
    let (output, _) = run(&[&target, "--", "sh", "-c", "echo ran with $0; exit 7", "--timeout"]);
    assert_eq!(
        (output.status.code(), last(&output).as_str()),
        (Some(7), "ran with --timeout")
    );
    let (output, _) = run(&[&target, "--", "/no/such/program"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/program cannot be run"));
    let shut = format!("tcp://{}", closed("127.77.0.5"));
    let (output, _) = run(&["--timeout=300ms", &shut, "--", "echo", "ran"]);
    assert_eq!(output.status.code(), Some(124));
    assert!(last(&output).starts_with("out of time"), "{output:?}");
}

#[test]
fn the_termination_message_says_why_and_no_file_is_made() {
    let (address, _requests) = statuses(&["401 Unauthorized"]);
    let url = format!("http://{address}/");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("termination-log");
    let name = path.to_str().expect("a path");
    run(&["--termination-log", name, &url]);
    assert!(!path.exists());
    std::fs::write(&path, "older and longer than what follows: ".repeat(20)).expect("a file");
    let (output, _) = run(&["--termination-log", name, &url]);
    assert_eq!(
        std::fs::read_to_string(&path).expect("the message"),
        last(&output)
    );
}

#[test]
fn headers_are_sent_and_never_printed() {
    let (address, requests) = statuses(&["503 Service Unavailable", "200 OK"]);
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(key.path(), "s3cret-of-the-file\n").expect("a key");
    let header = format!("X-API-Key=@file:{}", key.path().display());
    let url = format!("http://{address}/");
    let output = program(&[
        "--interval=10ms",
        "--header",
        &header,
        "--header=Authorization=@env:TOKEN",
        &url,
    ])
    .env("TOKEN", "s3cret-of-the-environment")
    .output()
    .expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!format!("{output:?}").contains("s3cret"), "{output:?}");
    let request = requests.recv().expect("a request");
    assert!(
        request
            .to_lowercase()
            .contains("\r\nx-api-key: s3cret-of-the-file\r\n"),
        "{request}"
    );
    assert!(
        request.contains("\r\nAuthorization: s3cret-of-the-environment\r\n"),
        "{request}"
    );
}

#[test]
fn names_are_resolved() {
    let (output, _) = run(&["dns://localhost"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(last(&output).starts_with("ready: localhost after "), "{output:?}");
    // RFC 6761: this name never resolves. Without a name server the look-up hangs, and is cut off.
    let (output, took) = run(&["--timeout=1s", "--interval=300ms", "dns://nothing-here.invalid"]);
    assert_eq!(output.status.code(), Some(124), "{output:?}");
    assert!(took < Duration::from_secs(1) + MARGIN, "{took:?}");
    assert!(last(&output).contains("last answer 000 name "), "{output:?}");
}

#[test]
fn all_targets_are_needed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let open = listener.local_addr().expect("an address");
    let (address, _requests) = statuses(&["503 Service Unavailable", "200 OK"]);
    let (output, _) = run(&[
        "--interval=10ms",
        &format!("tcp://{open}"),
        &format!("http://{address}/"),
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        lines(&output).first(),
        Some(&format!("{open} is ready (connected)"))
    );
    assert!(
        last(&output).starts_with(&format!("ready: {open}, {address} after ")),
        "{output:?}"
    );
}

#[test]
fn wrong_use_is_64_and_help_teaches() {
    for arguments in [
        &[][..],
        &["ftp://gitea/"],
        &["--timeout", "600", "tcp://a:1"],
        &["a:1"],
    ] {
        let (output, _) = run(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && output.stderr.starts_with(b"hookbudget-wait: "),
            "{output:?}"
        );
    }
    let (output, _) = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        help.contains("Example:") && help.lines().all(|line| line.len() <= 100),
        "{help}"
    );
}
