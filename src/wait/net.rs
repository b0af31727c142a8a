//! Probes over the real network; each comes back within its limit, whatever the other side does.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::Target;
use super::options::Http;
use super::waiter::{Answer, Prober};
use crate::engine::Seconds;

/// A status line is a few dozen bytes; whoever sends more before the first line ends is no HTTP server.
const STATUS_LINE_MAX: usize = 4096;

/// The real network.
#[derive(Debug)]
pub struct Network {
    http: Http,
}

impl Network {
    /// A prober that asks HTTP servers as `http` says.
    #[must_use]
    pub fn new(http: Http) -> Self {
        Self { http }
    }

    fn look(&self, target: &Target, deadline: Instant) -> Result<Answer, String> {
        match target {
            Target::Dns { name } => {
                let found = resolve(name, 0, deadline)?;
                Ok(Answer::Ready(
                    found
                        .first()
                        .map_or_else(String::new, |address| address.ip().to_string()),
                ))
            }
            Target::Tcp { host, port } => {
                connect(host, *port, deadline).map(|_| Answer::Ready("connected".to_owned()))
            }
            Target::Http { host, port, path } => {
                let mut stream = connect(host, *port, deadline)?;
                let request = self.request(target, path);
                let line = exchange(&mut stream, &request, deadline)?;
                self.judge(&line)
            }
        }
    }

    fn request(&self, target: &Target, path: &str) -> String {
        let mut request = format!(
            "{} {path} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: hookbudget-wait/{}\r\nAccept: */*\r\n\
             Connection: close\r\n",
            self.http.method,
            env!("CARGO_PKG_VERSION"),
        );
        for (name, value) in &self.http.headers {
            request.extend([name.as_str(), ": ", value, "\r\n"]);
        }
        request + "\r\n"
    }

    fn judge(&self, line: &str) -> Result<Answer, String> {
        let mut words = line.splitn(3, ' ');
        let status = words
            .next()
            .filter(|version| version.starts_with("HTTP/"))
            .and_then(|_| words.next())
            .and_then(|status| status.parse::<u16>().ok())
            .ok_or("000 the answer is not HTTP")?;
        let reason: String = words
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|c| c.is_ascii_graphic() || *c == ' ')
            .take(40)
            .collect();
        let text = format!("{status} {}", reason.trim()).trim_end().to_owned();
        Ok(if self.http.ready.contains(status) {
            Answer::Ready(text)
        } else if self.http.fatal.contains(status) {
            Answer::Fatal(text)
        } else {
            Answer::NotYet(text)
        })
    }
}

impl Prober for Network {
    fn probe(&self, target: &Target, limit: Seconds) -> Answer {
        let deadline = Instant::now() + Duration::from_nanos(limit.nanos().unsigned_abs());
        self.look(target, deadline).unwrap_or_else(Answer::NotYet)
    }
}

fn left(deadline: Instant) -> Option<Duration> {
    Some(deadline.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

/// Asks the resolver of the system anew. `getaddrinfo` cannot be interrupted, so it runs in a thread that is
/// left behind when it takes too long; it ends by the resolver's own limits.
fn resolve(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
    let (sender, receiver) = mpsc::channel();
    let name = host.to_owned();
    thread::Builder::new()
        .name("resolve".to_owned())
        .spawn(move || {
            let found = (name.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect::<Vec<_>>);
            // Nobody listens any more when the limit was reached first.
            let _ = sender.send(found);
        })
        .map_err(|error| format!("000 cannot start a look-up: {error}"))?;
    match receiver.recv_timeout(left(deadline).unwrap_or_default()) {
        Ok(Ok(found)) if !found.is_empty() => Ok(found),
        Ok(_) => Err("000 name not found".to_owned()),
        Err(RecvTimeoutError::Timeout) => Err("000 name server silent".to_owned()),
        Err(RecvTimeoutError::Disconnected) => Err("000 look-up failed".to_owned()),
    }
}

/// Tries every address of the host; each gets an equal share of the time that is left.
fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, String> {
    let addresses = resolve(host, port, deadline)?;
    let mut failure = "000 no time left to connect".to_owned();
    for (tried, address) in addresses.iter().enumerate() {
        let Some(left) = left(deadline) else { break };
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = describe(&error),
        }
    }
    Err(failure)
}

/// Sends the request and reads the status line. The limit holds for the whole exchange: a server that drips
/// its bytes cannot stretch it.
fn exchange(stream: &mut TcpStream, request: &str, deadline: Instant) -> Result<String, String> {
    const SILENT: &str = "000 no answer in time";
    let mut unsent = request.as_bytes();
    while !unsent.is_empty() {
        stream
            .set_write_timeout(Some(left(deadline).ok_or(SILENT)?))
            .map_err(|error| describe(&error))?;
        match stream.write(unsent) {
            Ok(sent) => unsent = unsent.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(describe(&error)),
        }
    }
    let (mut line, mut chunk) = (Vec::new(), [0; 512]);
    loop {
        stream
            .set_read_timeout(Some(left(deadline).ok_or(SILENT)?))
            .map_err(|error| describe(&error))?;
        match stream.read(&mut chunk) {
            Ok(0) => return Err("000 closed without an answer".to_owned()),
            Ok(count) => line.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(describe(&error)),
        }
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line.get(..end).unwrap_or_default());
            return Ok(text.trim_end().to_owned());
        }
        if line.len() > STATUS_LINE_MAX {
            return Err("000 the answer is not HTTP".to_owned());
        }
    }
}

fn describe(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "000 connection refused".to_owned(),
        ErrorKind::ConnectionReset => "000 connection reset".to_owned(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "000 no answer in time".to_owned(),
        ErrorKind::HostUnreachable => "000 no route to host".to_owned(),
        ErrorKind::NetworkUnreachable => "000 network unreachable".to_owned(),
        _ => format!("000 {error}"),
    }
}
