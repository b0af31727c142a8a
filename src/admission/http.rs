//! The paths of the webhook: body limit, memory limit, deadline, status codes.
//!
//! - An answer to a review is always HTTP 200, be the verdict what it may.
//! - 400, 413, 415 and 408 stand for bodies that hold no uid to answer to, that are too large, compressed, or
//!   that do not arrive. The API server then does what the `failurePolicy` of the webhook says.
//! - 503 under overload: when no memory for a body becomes free before the deadline. Allowing unread would take
//!   the choice of `failurePolicy: Fail` away from the administrator.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::observer::Skipped;
use super::{Admission, Webhook, message};
use crate::engine::Seconds;
use crate::http::{BodyError, Limits, read_body};

/// Bytes of one unit of the memory limit.
const UNIT: u64 = 1024;
/// Units of bodies that may be held at once: 64 MiB, eight bodies of the largest size or thousands of the usual
/// one.
const UNITS: usize = 64 * 1024;
/// Bytes from which on a review is judged on a thread of its own, so that the others do not wait for it.
const LARGE: usize = 256 * 1024;
/// Large reviews that are judged at once: what is made of one takes many times its size.
const LARGE_AT_ONCE: usize = 2;
/// What a webhook gets when its configuration says nothing (`timeoutSeconds`,
/// `k8s.io/api/admissionregistration/v1`).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that the API server lets a configuration say.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Says whether reviews should come here: false before the first look at the cluster, and while the process
/// ends.
pub type Ready = Arc<dyn Fn() -> bool + Send + Sync>;

#[derive(Clone)]
struct Server {
    admission: Arc<Admission>,
    memory: Arc<Semaphore>,
    large: Arc<Semaphore>,
    body: usize,
}

/// The routes `/mutate`, `/validate`, `/healthz` and `/readyz`.
pub fn router(admission: Arc<Admission>, ready: Ready, limits: &Limits) -> Router {
    let server = Server {
        admission,
        memory: Arc::new(Semaphore::new(UNITS)),
        large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        body: limits.body,
    };
    Router::new()
        .route("/mutate", post(mutate).fallback(only_post))
        .route("/validate", post(validate).fallback(only_post))
        .with_state(server)
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(move || async move {
                if ready() {
                    (StatusCode::OK, "ready\n")
                } else {
                    (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
                }
            }),
        )
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "nothing here: /mutate, /validate, /healthz and /readyz are served\n",
            )
        })
}

async fn only_post() -> Response {
    let text = "this path answers the API server: POST an AdmissionReview of admission.k8s.io/v1\n";
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")], text).into_response()
}

async fn mutate(State(server): State<Server>, request: Request) -> Response {
    server.review(Webhook::Mutate, request).await
}

async fn validate(State(server): State<Server>, request: Request) -> Response {
    server.review(Webhook::Validate, request).await
}

impl Server {
    async fn review(&self, webhook: Webhook, request: Request) -> Response {
        let deadline = Instant::now() + patience(request.uri().query());
        let encoded = is_encoded(request.headers());
        let body = request.into_body();
        // A length that is not announced may turn out to be anything up to the limit.
        let announced = body.size_hint().upper().unwrap_or(u64::MAX).min(self.body as u64);
        let units = u32::try_from(announced / UNIT + 1).unwrap_or(u32::MAX);
        let memory = Arc::clone(&self.memory).acquire_many_owned(units);
        let Ok(Ok(memory)) = timeout_at(deadline, memory).await else {
            return self.refusal(
                webhook,
                StatusCode::SERVICE_UNAVAILABLE,
                "too many reviews at once: this one was not read",
            );
        };
        let body = match timeout_at(deadline, read_body(body, self.body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(error @ BodyError::TooLarge { .. })) => {
                return self.refusal(webhook, StatusCode::PAYLOAD_TOO_LARGE, &error.to_string());
            }
            Ok(Err(error)) => return self.refusal(webhook, StatusCode::BAD_REQUEST, &error.to_string()),
            Err(_) => {
                return self.refusal(
                    webhook,
                    StatusCode::REQUEST_TIMEOUT,
                    "the body did not arrive within the webhook's timeout",
                );
            }
        };
        if encoded {
            return self.refusal(
                webhook,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body is compressed, and nothing is unpacked here: send it without a Content-Encoding",
            );
        }
        match self.answer(webhook, body, memory, deadline).await {
            Ok(answer) => {
                let json = [(header::CONTENT_TYPE, "application/json")];
                (StatusCode::OK, json, Body::from(answer)).into_response()
            }
            Err(why) => self.refusal(webhook, StatusCode::BAD_REQUEST, &why),
        }
    }

    /// An answer that is no review, for what is none.
    fn refusal(&self, webhook: Webhook, status: StatusCode, why: &str) -> Response {
        let reason = if status == StatusCode::SERVICE_UNAVAILABLE {
            Skipped::Overload
        } else {
            Skipped::NoReview
        };
        self.admission.observer.skipped(webhook, "other", reason);
        tracing::warn!(
            status = status.as_u16(),
            why = %message::shown(why),
            "request not answered with a review"
        );
        (status, format!("{why}\n")).into_response()
    }

    async fn answer(
        &self,
        webhook: Webhook,
        body: Bytes,
        memory: OwnedSemaphorePermit,
        deadline: Instant,
    ) -> Result<Vec<u8>, String> {
        if body.len() < LARGE {
            return self.admission.answer(webhook, &body);
        }
        let Ok(Ok(turn)) = timeout_at(deadline, Arc::clone(&self.large).acquire_owned()).await else {
            return self.admission.answer_late(webhook, &body);
        };
        let admission = Arc::clone(&self.admission);
        let copy = body.clone();
        let judged = tokio::task::spawn_blocking(move || {
            // Nothing ends a judgement that takes too long: what it holds is free when it is done.
            let _held = (memory, turn);
            admission.answer(webhook, &copy)
        });
        match timeout_at(deadline, judged).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => self.admission.answer_late(webhook, &body),
        }
    }
}

/// True for a body that would have to be unpacked: a few kilobytes could become gigabytes.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// How long a request may take: nine tenths of the webhook's timeout, which the API server sends as
/// `?timeout=3s`, so that the answer still arrives.
fn patience(query: Option<&str>) -> Duration {
    let asked = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|pair| pair.strip_prefix("timeout="))
        .and_then(|text| Seconds::parse_go(text).ok())
        .and_then(|span| u64::try_from(span.nanos()).ok())
        .filter(|nanos| *nanos > 0)
        .map_or(DEFAULT_TIMEOUT, Duration::from_nanos);
    asked.min(LONGEST_TIMEOUT).mul_f64(0.9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_shorter_than_the_timeout_of_the_webhook() {
        for (query, millis) in [
            (Some("timeout=3s"), 2_700),
            (Some("a=b&timeout=500ms"), 450),
            (Some("timeout=1h"), 27_000),
            (Some("timeout=0s"), 9_000),
            (Some("timeout=-1s"), 9_000),
            (Some("timeout=soon"), 9_000),
            (None, 9_000),
        ] {
            assert_eq!(patience(query), Duration::from_millis(millis), "{query:?}");
        }
    }
}
