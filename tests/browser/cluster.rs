//! What the page shows in these tests: the recording of the incidents, played up to a point, and Jobs whose texts mean
//! ill.

use std::net::SocketAddr;

use hookbudget::http::{Limits, serve_plain};
use hookbudget::index::replay::Recording;
use hookbudget::index::{Change, Clock, Handle, Kind, Settings};
use hookbudget::shutdown::Shutdown;
use hookbudget::{metrics, status};
use serde_json::{Value, json, value::RawValue};
use tokio::runtime::Runtime;

use super::playback::Playback;

/// What a text does that wants to be more than text: markup, colours of a terminal, a direction, a name without end.
pub(crate) const ILL: &str = "<img src=x onerror=\"window.hacked=1\"></pre><script>window.hacked=2</script>\u{1b}[31mred\u{1b}[0m\u{202e}txet\u{0}";

/// A server of the page, and what it shows.
pub(crate) struct Cluster {
    pub(crate) base: String,
    playback: Playback,
    _runtime: Runtime,
}

impl Cluster {
    /// Serves the page of the recording as it stood so many seconds after its start.
    pub(crate) fn at(seconds: u64) -> Self {
        let recording = include_str!("../../src/cli/demo/recording.jsonl");
        let recording = Recording::read(recording.as_bytes()).expect("the recording");
        let clock = Clock::standing_at(recording.start);
        let handle = Handle::new(Settings::new(recording.start), clock);
        let runtime = Runtime::new().expect("a runtime");
        let router = metrics::router(handle.clone(), metrics::Selection::default())
            .merge(status::router(handle.clone()));
        let listener = runtime.block_on(tokio::net::TcpListener::bind(SocketAddr::from((
            [127, 0, 0, 1],
            0,
        ))));
        let listener = listener.expect("a port");
        let base = format!("http://{}/", listener.local_addr().expect("an address"));
        runtime.spawn(async move {
            let (trigger, shutdown) = Shutdown::manual();
            serve_plain(listener, router, shutdown, Limits::default()).await;
            drop(trigger);
        });
        let mut cluster = Self {
            base,
            playback: Playback::new(handle, recording),
            _runtime: runtime,
        };
        for kind in cluster.playback.recording.unlisted() {
            let _ = cluster
                .playback
                .handle
                .take_in([Change::Begin(kind), Change::End(kind)]);
        }
        cluster.play_to(seconds);
        cluster
    }

    /// Lets time go on.
    pub(crate) fn play_to(&mut self, seconds: u64) {
        self.playback.play_to(seconds);
    }

    fn apply(&self, kind: Kind, object: &Value) {
        let object = RawValue::from_string(object.to_string()).expect("JSON");
        let _ = self.playback.handle.take_in([Change::Apply { kind, object }]);
    }

    /// A hook that has failed with a message of its own.
    pub(crate) fn failed(&self, name: &str, message: &str) {
        let now = self.playback.handle.clock().now().to_string();
        let uid = format!("uid-{}", name.len());
        self.apply(
            Kind::Job,
            &json!({"metadata": {"name": name, "namespace": "ill", "uid": uid, "creationTimestamp": now,
                    "annotations": {"helm.sh/hook": "post-install"}},
                "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never",
                    "containers": [{"name": "c", "image": "busybox:1.36", "command": ["x"]}]}}},
                "status": {"startTime": now, "failed": 1, "conditions": [{"type": "Failed", "status": "True",
                    "reason": "BackoffLimitExceeded", "message": message, "lastTransitionTime": now}]}}),
        );
        self.apply(
            Kind::Pod,
            &json!({"metadata": {"name": format!("{name}-abcde"), "namespace": "ill", "uid": format!("pod-{uid}"),
                    "creationTimestamp": now, "labels": {"batch.kubernetes.io/job-name": name},
                    "ownerReferences": [{"kind": "Job", "name": name, "uid": uid, "controller": true}]},
                "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "busybox:1.36"}]},
                "status": {"phase": "Failed", "message": message, "containerStatuses": [{"name": "c", "restartCount": 0,
                    "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": message,
                        "startedAt": now, "finishedAt": now}}}]}}),
        );
    }

    /// A Job that was stopped on purpose.
    pub(crate) fn suspended(&self, name: &str) {
        let now = self.playback.handle.clock().now().to_string();
        self.apply(
            Kind::Job,
            &json!({"metadata": {"name": name, "namespace": "ill", "uid": name, "creationTimestamp": now,
                    "annotations": {"helm.sh/hook": "post-install"}},
                "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never",
                    "containers": [{"name": "c", "image": "busybox:1.36"}]}}},
                "status": {"conditions": [{"type": "Suspended", "status": "True", "lastTransitionTime": now}]}}),
        );
    }

    /// The API server refuses a kind.
    pub(crate) fn forbidden(&self, kind: Kind) {
        let _ = self.playback.handle.take_in([Change::Interrupted {
            kind,
            forbidden: true,
        }]);
    }
}
