//! The chart against the binary that it runs: every flag in a template exists, and where Helm is at hand each
//! certificate mode renders, and what cannot work is refused.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)] // in helpers clippy does not see the test

mod support;

use std::fmt::Write as _;
use std::process::{Command, Output};

use clap::Parser as _;
use hookbudget::cli::args::Cli;
use serde_json::Value;
use support::{files, read, root, run};

/// Base64 of something, in place of an authority.
const PROVIDED: &str = "certs.mode=provided,certs.secretName=tls,certs.caBundle=LQ==";

/// The entries of each `args:` list, up to the next key; what a template computes is left out.
fn arguments(text: &str) -> Vec<Vec<String>> {
    let mut lists = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() != "args:" {
            continue;
        }
        let mut list = Vec::new();
        while let Some(line) = lines.next_if(|line| line.trim().starts_with(['-', '{', '#'])) {
            if let Some(argument) = line.trim().strip_prefix("- ") {
                list.push(argument.trim_matches(['"', '\'']).to_owned());
            }
        }
        lists.push(list);
    }
    lists
}

/// Fails where a flag of a template, with whatever is computed for it, does not exist. That flags exclude each other
/// is no matter here: a template has them all.
fn known(what: &str, arguments: &[String]) {
    let mut all: Vec<_> = arguments.iter().map(String::as_str).collect();
    all.push("--help");
    let ran = run(&all);
    assert_eq!(ran.status, 0, "{what}: hookbudget {all:?}: {}", ran.err);
    assert!(
        ran.out.contains(&format!("hookbudget {}", arguments[0])),
        "{what}: {arguments:?} names no command: {}",
        ran.out
    );
}

/// What the binary says to arguments as they are rendered; it runs nothing.
fn parsed(arguments: &[String]) -> Result<(), String> {
    let program = std::iter::once("hookbudget").chain(arguments.iter().map(String::as_str));
    Cli::try_parse_from(program)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Fails where the binary does not take the arguments of what was rendered.
fn taken(what: &str, rendered: &str) {
    let lists = arguments(rendered);
    assert!(!lists.is_empty(), "{what}: nothing runs");
    for list in lists {
        let refused = parsed(&list).err();
        assert_eq!(refused, None, "{what}: hookbudget {list:?}");
    }
}

/// `helm template` with more arguments; `None` where there is no Helm, which CI does not let pass.
fn template(more: &[&str]) -> Option<Output> {
    template_of("charts/hookbudget", more)
}

fn template_of(chart: &str, more: &[&str]) -> Option<Output> {
    let mut command = Command::new("helm");
    command
        .args(["template", "hookbudget", chart, "--namespace", "hooks"])
        .args(["--kube-version", "1.33.0"])
        .args(more)
        .current_dir(root());
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && std::env::var_os("CI").is_none() => {
            eprintln!("no helm on the PATH: the chart is not rendered here");
            None
        }
        Err(error) => panic!("helm: {error}"),
    }
}

/// `helm template` with `--set` of each.
fn helm(sets: &[&str]) -> Option<Output> {
    let flags: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
    template(&flags)
}

/// Compares a file of the repository with what it has to be; `BLESS=1` writes it.
fn held(name: &str, wanted: &str) {
    let path = root().join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("the directory");
        std::fs::write(&path, wanted).expect("the file");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == wanted,
        "{name} is stale: look at the change, then BLESS=1 cargo test --test chart"
    );
}

#[test]
fn the_binary_takes_every_argument_of_the_templates() {
    let mut commands = Vec::new();
    for template in [
        "webhook-deployment.yaml",
        "exporter.yaml",
        "cleanup.yaml",
        "tests/check.yaml",
    ] {
        let text = read(&format!("charts/hookbudget/templates/{template}"));
        for list in arguments(&text) {
            known(template, &list);
            commands.push(list[0].clone());
        }
    }
    assert_eq!(commands, ["webhook", "exporter", "cleanup", "check"]);
}

#[test]
fn a_flag_that_does_not_exist_is_found_out() {
    let lists =
        arguments("  args:\n    - webhook\n    {{- if x }}\n    - --tls-vault={{ y }}\n  env:\n    - a\n");
    assert_eq!(lists, [["webhook", "--tls-vault={{ y }}"]]);
    let refused = run(&["webhook", "--tls-vault=x", "--help"]);
    assert_eq!(refused.status, 2, "{refused:?}");
    let Some(output) = helm(&["webhook.extraArgs[0]=--no-cluster"]) else {
        return;
    };
    let lists = arguments(&String::from_utf8_lossy(&output.stdout));
    let webhook = lists.iter().find(|list| list[0] == "webhook").expect("a webhook");
    let refused = parsed(webhook).expect_err("flags that exclude each other");
    assert!(refused.contains("--no-cluster"), "{refused}");
}

#[test]
fn each_certificate_mode_renders_and_the_binary_takes_the_result() {
    for sets in [
        &[][..],
        &["certs.mode=cert-manager"],
        &["certs.mode=self"],
        &[PROVIDED],
        &[
            "certs.clientAuth.configMap=clients",
            "certs.clientAuth.names[0]=kube-apiserver",
        ],
        &[
            "flux.enabled=true",
            "webhook.failurePolicy=Fail",
            "exporter.logParsing.enabled=false",
        ],
        &["exporter.enabled=false"],
        &[
            "webhook.extraArgs[0]=--metrics-listen=0.0.0.0:9465",
            "exporter.extraArgs[0]=--retention=2h",
            "exporter.namespaces={shop,warehouse}",
        ],
    ] {
        let Some(output) = helm(sets) else { return };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{sets:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        taken(&format!("{sets:?}"), &text);
        assert_eq!(
            text.contains("caBundle: LQ=="),
            sets.contains(&PROVIDED),
            "{sets:?}"
        );
        assert_eq!(
            text.matches("cert-manager.io/inject-ca-from: hooks/hookbudget-webhook")
                .count(),
            if sets.contains(&"certs.mode=cert-manager") {
                2
            } else {
                0
            },
            "{sets:?}"
        );
    }
}

/// What the webhook is granted for its certificate, by mode: one Secret and two configurations by name, and no more than
/// a look at these two where others keep the certificate.
#[test]
fn permissions_on_secrets_are_one_name_and_never_create() {
    for (mode, granted) in [("certs.mode=self", true), ("certs.mode=cert-manager", false)] {
        let Some(output) = helm(&[mode, "fullnameOverride=hb", "check.enabled=false"]) else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let rule = |resources: &str| {
            let (_, rest) = text.split_once(&format!("resources: [{resources}]\n"))?;
            Some(rest.lines().take(2).map(str::trim).collect::<Vec<_>>().join("; "))
        };
        let secrets = rule("secrets");
        let configurations = rule("mutatingwebhookconfigurations, validatingwebhookconfigurations");
        let wanted = |name: &str, verb: &str| {
            granted.then(|| format!("resourceNames: [{name}]; verbs: [get, list, watch, {verb}]"))
        };
        assert_eq!(secrets, wanted("hb-webhook-tls", "update"), "{mode}");
        let looked_at = || Some("resourceNames: [hb]; verbs: [get]".to_owned());
        assert_eq!(configurations, wanted("hb", "patch").or_else(looked_at), "{mode}");
        assert_eq!(text.contains("kind: Secret\n"), granted, "{mode}");
        assert_eq!(
            text.contains("secretName: hb-webhook-tls"),
            !granted,
            "{mode}: mounted or kept"
        );
    }
}

#[test]
fn values_that_cannot_work_are_refused() {
    for (sets, field) in [
        (&["certs.mode=helm"][..], "mode"),
        (&["certs.clientAuth.configMap=clients"], "names"),
        (&["certs.mode=provided"], "caBundle"),
        (
            &["webhook.failurePolicy=Fail", "webhook.replicaCount=1"],
            "replicaCount",
        ),
        (&["webhook.timeoutSeconds=31"], "timeoutSeconds"),
        (&["webhok.replicaCount=1"], "webhok"),
        (
            &["webhook.namespaceSelector.matchLabels.a=b"],
            "namespaceSelector",
        ),
        (
            &[
                "exporter.metricAllowlist[0]=hookbudget_job_.*",
                "exporter.metricDenylist[0]=process_.*",
            ],
            "exclude each other",
        ),
        (&["exporter.metricDenylist[0]=a\\,b"], "metricDenylist"),
        (&["exporter.metricLabelsAllowlist[0]=*"], "metricLabelsAllowlist"),
        (&["policy.headrom=3m"], "headrom"),
        (&["policy.rules.HB999=off"], "HB999"),
        (&["policy.rules.HB101=loud"], "'warning'"),
        (&["policy.defaultMode=strict"], "'enforce'"),
        (
            &["webhook.podDisruptionBudget.minAvailable=2"],
            "keeps all 2 replicas",
        ),
        (
            &["webhook.podDisruptionBudget.minAvailable=51%"],
            "keeps all 2 replicas",
        ),
        (&["webhook.podDisruptionBudget.minAvailable=100%"], "minAvailable"),
        (&["webhook.podDisruptionBudget.minAvailable=0"], "minAvailable"),
        (
            &["webhook.podDisruptionBudget.maxUnavailable=0"],
            "maxUnavailable",
        ),
        (
            &["webhook.podDisruptionBudget.maxUnavailable=0%"],
            "maxUnavailable",
        ),
    ] {
        let Some(output) = helm(sets) else { return };
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{sets:?} renders");
        assert!(error.contains(field), "{sets:?}: {error}");
    }
}

#[test]
fn a_disruption_budget_always_lets_one_replica_go() {
    for (sets, line) in [
        (&[][..], "maxUnavailable: 1"),
        (
            &["webhook.podDisruptionBudget.maxUnavailable=null"],
            "maxUnavailable: 1",
        ),
        (
            &["webhook.podDisruptionBudget.maxUnavailable=50%"],
            "maxUnavailable: 50%",
        ),
        (
            &["webhook.podDisruptionBudget.minAvailable=50%"],
            "minAvailable: 50%",
        ),
        (
            &[
                "webhook.podDisruptionBudget.minAvailable=2",
                "webhook.replicaCount=3",
            ],
            "minAvailable: 2",
        ),
        // An autoscaler keeps them.
        (
            &[
                "webhook.podDisruptionBudget.minAvailable=2",
                "webhook.replicaCount=null",
            ],
            "minAvailable: 2",
        ),
    ] {
        let Some(output) = helm(sets) else { return };
        let text = String::from_utf8_lossy(&output.stdout);
        let (_, budget) = text.split_once("kind: PodDisruptionBudget").expect("a budget");
        let (budget, _) = budget.split_once("---").unwrap_or((budget, ""));
        let spec: Vec<&str> = budget
            .lines()
            .filter(|text| text.contains("vailable: "))
            .collect();
        assert_eq!(spec, [format!("  {line}")], "{sets:?}");
    }
}

/// Not every node has a label of zones: a constraint that demands one would leave every replica Pending.
#[test]
fn no_installation_demands_a_label_that_nodes_may_lack() {
    for values in files("charts/hookbudget/ci", "-values.yaml") {
        let parsed: Value = serde_saphyr::from_str(&read(&values)).expect("YAML");
        for component in ["webhook", "exporter"] {
            let constraints = parsed[component]["topologySpreadConstraints"].as_array();
            for constraint in constraints.into_iter().flatten() {
                let (key, lacking) = (&constraint["topologyKey"], &constraint["whenUnsatisfiable"]);
                let scheduled = lacking == "ScheduleAnyway" || key == "kubernetes.io/hostname";
                assert!(scheduled, "{values}: {constraint}");
            }
        }
    }
}

/// What `helm install` says, which `helm template` leaves out: rendered as an object of a copy of the chart.
fn notes(sets: &[&str]) -> Option<String> {
    let copy = tempfile::tempdir().expect("a directory");
    let copied = Command::new("cp")
        .args(["-r", "charts/hookbudget"])
        .arg(copy.path())
        .current_dir(root())
        .status()
        .expect("cp runs");
    assert!(copied.success());
    let told = "told: |\n{{ include \"hookbudget/templates/NOTES.txt\" . | indent 2 }}\n";
    let chart = copy.path().join("hookbudget");
    std::fs::write(chart.join("templates/told.yaml"), told).expect("the object");
    let mut flags = vec!["--show-only", "templates/told.yaml"];
    flags.extend(sets.iter().flat_map(|set| ["--set", *set]));
    let output = template_of(&chart.to_string_lossy(), &flags)?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let object: Value = serde_saphyr::from_str(&text).expect("YAML");
    Some(object["told"].as_str().expect("text").to_owned())
}

#[test]
fn the_notes_say_which_mode_is_on() {
    for (sets, wanted, unsaid) in [
        (
            &[][..],
            &["The mode is warn: findings are warnings, nothing is denied."][..],
            "DENIED",
        ),
        (
            &["policy=null"],
            &["The mode is warn: findings are warnings, nothing is denied."],
            "DENIED",
        ),
        (
            &[
                "policy.defaultMode=enforce",
                "policy.namespaceModes.shop=audit",
                "webhook.failurePolicy=Fail",
            ],
            &[
                "The mode is enforce: a Job with an error that is certain is DENIED.",
                "In the namespace shop it is audit: findings go to the audit log",
                "until the first one is ready",
            ],
            "nothing is denied",
        ),
        (
            &["policy.defaultMode=off", "policy.namespaceModes.shop=enforce"],
            &[
                "The mode is off: nothing is judged",
                "In the namespace shop it is enforce: a Job",
            ],
            "nothing is denied",
        ),
    ] {
        let Some(told) = notes(sets) else { return };
        for words in wanted {
            assert!(told.contains(words), "{sets:?}: {words} is not in: {told}");
        }
        assert!(!told.contains(unsaid), "{sets:?}: {told}");
    }
}

/// The commands of the documents work as they stand: the image is named, and the namespace is there.
#[test]
fn every_documented_installation_names_its_image_and_makes_its_namespace() {
    let mut installations = 0;
    for name in ["README.md", "charts/hookbudget/README.md", "certs/README.md"] {
        let text = read(name).replace("\\\n", " ");
        // Every other piece is between fences.
        for block in text.split("```").skip(1).step_by(2) {
            let mut namespace_is_there = false;
            for line in block.lines() {
                namespace_is_there |= line.starts_with("kubectl create namespace hookbudget");
                let needs = line.contains("-n hookbudget ") || line.contains("--namespace hookbudget ");
                if line.starts_with("helm install") {
                    installations += 1;
                    assert!(line.contains("--set image.registry="), "{name}: {line}");
                    namespace_is_there |= line.contains("--create-namespace");
                }
                let makes = line.starts_with("helm install") || line.contains(" create secret ");
                assert!(!(makes && needs) || namespace_is_there, "{name}: {line}");
            }
        }
    }
    assert!(installations >= 5, "{installations} installations");
}

/// The webhook lists and watches; one by one it reads nothing but what it keeps by name.
#[test]
fn the_webhook_gets_only_what_is_named() {
    let Some(output) = helm(&["exporter.enabled=false", "check.enabled=false"]) else {
        return;
    };
    let mut watched = 0;
    for document in String::from_utf8_lossy(&output.stdout).split("---\n") {
        let object: Value = serde_saphyr::from_str(document).expect("YAML");
        for rule in object["rules"].as_array().into_iter().flatten() {
            let verbs = rule["verbs"].as_array().into_iter().flatten();
            let verbs: Vec<&str> = verbs.filter_map(Value::as_str).collect();
            let named = rule["resourceNames"].is_array();
            assert!(named || !verbs.contains(&"get"), "{rule}");
            watched += usize::from(verbs.contains(&"watch"));
        }
    }
    assert!(watched >= 6, "{watched} rules");
}

/// Whatever the values say, neither its own namespace nor those of the cluster's own recovery are looked at.
#[test]
fn nobody_can_drop_the_namespaces_that_are_never_looked_at() {
    for sets in [
        &["webhook.excludedNamespaces=null"][..],
        &["webhook.excludedNamespaces={shop}"],
        &["namespaceOverride=hooks", "webhook.failurePolicy=Fail"],
    ] {
        let Some(output) = helm(sets) else { return };
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lists = 0;
        for rest in text.split("key: kubernetes.io/metadata.name").skip(1) {
            let list: Vec<&str> = rest.lines().skip(3).map(str::trim).take(3).collect();
            assert_eq!(
                list,
                ["- hooks", "- kube-system", "- kube-node-lease"],
                "{sets:?}"
            );
            lists += 1;
        }
        assert_eq!(lists, 2, "{sets:?}: both configurations");
    }
}

#[test]
fn a_kubernetes_without_match_conditions_is_refused_and_a_vendors_suffix_is_not() {
    for (version, fits) in [("1.29.9", false), ("1.30.0", true), ("1.33.1-gke.100", true)] {
        let Some(output) = template(&["--kube-version", version]) else {
            return;
        };
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), fits, "{version}: {error}");
        assert!(fits || error.contains("kubeVersion"), "{version}: {error}");
    }
}

#[test]
fn the_chart_renders_as_recorded_for_each_kind_of_installation() {
    let installations = files("charts/hookbudget/ci", "-values.yaml");
    assert!(installations.len() >= 5, "{installations:?}");
    for values in installations {
        let Some(output) = template(&["--values", &values]) else {
            return;
        };
        assert!(
            output.status.success(),
            "{values}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8_lossy(&output.stdout);
        taken(&values, &text);
        // What stands in files/ is held to its source by a test of its own.
        let documents: Vec<&str> = text
            .split("---\n")
            .filter(|document| !document.contains("/dashboards.yaml\n"))
            .collect();
        let name = values
            .trim_start_matches("charts/hookbudget/ci/")
            .trim_end_matches("-values.yaml");
        held(
            &format!("tests/golden/chart/{name}.yaml"),
            &documents.join("---\n"),
        );
    }
}

#[test]
fn dashboards_and_alerts_in_the_chart_are_the_ones_of_the_repository() {
    for dashboard in files("dashboards", ".json") {
        let name = dashboard.trim_start_matches("dashboards/");
        held(&format!("charts/hookbudget/files/{name}"), &read(&dashboard));
    }
    for (there, here) in [
        ("alerts.yaml", "hookbudget.yaml"),
        ("kube-state-metrics.yaml", "kube-state-metrics.yaml"),
    ] {
        held(
            &format!("charts/hookbudget/files/{there}"),
            &read(&format!("dashboards/alerts/{here}")),
        );
    }
    let Some(output) = template(&["--values", "charts/hookbudget/ci/everything-values.yaml"]) else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    for document in text.split("---\n").filter(|document| !document.trim().is_empty()) {
        let object: Value = serde_saphyr::from_str(document).expect("YAML");
        if let Some(data) = object["data"]
            .as_object()
            .filter(|_| document.contains("/dashboards.yaml\n"))
        {
            for (name, dashboard) in data {
                let dashboard: Value = serde_json::from_str(dashboard.as_str().expect("text")).expect("JSON");
                let source = read(&format!("dashboards/{name}"))
                    .replace("https://hookbudget.dev/docs/", "https://docs.example/hookbudget/")
                    .replace("http://localhost:9464", "https://hookbudget.example");
                let source: Value = serde_json::from_str(&source).expect("JSON");
                assert_eq!(dashboard, source, "{name}");
            }
        }
        if object["kind"] == "PrometheusRule" {
            let groups = ["hookbudget", "kube-state-metrics"].map(|name| {
                let rules = read(&format!("dashboards/alerts/{name}.yaml"))
                    .replace("https://hookbudget.dev/docs/", "https://docs.example/hookbudget/")
                    .replace("status_page: \"/", "status_page: \"https://hookbudget.example/");
                let rules: Value = serde_saphyr::from_str(&rules).expect("YAML");
                rules["groups"].as_array().expect("groups").clone()
            });
            assert_eq!(object["spec"]["groups"], Value::from(groups.concat()));
        }
    }
}

#[test]
fn no_two_objects_have_one_name() {
    for values in [
        ["--values", "charts/hookbudget/ci/everything-values.yaml"],
        // The release's own namespace among those that are watched.
        ["--set", "image.tag=test,exporter.namespaces={hooks,shop}"],
    ] {
        let Some(output) = template(&values) else { return };
        let text = String::from_utf8_lossy(&output.stdout);
        let mut seen = std::collections::BTreeSet::new();
        for document in text.split("---\n").filter(|document| !document.trim().is_empty()) {
            let object: Value = serde_saphyr::from_str(document).expect("YAML");
            let name =
                ["/kind", "/metadata/namespace", "/metadata/name"].map(|at| object.pointer(at).cloned());
            let shown = format!("{name:?}");
            assert!(object.is_null() || seen.insert(shown.clone()), "twice: {shown}");
        }
        assert!(seen.len() > 10, "{values:?}: {seen:?}");
    }
}

/// The keys of `values.yaml` with the `# --` comment above each, in order: a key without one of its own is shown
/// without words.
fn values() -> Vec<(String, String, String)> {
    let mut rows = Vec::new();
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut comment = String::new();
    for line in read("charts/hookbudget/values.yaml").lines() {
        let text = line.trim_start();
        if let Some(words) = text.strip_prefix('#') {
            comment.push_str(words.trim_start_matches([' ', '-']));
            comment.push(' ');
            continue;
        }
        let Some((key, value)) = text.split_once(':').filter(|_| !text.is_empty()) else {
            comment.clear();
            continue;
        };
        let indent = line.len() - text.len();
        path.retain(|(outer, _)| *outer < indent);
        path.push((indent, key.to_owned()));
        let value = value.trim();
        // The requests and limits below `resources` are one value.
        let inside_resources = path.iter().rev().skip(1).any(|(_, key)| key == "resources");
        if (!value.is_empty() || !comment.is_empty()) && !inside_resources {
            let name: Vec<&str> = path.iter().map(|(_, key)| key.as_str()).collect();
            let shown = if value.is_empty() {
                "see values.yaml"
            } else {
                value
            };
            rows.push((name.join("."), shown.to_owned(), comment.trim().to_owned()));
        }
        comment.clear();
    }
    rows
}

#[test]
fn the_readme_of_the_chart_lists_every_value() {
    const START: &str = "<!-- values: generated -->\n";
    let rows = values();
    let mut table = "| value | default | what it does |\n|---|---|---|\n".to_owned();
    for (name, default, words) in &rows {
        let _ = writeln!(table, "| `{name}` | `{default}` | {words} |");
    }
    let text = read("charts/hookbudget/README.md");
    let (before, _) = text.split_once(START).expect("the start of the table of values");
    held("charts/hookbudget/README.md", &format!("{before}{START}{table}"));
    for name in [
        "webhook.replicaCount",
        "exporter.logParsing.enabled",
        "webhook.resources",
        "policy",
    ] {
        assert!(rows.iter().any(|(row, ..)| row == name), "{name}: {rows:?}");
    }
}

#[test]
fn what_has_no_crd_is_left_out_refused_or_rendered_as_the_values_say() {
    for kind in ["serviceMonitor", "prometheusRule"] {
        let enabled = format!("{kind}.enabled=true");
        let with = |mode: &str| helm(&[&enabled, &format!("{kind}.renderMode={mode}")]);
        let shown = format!("kind: {}{}", kind[..1].to_uppercase(), &kind[1..]);
        let (Some(skip), Some(fail), Some(always)) =
            (with("skipIfMissing"), with("failIfMissing"), with("alwaysRender"))
        else {
            return;
        };
        assert!(!String::from_utf8_lossy(&skip.stdout).contains(&shown));
        assert!(String::from_utf8_lossy(&fail.stderr).contains("install the Prometheus operator"));
        assert!(String::from_utf8_lossy(&always.stdout).contains(&shown));
    }
}

/// Helm's parser reads a bare `off` as false, and so does the policy's own.
const OFF: Value = Value::Bool(false);

/// The schema of the policy as one of the chart's values: a choice is a list of words, so that Helm's message
/// names them.
fn policy_schema() -> Value {
    let mut schema: Value = serde_json::from_str(&read("docs/policy.schema.json")).expect("JSON");
    let top = schema.as_object_mut().expect("an object");
    top.remove("$schema");
    for fixed in ["apiVersion", "kind"] {
        top["properties"]
            .as_object_mut()
            .expect("properties")
            .remove(fixed);
    }
    worded(&mut schema);
    schema
}

fn worded(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(choices)) = object.remove("oneOf") {
                let mut words: Vec<Value> = choices.iter().map(|choice| choice["const"].clone()).collect();
                if words.contains(&Value::from("off")) {
                    words.push(OFF);
                }
                object.insert("enum".to_owned(), words.into());
            }
            object.values_mut().for_each(worded);
        }
        Value::Array(list) => list.iter_mut().for_each(worded),
        _ => {}
    }
}

#[test]
fn a_policy_that_the_servers_would_refuse_is_refused_by_helm() {
    let name = "charts/hookbudget/values.schema.json";
    let mut schema: Value = serde_json::from_str(&read(name)).expect("JSON");
    schema["properties"]["policy"] = policy_schema();
    let text = serde_json::to_string_pretty(&schema).expect("JSON");
    held(name, &format!("{text}\n"));
    for set in [
        "policy.rules.HB301=off",
        "policy.rules.HB301=false",
        "policy.headroom=3m0s",
    ] {
        let Some(output) = helm(&[set]) else { return };
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{set}: {error}");
    }
}

/// A chart against unsafe hooks has safe ones.
#[test]
fn the_hooks_of_the_chart_have_no_finding() {
    let Some(output) = helm(&["webhook.failurePolicy=Fail"]) else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let linted = support::run_with(&["lint", "-v", "--format", "json", "-"], &text).json();
    assert_eq!(support::findings(&linted), Vec::<String>::new());
    let jobs = linted["objects"].as_array().expect("objects");
    assert_eq!(jobs.len(), 1, "{jobs:#?}");
}

/// Each object that may do something stands in the README's table, with its reason.
#[test]
fn every_role_is_in_the_table_of_permissions() {
    let Some(output) = template(&[
        "--values",
        "charts/hookbudget/ci/everything-values.yaml",
        "--set",
        "webhook.failurePolicy=Fail",
    ]) else {
        return;
    };
    let readme = read("charts/hookbudget/README.md");
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| ")).collect();
    let mut rules = 0;
    for document in String::from_utf8_lossy(&output.stdout).split("---\n") {
        let object: Value = serde_saphyr::from_str(document).expect("YAML");
        let component = object["metadata"]["labels"]["app.kubernetes.io/component"].as_str();
        for rule in object["rules"].as_array().into_iter().flatten() {
            let words = |key: &str| {
                rule[key]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
            };
            for resource in words("resources") {
                rules += 1;
                let verbs = words("verbs").collect::<Vec<_>>().join(", ");
                let told = rows.iter().any(|row| {
                    let mut cells = row.split(" | ");
                    let who = cells.next().unwrap_or_default().trim_start_matches("| ");
                    let may = cells.next().unwrap_or_default();
                    component == Some(who)
                        && may.starts_with(&verbs)
                        && may.contains(&format!("`{resource}`"))
                });
                assert!(told, "{component:?} may {verbs} {resource}: not in the table");
            }
        }
    }
    assert!(rules >= 25, "{rules} rules");
    let secrets = rows.iter().filter(|row| row.contains("`secrets`")).count();
    assert_eq!(secrets, 1, "one rule reaches a Secret, and it is the webhook's");
}

#[test]
fn helm_lint_finds_nothing() {
    let Some(_) = helm(&[]) else { return };
    for values in files("charts/hookbudget/ci", "-values.yaml") {
        let output = Command::new("helm")
            .args([
                "lint",
                "--strict",
                "--quiet",
                "--values",
                &values,
                "charts/hookbudget",
            ])
            .current_dir(root())
            .output()
            .expect("helm runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{values}: {said}");
    }
}

/// The versions of the chart, the program and the image that the catalogue shows are one.
#[test]
fn the_chart_names_one_version() {
    let chart: Value = serde_saphyr::from_str(&read("charts/hookbudget/Chart.yaml")).expect("YAML");
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    let annotations = &chart["annotations"];
    let listed = |key: &str| -> Value {
        serde_saphyr::from_str(annotations[key].as_str().unwrap_or_else(|| panic!("{key}"))).expect("YAML")
    };
    let image = format!("hookbudget:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(listed("artifacthub.io/images")[0]["image"], image);
    for change in listed("artifacthub.io/changes").as_array().expect("changes") {
        let kinds = ["added", "changed", "deprecated", "removed", "fixed", "security"];
        assert!(kinds.iter().any(|kind| change["kind"] == *kind), "{change}");
    }
}

/// What cert-manager is asked for is what the chart mounts, injects and calls.
#[test]
fn the_manifests_for_cert_manager_fit_the_chart() {
    let issued: Vec<Value> = read("certs/cert-manager.yaml")
        .split("---\n")
        .map(|document| serde_saphyr::from_str(document).expect("YAML"))
        .collect();
    let certificate = issued
        .iter()
        .find(|object| object["metadata"]["name"] == "hookbudget-webhook")
        .expect("the Certificate");
    let place = [
        "--set",
        "certs.mode=cert-manager",
        "--set",
        "namespaceOverride=hookbudget",
    ];
    let Some(output) = template(&place) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        text.matches("cert-manager.io/inject-ca-from: hookbudget/hookbudget-webhook\n")
            .count(),
        2
    );
    let secret = certificate["spec"]["secretName"].as_str().expect("a name");
    assert!(text.contains(&format!("secretName: {secret}\n")), "{secret}");
    let called = "hookbudget-webhook.hookbudget.svc";
    assert!(
        certificate["spec"]["dnsNames"]
            .as_array()
            .expect("names")
            .contains(&Value::from(called))
    );
    for part in ["namespace: hookbudget\n", "name: hookbudget-webhook\n"] {
        assert!(text.contains(part), "{part}");
    }
}

/// The image that the tests pack, without an engine, is the one of the Dockerfile.
#[test]
fn the_image_of_the_tests_is_the_dockerfiles() {
    let (_, last) = read("Dockerfile")
        .rsplit_once("FROM scratch\n")
        .map(|(before, last)| (before.to_owned(), last.to_owned()))
        .expect("the last stage is from scratch");
    let packed = read("tests/cluster/image");
    let instruction = |name: &str| {
        let line = last.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}")).trim().to_owned()
    };
    assert!(packed.contains(&format!(r#""User":"{}""#, instruction("USER"))));
    assert!(packed.contains(&format!(r#""Entrypoint":{}"#, instruction("ENTRYPOINT"))));
    let path = instruction("ENV").replace("PATH=", "");
    assert!(read("tests/cluster/lib/images.sh").contains(&format!("readonly IMAGE_BIN={path}\n")));
    assert!(instruction("COPY").ends_with(&format!("{path}/")));
}

/// YAML reads `y` as true and `123` as a number; a namespace and a release may be called so.
#[test]
fn names_that_yaml_reads_as_something_else_stay_names() {
    for name in ["y", "123"] {
        let sets = [
            &format!("fullnameOverride={name}"),
            &format!("nameOverride={name}"),
            &format!("namespaceOverride={name}"),
            &format!("check.probeNamespace={name}"),
            &format!("exporter.namespaces={{{name},shop}}"),
            &format!("certs.secretName={name}"),
            "certs.clientAuth.names={a}",
            &format!("certs.clientAuth.configMap={name}"),
            &format!("webhook.priorityClassName={name}"),
        ];
        let flags: Vec<&str> = sets.iter().flat_map(|set| ["--set-string", *set]).collect();
        let Some(output) = template(&flags) else { return };
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {error}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&format!("namespace: \"{name}\"\n")), "{name}");
        for line in text.lines() {
            let bare = [format!(": {name}"), format!("[{name}"), format!("- {name}")]
                .iter()
                .any(|bare| {
                    line.ends_with(bare.as_str())
                        || line.contains(&format!("{bare}}}"))
                        || line.contains(&format!("{bare}]"))
                        || line.contains(&format!("{bare},"))
                });
            assert!(!bare, "{name} is no text in: {line}");
        }
    }
}
