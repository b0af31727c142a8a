//! One HTTP/1.1 request on a connection of its own; its status decides, and its body where one is expected.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

use super::{Failure, Stream, describe, plain};
use crate::engine::wait_target::Server;
use crate::wait::options::Http;
use crate::wait::waiter::Answer;

/// The most of a body that is read.
const BODY_MAX: usize = 1 << 20;

/// Asks for `path` and judges the answer.
pub(super) async fn ask(
    stream: Box<dyn Stream>,
    http: &Http,
    server: &Server,
    path: &str,
) -> Result<Answer, Failure> {
    let headers = http
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let response = exchange(stream, &http.method, &server.to_string(), path, headers).await?;
    let status = response.status();
    let judged = judge(http, status);
    match (&judged, &http.body) {
        (Answer::Ready(text), Some(pattern)) => {
            let body = body(response).await?;
            if pattern.0.is_match(&String::from_utf8_lossy(&body)) {
                Ok(judged)
            } else {
                Ok(Answer::NotYet(format!("{text}, body does not match")))
            }
        }
        _ => Ok(judged),
    }
}

/// Sends one request and reads the head of the answer.
pub(super) async fn exchange<'h>(
    stream: Box<dyn Stream>,
    method: &str,
    host: &str,
    path: &str,
    headers: impl Iterator<Item = (&'h str, &'h str)>,
) -> Result<Response<Incoming>, Failure> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    // What is stated wins: a second Host would make the request one that servers have to refuse (RFC 9112, 3.2).
    let usual = [
        ("Host", host),
        (
            "User-Agent",
            concat!("hookbudget-wait/", env!("CARGO_PKG_VERSION")),
        ),
        ("Accept", "*/*"),
        ("Connection", "close"),
    ];
    for (name, value) in usual {
        if request
            .headers_ref()
            .is_some_and(|known| !known.contains_key(name))
        {
            request = request.header(name, value);
        }
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("000 the request cannot be sent: {error}"))?;
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure(&error))?;
    tokio::spawn(connection);
    sender
        .send_request(request)
        .await
        .map_err(|error| failure(&error))
}

/// The body of an answer, if it is not beyond all measure.
pub(super) async fn body(response: Response<Incoming>) -> Result<Bytes, Failure> {
    Limited::new(response.into_body(), BODY_MAX)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| match error.downcast_ref::<hyper::Error>() {
            Some(error) => failure(error),
            None => "000 the body is longer than a megabyte".to_owned(),
        })
}

/// What a status means, by the sets that the options name.
pub(super) fn judge(http: &Http, status: StatusCode) -> Answer {
    let text = format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    let text = text.trim_end().to_owned();
    if http.ready.contains(status.as_u16()) {
        Answer::Ready(text)
    } else if http.fatal.contains(status.as_u16()) {
        Answer::Fatal(text)
    } else {
        Answer::NotYet(text)
    }
}

/// Why there is no answer.
pub(super) fn failure(error: &hyper::Error) -> Failure {
    if error.is_parse() {
        return "000 the answer is not HTTP".to_owned();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return "000 closed without an answer".to_owned();
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if let Some(error) = one.downcast_ref::<std::io::Error>() {
            return describe(error);
        }
        cause = one.source();
    }
    format!("000 {}", plain(&error.to_string()))
}
