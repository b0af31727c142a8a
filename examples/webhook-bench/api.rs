//! An API server for the product to watch, on loopback: 200 namespaces that enforce, and 200 `HelmRelease`s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// How many namespaces and releases there are.
const MANY: usize = 200;

/// How often it was asked.
pub(crate) type Asked = Arc<AtomicUsize>;

/// Serves in the background.
pub(crate) async fn start() -> anyhow::Result<(SocketAddr, Asked)> {
    let asked = Asked::default();
    let router = Router::new().fallback(answer).with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .context("no free port on loopback")?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, asked))
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

async fn answer(State(asked): State<Asked>, request: Request) -> Response {
    asked.fetch_add(1, Ordering::Relaxed);
    let watches = request
        .uri()
        .query()
        .is_some_and(|query| query.contains("watch="));
    let path = request.uri().path();
    let body = match path {
        "/apis/helm.toolkit.fluxcd.io/v2" => json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "helm.toolkit.fluxcd.io/v2",
            "resources": [{
                "name": "helmreleases", "singularName": "helmrelease", "namespaced": true, "kind": "HelmRelease",
                "verbs": ["get", "list", "watch"],
            }],
        }),
        "/api/v1/namespaces" if !watches => list("PartialObjectMetadataList", "meta.k8s.io/v1", |number| {
            json!({
                "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                "metadata": {"name": format!("team-{number}"), "labels": {"hookbudget.dev/mode": "enforce"}},
            })
        }),
        "/apis/helm.toolkit.fluxcd.io/v2/helmreleases" if !watches => {
            list("HelmReleaseList", "helm.toolkit.fluxcd.io/v2", |number| {
                json!({
                    "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
                    "metadata": {"name": format!("release-{number}"), "namespace": format!("team-{number}")},
                    "spec": {"interval": "10m", "install": {"timeout": "25m"}, "upgrade": {"timeout": "25m"}},
                })
            })
        }
        "/api/v1/namespaces" | "/apis/helm.toolkit.fluxcd.io/v2/helmreleases" => {
            // Nothing ever happens.
            let nothing = futures::stream::pending::<Result<Bytes, std::io::Error>>();
            return json_of(StatusCode::OK, Body::from_stream(nothing));
        }
        _ => {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
                "message": format!("{path} is not served here"),
            });
            return json_of(StatusCode::NOT_FOUND, Body::from(status.to_string()));
        }
    };
    json_of(StatusCode::OK, Body::from(body.to_string()))
}

fn list(kind: &str, version: &str, item: impl Fn(usize) -> Value) -> Value {
    json!({
        "kind": kind, "apiVersion": version, "metadata": {"resourceVersion": "1"},
        "items": (0..MANY).map(item).collect::<Vec<_>>(),
    })
}

fn json_of(status: StatusCode, body: Body) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
