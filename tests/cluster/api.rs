//! A stand-in for the HTTP APIs that hooks wait for in the test cluster: 200 to every GET, 201 to every POST, with
//! a body that a token can be read from. Usage: `cluster-api PORT`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

const BODY: &str = r#"{"version":"1.24.0","sha1":"0123456789abcdef"}"#;

fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(8080);
    for stream in TcpListener::bind(("0.0.0.0", port))?.incoming().flatten() {
        std::thread::spawn(move || answer(stream));
    }
    Ok(())
}

/// Answers one request; a client that leaves early is left alone.
fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let status = if request.starts_with("POST ") {
        "201 Created"
    } else {
        "200 OK"
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{BODY}",
        BODY.len()
    )
}
