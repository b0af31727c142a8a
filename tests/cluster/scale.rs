//! Ten thousand real Jobs under the installed exporter: what it needs, what a scrape takes, how long a restart takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hookbudget::tls::install_provider;
use k8s_openapi::api::batch::v1::Job;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::kit::{Namespace, run, until, until_told};
use crate::process::Deployment;

const JOBS: usize = 10_000;
/// Clients side by side; more do not make the API server faster on two cores.
const CLIENTS: usize = 8;

/// One of ten is a hook that is suspended, one of ten has failed, the others have succeeded; twenty to an owner's
/// schedule. Nobody makes Pods for them: they say that another controller manages them.
fn job(number: usize) -> (Value, Option<Value>) {
    let script = "set -eu\nfor i in $(seq 1 60); do\n  curl -sSf --max-time 3 http://gitea-http.gitea.svc:3000/api/v1/version && exit 0\n  \
                  echo \"waiting for gitea api ($i/60)\"\n  sleep 5\ndone\nexit 1";
    let hook = number.is_multiple_of(10);
    let spec = json!({
        "backoffLimit": 2, "activeDeadlineSeconds": 900, "suspend": hook,
        "managedBy": "hookbudget.dev/scale",
        "template": {"spec": {"restartPolicy": "Never", "containers": [{
            "name": "mint", "image": "busybox:1", "command": ["sh", "-c"], "args": [script],
        }]}},
    });
    let annotations = if hook {
        json!({"helm.sh/hook": "post-install"})
    } else {
        json!({})
    };
    let object = json!({
        "apiVersion": "batch/v1", "kind": "Job", "spec": spec,
        "metadata": {"name": format!("run-{number:05}"), "annotations": annotations},
    });
    let now = jiff::Timestamp::now().to_string();
    let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now});
    let status = if hook {
        None
    } else if number % 10 == 1 {
        let reason = "BackoffLimitExceeded";
        let conditions = [condition("FailureTarget", reason), condition("Failed", reason)];
        Some(json!({"startTime": now, "failed": 3, "conditions": conditions}))
    } else {
        let reason = "CompletionsReached";
        let conditions = [
            condition("SuccessCriteriaMet", reason),
            condition("Complete", reason),
        ];
        Some(json!({"startTime": now, "completionTime": now, "succeeded": 1, "conditions": conditions}))
    };
    (object, status)
}

async fn create(namespace: String, next: Arc<AtomicUsize>) {
    let client = Client::try_default().await.expect("a kubeconfig");
    let api: Api<Job> = Api::namespaced(client, &namespace);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= JOBS {
            return;
        }
        let (object, status) = job(number);
        let object = serde_json::from_value(object).expect("a Job");
        let created = api
            .create(&PostParams::default(), &object)
            .await
            .expect("created");
        if let Some(status) = status {
            let name = created.metadata.name.expect("a name");
            let patch = Patch::Merge(json!({ "status": status }));
            api.patch_status(&name, &PatchParams::default(), &patch)
                .await
                .expect("a status");
        }
    }
}

/// What the exporter's process has resident, in MiB.
fn resident(exporter: &Deployment) -> f64 {
    let pid = exporter.pid().expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    let kibibytes: f64 = line
        .trim()
        .trim_end_matches(" kB")
        .trim()
        .parse()
        .expect("a number");
    kibibytes / 1024.0
}

struct Scrape {
    seconds: f64,
    bytes: usize,
    series: usize,
    jobs: usize,
}

fn scrape(exporter: &Deployment, namespace: &str) -> Scrape {
    let url = format!("{}/metrics", exporter.url);
    let begun = Instant::now();
    let text = run("curl", &["-sS", "--max-time", "30", &url], "").stdout;
    let seconds = begun.elapsed().as_secs_f64();
    let of_test = format!("namespace=\"{namespace}\"");
    let info = |line: &&str| line.starts_with("hookbudget_job_info{") && line.contains(&of_test);
    Scrape {
        seconds,
        bytes: text.len(),
        series: text.lines().filter(|line| !line.starts_with('#')).count(),
        jobs: text.lines().filter(info).count(),
    }
}

#[test]
#[ignore = "takes minutes and the whole machine: see tests/cluster/README.md"]
fn ten_thousand_jobs() {
    install_provider();
    let exporter = Deployment::installed();
    let namespace = Namespace::new("many", "off");
    let idle = resident(&exporter);
    let begun = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(create(namespace.0.clone(), Arc::clone(&next)));
        }
        while let Some(done) = clients.join_next().await {
            done.expect("a client");
        }
    });
    let created = begun.elapsed().as_secs_f64();
    let seen = || {
        until_told(60, "all Jobs to be seen", || {
            let scrape = scrape(&exporter, &namespace.0);
            if scrape.jobs == JOBS {
                Ok(())
            } else {
                Err(format!("{} Jobs", scrape.jobs))
            }
        });
    };
    seen();
    println!(
        "{JOBS} Jobs created in {created:.0} s, seen {:.1} s after the last one",
        begun.elapsed().as_secs_f64() - created
    );
    // What was read is freed, and the diagnoses of what failed are written.
    std::thread::sleep(Duration::from_secs(30));
    let mut scrapes: Vec<Scrape> = (0..5).map(|_| scrape(&exporter, &namespace.0)).collect();
    scrapes.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    let median = &scrapes[2];
    println!(
        "scrape: {} series, {:.1} MiB, median {:.0} ms",
        median.series,
        mebibytes(median.bytes),
        median.seconds * 1000.0
    );
    let full = resident(&exporter);
    println!("resident: {idle:.1} MiB before, {full:.1} MiB with {JOBS} Jobs");
    assert!(full < 200.0, "{full} MiB: the chart's limit is 256Mi");
    assert!(median.seconds < 2.0, "{} s", median.seconds);

    let before = exporter.pid();
    exporter.kill();
    let killed = Instant::now();
    until(60, "the exporter to be started again", || {
        exporter.pid().filter(|pid| Some(*pid) != before)
    });
    let started = killed.elapsed().as_secs_f64();
    while run("curl", &["-sf", &format!("{}/readyz", exporter.url)], "").stdout != "ok\n" {
        assert!(killed.elapsed() < Duration::from_mins(3), "never ready");
        std::thread::sleep(Duration::from_millis(50));
    }
    let ready = killed.elapsed().as_secs_f64();
    seen();
    println!("after SIGKILL: started within {started:.1} s, all listed after {ready:.1} s");
    println!("resident after the restart: {:.1} MiB", resident(&exporter));
}

#[allow(clippy::cast_precision_loss)] // a few megabytes
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
