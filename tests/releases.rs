//! The watches of the kinds that own Jobs, before an API server that gets and loses them.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookbudget::index::releases::{Releases, watch_releases};
use hookbudget::index::watch_metrics::WatchMetrics;
use hookbudget::shutdown::Shutdown;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::watch;

/// What the API server says about `HelmRelease`s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flux {
    Absent,
    Forbidden,
    /// Served in this version.
    Served(&'static str),
}

/// A cluster of the test's own: nothing in it but `HelmRelease`s, when there are any.
struct Cluster {
    flux: watch::Sender<Flux>,
    asked: Arc<Mutex<Vec<String>>>,
    releases: Releases,
    synced: Vec<watch::Receiver<bool>>,
    registry: Registry,
    _running: hookbudget::shutdown::Trigger,
}

impl Cluster {
    fn with(flux: Flux) -> Self {
        let (flux, state) = watch::channel(flux);
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let (state, log) = (state.clone(), Arc::clone(&log));
            async move {
                log.lock().unwrap().push(request.uri().to_string());
                Ok::<_, tower::BoxError>(answer(request.uri(), state).await)
            }
        });
        let client = Client::new(service, "default");
        let mut registry = Registry::default();
        let metrics = Arc::new(WatchMetrics::register(&mut registry));
        let releases = Releases::default();
        let (running, shutdown) = Shutdown::manual();
        let synced = watch_releases(&client, &releases, &metrics, &shutdown);
        Self {
            flux,
            asked,
            releases,
            synced,
            registry,
            _running: running,
        }
    }

    /// Waits until the gauge says so.
    async fn until(&self, state: &str) {
        let wanted = format!("hookbudget_watch_state{{kind=\"HelmRelease\",state=\"{state}\"}} 1\n");
        for _ in 0..1_000 {
            if self.metrics().contains(&wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "{wanted} is not in\n{}\nasked: {:?}",
            self.metrics(),
            self.asked.lock().unwrap()
        );
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }

    fn names(&self) -> Vec<String> {
        self.releases
            .helm_releases
            .load()
            .iter()
            .map(|r| r.name.clone())
            .collect()
    }

    async fn is_ready(&mut self) {
        for synced in &mut self.synced {
            let waited = tokio::time::timeout(Duration::from_secs(10), synced.wait_for(|synced| *synced));
            assert!(
                waited.await.is_ok_and(|known| known.is_ok()),
                "an optional kind holds up readiness"
            );
        }
    }
}

fn status(code: u16) -> Response<Body> {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": if code == 403 { "Forbidden" } else { "NotFound" }, "message": "no"});
    Response::builder()
        .status(code)
        .body(Body::from(body.to_string().into_bytes()))
        .unwrap()
}

fn ok(body: &Value) -> Response<Body> {
    Response::new(Body::from(body.to_string().into_bytes()))
}

async fn answer(uri: &http::Uri, mut state: watch::Receiver<Flux>) -> Response<Body> {
    let now = *state.borrow_and_update();
    let Some(rest) = uri.path().strip_prefix("/apis/helm.toolkit.fluxcd.io/") else {
        // Definitions may not be watched here, and there is neither a Kustomization nor an Application.
        return status(if uri.path().contains("customresourcedefinitions") {
            403
        } else {
            404
        });
    };
    let (version, list) = rest
        .split_once('/')
        .map_or((rest, false), |(version, _)| (version, true));
    match now {
        Flux::Absent => status(404),
        Flux::Served(served) if served != version => status(404),
        Flux::Forbidden if list => status(403),
        Flux::Forbidden | Flux::Served(_) if !list => {
            ok(&json!({"kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": format!("helm.toolkit.fluxcd.io/{version}"), "resources": [{"name": "helmreleases",
            "singularName": "helmrelease", "namespaced": true, "kind": "HelmRelease", "verbs": ["list", "watch"]}]}))
        }
        _ if uri.query().is_some_and(|query| query.contains("watch=true")) => {
            // The watch holds until the cluster changes; a kind that is gone answers 404 from then on.
            let _ = state.changed().await;
            status(404)
        }
        _ => ok(
            &json!({"kind": "HelmReleaseList", "apiVersion": format!("helm.toolkit.fluxcd.io/{version}"),
            "metadata": {"resourceVersion": "7"}, "items": [
                {"metadata": {"name": "bp-powerdns", "namespace": "powerdns", "uid": "u", "resourceVersion": "5"},
                 "spec": {"install": {"timeout": "15m"}}},
                {"metadata": {"name": "broken", "namespace": "powerdns", "uid": "v", "resourceVersion": "6"},
                 "spec": {"timeout": 7}}]}),
        ),
    }
}

#[tokio::test]
async fn a_kind_that_comes_later_is_watched_and_one_that_goes_is_forgotten() {
    let mut cluster = Cluster::with(Flux::Absent);
    cluster.is_ready().await;
    cluster.until("absent").await;
    assert_eq!(cluster.names(), [""; 0]);

    cluster.flux.send_replace(Flux::Served("v2"));
    cluster.until("synced").await;
    assert_eq!(
        cluster.names(),
        ["bp-powerdns"],
        "the one that cannot be read is passed over"
    );
    let metrics = cluster.metrics();
    assert!(
        metrics.contains("hookbudget_watch_objects_unreadable_total{kind=\"HelmRelease\"} 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("hookbudget_index_synced{kind=\"HelmRelease\"} 1\n"),
        "{metrics}"
    );

    cluster.flux.send_replace(Flux::Absent);
    cluster.until("absent").await;
    assert_eq!(cluster.names(), [""; 0]);

    // An older Flux comes instead.
    cluster.flux.send_replace(Flux::Served("v2beta2"));
    cluster.until("synced").await;
    assert_eq!(cluster.names(), ["bp-powerdns"]);
}

#[tokio::test]
async fn a_kind_that_may_not_be_read_is_said_and_taken_up_when_it_may() {
    let began = std::time::Instant::now();
    let mut cluster = Cluster::with(Flux::Forbidden);
    cluster.is_ready().await;
    cluster.until("forbidden").await;
    let lists = || {
        let asked = cluster.asked.lock().unwrap();
        asked.iter().filter(|uri| uri.contains("/helmreleases")).count()
    };
    while lists() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        began.elapsed() >= Duration::from_millis(2_900),
        "it is asked less and less often"
    );
    cluster.flux.send_replace(Flux::Served("v2"));
    cluster.until("synced").await;
    assert_eq!(cluster.names(), ["bp-powerdns"]);
}
