//! `/`, `/style.css`, `/live.js`, `/explain/NAME`, `/api/jobs`, `/healthz`, `/readyz`.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::explain::{explain, markdown_page};
use super::filter::Filter;
use super::group::Group;
use super::layout;
use super::page::page;
use crate::engine::diagnosis::Diagnosis;
use crate::index::{Handle, JobView};

/// Nothing from elsewhere, nothing inline, no frame; the one form asks this server.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The routes over an index.
pub fn router(index: Handle) -> Router {
    Router::new()
        .route("/", get(status))
        .route(
            "/live.js",
            get(|| async { asset("text/javascript; charset=utf-8", include_str!("live.js")) }),
        )
        .route(
            "/style.css",
            get(|| async { asset("text/css; charset=utf-8", include_str!("style.css")) }),
        )
        .route("/explain/{name}", get(explained))
        .route("/api/jobs", get(jobs))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(index)
}

async fn status(State(index): State<Handle>, Query(parameters): Query<Vec<(String, String)>>) -> Response {
    let filter = Filter::read(&parameters);
    if !filter.is_all_of(&parameters) {
        // A form sends its empty fields too: the address to share has none of them.
        return (StatusCode::SEE_OTHER, [(LOCATION, filter.link())]).into_response();
    }
    document(StatusCode::OK, page(&index.snapshot(), &filter))
}

async fn explained(State(index): State<Handle>, Path(name): Path<String>) -> Response {
    let own = || index.with(|index| index.signature_page(&name));
    let page = explain(&name).or_else(|| own().map(|text| markdown_page(&name, &text)));
    page.map_or_else(unknown, |page| document(StatusCode::OK, page))
}

/// The page for a rule or a cause that there is not.
fn unknown() -> Response {
    let mut out = String::new();
    layout::open(&mut out, "no such page", "../");
    out.push_str(
        "<main id=\"main\" tabindex=\"-1\"><h1>There is no such rule or cause</h1><p>It may be one of another version. \
         <code>hookbudget explain</code> lists all of this one.</p></main><footer><p><a href=\"../\">All Jobs</a></p></footer>",
    );
    layout::close(&mut out);
    document(StatusCode::NOT_FOUND, out)
}

fn document(status: StatusCode, page: String) -> Response {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(page)).into_response()
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, kind),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Another version of the program has another one under the same name.
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text)
}

/// The diagnoses as `diagnose --format json` gives them: of all Jobs that have one and of the runs that never came, or
/// of the Jobs that a filter lets through.
async fn jobs(
    State(index): State<Handle>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Json<Vec<Diagnosis>> {
    let filter = Filter::read(&parameters);
    let snapshot = index.snapshot();
    let wanted = |job: &JobView| Group::of(job).is_none_or(|group| filter.wants(job, group));
    let jobs = snapshot.jobs.iter().filter(|job| wanted(job));
    let mut diagnoses: Vec<_> = jobs
        .filter_map(|job| job.diagnosis().map(Arc::unwrap_or_clone))
        .collect();
    if filter.is_empty() {
        diagnoses.extend(index.with(|index| index.missed_runs(snapshot.now)));
    }
    Json(diagnoses)
}

async fn ready(State(index): State<Handle>) -> (StatusCode, String) {
    let now = index.clock().now();
    let kinds = index.with(|index| index.kinds(now));
    let missing: Vec<_> = kinds
        .iter()
        .filter(|watch| watch.awaited)
        .map(|watch| watch.kind.as_str())
        .collect();
    if missing.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        let waits = format!("not listed yet: {}\n", missing.join(", "));
        (StatusCode::SERVICE_UNAVAILABLE, waits)
    }
}
