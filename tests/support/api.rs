//! An API server on loopback that holds what a test gives it: lists, watches that bring nothing more, logs, and a
//! memory of what was written.
#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Largest body of a request that is kept.
const LARGEST: usize = 4 << 20;

/// What the server holds.
#[derive(Default)]
pub(crate) struct Objects {
    /// Objects by the plural of their kind: `jobs`, `pods`, `events`.
    pub(crate) lists: BTreeMap<&'static str, Vec<Value>>,
    /// API groups besides the built-in ones, with the versions that are served.
    pub(crate) groups: Vec<(&'static str, &'static [&'static str])>,
    /// The log of every container, piece by piece.
    pub(crate) log: Vec<Bytes>,
}

/// The server, which runs as long as the runtime does.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    objects: Arc<Objects>,
    written: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Api {
    pub(crate) async fn start(objects: Objects) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let api = Self {
            address: listener.local_addr().expect("an address"),
            objects: Arc::new(objects),
            written: Arc::default(),
            asked: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(api.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        api
    }

    pub(crate) fn client(&self) -> kube::Client {
        hookbudget::tls::install_provider();
        let address = format!("http://{}", self.address).parse().expect("an address");
        kube::Client::try_from(kube::Config::new(address)).expect("a client")
    }

    /// The file that leads a process to it.
    pub(crate) fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "shop"}}],
        })
        .to_string()
    }

    /// The bodies of what was written, each behind its method and path.
    pub(crate) fn written(&self) -> Vec<String> {
        self.written.lock().expect("a list").clone()
    }

    /// Paths and queries that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a list").clone()
    }
}

async fn answer(State(api): State<Api>, request: Request) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let query = uri.query().unwrap_or_default();
    if method != Method::GET {
        let body = to_bytes(request.into_body(), LARGEST).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body).into_owned();
        api.written
            .lock()
            .expect("a list")
            .push(format!("{method} {} {text}", uri.path()));
        return json_of(StatusCode::OK, Body::from(body));
    }
    api.asked.lock().expect("a list").push(uri.to_string());
    let path = uri.path().trim_end_matches('/');
    if path == "/apis" {
        let groups = api.objects.groups.iter().map(|(name, versions)| {
            let versions = versions
                .iter()
                .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}));
            json!({"name": name, "versions": versions.collect::<Vec<_>>()})
        });
        let list = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>()});
        return json_of(StatusCode::OK, list.to_string().into());
    }
    if path.ends_with("/log") {
        let pieces = api.objects.log.clone();
        let stream = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::convert::Infallible>));
        return Body::from_stream(stream).into_response();
    }
    if query.contains("watch=true") {
        return json_of(
            StatusCode::OK,
            Body::from_stream(futures::stream::pending::<Result<Bytes, std::convert::Infallible>>().boxed()),
        );
    }
    let plural = path.rsplit('/').next().unwrap_or_default();
    let Some(items) = api.objects.lists.get(plural) else {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
            "message": format!("{path} is not served here")});
        return json_of(StatusCode::NOT_FOUND, status.to_string().into());
    };
    // Events are asked for by the kind that they are about.
    let about = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("fieldSelector=involvedObject.kind"))
        .map(|value| value.trim_start_matches("%3D").trim_start_matches('='));
    let wanted = |item: &&Value| about.is_none_or(|kind| item["involvedObject"]["kind"] == kind);
    let items: Vec<&Value> = items.iter().filter(wanted).collect();
    let list =
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": items});
    json_of(StatusCode::OK, list.to_string().into())
}

fn json_of(status: StatusCode, body: Body) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
