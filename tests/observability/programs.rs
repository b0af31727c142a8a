//! Debian's Prometheus and Alertmanager as processes of the test, on loopback and in folders of their own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Answer, ask, encoded, get};

/// How long a program may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port that nobody listens at.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Waits until something is so.
pub(crate) fn until<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < patience, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A process that ends with this value.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program; what it says goes to a file.
    pub(crate) fn start(program: &str, arguments: &[String], log: &Path) -> Self {
        let file = fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log");
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a log"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start ({error}): tests/setup installs it"));
        Self(child)
    }

    /// Ends it as a node that loses power does.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// What it holds in memory, in bytes (`VmRSS` of `/proc`).
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kilobytes.unwrap_or_default() * 1024
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A Prometheus.
#[derive(Debug)]
pub(crate) struct Prometheus {
    pub(crate) address: String,
    folder: PathBuf,
    flags: Vec<String>,
    process: Option<Process>,
}

impl Prometheus {
    /// Starts one on a configuration. Its data is in `folder/data`, where some may be already.
    pub(crate) fn start(folder: &Path, config: &Value, flags: &[&str]) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("prometheus.yml"), config.to_string()).expect("a file");
        let mut prometheus = Self {
            address: format!("127.0.0.1:{}", free_port()),
            folder: folder.to_owned(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            process: None,
        };
        prometheus.resume();
        prometheus
    }

    /// Starts it again with what it had.
    pub(crate) fn resume(&mut self) {
        let mut arguments = vec![
            format!("--config.file={}", self.folder.join("prometheus.yml").display()),
            format!("--storage.tsdb.path={}", self.folder.join("data").display()),
            format!("--web.listen-address={}", self.address),
            "--log.level=warn".to_owned(),
        ];
        arguments.extend(self.flags.iter().cloned());
        let log = self.folder.join("prometheus.log");
        self.process = Some(Process::start("prometheus", &arguments, &log));
        until("Prometheus is ready", PATIENCE, || {
            get(&self.address, "/-/ready").filter(|answer| answer.status == 200)
        });
    }

    /// Ends it at once.
    pub(crate) fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// Lets it read its rules again; it has to run with `--web.enable-lifecycle`.
    pub(crate) fn reload(&self) {
        let answer = ask(&self.address, "POST", "/-/reload", "").expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// What it holds in memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        self.process.as_ref().map_or(0, Process::resident)
    }

    /// The series that a query finds now.
    pub(crate) fn query(&self, query: &str) -> Vec<Value> {
        self.query_at(query, None)
    }

    /// The series that a query finds at a time.
    pub(crate) fn query_at(&self, query: &str, at: Option<i64>) -> Vec<Value> {
        let time = at.map_or(String::new(), |at| format!("&time={at}"));
        let answer = get(
            &self.address,
            &format!("/api/v1/query?query={}{time}", encoded(query)),
        );
        found(query, answer)
    }

    /// What it has said on its way, for a test that fails.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("prometheus.log")).unwrap_or_default()
    }
}

/// The result of a query.
fn found(query: &str, answer: Option<Answer>) -> Vec<Value> {
    let Some(answer) = answer else { return Vec::new() };
    let json = answer.json();
    assert_eq!(json["status"], "success", "{query}: {json}");
    match json["data"]["resultType"].as_str() {
        Some("vector" | "matrix") => json["data"]["result"].as_array().cloned().unwrap_or_default(),
        _ => vec![json["data"]["result"].clone()],
    }
}

/// An Alertmanager.
#[derive(Debug)]
pub(crate) struct Alertmanager {
    pub(crate) address: String,
    _process: Process,
}

impl Alertmanager {
    /// Starts one on a configuration.
    pub(crate) fn start(folder: &Path, config: &Value) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("alertmanager.yml"), config.to_string()).expect("a file");
        let address = format!("127.0.0.1:{}", free_port());
        let arguments = [
            format!("--config.file={}", folder.join("alertmanager.yml").display()),
            format!("--storage.path={}", folder.join("data").display()),
            format!("--web.listen-address={address}"),
            "--cluster.listen-address=".to_owned(),
            "--log.level=warn".to_owned(),
        ];
        let process = Process::start(
            "prometheus-alertmanager",
            &arguments,
            &folder.join("alertmanager.log"),
        );
        until("Alertmanager is ready", PATIENCE, || {
            get(&address, "/-/ready").filter(|answer| answer.status == 200)
        });
        Self {
            address,
            _process: process,
        }
    }

    /// The alerts that it holds.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        let answer = get(&self.address, "/api/v2/alerts");
        answer.map_or_else(Vec::new, |answer| {
            answer.json().as_array().cloned().unwrap_or_default()
        })
    }
}

/// How a target is scraped: `job` and addresses, the labels of the series kept.
pub(crate) fn scrape(job: &str, addresses: &[&str], honor_labels: bool) -> Value {
    json!({"job_name": job, "honor_labels": honor_labels, "static_configs": [{"targets": addresses}]})
}
