//! What a Prometheus would have scraped while the incidents were recorded: the exporter's own exposition at every step
//! of the recording, and the real webhook's beside it, written into a Prometheus database.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hookbudget::index::replay::Recording;
use hookbudget::index::{Change, Clock, Handle, Index, Settings};
use hookbudget::metrics::{Exposition, Format};
use jiff::{SignedDuration, Timestamp};

use super::http::get;
use super::playback::Playback;
use super::programs::{Process, free_port, until};

/// The pause between two scrapes of the recording, in seconds.
const STEP: u64 = 15;
/// What the exporter's reviews are made of: objects that the webhook judges one way or the other.
const REVIEWS: [&str; 4] = [
    "job-create-waits-by-failing",
    "cronjob-create",
    "job-create-generate-name",
    "cronjob-update",
];

/// What a webhook says besides where there is a cluster: this one has none.
const IN_A_CLUSTER: &str = "hookbudget_webhook_configured 1\n";

/// The incidents, from a start of one's own.
fn replay(start: Timestamp) -> Playback {
    let recording = include_str!("../../src/cli/demo/recording.jsonl");
    let recording = Recording::read_moved_to(recording.as_bytes(), start).expect("the recording");
    let handle = Handle::new(Settings::new(start), Clock::standing_at(start));
    // A replay has a clock of its own, and takes as long as this machine takes.
    handle.with(|index| *index = Index::new(Settings::new(start)).timed());
    // Nothing is counted before every kind is known.
    let _ = handle.take_in(recording.unlisted().into_iter().map(Change::Absent));
    Playback::new(handle, recording)
}

/// What a scrape brings now.
fn exposition(replay: &Playback) -> String {
    Exposition::new(Arc::new(replay.handle.snapshot()), Format::OpenMetrics).collect()
}

/// The real webhook on loopback, without a cluster.
pub(crate) struct Webhook {
    pub(crate) metrics: String,
    listen: String,
    ca: String,
    folder: std::path::PathBuf,
    process: Option<Process>,
    arguments: Vec<String>,
}

impl Webhook {
    /// Starts it with a policy, and with a certificate of its own or one from files.
    pub(crate) fn start(folder: &Path, certificate: Option<(&Path, &Path)>) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let (listen, metrics) = (
            format!("127.0.0.1:{}", free_port()),
            format!("127.0.0.1:{}", free_port()),
        );
        let policy = folder.join("policy.yaml");
        fs::write(&policy, GOOD_POLICY).expect("a file");
        let ca = folder.join("ca.crt").display().to_string();
        let mut arguments: Vec<String> = [
            "webhook",
            "--no-cluster",
            "--listen",
            &listen,
            "--metrics-listen",
            &metrics,
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.extend(["--policy".to_owned(), policy.display().to_string()]);
        match certificate {
            Some((cert, key)) => arguments.extend([
                "--tls-cert-file".to_owned(),
                cert.display().to_string(),
                "--tls-key-file".to_owned(),
                key.display().to_string(),
            ]),
            None => arguments.extend(["--ca-out".to_owned(), ca.clone()]),
        }
        let mut webhook = Self {
            metrics,
            listen,
            ca,
            folder: folder.to_owned(),
            process: None,
            arguments,
        };
        webhook.resume();
        webhook
    }

    /// Starts it again.
    pub(crate) fn resume(&mut self) {
        let binary = env!("CARGO_BIN_EXE_hookbudget");
        self.process = Some(Process::start(
            binary,
            &self.arguments,
            &self.folder.join("webhook.log"),
        ));
        until("the webhook is ready", Duration::from_secs(20), || {
            get(&self.metrics, "/readyz").filter(|answer| answer.status == 200)
        });
    }

    /// Ends it at once.
    pub(crate) fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// Writes the policy that it goes by.
    pub(crate) fn policy(&self, text: &str) {
        fs::write(self.folder.join("policy.yaml"), text).expect("a file");
    }

    /// Lets it judge and rewrite an object, as the API server does.
    pub(crate) fn review(&self, name: &str) {
        let body = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/reviews/{name}.json"));
        for path in ["mutate", "validate"] {
            let output = Command::new("curl")
                .args([
                    "-sS",
                    "--fail",
                    "--cacert",
                    &self.ca,
                    "-H",
                    "Content-Type: application/json",
                    "--data-binary",
                ])
                .arg(format!("@{}", body.display()))
                .arg(format!("https://{}/{path}", self.listen))
                .output()
                .expect("curl is installed");
            assert!(output.status.success(), "{name}: {output:?}");
        }
    }
}

/// A policy in which reviews are warned and denied.
pub(crate) const GOOD_POLICY: &str = "apiVersion: hookbudget.dev/v1alpha1\nkind: Policy\ndefaultMode: warn\nnamespaceModes: {powerdns: enforce}\nrewrite: all\n";

/// Samples of an exposition with a time, and with what a scrape attaches.
fn stamped(into: &mut String, exposition: &str, job: &str, at: Timestamp) {
    for line in exposition
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        // The exemplars and created times of OpenMetrics are no samples of ours.
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        let attached = format!("job=\"{job}\",instance=\"{job}:9464\"");
        let series = match series.split_once('{') {
            Some((name, labels)) => format!("{name}{{{attached},{labels}"),
            None => format!("{series}{{{attached}}}"),
        };
        let _ = writeln!(into, "{series} {value} {}", at.as_second());
    }
}

/// Writes the database of a Prometheus that has watched the incidents, and says when they ended.
pub(crate) fn write(folder: &Path, until_second: u64) -> (Timestamp, Timestamp) {
    let start = Timestamp::now()
        .checked_sub(SignedDuration::from_hours(1))
        .expect("a time");
    let mut replay = replay(start);
    let webhook = Webhook::start(&folder.join("webhook"), None);
    let mut text = String::new();
    let mut now = start;
    for (round, second) in (0..=until_second)
        .step_by(usize::try_from(STEP).expect("a step"))
        .enumerate()
    {
        replay.play_to(second);
        now = replay.time(Duration::from_secs(second));
        stamped(&mut text, &exposition(&replay), "exporter", now);
        for (which, name) in REVIEWS.iter().enumerate() {
            if round % (which + 1) == 0 {
                webhook.review(name);
            }
        }
        let said = get(&webhook.metrics, "/metrics").expect("the webhook's metrics");
        stamped(&mut text, &said.body, "webhook", now);
        stamped(&mut text, IN_A_CLUSTER, "webhook", now);
    }
    text.push_str("# EOF\n");
    let file = folder.join("history.openmetrics");
    fs::write(&file, text).expect("a file");
    let output = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .arg(&file)
        .arg(folder.join("data"))
        .output()
        .expect("promtool is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (start, now)
}
