//! What `diagnose` says of a Job: of the live cluster, of a dump of it, and what the exporter says. All three have to be
//! the same. With `HOOKBUDGET_RECORD_DUMPS=DIR` each dump is kept there, trimmed, for `tests/recorded.rs`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::kit::{Namespace, exporter, fetched, kubectl, run, until_told};
use crate::trim::trimmed;

/// What a dump takes of a namespace.
const KINDS: &str = "jobs,cronjobs,pods,events,services,endpointslices,deployments,statefulsets,pvc,\
                     jobdiagnoses.hookbudget.dev,helmreleases.helm.toolkit.fluxcd.io";
/// Kinds that only some tests bring into the cluster.
const OPTIONAL: [&str; 3] = [
    "clusters.postgresql.cnpg.io",
    "clusters.cluster.x-k8s.io",
    "machinedeployments.cluster.x-k8s.io",
];

/// Runs `diagnose --format json`.
pub(crate) fn diagnose(arguments: &[&str]) -> Value {
    let mut all = vec!["diagnose", "--format", "json"];
    all.extend(arguments);
    let printed = run(env!("CARGO_BIN_EXE_hookbudget"), &all, "");
    serde_json::from_str(&printed.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", printed.stdout, printed.stderr))
}

/// The same of the cluster, of a dump and of the exporter, once that is the cause; it gives what the cluster says.
pub(crate) fn all_agree(namespace: &Namespace, job: &str, expected: &str) -> Value {
    let at_exporter = format!("{}/api/jobs?job={}/{job}", exporter(), namespace.0);
    agree(namespace, job, expected, &at_exporter, &[])
}

/// The same with an exporter of the test's own, and what else `diagnose` is told, such as a policy.
pub(crate) fn agree(
    namespace: &Namespace,
    job: &str,
    expected: &str,
    at_exporter: &str,
    more: &[&str],
) -> Value {
    let named = format!("job/{job}");
    // A Pod may go between two looks: then all are taken anew.
    until_told(30, "cluster, dump and exporter to agree", || {
        let mut of_cluster = vec![named.as_str(), "-n", &namespace.0];
        of_cluster.extend(more);
        let live = diagnose(&of_cluster);
        let dump = Dump::of(namespace);
        let dumped = dump.diagnosed(&named, more);
        let seen = fetched(at_exporter).stdout;
        let seen: Value = serde_json::from_str(&seen).unwrap_or_default();
        let (of_live, of_dump, of_exporter) = (answer(&live[0]), answer(&dumped[0]), answer(&seen[0]));
        if live[0]["root_cause"] != expected || of_live != of_dump || of_live != of_exporter {
            return Err(format!("{of_live:#}\n{of_dump:#}\n{of_exporter:#}"));
        }
        if let Ok(directory) = std::env::var("HOOKBUDGET_RECORD_DUMPS") {
            record(&dump, Path::new(&directory), (namespace, job), &live[0], more);
        }
        Ok(live[0].clone())
    })
}

/// What has to be the same. A dump cannot tell whether it holds all Pods that are on a node, and says so.
fn answer(one: &Value) -> Value {
    let sure = |value: &Value| {
        let text = value.to_string().replace(" (by the Pods that could be seen)", "");
        text.replace(" at most", "")
    };
    json!({
        "root_cause": one["root_cause"], "verdict": one["verdict"], "retry_advice": one["retry_advice"],
        "chain": sure(&one["chain"]), "repair_order": sure(&one["repair_order"]),
    })
}

/// A dump in a directory, which goes with it.
struct Dump(PathBuf);

impl Dump {
    /// Of a namespace as it is now, and of the nodes where a Pod finds none.
    fn of(namespace: &Namespace) -> Self {
        let directory = std::env::temp_dir().join(format!("dump-of-{}", namespace.0));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("a directory");
        let dump = Self(directory);
        let get = |kinds: &str| run("kubectl", &["-n", &namespace.0, "get", kinds, "-o", "json"], "");
        let objects = get(KINDS);
        assert!(objects.ok, "{}", objects.stderr);
        dump.write("objects.json", &objects.stdout);
        for kind in OPTIONAL {
            let found = get(kind);
            if found.ok {
                dump.write(&format!("{kind}.json"), &found.stdout);
            }
        }
        if objects.stdout.contains("\"Unschedulable\"") {
            dump.write("nodes.json", &kubectl(&["get", "nodes", "-o", "json"], "").stdout);
            let elsewhere = format!("metadata.namespace!={}", namespace.0);
            let others = kubectl(
                &["get", "pods", "-A", "--field-selector", &elsewhere, "-o", "json"],
                "",
            );
            dump.write("pods.json", &others.stdout);
        }
        dump.add_logs(namespace, &serde_json::from_str(&objects.stdout).expect("a list"));
        dump
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("a file");
    }

    fn add_logs(&self, namespace: &Namespace, list: &Value) {
        let items = list["items"].as_array().expect("items");
        for pod in items.iter().filter(|item| item["kind"] == "Pod") {
            let name = pod["metadata"]["name"].as_str().expect("a name");
            let of = |field: &str| pod["spec"][field].as_array().cloned().unwrap_or_default();
            for container in of("initContainers").into_iter().chain(of("containers")) {
                let container = container["name"].as_str().expect("a name");
                let arguments = ["-n", &namespace.0, "logs", name, "-c", container, "--timestamps"];
                // A container that never ran has none.
                let printed = run("kubectl", &arguments, "");
                if printed.ok && !printed.stdout.is_empty() {
                    let place = self.0.join(&namespace.0).join(name);
                    std::fs::create_dir_all(&place).expect("a directory");
                    std::fs::write(place.join(format!("{container}.log")), printed.stdout).expect("a log");
                }
            }
        }
    }

    fn diagnosed(&self, job: &str, more: &[&str]) -> Value {
        let place = self.0.display().to_string();
        let mut arguments = vec![job, "--from", &place];
        arguments.extend(more);
        diagnose(&arguments)
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Keeps a dump without what no diagnosis looks at, and what was said of the cluster beside it.
fn record(dump: &Dump, directory: &Path, (namespace, job): (&Namespace, &str), live: &Value, more: &[&str]) {
    // The suffix tells runs of the suite apart.
    let suffix = format!("-{}", std::process::id());
    let plain = |text: &str| text.replace(&suffix, "");
    let stem = plain(&namespace.0);
    let name = if stem == job {
        stem.clone()
    } else {
        format!("{stem}.{job}")
    };
    let place = directory.join(name);
    let _ = std::fs::remove_dir_all(&place);
    let kept = place.join("dump");
    std::fs::create_dir_all(&kept).expect("a directory");
    let write = |with_kept| {
        let objects = serde_saphyr::to_string(&trimmed(&dump.0, job, with_kept)).expect("YAML");
        std::fs::write(kept.join("objects.yaml"), plain(&objects)).expect("a dump");
    };
    let (logs, objects) = (dump.0.join(&namespace.0), trimmed(&dump.0, job, true).to_string());
    for pod in std::fs::read_dir(&logs).into_iter().flatten().flatten() {
        if !objects.contains(&*pod.file_name().to_string_lossy()) {
            continue;
        }
        let into = kept.join(&stem).join(pod.file_name());
        std::fs::create_dir_all(&into).expect("a directory");
        for log in std::fs::read_dir(pod.path()).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(log.path()).expect("a log");
            // As many as the exporter keeps.
            let lines: Vec<&str> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(40)..];
            std::fs::write(into.join(log.file_name()), plain(&(tail.join("\n") + "\n"))).expect("a log");
        }
    }
    let mut wanted = said(live);
    wanted["job"] = json!(job);
    if let Some(at) = more.iter().position(|argument| *argument == "--policy") {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
        wanted["policy"] = json!(more[at + 1].trim_start_matches(root));
    }
    let text = serde_json::to_string_pretty(&wanted).expect("JSON");
    std::fs::write(place.join("live.json"), plain(&text) + "\n").expect("a file");
    let wanted: Value = serde_json::from_str(&plain(&said(live).to_string())).expect("JSON");
    // What was left out must not have mattered.
    let place = kept.display().to_string();
    let named = format!("job/{job}");
    let again = || said(&diagnose(&[&[named.as_str(), "--from", place.as_str()], more].concat())[0]);
    write(false);
    if again() != wanted {
        write(true);
        assert_eq!(again(), wanted, "trimmed: {place}");
    }
}

/// What is kept of a diagnosis: texts may change with the product.
fn said(one: &Value) -> Value {
    let link = |link: &Value| json!([link["kind"], link["namespace"], link["name"]]);
    let chain: Vec<Value> = one["chain"].as_array().into_iter().flatten().map(link).collect();
    json!({
        "state": one["state"], "trigger": one["trigger"], "root_cause": one["root_cause"], "verdict": one["verdict"],
        "retry_advice": one["retry_advice"], "chain": chain,
    })
}
