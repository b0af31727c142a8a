//! *Hook Job failures*: what broke and whose it is, what fails now and then, whether budgets fit.

use hookbudget::index::WAIT_BOUNDS;
use serde_json::json;

use super::board::{Board, OWNED, Row, acute, job, of_jobs, owner, settled};
use super::panel::{bars, lines, stat, states, table};

const OWNER_PAGE: &str =
    "${status_page}/?namespace=${__data.fields.namespace}&text=${__data.fields.owner_name}";
const CAUSE_PAGE: &str = "https://hookbudget.dev/docs/causes/${__field.labels.root_cause}.md";
const RULE_PAGE: &str = "https://hookbudget.dev/docs/rules/${__field.labels.code}.md";
const RUNBOOKS: &str = "https://hookbudget.dev/docs/runbooks";

pub(super) fn board() -> Board {
    Board {
        uid: "hookbudget-failures",
        title: "Hook Job failures",
        description: "What broke and whose it is, what fails now and then, and whether the budgets fit what waits truly take.",
        cluster_of: "hookbudget_job_info",
        namespace_of: "hookbudget_job_info",
        has_owner: true,
        rows: vec![whose(), flapping(), budgets()],
    }
}

fn owner_links() -> serde_json::Value {
    json!({"links": [{"title": "Status page of ${__data.fields.owner_name}", "url": OWNER_PAGE, "targetBlank": true}]})
}

fn whose() -> Row {
    let cause = |by: &str| {
        format!("max by (cluster, namespace, job_name, {by}) (hookbudget_job_root_cause{{{OWNED}}})")
    };
    let failures = owner("hookbudget_owner_failures_total", ", root_cause");
    let of_failed = |metric: &str| {
        format!(
            "{} and on (cluster, namespace, owner_kind, owner_name) hookbudget_owner_failures_total > 0",
            owner(metric, "")
        )
    };
    let counted = |by: &str| format!("sort_desc(count by ({by}) ({}))", cause(by));
    Row {
        question: "What broke, and whose is it?",
        panels: vec![
            stat(
                "Owners whose last Job failed",
                "CronJobs, releases and Jobs without an owner whose last run failed and has not succeeded since.",
                "short",
            )
            .now(
                &format!("count({}) or vector(0)", owner("hookbudget_owner_last_result{result=\"failure\"}", "")),
                "",
            )
            .steps("green", &[(1.0, "red")])
            .link("Runbook HookJobFailed", &format!("{RUNBOOKS}/HookJobFailed.md")),
            stat(
                "Longest row of failures",
                "The most failures in a row that any owner has had without a success in between.",
                "short",
            )
            .now(
                &format!("max(hookbudget_owner_consecutive_failures{{{OWNED}}}) or vector(0)"),
                "",
            )
            .steps("green", &[(1.0, "orange"), (3.0, "red")]),
            stat(
                "Critical, and still to be repaired",
                "Failed Jobs with a root cause that somebody has to look at now, of which no later run has succeeded.",
                "short",
            )
            .now(
                &format!(
                    "count({}) or vector(0)",
                    acute("job_name", ", severity=\"critical\"")
                ),
                "",
            )
            .steps("green", &[(1.0, "red")]),
            stat(
                "CronJobs that fail now and then",
                "CronJobs of whose last five runs two or more failed, and at least one did not: HookJobFlapping.",
                "short",
            )
            .now(
                &format!(
                    "count({} > 1 and on (cluster, namespace, owner_kind, owner_name) {} > 0) or vector(0)",
                    owner("hookbudget_owner_recent_runs{result=\"failure\"}", ""),
                    owner("hookbudget_owner_recent_runs{result=\"success\"}", ""),
                ),
                "",
            )
            .steps("green", &[(1.0, "orange")])
            .link("Runbook HookJobFlapping", &format!("{RUNBOOKS}/HookJobFlapping.md")),
            bars(
                "By root cause",
                "Failed Jobs that are still kept, by why they failed, those included that need nobody any more.",
                "short",
            )
                .sized(8, 5)
                .now(&counted("root_cause"), "{{root_cause}}")
                .steps("orange", &[])
                .empty("nothing failed")
                .leads("Page of the cause", CAUSE_PAGE),
            bars("By who can repair it", "Failed Jobs that are still kept, by the route of their root cause.", "short")
                .sized(8, 5)
                .now(&counted("route"), "{{route}}")
                .steps("blue", &[])
                .empty("nothing failed"),
            bars(
                "By what ended them",
                "Failed Jobs that are still kept, by the trigger: which clock or limit ended the Job.",
                "short",
            )
            .sized(8, 5)
            .now(&counted("trigger"), "{{trigger}}")
            .steps("purple", &[])
            .empty("nothing failed"),
            lines(
                "Failed Jobs over time",
                "Failed Jobs that are kept, stacked by who can repair them; grey are those that need nobody any more, because \
                 a later run has succeeded or the verdict says so. It falls when Jobs are deleted or made anew.",
                "short",
            )
            .over_time(&format!("count by (route) ({})", acute("job_name, route", "")), "{{route}}")
            .over_time(&format!("count({}) or vector(0)", settled("job_name", "")), "needs nobody")
            .painted("needs nobody", "gray")
            .stacked()
            .empty("nothing failed")
            .with("decimals", json!(0))
            .sized(8, 7),
            table(
                "Owners whose Jobs failed",
                "How many Jobs of the owner failed in a row, how many have succeeded since, and how many have failed in \
                 all since the exporter started.",
            )
            .sized(16, 7)
            .rows(&format!("{failures} > 0"))
            .rows(&of_failed("hookbudget_owner_consecutive_failures"))
            .rows(&of_failed("hookbudget_owner_consecutive_successes"))
            .columns(&[
                ("cluster", "Cluster", json!({})),
                ("namespace", "Namespace", json!({})),
                ("owner_kind", "Kind", json!({})),
                ("owner_name", "Owner", owner_links()),
                ("root_cause", "Root cause", json!({})),
                ("Value #A", "Times", json!({"decimals": 0})),
                (
                    "Value #B",
                    "Failures in a row",
                    json!({"decimals": 0, "custom.cellOptions": {"type": "color-text"},
                        "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": null},
                            {"color": "orange", "value": 1}, {"color": "red", "value": 3}]}}),
                ),
                ("Value #C", "Successes since", json!({"decimals": 0})),
            ])
            .sorted("Failures in a row", true)
            .link("Runbook HookJobFailed", &format!("{RUNBOOKS}/HookJobFailed.md")),
        ],
    }
}

fn flapping() -> Row {
    Row {
        question: "What fails now and then?",
        panels: vec![
            bars(
                "Failures among the last five runs",
                "Of each CronJob. Two or more, and not all five, is a pattern: one good night does not end it.",
                "short",
            )
            .with("max", json!(5))
            .with("decimals", json!(0))
            .now(
                &format!("sort_desc({})", owner("hookbudget_owner_recent_runs{result=\"failure\"}", "")),
                "{{cluster}} {{namespace}}/{{owner_name}}",
            )
            .steps("green", &[(1.0, "yellow"), (2.0, "orange"), (5.0, "red")])
            .empty("no CronJob has run")
            .link("Runbook HookJobFlapping", &format!("{RUNBOOKS}/HookJobFlapping.md"))
            .sized(10, 5),
            states(
                "How the last run of each owner ended",
                "A strip that changes its colour time and again is an owner that fails now and then.",
                &[(1, "succeeded", "green"), (2, "failed", "red")],
            )
            .over_time(
                &format!(
                    "{} or 2 * {}",
                    owner("hookbudget_owner_last_result{result=\"success\"}", ""),
                    owner("hookbudget_owner_last_result{result=\"failure\"}", "")
                ),
                "{{cluster}} {{namespace}}/{{owner_name}}",
            )
            .empty("no Job has ended")
            .sized(14, 5),
        ],
    }
}

fn budgets() -> Row {
    let of_owner = "(cluster, namespace, owner_kind, owner_name)";
    let buckets = owner("hookbudget_owner_wait_seconds_bucket", ", le");
    let quantile = |q: f64| format!("(histogram_quantile({q}, {buckets}) > 0)");
    // The shortest clock that bounds the whole of a Job, and not one wait within it.
    let clocks = r#"hookbudget_job_budget_seconds{clock=~"deadline|release"}"#;
    let shortest = format!(
        "min by {of_owner} ({} * on (cluster, namespace, job_name) group_left (owner_kind, owner_name) \
         max by (cluster, namespace, job_name, owner_kind, owner_name) (hookbudget_job_info{{{OWNED}, owner_name!=\"\"}}))",
        job(clocks, ", clock")
    );
    let clock = |name: &str| {
        format!(
            "{} unless on (cluster, namespace, job_name) hookbudget_job_state{{state=\"succeeded\"}}",
            job(&format!("hookbudget_job_budget_seconds{{clock=\"{name}\"}}"), "")
        )
    };
    let span = json!({"unit": "s", "decimals": 0});
    Row {
        question: "Do the budgets fit what waits truly take?",
        panels: vec![
            table(
                "What Jobs take, and what they may take",
                "How long successful Jobs of each owner took (half of them less, nine of ten less), beside the deadline or \
                 the timeout of the release, whichever is shorter. A share near 100 % is a budget that the next slow cold start breaks.",
            )
            .rows(&format!("max by {of_owner} (hookbudget_owner_wait_seconds_count{{{OWNED}}}) > 0"))
            .rows(&quantile(0.5))
            .rows(&quantile(0.9))
            .rows(&format!("{shortest} and on {of_owner} {}", quantile(0.9)))
            .rows(&format!(
                "{} / on {of_owner} {shortest}",
                quantile(0.9)
            ))
            .columns(&[
                ("cluster", "Cluster", json!({})),
                ("namespace", "Namespace", json!({})),
                ("owner_kind", "Kind", json!({})),
                ("owner_name", "Owner", owner_links()),
                ("Value #A", "Successful", json!({"decimals": 0})),
                ("Value #B", "Half take less than", span.clone()),
                ("Value #C", "9 of 10 less than", span.clone()),
                ("Value #D", "Shortest clock", span.clone()),
                (
                    "Value #E",
                    "Share of it",
                    json!({"unit": "percentunit", "min": 0, "max": 1,
                        "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
                        "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": null},
                            {"color": "orange", "value": 0.7}, {"color": "red", "value": 1}]}}),
                ),
            ])
            .sorted("Share of it", true)
            .sized(16, 8),
            bars(
                "How long successful Jobs took",
                "Successful Jobs since the exporter started, by how long they took: up to so many seconds.",
                "short",
            )
            .buckets(&format!("sum by (le) ({buckets})"), &WAIT_BOUNDS)
            .steps("blue", &[])
            .with("decimals", json!(0))
            .empty("no Job has succeeded since the exporter started")
            .sized(8, 8),
            table(
                "The clocks of each Job that has not succeeded",
                "From the inside out, each clock has to be longer than the one before it: own wait (with hanging probes: at \
                 worst), retries, deadline, release. The cold start is what the dependency may take. A clock without an \
                 end is empty.",
            )
            .rows(&clock("wait_nominal"))
            .rows(&clock("wait_worst"))
            .rows(&clock("retries"))
            .rows(&clock("deadline"))
            .rows(&clock("release"))
            .rows(&clock("cold_start"))
            .columns(&[
                ("cluster", "Cluster", json!({})),
                ("namespace", "Namespace", json!({})),
                ("job_name", "Job", json!({})),
                ("Value #A", "Own wait", span.clone()),
                ("Value #B", "At worst", span.clone()),
                ("Value #C", "Retries", span.clone()),
                ("Value #D", "Deadline", span.clone()),
                ("Value #E", "Release", span.clone()),
                ("Value #F", "Cold start", span),
            ])
            .sized(16, 7),
            bars(
                "What the rules say of live Jobs",
                "The eight rules that find something in most Jobs of the cluster, as errors or warnings; repaired before \
                 they run, they do not fail.",
                "short",
            )
            .now(
                &format!(
                    "sort_desc(topk(8, count by (code) (max by (cluster, namespace, job_name, code) ({}))))",
                    of_jobs("hookbudget_job_findings{severity!=\"info\"}")
                ),
                "{{code}}",
            )
            .of_rules()
            .steps("orange", &[])
            .with("decimals", json!(0))
            .empty("no finding")
            .leads("Page of the rule", RULE_PAGE)
            .sized(8, 7),
        ],
    }
}
