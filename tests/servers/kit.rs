//! The helper, servers that end with their test, and what is said in between.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// What a busy machine may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A program that ends with its test.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("{program}: {error}; tests/setup installs it")))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        run("kill", &[&format!("-{name}"), &self.0.id().to_string()]);
    }

    pub(crate) fn stop(mut self) {
        self.signal("INT");
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program to its end and gives what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; tests/setup installs it"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A port that nobody listens on, on an address that no other test uses.
pub(crate) fn free(address: &str) -> SocketAddr {
    TcpListener::bind((address, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port")
}

/// Until somebody listens there.
pub(crate) fn listening(address: SocketAddr) {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(start.elapsed() < PATIENCE, "nobody listens on {address}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A wait that goes on.
pub(crate) struct Wait {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Wait {
    /// Starts it with an interval of 100 ms, within a minute.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(
            Command::new(env!("CARGO_BIN_EXE_hookbudget-wait"))
                .args(["--timeout=60s", "--interval=100ms", "--probe-timeout=2s"])
                .args(arguments),
        )
    }

    /// Starts this command.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the helper runs");
        let stdout = child.stdout.take().expect("its output");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Until it says this.
    pub(crate) fn says(&mut self, text: &str) {
        let start = Instant::now();
        while !self.said.iter().any(|line| line.contains(text)) {
            let left = PATIENCE.saturating_sub(start.elapsed());
            let line = self.lines.recv_timeout(left);
            self.said
                .push(line.unwrap_or_else(|_| panic!("never said {text:?}, but {:#?}", self.said.last())));
        }
    }

    /// Until its end, which has this status; gives the last line.
    pub(crate) fn ends(mut self, status: i32) -> String {
        let code = self.child.wait().expect("an end").code();
        self.said.extend(self.lines.iter());
        let last = self.said.len().saturating_sub(5);
        assert_eq!(code, Some(status), "{:#?}", &self.said[last..]);
        self.said.pop().unwrap_or_default()
    }
}

/// Waits to the end, which has this status; gives the last line.
pub(crate) fn wait(arguments: &[&str], status: i32) -> String {
    Wait::start(arguments).ends(status)
}
