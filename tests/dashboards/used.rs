//! No family that nobody looks at: each is in a dashboard, in a rule, or says here why not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use hookbudget::metrics::{Selection, needed, pattern, registry, unmatched};
use serde_json::Value;

use super::{alerts, files, list, metrics, root, text};

/// Families that are asked for by hand, with the question that they answer.
const BY_HAND: &[(&str, &str)] = &[
    (
        "hookbudget_build_info",
        "which version runs, after an upgrade that went halfway",
    ),
    (
        "hookbudget_diagnoses_available",
        "whether diagnoses survive a restart; the status page says it where they do not",
    ),
    (
        "hookbudget_diagnoses_leader",
        "which of several exporters writes them",
    ),
    (
        "hookbudget_events_total",
        "whether Events about denials are dropped",
    ),
    (
        "hookbudget_job_labels",
        "which team a Job belongs to, by the labels that --metric-labels-allowlist names: joined to alerts of one's own",
    ),
    (
        "hookbudget_policy_loaded_timestamp_seconds",
        "since when a policy holds",
    ),
    (
        "hookbudget_policy_loads_total",
        "how often it was changed; HookbudgetPolicyInvalid tells of a refused one",
    ),
    (
        "hookbudget_tls_authority_not_after_timestamp_seconds",
        "when the authority ends that the webhook has made: in ten years, and renewed before",
    ),
    (
        "hookbudget_tls_ca_bundle_writes_total",
        "who else writes caBundle, when it goes back and forth",
    ),
    (
        "hookbudget_tls_keeper_failures_total",
        "why a certificate is not renewed: the runbook of its alert asks for it",
    ),
    ("hookbudget_tls_secret_steps_total", "how far a rotation has come"),
    (
        "hookbudget_watch_objects_unreadable_total",
        "which kind holds objects that cannot be read; the log names them",
    ),
];

/// The families of the webhook, by its generated page.
fn of_the_webhook() -> Vec<String> {
    let page = fs::read_to_string(root().with_file_name("docs/metrics-webhook.md")).expect("the page");
    page.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        .collect()
}

/// The labels of each family, by the tables of the exporter and the page of the webhook.
fn labels() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, labels) in registry() {
        let labels = labels.iter().map(|label| (*label).to_owned());
        found.entry((*name).to_owned()).or_default().extend(labels);
    }
    let page = fs::read_to_string(root().with_file_name("docs/metrics-webhook.md")).expect("the page");
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[3]
            .split(", ")
            .map(|label| label.trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty());
        found
            .entry(cells[1].trim_matches('`').to_owned())
            .or_default()
            .extend(labels);
    }
    found
}

/// What a scrape attaches, and what a histogram has.
const ATTACHED: [&str; 5] = ["cluster", "instance", "job", "exported_namespace", "le"];

#[test]
fn every_label_that_is_asked_for_is_one_of_its_family() {
    let families = labels();
    let mut texts = files(&root(), "json");
    texts.extend(files(&root().join("alerts"), "yaml"));
    texts.extend(files(&root().join("alerts/tests"), "yaml"));
    for (name, text) in texts {
        let text = text.replace("\\\"", "\"");
        for (at, _) in text.match_indices("hookbudget_") {
            let rest = &text[at..];
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let (metric, rest) = rest.split_at(end);
            let Some(selector) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
                continue;
            };
            let family = ["", "_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| families.get(metric.strip_suffix(end)?))
                .unwrap_or_else(|| panic!("{name}: there is no {metric}"));
            // A comma within a value does not begin a matcher: what stands before its `=` is then no name.
            for matcher in selector.0.split(',') {
                let label = matcher.split(['=', '!']).next().unwrap_or_default().trim();
                let is_name = !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                if is_name && matcher.contains('=') {
                    assert!(
                        family.contains(label) || ATTACHED.contains(&label),
                        "{name}: {metric} has no label {label}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_family_is_looked_at_or_says_why_not() {
    let mut texts = files(&root(), "json");
    texts.extend(files(&root().join("alerts"), "yaml"));
    let asked: BTreeSet<String> = texts.iter().flat_map(|(_, text)| metrics(text)).collect();
    // Those of the process are what every program of the field publishes, with dashboards of their own.
    let own = |name: &&str| name.starts_with("hookbudget_");
    let mut families: BTreeSet<String> = registry()
        .iter()
        .map(|(name, _)| *name)
        .filter(own)
        .map(str::to_owned)
        .collect();
    families.extend(
        of_the_webhook()
            .into_iter()
            .filter(|name| name.starts_with("hookbudget_")),
    );
    for family in &families {
        let used = ["", "_bucket", "_sum", "_count"]
            .iter()
            .any(|end| asked.contains(&format!("{family}{end}")));
        let by_hand = BY_HAND.iter().any(|(name, _)| name == family);
        assert!(
            used || by_hand,
            "{family} is in no dashboard and no rule: use it, or say in BY_HAND what it is asked for"
        );
        assert!(!(used && by_hand), "{family} is used: take it out of BY_HAND");
    }
    for (name, _) in BY_HAND {
        assert!(families.contains(*name), "{name} is published no more");
    }
}

/// Records by name, and what they are computed from.
fn records() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, rules) in files(&root().join("alerts"), "yaml") {
        let rules: Value = serde_saphyr::from_str(&rules).unwrap_or_else(|error| panic!("{name}: {error}"));
        for rule in list(&rules, "/groups")
            .iter()
            .flat_map(|group| list(group, "/rules"))
        {
            if rule.get("record").is_some() {
                found.insert(text(rule, "/record").to_owned(), text(rule, "/expr").to_owned());
            }
        }
    }
    found
}

/// Families of the exporter in an expression, and in the records that it is built on.
fn families(expr: &str, records: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = metrics(expr)
        .into_iter()
        .filter(|metric| registry().iter().any(|(name, _)| name == metric))
        .collect();
    for (name, of) in records {
        if expr.contains(name.as_str()) {
            found.extend(families(of, records));
        }
    }
    found
}

/// Whoever denies a family is told which alert misses it, in its expression or in what it says.
#[test]
fn the_exporter_knows_what_each_alert_needs() {
    let records = records();
    assert!(records.len() > 3, "{records:?}");
    let known: BTreeMap<_, BTreeSet<_>> = needed()
        .map(|(alert, families)| {
            (
                alert.to_owned(),
                families.into_iter().map(str::to_owned).collect(),
            )
        })
        .collect();
    let asked: BTreeMap<_, BTreeSet<_>> = alerts()
        .iter()
        .map(|(_, alert)| {
            let name = text(alert, "/alert").to_owned();
            let annotations = alert["annotations"].as_object().into_iter().flatten();
            let templates = annotations.filter_map(|(_, template)| template.as_str());
            let asked = templates.chain([text(alert, "/expr")]);
            (name, asked.flat_map(|asked| families(asked, &records)).collect())
        })
        .filter(|(_, families): &(_, BTreeSet<_>)| !families.is_empty())
        .collect();
    assert_eq!(
        known, asked,
        "src/metrics/needed.rs is not what the alerts ask for"
    );
}

/// The lists that the documentation advises: patterns that name something, and no alert that misses anything.
#[test]
fn what_the_documentation_leaves_out_no_alert_needs() {
    let page = fs::read_to_string(root().with_file_name("docs/cost-of-watching.md")).expect("the page");
    for (key, select) in [
        ("metricDenylist:", Selection::without as fn(&[_]) -> Selection),
        ("metricAllowlist:", Selection::only),
    ] {
        let list = page.split_once(key).expect("the list").1;
        let entries = list
            .lines()
            .skip(1)
            .map_while(|line| line.trim().strip_prefix("- "));
        let patterns: Vec<_> = entries.map(|text| pattern(text).expect("a pattern")).collect();
        assert!(patterns.len() > 3, "{key}");
        assert_eq!(unmatched(&patterns), [], "{key}");
        let selection = select(&patterns);
        assert_eq!(selection.missed(), [], "{key}");
        assert!(selection.families().len() < registry().len(), "{key}");
        if key == "metricAllowlist:" {
            // What templates ask for.
            for (name, text) in files(&root().join("alerts"), "yaml") {
                for metric in metrics(&text) {
                    let is_ours = registry().iter().any(|(family, _)| *family == metric);
                    assert!(!is_ours || selection.has(&metric), "{name}: {metric}");
                }
            }
        }
    }
}
