//! gRPC's health protocol: `grpc.health.v1.Health/Check` (grpc/grpc, doc/health-checking.md), one unary call
//! over HTTP/2 (doc/PROTOCOL-HTTP2.md).

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::http::failure;
use super::{Failure, Stream, plain};
use crate::engine::wait_target::Server;
use crate::wait::waiter::Answer;

/// The most of an answer that is read; a health answer has two bytes.
const ANSWER_MAX: usize = 64 << 10;

/// `HealthCheckResponse.ServingStatus`.
const SERVING: u8 = 1;
const NOT_SERVING: u8 = 2;

/// Codes of `google.golang.org/grpc/codes`, which are part of the protocol.
const OK: &str = "0";
const NOT_FOUND: &str = "5";
const PERMISSION_DENIED: &str = "7";
const UNIMPLEMENTED: &str = "12";
const UNAUTHENTICATED: &str = "16";

/// Asks for the health of `service`.
pub(super) async fn ask(
    stream: Box<dyn Stream>,
    server: &Server,
    tls: bool,
    service: &str,
) -> Result<Answer, Failure> {
    let scheme = if tls { "https" } else { "http" };
    let request = Request::post(format!("{scheme}://{server}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header(
            "user-agent",
            concat!("hookbudget-wait/", env!("CARGO_PKG_VERSION")),
        )
        .body(Full::new(Bytes::from(question(service)?)))
        .map_err(|error| format!("000 the request cannot be sent: {error}"))?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|error| not_grpc(&error))?;
    tokio::spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| not_grpc(&error))?;
    let http = response.status();
    if !http.is_success() {
        return Ok(Answer::NotYet(format!(
            "{} instead of an answer by gRPC",
            http.as_u16()
        )));
    }
    let header = |headers: &hyper::HeaderMap, name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    // A call that fails at once has its status among the headers.
    let early = header(response.headers(), "grpc-status");
    let whole = Limited::new(response.into_body(), ANSWER_MAX)
        .collect()
        .await
        .map_err(|_| "000 the answer is not gRPC".to_owned())?;
    let late = whole
        .trailers()
        .and_then(|trailers| header(trailers, "grpc-status"));
    let body = whole.to_bytes();
    Ok(judge(early.or(late).as_deref(), &body, service))
}

fn not_grpc(error: &hyper::Error) -> Failure {
    let why = failure(error);
    // An HTTP/1 server answers an HTTP/2 preface in its own words.
    if why.contains("http2 error") {
        "000 the answer is not HTTP/2".to_owned()
    } else {
        why
    }
}

/// `HealthCheckRequest{service = 1}` as one length-prefixed message.
fn question(service: &str) -> Result<Vec<u8>, Failure> {
    let length = u8::try_from(service.len())
        .ok()
        .filter(|length| *length < 0x7e)
        .ok_or("000 the name of the service is too long")?;
    let message = if service.is_empty() {
        Vec::new()
    } else {
        [&[0x0a, length], service.as_bytes()].concat()
    };
    let size = u8::try_from(message.len()).unwrap_or(u8::MAX);
    Ok([&[0, 0, 0, 0, size], message.as_slice()].concat())
}

fn judge(code: Option<&str>, body: &[u8], service: &str) -> Answer {
    match code {
        Some(OK) => match body {
            [0, 0, 0, 0, 2, 0x08, SERVING, ..] => Answer::Ready("SERVING".to_owned()),
            [0, 0, 0, 0, 2, 0x08, NOT_SERVING, ..] => Answer::NotYet("NOT_SERVING".to_owned()),
            _ => Answer::NotYet("health UNKNOWN".to_owned()),
        },
        Some(NOT_FOUND) => Answer::NotYet(format!("NOT_FOUND, no service {}", plain(service))),
        // A proxy says the same while what is behind it is not there yet, so it may pass.
        Some(UNIMPLEMENTED) => {
            Answer::NotYet("UNIMPLEMENTED, no health service (tcp:// asks for none)".to_owned())
        }
        Some(PERMISSION_DENIED) => Answer::Fatal("PERMISSION_DENIED".to_owned()),
        Some(UNAUTHENTICATED) => Answer::Fatal("UNAUTHENTICATED".to_owned()),
        Some(code) => Answer::NotYet(format!("gRPC status {}", plain(code))),
        None => Answer::NotYet("000 the answer is not gRPC".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_one_message() {
        assert_eq!(question("").expect("short"), [0, 0, 0, 0, 0]);
        assert_eq!(
            question("a.B").expect("short"),
            [0, 0, 0, 0, 5, 0x0a, 3, b'a', b'.', b'B']
        );
        assert!(question(&"x".repeat(126)).is_err());
    }

    #[test]
    fn only_serving_is_ready() {
        let said = |status| [0, 0, 0, 0, 2, 0x08, status];
        assert_eq!(
            judge(Some("0"), &said(1), ""),
            Answer::Ready("SERVING".to_owned())
        );
        for (code, body) in [
            (Some("0"), said(2).to_vec()),
            (Some("0"), said(3).to_vec()),
            (Some("0"), Vec::new()),
            (Some("5"), Vec::new()),
            (Some("12"), Vec::new()),
            (Some("14"), Vec::new()),
            (None, said(1).to_vec()),
        ] {
            assert!(matches!(judge(code, &body, "a"), Answer::NotYet(_)), "{code:?}");
        }
        assert!(matches!(judge(Some("16"), &[], ""), Answer::Fatal(_)));
    }
}
