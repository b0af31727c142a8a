//! A scrape as Prometheus makes it, over a connection of its own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Asks for a path; in HTTP/1.0, so that the body comes as it is, without chunks.
fn asked(address: SocketAddr, path: &str, gzip: bool) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let encoding = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n{encoding}\r\n")?;
    Ok(stream)
}

/// How long it takes until the last byte of `/metrics` is there. As with `curl -o /dev/null`, nothing is kept: to find room
/// for hundreds of megabytes takes a client as long as to read them.
pub(crate) fn time(address: SocketAddr, gzip: bool) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut stream = asked(address, "/metrics", gzip)?;
    let mut room = vec![0; 256 * 1024];
    while stream.read(&mut room)? > 0 {}
    Ok(begun.elapsed())
}

/// The answer to a path.
pub(crate) fn get(address: SocketAddr, path: &str, gzip: bool) -> anyhow::Result<Answer> {
    let mut stream = asked(address, path, gzip)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("an answer without an end of its headers")?;
    let status = bytes
        .get(9..12)
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
        .context("an answer without a status")?;
    let body = bytes.split_off(end + 4);
    Ok(Answer { status, body })
}
