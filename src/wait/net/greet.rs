//! Databases, asked by the first bytes of their own protocols; no credentials are needed for that.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Failure, Stream, describe, plain};
use crate::wait::waiter::Answer;

/// The most of an answer that is read.
const ANSWER_MAX: usize = 4096;

/// `StartupMessage` of protocol 3.0 (`PostgreSQL`, Message Formats): length, version, `user`, end.
const STARTUP: &[u8] = b"\0\0\0\x19\0\x03\0\0user\0hookbudget\0\0";
/// `cannot_connect_now`: the server starts, stops or recovers (`PostgreSQL`, Error Codes, class 57).
const CANNOT_CONNECT_NOW: &str = "57P03";

/// Whether a `PostgreSQL` server takes connections, by the rule of `pg_isready`: a demand for a password is an
/// answer of a server that is up, and so is every error but [`CANNOT_CONNECT_NOW`] (libpq, `internal_ping`).
pub(super) async fn postgres(mut stream: impl Stream) -> Result<Answer, Failure> {
    let answer = say(&mut stream, STARTUP, |answer| {
        // A message: its kind, and its length without the kind.
        let length = answer.get(1..5).and_then(|four| <[u8; 4]>::try_from(four).ok());
        length.is_some_and(|length| answer.len() > u32::from_be_bytes(length) as usize)
    })
    .await?;
    match answer.first() {
        Some(b'R') => Ok(Answer::Ready("accepting connections".to_owned())),
        Some(b'E') => {
            let field = |kind: u8| {
                let fields = answer.get(5..).unwrap_or_default().split(|byte| *byte == 0);
                let mut own = fields.filter(|field| field.first() == Some(&kind));
                own.next()
                    .map(|field| plain(&String::from_utf8_lossy(field.get(1..).unwrap_or_default())))
                    .unwrap_or_default()
            };
            let (code, message) = (field(b'C'), field(b'M'));
            if code.is_empty() {
                return Err("000 the answer is not of PostgreSQL".to_owned());
            }
            Ok(if code == CANNOT_CONNECT_NOW {
                Answer::NotYet(message)
            } else {
                Answer::Ready(format!("up, it says {code}"))
            })
        }
        _ => Err("000 the answer is not of PostgreSQL".to_owned()),
    }
}

/// Whether a Redis server takes commands: `PONG`, or that it wants a password first. While it loads its data or
/// has lost its master it says so instead (Redis, `src/server.c`: `LOADING`, `MASTERDOWN`).
pub(super) async fn redis(mut stream: Box<dyn Stream>) -> Result<Answer, Failure> {
    let answer = say(&mut stream, b"PING\r\n", |answer| answer.contains(&b'\n')).await?;
    let line = String::from_utf8_lossy(&answer);
    let line = line.lines().next().unwrap_or_default();
    let word = line.split(' ').next().unwrap_or_default();
    Ok(match word {
        "+PONG" => Answer::Ready("PONG".to_owned()),
        "-NOAUTH" | "-NOPERM" => Answer::Ready(format!("up, it says {}", word.trim_start_matches('-'))),
        _ if line.starts_with('-') => Answer::NotYet(plain(line.trim_start_matches('-'))),
        _ => return Err("000 the answer is not of Redis".to_owned()),
    })
}

/// Says something and hears until the answer is whole, or until it is too long to be one.
async fn say(
    stream: &mut (impl Stream + ?Sized),
    words: &[u8],
    is_whole: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, Failure> {
    stream.write_all(words).await.map_err(|error| describe(&error))?;
    stream.flush().await.map_err(|error| describe(&error))?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 512]);
    while !is_whole(&answer) && answer.len() < ANSWER_MAX {
        match stream.read(&mut chunk).await {
            Ok(0) if answer.is_empty() => return Err("000 closed without an answer".to_owned()),
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) => return Err(describe(&error)),
        }
    }
    Ok(answer)
}
