//! Kubernetes Events at a bounded rate. Whoever has something to say never waits: a note goes into a short queue, or
//! is dropped and counted.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// Notes that wait to be sent.
const QUEUE: usize = 64;
/// Events that may be sent at once after a quiet time: the burst of client-go (`tools/record`, `defaultSpamBurst`).
const BURST: u32 = 25;
/// One more every so often.
const PACE: Duration = Duration::from_secs(1);
/// How long the API server may take for one.
const PATIENCE: Duration = Duration::from_secs(10);
/// Characters of a note (`k8s.io/api/events/v1`, `Event.Note`: less than 1 kB), with room for wide ones.
const NOTE: usize = 900;
const NOTE_BYTES: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// Something to say about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// True for what somebody should look at.
    pub warning: bool,
    /// In one word, `JobDenied`.
    pub reason: &'static str,
    /// What was done, `Deny`.
    pub action: &'static str,
    /// In one line.
    pub text: String,
    /// About what.
    pub regarding: Object,
    /// What else it has to do with.
    pub related: Option<Object>,
}

/// An object as an Event names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// `batch/v1`.
    pub api_version: &'static str,
    /// `Job`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl From<Object> for ObjectReference {
    fn from(object: Object) -> Self {
        Self {
            api_version: Some(object.api_version.to_owned()),
            kind: Some(object.kind),
            namespace: Some(object.namespace),
            name: Some(object.name),
            ..Self::default()
        }
    }
}

/// The end that takes notes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<Note>,
    results: Family<ResultLabel, Counter>,
}

/// The end that sends them.
#[derive(Debug)]
pub struct Outbox {
    queue: mpsc::Receiver<Note>,
    pace: Duration,
    results: Family<ResultLabel, Counter>,
}

/// Makes both ends, and registers the counter of what becomes of notes.
#[must_use]
pub fn channel(registry: &mut Registry) -> (Events, Outbox) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let results: Family<ResultLabel, Counter> = Family::default();
    for result in ["sent", "dropped", "failed"] {
        results.get_or_create(&ResultLabel { result }).inc_by(0);
    }
    registry.register(
        "hookbudget_events",
        "Kubernetes Events by what became of them; dropped: more than may be sent",
        results.clone(),
    );
    let events = Events {
        queue: sender,
        results: results.clone(),
    };
    let outbox = Outbox {
        queue: receiver,
        pace: PACE,
        results,
    };
    (events, outbox)
}

impl Events {
    /// Takes a note, or drops it; `note` is made only where there is room for it.
    pub fn offer(&self, note: impl FnOnce() -> Note) {
        match self.queue.try_reserve() {
            Ok(place) => place.send(note()),
            Err(_) => count(&self.results, "dropped"),
        }
    }
}

impl Outbox {
    /// Sends notes as they come, until nobody can offer one any more. `controller` is who reports, `instance` tells the
    /// replicas apart.
    pub async fn send(mut self, client: Client, controller: &'static str, instance: Option<String>) {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance,
        };
        let recorder = Recorder::new(client, reporter);
        let mut pace = Pace::new(self.pace);
        let mut told = false;
        while let Some(note) = self.queue.recv().await {
            pace.wait().await;
            let regarding = ObjectReference::from(note.regarding);
            let event = Event {
                type_: if note.warning {
                    EventType::Warning
                } else {
                    EventType::Normal
                },
                reason: note.reason.to_owned(),
                note: Some(fitting(&note.text)),
                action: note.action.to_owned(),
                secondary: note.related.map(ObjectReference::from),
            };
            match timeout(PATIENCE, recorder.publish(&event, &regarding)).await {
                Ok(Ok(())) => {
                    count(&self.results, "sent");
                    told = false;
                }
                Ok(Err(error)) => {
                    count(&self.results, "failed");
                    tell(&mut told, &error);
                }
                Err(late) => {
                    count(&self.results, "failed");
                    tell(&mut told, &late);
                }
            }
        }
    }
}

/// Says the first failure of a row; the counter has the others.
fn tell(told: &mut bool, error: &dyn std::fmt::Display) {
    if !std::mem::replace(told, true) {
        tracing::warn!(
            %error,
            "an Event cannot be written: the ServiceAccount needs create and patch on events of events.k8s.io, which the \
             chart gives the webhook with webhook.events.enabled, and the exporter in its own namespace"
        );
    }
}

fn count(results: &Family<ResultLabel, Counter>, result: &'static str) {
    results.get_or_create(&ResultLabel { result }).inc();
}

/// The beginning of a text that an Event takes.
fn fitting(text: &str) -> String {
    let mut kept = String::with_capacity(text.len().min(NOTE_BYTES));
    for (number, c) in text.chars().enumerate() {
        if number + 1 >= NOTE || kept.len() + c.len_utf8() > NOTE_BYTES {
            kept.push('…');
            break;
        }
        kept.push(if c.is_control() { ' ' } else { c });
    }
    kept
}

/// A token bucket.
#[derive(Debug)]
struct Pace {
    every: Duration,
    tokens: u32,
    next: Instant,
}

impl Pace {
    fn new(every: Duration) -> Self {
        Self {
            every,
            tokens: BURST,
            next: Instant::now() + every,
        }
    }

    /// Returns when one more may be sent.
    async fn wait(&mut self) {
        let now = Instant::now();
        while self.next <= now && self.tokens < BURST {
            self.tokens += 1;
            self.next += self.every;
        }
        if self.tokens == BURST {
            self.next = now + self.every;
        }
        if self.tokens == 0 {
            sleep_until(self.next).await;
            self.next += self.every;
            return;
        }
        self.tokens -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    fn note(number: usize) -> Note {
        Note {
            warning: true,
            reason: "JobDenied",
            action: "Deny",
            text: format!("HB101\n{}", "x".repeat(2_000)),
            regarding: Object {
                api_version: "batch/v1",
                kind: "Job".to_owned(),
                namespace: "powerdns".to_owned(),
                name: format!("job-{number}"),
            },
            related: None,
        }
    }

    type Seen = Arc<Mutex<Vec<String>>>;

    /// An API server that takes every Event, and what it was asked.
    fn api() -> (Client, Seen) {
        let seen: Seen = Arc::default();
        let log = Arc::clone(&seen);
        let service = tower::service_fn(move |request: Request<Body>| {
            let log = Arc::clone(&log);
            async move {
                let line = format!("{} {}", request.method(), request.uri().path());
                let body = request.into_body().collect_bytes().await?;
                log.lock().map_err(|_| "poisoned")?.push(line);
                Ok::<_, tower::BoxError>(Response::new(Body::from(body.to_vec())))
            }
        });
        (Client::new(service, "default"), seen)
    }

    #[tokio::test]
    async fn a_burst_is_sent_the_rest_paced_and_what_does_not_fit_dropped_and_counted() {
        let (client, seen) = api();
        let mut registry = Registry::default();
        let (events, mut outbox) = channel(&mut registry);
        outbox.pace = Duration::from_millis(20);
        for number in 0..QUEUE + 10 {
            events.offer(|| note(number));
        }
        let began = Instant::now();
        let results = events.results.clone();
        drop(events);
        outbox.send(client, "hookbudget.dev/webhook", None).await;
        let get = |result| results.get_or_create(&ResultLabel { result }).get();
        assert_eq!((get("sent"), get("dropped"), get("failed")), (64, 10, 0));
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(20 * 30), "{waited:?}");
        let seen = seen.lock().expect("a log");
        assert!(
            seen.iter()
                .all(|line| line == "POST /apis/events.k8s.io/v1/namespaces/powerdns/events")
        );
    }

    #[tokio::test]
    async fn the_same_again_is_a_series() {
        let (client, seen) = api();
        let (events, outbox) = channel(&mut Registry::default());
        events.offer(|| note(1));
        events.offer(|| note(1));
        drop(events);
        outbox
            .send(client, "hookbudget.dev/webhook", Some("replica-1".to_owned()))
            .await;
        let seen = seen.lock().expect("a log");
        assert_eq!(seen.len(), 2);
        assert!(seen[1].starts_with("PATCH "), "{seen:?}");
    }

    #[test]
    fn a_note_is_one_line_that_an_event_takes() {
        let text = fitting(&note(1).text);
        assert!(
            text.starts_with("HB101 xx") && text.ends_with('…') && text.len() < 1_024,
            "{}",
            text.len()
        );
        assert!(fitting(&"ä".repeat(2_000)).len() < 1_024);
        assert_eq!(fitting("short"), "short");
    }
}
