//! *Hook Job admission*: what the webhook decides, how quickly, and whether it and the exporter are well.

use serde_json::json;

use super::board::{Board, CHOSEN, Row};
use super::panel::{bars, lines, stat, states, table, words_of_rules};

const CLUSTER: &str = r#"cluster=~"$cluster""#;
const RULE_PAGE: &str = "https://hookbudget.dev/docs/rules/${__field.labels.code}.md";
const RUNBOOKS: &str = "https://hookbudget.dev/docs/runbooks";

pub(super) fn board() -> Board {
    Board {
        uid: "hookbudget-admission",
        title: "Hook Job admission",
        description: "What the webhook decides and how quickly, and whether webhook and exporter are well.",
        cluster_of: "hookbudget_admission_reviews_total",
        namespace_of: "hookbudget_admission_decisions_total",
        has_owner: false,
        rows: vec![decisions(), speed(), webhook(), exporter()],
    }
}

fn runbook(alert: &str) -> (String, String) {
    (format!("Runbook {alert}"), format!("{RUNBOOKS}/{alert}.md"))
}

fn decisions() -> Row {
    let reviews = |matcher: &str, span: &str| {
        format!("sum(increase(hookbudget_admission_reviews_total{{{CLUSTER}{matcher}}}[{span}]))")
    };
    Row {
        question: "What does the webhook decide?",
        panels: vec![
            stat("Reviews", "Objects that were judged in the time that is shown, dry runs left out.", "short")
                .now(&format!("{} or vector(0)", reviews(", webhook=\"validate\"", "$__range")), "")
                .with("decimals", json!(0))
                .steps("text", &[]),
            stat("Denied", "Objects that were refused in the time that is shown.", "short")
                .now(
                    &format!("{} or vector(0)", reviews(", webhook=\"validate\", decision=\"deny\"", "$__range")),
                    "",
                )
                .with("decimals", json!(0))
                .steps("green", &[(0.5, "red")]),
            stat("Warned", "Objects that were let through with a warning.", "short")
                .now(
                    &format!("{} or vector(0)", reviews(", webhook=\"validate\", decision=\"warn\"", "$__range")),
                    "",
                )
                .with("decimals", json!(0))
                .steps("green", &[(0.5, "orange")]),
            stat("Rewritten fields", "Fields that the webhook wrote in the time that is shown.", "short")
                .now(
                    &format!("sum(increase(hookbudget_rewrites_total{{{CLUSTER}}}[$__range])) or vector(0)"),
                    "",
                )
                .with("decimals", json!(0))
                .steps("text", &[]),
            lines(
                "Reviews a second, by decision",
                "What is judged. A share of warnings that grows is a chart to look at before its namespace enforces.",
                "reqps",
            )
            .over_time(
                &format!(
                    "sum by (decision) (rate(hookbudget_admission_reviews_total{{{CLUSTER}, webhook=\"validate\"}}[$__rate_interval]))"
                ),
                "{{decision}}",
            )
            .stacked()
            .painted("deny", "red")
            .painted("warn", "orange")
            .painted("allow", "green")
            .empty("no review"),
            bars(
                "Findings by rule",
                "The eleven rules that found most in judged objects in the time that is shown, whatever was decided.",
                "short",
            )
            .now(
                &format!("sort_desc(topk(11, sum by (code) (increase(hookbudget_admission_findings_total{{{CLUSTER}}}[$__range])) > 0))"),
                "{{code}}",
            )
            .of_rules()
            .with("decimals", json!(0))
            .steps("orange", &[])
            .empty("no finding")
            .leads("Page of the rule", RULE_PAGE),
            table(
                "Denials and warnings by namespace",
                "Which rule stopped or warned whom in the time that is shown, and in which mode the namespace is: the ten \
                 most frequent.",
            )
            .rows(&format!(
                "topk(10, sum by (cluster, namespace, mode, decision, code) (increase(hookbudget_admission_decisions_total{{{CHOSEN}}}[$__range])) > 0)"
            ))
            .columns(&[
                ("cluster", "Cluster", json!({})),
                ("namespace", "Namespace", json!({})),
                ("mode", "Mode", json!({})),
                ("decision", "Decision", json!({})),
                ("code", "Rule", json!({"mappings": words_of_rules(), "links": [{"title": "Page of the rule",
                    "url": "https://hookbudget.dev/docs/rules/${__value.raw}.md", "targetBlank": true}]})),
                ("Value", "Times", json!({"decimals": 0})),
            ])
            .sorted("Times", true)
            .sized(10, 9),
            bars(
                "Why objects were rewritten",
                "Objects that were rewritten in the time that is shown, by the rule that they broke or the annotation that asked \
                 for it; time limits are the variables by which a container learns how long it may wait.",
                "short",
            )
            .now(
                &format!("sort_desc(sum by (rule) (increase(hookbudget_admission_rewrites_total{{{CHOSEN}}}[$__range])) > 0)"),
                "{{rule}}",
            )
            .of_rules()
            .named("budget", "time limits")
            .with("decimals", json!(0))
            .steps("blue", &[])
            .empty("nothing rewritten")
            .sized(8, 9),
            bars(
                "Who says how long a release waits",
                "Where the timeout around judged Jobs came from. Where nobody states one, the policy's default is assumed, and \
                 findings are less certain.",
                "short",
            )
            .now(
                &format!("sort_desc(sum by (source) (increase(hookbudget_release_lookups_total{{{CLUSTER}}}[$__range])) > 0)"),
                "{{source}}",
            )
            .named("helm_release", "HelmRelease")
            .named("application", "Application")
            .named("job_annotation", "the Job")
            .named("namespace_annotation", "the namespace")
            .named("flag", "flag")
            .named("assumed_default", "nobody: default")
            .named("none", "no release")
            .with("decimals", json!(0))
            .steps("purple", &[])
            .empty("no review")
            .sized(6, 9),
        ],
    }
}

fn speed() -> Row {
    let quantile = |q: &str, span: &str| {
        format!(
            "histogram_quantile({q}, sum by (le) (rate(hookbudget_admission_duration_seconds_bucket{{{CLUSTER}}}[{span}])))"
        )
    };
    Row {
        question: "Is it quick enough?",
        panels: vec![
            lines(
                "Time to an answer",
                "From a whole body to the answer, without network and TLS. The API server waits for timeoutSeconds (3 by \
                 default) and creates no Job meanwhile.",
                "s",
            )
            .over_time(&quantile("0.99", "$__rate_interval"), "99 of 100")
            .over_time(&quantile("0.9", "$__rate_interval"), "9 of 10")
            .over_time(&quantile("0.5", "$__rate_interval"), "half")
            .empty("no review")
            .sized(18, 6),
            stat(
                "99 of 100 take less than",
                "Time to an answer over the time that is shown.",
                "s",
            )
            .now(&quantile("0.99", "$__range"), "")
            .steps("green", &[(0.1, "orange"), (1.0, "red")])
            .empty("no review")
            .sized(6, 6),
        ],
    }
}

fn webhook() -> Row {
    let days = |metric: &str| {
        format!("min((max by (cluster, instance) ({metric}{{{CLUSTER}}}) > 0) - time()) / 86400")
    };
    let (expiring, expiring_page) = runbook("HookbudgetCertificateExpiring");
    let (asked, asked_page) = runbook("HookbudgetWebhookNotConfigured");
    let (policy, policy_page) = runbook("HookbudgetPolicyInvalid");
    let (lost, lost_page) = runbook("HookbudgetReviewsLost");
    let calls = r#"name=~"(mutate|validate)[.]hookbudget[.]dev""#;
    Row {
        question: "Is the webhook well?",
        panels: vec![
            stat("Days left of the certificate", "Of the replica whose serving certificate ends first.", "d")
                .now(&days("hookbudget_tls_not_after_timestamp_seconds"), "")
                .with("decimals", json!(0))
                .steps("red", &[(21.0, "orange"), (30.0, "green")])
                .empty("not scraped")
                .link(&expiring, &expiring_page),
            stat(
                "Asked by the API server",
                "Whether every replica finds both webhook configurations, and in them trust in its certificate: otherwise Jobs \
                 are created without a judgement, or not at all. Replicas without a cluster do not say.",
                "none",
            )
            .now(&format!("min(hookbudget_webhook_configured{{{CLUSTER}}})"), "")
            .mapped(&[(0, "no", "red"), (1, "yes", "green")])
            .empty("not said")
            .link(&asked, &asked_page),
            stat(
                "Policy in force",
                "Whether every replica goes by what the policy file holds now, or one of them refuses it and goes by the \
                 last good one.",
                "none",
            )
            .now(&format!("min(hookbudget_policy_load_success{{{CLUSTER}}})"), "")
            .mapped(&[(0, "refused", "red"), (1, "as written", "green")])
            .empty("not scraped")
            .link(&policy, &policy_page),
            stat(
                "Reviews that nobody judged",
                "Calls of the webhook that the API server gave up on in the time that is shown, by its own counters, where \
                 they are scraped.",
                "short",
            )
            .now(
                &format!(
                    "sum(increase(apiserver_admission_webhook_fail_open_count{{{CLUSTER}, {calls}}}[$__range]) or \
                     increase(apiserver_admission_webhook_rejection_count{{{CLUSTER}, {calls}, error_type=\"calling_webhook_error\"}}[$__range])) or vector(0)"
                ),
                "",
            )
            .with("decimals", json!(0))
            .steps("green", &[(0.5, "red")])
            .link(&lost, &lost_page),
        ],
    }
}

fn exporter() -> Row {
    // A kind of Event is named by what the Events are about.
    let named = |series: &str| {
        format!("label_replace({series}, \"kind\", \"Events on ${{1}}s\", \"kind\", \"(.+)Event\")")
    };
    let state = |name: &str, code: u32| {
        format!(
            "{code} * (max by (cluster, kind) (hookbudget_watch_state{{{CLUSTER}, state=\"{name}\"}}) == 1)"
        )
    };
    let all = [
        ("interrupted", 4),
        ("forbidden", 3),
        ("listing", 2),
        ("absent", 5),
        ("synced", 1),
    ]
    .map(|(name, code)| state(name, code))
    .join(" or on (cluster, kind) ");
    let (stale, stale_page) = runbook("HookbudgetWatchStale");
    let (evidence, evidence_page) = runbook("HookJobEvidenceLost");
    Row {
        question: "Do webhook and exporter see the cluster?",
        panels: vec![
            states(
                "How each kind of object is followed",
                "By the replica that is worst off. Where it is interrupted, webhook or exporter go by what was known when it \
                 broke.",
                &[
                    (1, "followed", "green"),
                    (2, "is read for the first time", "blue"),
                    (3, "may not be read", "purple"),
                    (4, "interrupted", "red"),
                    (5, "not in this cluster", "gray"),
                ],
            )
            .over_time(&named(&format!("({all})")), "{{cluster}} {{kind}}")
            .empty("not scraped")
            .link(&stale, &stale_page)
            .sized(12, 8),
            bars(
                "Since the last news of each kind",
                "Time since the API server told of any object of the kind. Quiet kinds may be old; Jobs and Pods of a busy \
                 cluster may not.",
                "s",
            )
            .now(
                &format!(
                    "sort_desc({})",
                    named(&format!("time() - max by (cluster, kind) (hookbudget_watch_last_event_timestamp_seconds{{{CLUSTER}}})"))
                ),
                "{{cluster}} {{kind}}",
            )
            .with("decimals", json!(0))
            .steps("green", &[(3600.0, "yellow"), (86400.0, "orange")])
            .empty("not scraped")
            .link(&stale, &stale_page),
            stat(
                "Kinds that are known completely",
                "Share of the kinds of objects of which webhook and exporter hold all there are. Below 100 % they are starting, \
                 or may not read one.",
                "percentunit",
            )
                .now(&format!("avg(max by (cluster, kind) (hookbudget_index_synced{{{CLUSTER}}}))"), "")
                .steps("red", &[(1.0, "green")])
                .empty("not scraped"),
            stat(
                "Objects passed over",
                "Objects that could not be read, or went through without a judgement, in the time that is shown.",
                "short",
            )
            .now(
                &format!("sum(increase(hookbudget_objects_skipped_total{{{CLUSTER}}}[$__range])) or vector(0)"),
                "",
            )
            .with("decimals", json!(0))
            .steps("green", &[(0.5, "orange")]),
            stat(
                "Evidence that came too late",
                "Logs that were gone before they were read, and failed Jobs of which nothing was left, in the time that is \
                 shown.",
                "short",
            )
            .now(
                &format!("max(increase(hookbudget_evidence_lost_total{{{CLUSTER}}}[$__range])) or vector(0)"),
                "",
            )
            .with("decimals", json!(0))
            .steps("green", &[(0.5, "orange")])
            .link(&evidence, &evidence_page),
            stat(
                "Diagnoses that could not be kept",
                "Reads and writes of JobDiagnosis objects that failed in the time that is shown.",
                "short",
            )
            .now(
                &format!("sum(increase(hookbudget_diagnoses_total{{{CLUSTER}, result=\"failed\"}}[$__range])) or vector(0)"),
                "",
            )
            .with("decimals", json!(0))
            .steps("green", &[(0.5, "orange")]),
            lines(
                "Time to a diagnosis",
                "How long the exporter takes to find out what a Job suffers from; it takes nothing in meanwhile.",
                "s",
            )
            .over_time(
                &format!(
                    "histogram_quantile(0.99, sum by (le) (rate(hookbudget_diagnosis_duration_seconds_bucket{{{CLUSTER}}}[$__rate_interval])))"
                ),
                "99 of 100",
            )
            .over_time(
                &format!(
                    "histogram_quantile(0.5, sum by (le) (rate(hookbudget_diagnosis_duration_seconds_bucket{{{CLUSTER}}}[$__rate_interval])))"
                ),
                "half",
            )
            .empty("no diagnosis")
            .sized(24, 6),
        ],
    }
}
