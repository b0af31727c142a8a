//! `/`, `/explain/NAME`, `/api/jobs`, `/healthz`, `/readyz`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::explain::{document, explain};
use super::page::page;
use crate::engine::diagnosis::Diagnosis;
use crate::index::Handle;

/// Nothing from elsewhere, no inline script, no frame, no form.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes over an index.
pub fn router(index: Handle) -> Router {
    Router::new()
        .route("/", get(status))
        .route("/live.js", get(script))
        .route("/explain/{name}", get(explained))
        .route("/api/jobs", get(jobs))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(index)
}

async fn status(State(index): State<Handle>) -> impl IntoResponse {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(page(&index.snapshot())))
}

async fn explained(State(index): State<Handle>, Path(name): Path<String>) -> Response {
    let own = || index.with(|index| index.signature_page(&name));
    match explain(&name).or_else(|| own().map(|text| document(&text))) {
        Some(page) => {
            let headers = [
                (CONTENT_SECURITY_POLICY, POLICY),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, Html(page)).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is no such rule or cause\n").into_response(),
    }
}

async fn script() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/javascript; charset=utf-8")],
        include_str!("live.js"),
    )
}

/// The diagnoses of all Jobs that have one, as `diagnose --format json` gives them.
async fn jobs(State(index): State<Handle>) -> Json<Vec<Diagnosis>> {
    let snapshot = index.snapshot();
    let diagnoses = snapshot
        .jobs
        .iter()
        .filter_map(|job| job.diagnosis.as_deref().cloned());
    Json(diagnoses.collect())
}

async fn ready(State(index): State<Handle>) -> (StatusCode, String) {
    let snapshot = index.snapshot();
    let missing: Vec<_> = snapshot
        .kinds
        .iter()
        .filter(|watch| !watch.synced)
        .map(|watch| watch.kind.as_str())
        .collect();
    if missing.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        let waits = format!("not listed yet: {}\n", missing.join(", "));
        (StatusCode::SERVICE_UNAVAILABLE, waits)
    }
}
