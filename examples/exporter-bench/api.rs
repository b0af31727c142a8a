//! An API server with nothing but Jobs: lists in pages, one watch that says what was ordered.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::broadcast;

use crate::jobs::{Standing, beginning, job};
use crate::scrape;

/// Changes that a watch may be behind.
const BEHIND: usize = 10_000;

#[derive(Clone)]
struct Api {
    jobs: usize,
    began: Timestamp,
    version: Arc<AtomicU64>,
    events: broadcast::Sender<Bytes>,
}

/// Serves until killed.
pub(crate) fn serve(address: SocketAddr, jobs: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(async {
        let api = Api {
            jobs,
            began: beginning(),
            version: Arc::new(AtomicU64::new(1_000_000)),
            events: broadcast::Sender::new(BEHIND),
        };
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| address.to_string())?;
        let router = Router::new().fallback(answer).with_state(api);
        axum::serve(listener, router)
            .await
            .context("the API server ended")
    })
}

/// The file that leads a client to it.
pub(crate) fn kubeconfig(address: SocketAddr) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "bench", "user": {}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
    })
    .to_string()
}

/// What the measuring process tells the API server to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders(SocketAddr);

impl Orders {
    pub(crate) const fn of(address: SocketAddr) -> Self {
        Self(address)
    }

    pub(crate) fn wait_until_served(self) -> anyhow::Result<()> {
        for _ in 0..200 {
            if scrape::get(self.0, "/healthz", false).is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(25));
        }
        anyhow::bail!("the API server of the bench does not answer")
    }

    /// Ends a Job: `complete` or `fail`.
    pub(crate) fn end(self, how: &str, number: usize) -> anyhow::Result<()> {
        let answer = scrape::get(self.0, &format!("/bench/{how}/{number}"), false)?;
        ensure!(answer.status == 200, "no Job {number} to {how}");
        Ok(())
    }
}

async fn answer(State(api): State<Api>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let watches = value("watch").is_some();
    match request.uri().path() {
        "/healthz" => "ok".into_response(),
        "/apis/batch/v1/jobs" if watches => watch(api.events.subscribe()),
        "/apis/batch/v1/jobs" => {
            let from = value("continue").and_then(|text| text.parse().ok()).unwrap_or(0);
            let limit = value("limit")
                .and_then(|text| text.parse().ok())
                .unwrap_or(api.jobs);
            list(&api, from, limit)
        }
        "/apis/batch/v1/cronjobs" | "/api/v1/pods" | "/api/v1/events" if watches => {
            watch(broadcast::Sender::new(1).subscribe())
        }
        "/apis/batch/v1/cronjobs" | "/api/v1/pods" | "/api/v1/events" => json_of(
            StatusCode::OK,
            r#"{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#.into(),
        ),
        "/apis" => json_of(
            StatusCode::OK,
            r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[]}"#.into(),
        ),
        path => {
            let order = path
                .strip_prefix("/bench/")
                .and_then(|order| order.split_once('/'));
            order.map_or_else(|| missing(path), |(how, number)| end(&api, how, number))
        }
    }
}

fn missing(path: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
        "message": format!("{path} is not served here"),
    });
    json_of(StatusCode::NOT_FOUND, status.to_string().into())
}

fn list(api: &Api, from: usize, limit: usize) -> Response {
    let until = from.saturating_add(limit).min(api.jobs);
    let more = if until < api.jobs {
        format!(
            r#","continue":"{until}","remainingItemCount":{}"#,
            api.jobs - until
        )
    } else {
        String::new()
    };
    let mut text = format!(
        r#"{{"kind":"JobList","apiVersion":"batch/v1","metadata":{{"resourceVersion":"1000000"{more}}},"items":["#
    );
    for number in from..until {
        if number > from {
            text.push(',');
        }
        text.push_str(&job(number, Standing::at_first(number), 1, api.began));
    }
    text.push_str("]}");
    json_of(StatusCode::OK, text.into())
}

fn watch(events: broadcast::Receiver<Bytes>) -> Response {
    let lines = futures::stream::unfold(events, |mut events| async {
        let event = events.recv().await;
        match event {
            Ok(event) => Some((Ok::<_, Infallible>(event), events)),
            // Nobody ends a watch here.
            Err(_) => std::future::pending().await,
        }
    });
    json_of(StatusCode::OK, Body::from_stream(lines.boxed()))
}

fn end(api: &Api, how: &str, number: &str) -> Response {
    let standing = match how {
        "complete" => Standing::Complete,
        "fail" => Standing::Failed,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let Some(number) = number.parse().ok().filter(|number| *number < api.jobs) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let version = api.version.fetch_add(1, Ordering::Relaxed) + 1;
    let object = job(number, standing, version, Timestamp::now());
    let event = format!("{{\"type\":\"MODIFIED\",\"object\":{object}}}\n");
    // Without a watch there is nobody to tell.
    let _ = api.events.send(event.into());
    "done".into_response()
}

fn json_of(status: StatusCode, body: Body) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
