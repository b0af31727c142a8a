//! Who is told: a server that takes what Alertmanager sends, as JSON and as a chat shows it, and other targets of the
//! test with texts of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::runtime::Runtime;

/// One notification.
#[derive(Clone, Debug)]
pub(crate) struct Notification {
    pub(crate) at: Instant,
    pub(crate) receiver: String,
    pub(crate) body: Value,
}

impl Notification {
    /// The alerts in it that stand so: `firing` or `resolved`.
    pub(crate) fn alerts<'n>(&'n self, status: &'n str) -> impl Iterator<Item = &'n Value> {
        let alerts = self.body["alerts"].as_array().map_or(&[][..], Vec::as_slice);
        alerts.iter().filter(move |alert| alert["status"] == status)
    }
}

/// The server.
pub(crate) struct Receiver {
    pub(crate) address: String,
    shared: Shared,
    _runtime: Runtime,
}

#[derive(Clone, Default)]
struct Shared {
    told: Arc<Mutex<Vec<Notification>>>,
    chat: Arc<Mutex<Vec<Value>>>,
    texts: Arc<Mutex<BTreeMap<String, String>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Receiver {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let shared = Shared::default();
        let router = Router::new()
            .route("/hook/{receiver}", post(told))
            .route("/chat", post(chat))
            .route("/text/{name}", get(text))
            .with_state(shared.clone());
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))
            .expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            shared,
            _runtime: runtime,
        }
    }

    /// Everything that was told so far.
    pub(crate) fn told(&self) -> Vec<Notification> {
        locked(&self.shared.told).clone()
    }

    /// Everything that a chat was sent.
    pub(crate) fn chat(&self) -> Vec<Value> {
        locked(&self.shared.chat).clone()
    }

    /// What a scrape of `/text/NAME` brings from now on.
    pub(crate) fn says(&self, name: &str, text: &str) {
        locked(&self.shared.texts).insert(name.to_owned(), text.to_owned());
    }
}

async fn told(State(shared): State<Shared>, Path(receiver): Path<String>, body: String) {
    let at = Instant::now();
    let body = serde_json::from_str(&body).unwrap_or_default();
    locked(&shared.told).push(Notification { at, receiver, body });
}

async fn chat(State(shared): State<Shared>, body: String) -> &'static str {
    locked(&shared.chat).push(serde_json::from_str(&body).unwrap_or_default());
    "ok"
}

async fn text(State(shared): State<Shared>, Path(name): Path<String>) -> String {
    locked(&shared.texts).get(&name).cloned().unwrap_or_default()
}
