//! What every test against the cluster needs: kubectl, waiting for a state, the exporter's series.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How often a state is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What a command printed.
pub(crate) struct Printed {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program with text on its standard input.
pub(crate) fn run(program: &str, arguments: &[&str], stdin: &str) -> Printed {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    let mut pipe = child.stdin.take().expect("a pipe");
    // A program that ends before it has read everything says why on its own.
    _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Printed {
        ok: output.status.success(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Runs kubectl, which has to succeed.
pub(crate) fn kubectl(arguments: &[&str], stdin: &str) -> Printed {
    let printed = run("kubectl", arguments, stdin);
    assert!(
        printed.ok,
        "kubectl {arguments:?}: {}{}",
        printed.stdout, printed.stderr
    );
    printed
}

/// A namespace of the test's own, in one mode of the webhook. Left behind for the post-mortem; the cluster
/// goes as a whole.
pub(crate) struct Namespace(pub(crate) String);

impl Namespace {
    pub(crate) fn new(name: &str, mode: &str) -> Self {
        let stamp = std::process::id();
        let name = format!("{name}-{stamp}");
        let manifest = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: {{hookbudget.dev/mode: '{mode}'}}\n"
        );
        kubectl(&["create", "-f", "-"], &manifest);
        let namespace = Self(name);
        // The webhook learns of a namespace by its watch; the ServiceAccount comes from a controller.
        until(30, "the default ServiceAccount", || {
            run(
                "kubectl",
                &["-n", &namespace.0, "get", "serviceaccount", "default"],
                "",
            )
            .ok
            .then_some(())
        });
        until(30, "the webhook to know the namespace's mode", || {
            let probe = namespace.create_args(&["--dry-run=server"], &mode_probe());
            let warned = probe.stderr.contains("HB301");
            (probe.ok && warned == matches!(mode, "warn" | "enforce")).then_some(())
        });
        namespace
    }

    /// Creates objects; what kubectl says of it, warnings and a denial included.
    pub(crate) fn create(&self, manifest: &str) -> Printed {
        self.create_args(&[], manifest)
    }

    pub(crate) fn create_args(&self, more: &[&str], manifest: &str) -> Printed {
        let mut arguments = vec!["-n", &self.0, "create", "-f", "-"];
        arguments.extend(more);
        run("kubectl", &arguments, manifest)
    }

    /// Creates objects, which has to succeed.
    pub(crate) fn must_create(&self, manifest: &str) -> Printed {
        let printed = self.create(manifest);
        assert!(printed.ok, "not created: {}", printed.stderr);
        printed
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let printed = run("kubectl", &["-n", &self.0, "get", kind, name, "-o", "json"], "");
        serde_json::from_str(&printed.stdout).ok()
    }

    pub(crate) fn job(&self, name: &str) -> Value {
        self.get("job", name)
            .unwrap_or_else(|| panic!("there is no Job {name}"))
    }

    /// Waits until the Job has this condition, and gives when it got it, in seconds since its start.
    pub(crate) fn condition(&self, job: &str, condition: &str, seconds: u64) -> (String, f64) {
        until(seconds, &format!("{condition} of {job}"), || {
            let object = self.get("job", job)?;
            let conditions = object["status"]["conditions"].as_array()?.clone();
            let found = conditions
                .iter()
                .find(|c| c["type"] == condition && c["status"] == "True")?;
            let at = |value: &Value| value.as_str()?.parse::<jiff::Timestamp>().ok();
            let (start, end) = (
                at(&object["status"]["startTime"])?,
                at(&found["lastTransitionTime"])?,
            );
            Some((
                found["reason"].as_str().unwrap_or_default().to_owned(),
                end.duration_since(start).as_secs_f64(),
            ))
        })
    }
}

/// A Job that every mode that warns warns about (HB301), never created.
fn mode_probe() -> String {
    "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: mode-probe\n  annotations: {helm.sh/hook: test}\nspec:\n  \
     template:\n    spec:\n      restartPolicy: OnFailure\n      containers: [{name: c, image: 'busybox:1', command: \
     ['true']}]\n"
        .to_owned()
}

/// What a Job's container has written so far.
pub(crate) fn log_of(namespace: &Namespace, job: &str) -> String {
    run(
        "kubectl",
        &["-n", &namespace.0, "logs", &format!("job/{job}")],
        "",
    )
    .stdout
}

/// Looks again and again until there is an answer; fails with what was waited for, at three times the time that it
/// takes at most on a machine with nothing else to do. How fast things are is `fault-table`'s matter.
pub(crate) fn until<T>(seconds: u64, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    until_told(seconds, what, || look().ok_or_else(String::new))
}

/// The same, where what was seen instead helps who reads of the failure.
pub(crate) fn until_told<T>(seconds: u64, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        let seen = match look() {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(
            start.elapsed() < Duration::from_secs(3 * seconds),
            "waited {} s in vain for {what}; last seen: {seen}",
            3 * seconds
        );
        std::thread::sleep(LOOK);
    }
}

/// One series of the exporter.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }
}

/// The exporter's address.
pub(crate) fn exporter() -> String {
    std::env::var("HOOKBUDGET_EXPORTER").expect("HOOKBUDGET_EXPORTER names the exporter's address")
}

/// What an address answers.
pub(crate) fn fetched(url: &str) -> Printed {
    run("curl", &["-sS", "--max-time", "5", url], "")
}

/// What an exporter has on `/metrics`. A scrape that fails says nothing about any Job: it is taken anew.
pub(crate) fn scraped(url: &str) -> String {
    until_told(30, "a scrape", || {
        let printed = fetched(&format!("{url}/metrics"));
        if printed.ok {
            Ok(printed.stdout)
        } else {
            Err(printed.stderr)
        }
    })
}

/// The same of the installed exporter. Tests that ask while a scrape is under way share the next one: two dozen of them
/// would otherwise keep a machine of two cores busy with nothing else.
fn scraped_by_all() -> Arc<str> {
    static LAST: Mutex<Option<(Instant, Arc<str>)>> = Mutex::new(None);
    let asked = Instant::now();
    // A test that failed in here has left the scrape before its own.
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((begun, text)) if *begun >= asked => Arc::clone(text),
        _ => {
            let begun = Instant::now();
            let text: Arc<str> = scraped(&exporter()).into();
            *last = Some((begun, Arc::clone(&text)));
            text
        }
    }
}

/// The exporter's series of one Job.
pub(crate) fn series(namespace: &Namespace, job: &str) -> Vec<Sample> {
    series_in(&scraped_by_all(), namespace, job)
}

/// Those of one Job in what an exporter answered.
fn series_in(text: &str, namespace: &Namespace, job: &str) -> Vec<Sample> {
    samples(text)
        .filter(|s| s.label("namespace") == namespace.0 && s.label("job_name") == job)
        .collect()
}

/// The value of one series of a Job.
pub(crate) fn value(namespace: &Namespace, job: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let fits = |s: &Sample| s.name == name && labels.iter().all(|(key, value)| s.label(key) == *value);
    series(namespace, job).into_iter().find(fits).map(|s| s.value)
}

/// The root cause of a Job that has failed: there has to be exactly one, and it has to be this one as soon as the
/// objects behind the Job have been looked at.
pub(crate) fn root_cause(namespace: &Namespace, job: &str, expected: &str) -> Sample {
    one_root_cause(|| series(namespace, job), job, expected)
}

/// The same of an exporter of the test's own.
pub(crate) fn root_cause_at(url: &str, namespace: &Namespace, job: &str, expected: &str) -> Sample {
    one_root_cause(|| series_in(&scraped(url), namespace, job), job, expected)
}

fn one_root_cause(series: impl Fn() -> Vec<Sample>, job: &str, expected: &str) -> Sample {
    let what = format!("the root cause {expected} of {job}");
    let causes = until_told(60, &what, || {
        let mut causes = series();
        causes.retain(|s| s.name == "hookbudget_job_root_cause");
        let is_it = |s: &Sample| s.label("root_cause") == expected && s.label("trigger") != "NotFailed";
        if causes.iter().any(is_it) {
            Ok(causes)
        } else {
            Err(format!("{causes:?}"))
        }
    });
    assert_eq!(causes.len(), 1, "exactly one root cause: {causes:#?}");
    causes.into_iter().next().expect("one")
}

/// All series of an answer.
pub(crate) fn samples(text: &str) -> impl Iterator<Item = Sample> {
    text.lines().filter_map(sample)
}

/// Reads `name{key="value",...} number`.
fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    if line.starts_with('#') {
        return None;
    }
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let pairs = labels.trim_end_matches('}').split("\",").filter_map(|pair| {
        let (key, value) = pair.split_once("=\"")?;
        Some((key.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some(Sample {
        name: name.to_owned(),
        labels: pairs.collect(),
        value: value.parse().ok()?,
    })
}

/// A series of an owner in this namespace.
pub(crate) fn owner_value(namespace: &Namespace, name: &str) -> Option<f64> {
    let text = scraped_by_all();
    let wanted = format!("namespace=\"{}\"", namespace.0);
    let mut lines = text
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(&wanted));
    lines.next()?.rsplit_once(' ')?.1.parse().ok()
}

/// An incident's manifests, moved into the test's namespace.
pub(crate) fn incident(file: &str, from: &str, namespace: &Namespace) -> String {
    let path = format!("{}/tests/fixtures/incidents/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.replace(
        &format!("namespace: {from}"),
        &format!("namespace: {}", namespace.0),
    )
}

/// The Secret with the key of `PowerDNS`, which incident A's hook takes from its environment.
pub(crate) fn powerdns_key(namespace: &Namespace, key: &str) {
    let literal = format!("--from-literal=key={key}");
    kubectl(
        &[
            "-n",
            &namespace.0,
            "create",
            "secret",
            "generic",
            "powerdns-api",
            &literal,
        ],
        "",
    );
}

/// A plain Job manifest of a Helm hook with one container.
pub(crate) fn hook(name: &str, spec: &str, container: &str) -> String {
    let indent = |text: &str, by: usize| {
        let pad = " ".repeat(by);
        text.lines()
            .flat_map(|line| [&pad, line, "\n"].map(str::to_owned))
            .collect::<String>()
    };
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations: {{helm.sh/hook: post-install}}\n\
         spec:\n{}  template:\n    spec:\n      restartPolicy: {}\n      containers:\n      - name: main\n{}",
        indent(&spec.lines().skip(1).collect::<Vec<_>>().join("\n"), 2),
        spec.lines().next().unwrap_or("Never"),
        indent(container, 8),
    )
}
