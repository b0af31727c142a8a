//! The dashboards on the recorded incidents: every query of every panel finds something in a real Prometheus, nothing
//! is cut, and with `SHOTS=DIR` a picture of each is left behind.

use std::fs;
use std::path::Path;

use axum::Router;
use axum::extract::Path as Name;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::chromium::Browser;
use super::history;
use super::programs::Prometheus;

/// Where Debian's libjs-chart.js is.
const CHARTS: &str = "/usr/share/javascript/chart.js/chart.min.js";
/// While one Job waits and others have failed.
const MIDDLE: u64 = 465;
/// When it is over.
const END: u64 = 615;
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn board(Name(name): Name<String>) -> impl IntoResponse {
    match fs::read_to_string(repository().join("dashboards").join(name)) {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::NOT_FOUND, error.to_string()),
    }
}

/// Serves the page that draws.
fn serve(runtime: &Runtime) -> String {
    let script = |text: String| ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text);
    let charts = fs::read_to_string(CHARTS).expect("libjs-chart.js is installed: tests/setup does it");
    let page = || async {
        let html = include_str!("page/index.html");
        ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html)
    };
    let router = Router::new()
        .route("/", get(page))
        .route(
            "/draw.js",
            get(move || async move { script(include_str!("page/draw.js").to_owned()) }),
        )
        .route("/chart.js", get(move || async move { script(charts) }))
        .route("/board/{name}", get(board));
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    runtime.spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/")
}

/// Draws a dashboard; what its queries found, and which panels hide a part of what they found.
fn drawn(
    browser: &Browser,
    page: &str,
    prometheus: &Prometheus,
    name: &str,
    span: (i64, i64),
) -> (Value, Value) {
    let mut tab = browser.tab(1600, "light");
    tab.open(&format!(
        "{page}?board={name}&prometheus=http://{}&from={}&to={}",
        prometheus.address, span.0, span.1
    ));
    tab.until("window.drawn === true");
    if let Some(folder) = std::env::var_os("SHOTS") {
        let picture = tab.picture(4000);
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(picture)
            .expect("base64");
        let file = Path::new(&folder).join(name.replace(".json", ".webp"));
        fs::write(&file, bytes).expect("a picture");
    }
    (tab.eval("window.results"), tab.eval("window.cut"))
}

#[test]
fn every_panel_of_every_dashboard_shows_the_recorded_incidents() {
    let Some(browser) = Browser::start() else { return };
    let runtime = Runtime::new().expect("a runtime");
    let page = serve(&runtime);
    let folder = tempfile::tempdir().expect("a folder");
    for (until, boards) in [
        (MIDDLE, &["hook-jobs.json"][..]),
        (END, &["hook-failures.json", "hook-admission.json"]),
    ] {
        let folder = folder.path().join(until.to_string());
        fs::create_dir_all(&folder).expect("a folder");
        let (start, now) = history::write(&folder, until);
        // Nothing is marked as gone in what was written afterwards: what a scrape no longer has ends after one more step.
        let prometheus = Prometheus::start(&folder, &json!({}), &["--query.lookback-delta=16s"]);
        for name in boards {
            let (results, cut) = drawn(
                &browser,
                &page,
                &prometheus,
                name,
                (start.as_second(), now.as_second()),
            );
            let results = results.as_array().expect("a list");
            assert!(results.len() > 10, "{name}: {results:?}");
            for result in results {
                let panel = result["panel"].as_str().expect("a title");
                assert!(
                    result["series"] != 0,
                    "{name}: {panel:?} finds nothing: {}",
                    result["query"]
                );
            }
            assert_eq!(
                cut,
                json!([]),
                "{name}: panels that hide a part of what they found"
            );
        }
    }
}
