//! The real exporter as a process of its own.
#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread::JoinHandle;

use crate::support::command;

/// An exporter that runs over the API server of a kubeconfig.
pub(crate) struct Exporter {
    process: Child,
    address: SocketAddr,
    log: Option<JoinHandle<String>>,
}

impl Exporter {
    pub(crate) fn start(kubeconfig: &str, more: &[&str]) -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let address = address.expect("a port");
        let address_text = address.to_string();
        let mut arguments = vec!["exporter", "--listen", &address_text];
        arguments.extend(more);
        let mut process = command(&arguments)
            .env("POD_NAMESPACE", "hookbudget")
            .env("KUBECONFIG", kubeconfig)
            .env("RUST_LOG", "debug")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the exporter starts");
        let mut stderr = process.stderr.take().expect("a pipe");
        // A pipe that nobody reads would stop the process.
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).expect("a text");
            log
        });
        Self {
            process,
            address,
            log: Some(log),
        }
    }

    pub(crate) fn get(&self, path: &str, accept: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Ends it and gives its log.
    pub(crate) fn end(mut self) -> String {
        self.kill();
        let log = self.log.take().expect("a log");
        log.join().expect("the log was read")
    }

    fn kill(&mut self) {
        self.process.kill().expect("it can be ended");
        self.process.wait().expect("it ends");
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // A test that fails leaves nothing behind.
        if self.log.is_some() {
            self.kill();
        }
    }
}
