//! *Hook Jobs now*: what waits, what has just failed, how each Job fared.

use serde_json::json;

use super::board::{Board, CHOSEN, OWNED, QUIET, Row, acute, job, of_jobs, settled};
use super::panel::{bars, lines, stat, states, table};

const JOB_PAGE: &str = "${status_page}/?job=${__data.fields.namespace}/${__data.fields.job_name}";
const SERIES_PAGE: &str = "${status_page}/?job=${__field.labels.namespace}/${__field.labels.job_name}";
const CAUSE_PAGE: &str = "https://hookbudget.dev/docs/causes/${__value.raw}.md";
const FAILED: &str = "https://hookbudget.dev/docs/runbooks/HookJobFailed.md";
const BURNING: &str = "https://hookbudget.dev/docs/runbooks/HookJobBudgetBurning.md";

pub(super) fn board() -> Board {
    Board {
        uid: "hookbudget-jobs",
        title: "Hook Jobs now",
        description: "What hook Jobs wait for, which clock will end them and when, and why the failed ones failed.",
        cluster_of: "hookbudget_job_info",
        namespace_of: "hookbudget_job_info",
        has_owner: true,
        rows: vec![waiting(), failed(), over_time()],
    }
}

fn waiting() -> Row {
    let ratio = job("hookbudget_job_wait_ratio", "");
    let left = job("hookbudget_job_wait_remaining_seconds", "");
    let link =
        json!([{"title": "Status page of ${__data.fields.job_name}", "url": JOB_PAGE, "targetBlank": true}]);
    let seconds = json!({"unit": "s", "decimals": 0});
    Row {
        question: "What is waiting, what will end it, and when?",
        panels: vec![
            stat("Hook Jobs waiting", "Hook Jobs that wait right now and have not given up.", "short")
                .now(&format!("count({ratio}) or vector(0)"), "")
                .steps("text", &[(1.0, "blue")]),
            stat(
                "Shortest time left",
                "The least time that any waiting Job has before the first of its clocks ends it.",
                "s",
            )
            .now(&format!("min({})", of_jobs("hookbudget_job_wait_remaining_seconds")), "")
            .empty("nothing waits")
            .with("decimals", json!(0))
            .steps("red", &[(60.0, "orange"), (240.0, "green")]),
            stat(
                "Beyond 80 % of their budget",
                "Waiting Jobs that have used more than 80 % of the clock that ends them: HookJobBudgetBurning.",
                "short",
            )
            .now(&format!("count(({ratio}) > 0.8) or vector(0)"), "")
            .steps("green", &[(1.0, "orange")])
            .link("Runbook HookJobBudgetBurning", BURNING),
            stat(
                "Cut before their wait is over",
                "Waiting Jobs whose own wait, or the declared cold start of what they wait for, is longer than the \
                 clock that ends them lets it be: HookJobWillMissDeadline.",
                "short",
            )
            .now(
                &format!(
                    "count(max by (cluster, namespace, job_name) ({} or {}) - on (cluster, namespace, job_name) \
                     max by (cluster, namespace, job_name) (hookbudget_job_wait_elapsed_seconds{{{CHOSEN}}} + \
                     hookbudget_job_wait_remaining_seconds) > 1) or vector(0)",
                    of_jobs(r#"hookbudget_job_budget_seconds{clock="wait_nominal"}"#),
                    of_jobs(r#"hookbudget_job_budget_seconds{clock="cold_start", source="annotation"}"#),
                ),
                "",
            )
            .steps("green", &[(1.0, "orange")])
            .link(
                "Runbook HookJobWillMissDeadline",
                "https://hookbudget.dev/docs/runbooks/HookJobWillMissDeadline.md",
            ),
            bars(
                "Time used, of the clock that ends the Job",
                "Share of its time that each waiting Job has spent. At 100 % the Job gives up, ready or not.",
                "percentunit",
            )
            .with("max", json!(1))
            .now(&format!("sort_desc({ratio})"), "{{cluster}} {{namespace}}/{{job_name}}")
            .empty("nothing waits")
            .steps("green", &[(0.8, "orange"), (0.95, "red")])
            .leads("Status page", SERIES_PAGE)
            .link("Runbook HookJobBudgetBurning", BURNING),
            lines(
                "Time left",
                "Each waiting Job falls towards zero, where its clock ends it. A line that stops above zero is a wait \
                 that was worth it; one that jumps up has outlived a clock that was computed, and falls towards the next one.",
                "s",
            )
            .over_time(&left, "{{cluster}} {{namespace}}/{{job_name}}")
            .empty("nothing waits")
            .leads("Status page", SERIES_PAGE),
            table(
                "Each waiting Job",
                "When each waiting Job gives up and by which clock (its own wait, its retries, its deadline, or the \
                 timeout of the release), what it waits for, and the tries that its log tells of.",
            )
            .rows(&format!(
                "1000 * {} and on (cluster, namespace, job_name) hookbudget_job_wait_ratio",
                job("hookbudget_job_gives_up_timestamp_seconds", ", clock")
            ))
            .rows(&ratio)
            .rows(&format!(
                "{} and on (cluster, namespace, job_name) hookbudget_job_wait_ratio",
                job("hookbudget_job_wait_elapsed_seconds", "")
            ))
            .rows(&left)
            .rows(&job("hookbudget_job_wait_attempts", ""))
            .rows(&job("hookbudget_job_wait_attempts_limit", ""))
            .rows(&format!(
                "{} and on (cluster, namespace, job_name) hookbudget_job_wait_ratio",
                job("hookbudget_job_restarts", "")
            ))
            .rows(&format!(
                "{} and on (cluster, namespace, job_name) hookbudget_job_wait_ratio",
                job("hookbudget_job_wait_target_info", ", target")
            ))
            .columns(&[
                ("cluster", "Cluster", json!({})),
                ("namespace", "Namespace", json!({})),
                ("job_name", "Job", json!({"links": link})),
                ("target", "Waits for", json!({})),
                (
                    "Value #B",
                    "Time used",
                    json!({"unit": "percentunit", "min": 0, "max": 1,
                        "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
                        "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": null},
                            {"color": "orange", "value": 0.8}, {"color": "red", "value": 0.95}]}}),
                ),
                ("Value #C", "Elapsed", seconds.clone()),
                (
                    "Value #D",
                    "Left",
                    json!({"unit": "s", "decimals": 0, "custom.cellOptions": {"type": "color-text"},
                        "thresholds": {"mode": "absolute", "steps": [{"color": "red", "value": null},
                            {"color": "orange", "value": 60}, {"color": "green", "value": 240}]}}),
                ),
                ("clock", "Ended by its", json!({})),
                ("Value #A", "Gives up", json!({"unit": "dateTimeFromNow"})),
                ("Value #E", "Try", json!({"unit": "short", "decimals": 0})),
                ("Value #F", "of", json!({"unit": "short", "decimals": 0})),
                ("Value #G", "Restarts", json!({"unit": "short", "decimals": 0})),
                ("Value #H", "", json!({})),
            ])
            .without("Value #H")
            .sorted("Left", false)
            .link("Runbook HookJobBudgetBurning", BURNING)
            .sized(24, 5),
        ],
    }
}

fn failed() -> Row {
    let cause = |more: &str| format!("hookbudget_job_root_cause{{{OWNED}{more}}}");
    let jobs = |more: &str| format!("max by (cluster, namespace, job_name) ({})", cause(more));
    let (open, over) = (acute("job_name", ""), settled("job_name", ""));
    let culprits = "hookbudget_job_root_cause_info";
    // What is known of a failed Job, with a word on whether it needs anybody. A severity would speak of what is over.
    let known = "job_name, owner_kind, owner_name, trigger, root_cause, route, verdict";
    let rows = format!(
        "label_replace({}, \"needs\", \"somebody\", \"\", \"\") or label_replace(label_replace({}, \"needs\", \"nobody: a later run succeeded\", \"\", \"\"), \
         \"needs\", \"nobody: $1\", \"verdict\", \"({QUIET})\")",
        acute(&format!("{known}, severity"), ""),
        settled(known, ""),
    );
    let page =
        json!([{"title": "Status page of ${__data.fields.job_name}", "url": JOB_PAGE, "targetBlank": true}]);
    Row {
        question: "What has failed, and what is to be repaired first?",
        panels: vec![
            stat(
                "Failed, and somebody has to act",
                "Failed Jobs with the verdict real or unknown of which no later run has succeeded: what HookJobFailed \
                 tells of.",
                "short",
            )
            .now(&format!("count({open}) or vector(0)"), "")
            .steps("green", &[(1.0, "red")])
            .link("Runbook HookJobFailed", FAILED),
            stat(
                "Failed, and nobody has to act",
                "Failed Jobs of which a later run has succeeded, or with the verdict transient (inside a cold start), \
                 cosmetic (a known-good signature) or parked (stopped on purpose).",
                "short",
            )
            .now(&format!("count({over}) or vector(0)"), "")
            .steps("text", &[]),
            stat(
                "Objects to repair",
                "Different objects at the ends of the chains of Jobs that somebody has to act on: so many repairs, however \
                 many Jobs there are.",
                "short",
            )
            .now(
                &format!(
                    "count(count by (cluster, culprit_kind, culprit_namespace, culprit_name) ({} and on (cluster, namespace, job_name) {open})) or vector(0)",
                    of_jobs(culprits)
                ),
                "",
            )
            .steps("green", &[(1.0, "orange")]),
            stat(
                "Failed without evidence",
                "Failed Jobs of which nothing was left to read: a blind spot of hookbudget, not of the Job.",
                "short",
            )
            .now(&format!("count({}) or vector(0)", jobs(", root_cause=\"evidence_lost\"")), "")
            .steps("green", &[(1.0, "orange")])
            .link(
                "Runbook HookJobEvidenceLost",
                "https://hookbudget.dev/docs/runbooks/HookJobEvidenceLost.md",
            ),
            bars(
                "Root causes to act on",
                "How many of the failed Jobs that somebody has to act on share one root cause.",
                "short",
            )
            .sized(8, 6)
            .now(
                &format!(
                    "sort_desc(count by (root_cause) ({}))",
                    acute("job_name, root_cause", "")
                ),
                "{{root_cause}}",
            )
            .empty("nothing to act on")
            .steps("orange", &[])
            .leads("Page of the cause", "https://hookbudget.dev/docs/causes/${__field.labels.root_cause}.md"),
            table(
                "What to repair first",
                "The object at the end of each chain of Jobs that somebody has to act on, what is wrong with it (the root cause \
                 of those Jobs), and how many hang on it. All that lies above it is consequence: repair this one, then look \
                 again.",
            )
            .sized(16, 6)
            .rows(&format!(
                "count by (cluster, culprit_kind, culprit_namespace, culprit_name, root_cause, route) (topk by (cluster, namespace, job_name) (1, {}) * on (cluster, namespace, job_name) \
                 group_right (culprit_kind, culprit_namespace, culprit_name) {})",
                job(culprits, ", culprit_kind, culprit_namespace, culprit_name"),
                acute("job_name, root_cause, route", ""),
            ))
            .columns(&[
                ("cluster", "Cluster", json!({})),
                ("culprit_kind", "Kind", json!({})),
                ("culprit_namespace", "Namespace", json!({})),
                ("culprit_name", "Repair", json!({})),
                (
                    "root_cause",
                    "Because of",
                    json!({"links": [{"title": "Page of the cause", "url": CAUSE_PAGE, "targetBlank": true}]}),
                ),
                ("route", "Who repairs", json!({})),
                ("Value", "Failed Jobs", json!({"decimals": 0})),
            ])
            .sorted("Failed Jobs", true)
            .link("Runbook HookJobFailed", FAILED),
            table(
                "Failed Jobs and why",
                "One row for each failed Job: whether it needs anybody, the root cause, who can repair it, how it ended, how many \
                 runs it made, and how far below the Job the culprit was found. What needs nobody has no severity any more.",
            )
            .rows(&rows)
            .rows(&format!(
                "max by (cluster, namespace, job_name, depth) ({})",
                of_jobs("hookbudget_job_root_cause_info")
            ))
            .rows(&format!(
                "{} and on (cluster, namespace, job_name) {}",
                job("hookbudget_job_attempts", ""),
                cause("")
            ))
            .columns(&[
                ("cluster", "Cluster", json!({})),
                ("namespace", "Namespace", json!({})),
                ("job_name", "Job", json!({"links": page})),
                (
                    "needs",
                    "Needs",
                    json!({"custom.cellOptions": {"type": "color-text"}, "mappings": [{"type": "value", "options": {
                        "somebody": {"text": "somebody", "color": "red", "index": 0}}}]}),
                ),
                (
                    "severity",
                    "Severity",
                    json!({"custom.cellOptions": {"type": "color-text"}, "mappings": [{"type": "value", "options": {
                        "critical": {"color": "red", "index": 0}, "warning": {"color": "orange", "index": 1},
                        "info": {"color": "blue", "index": 2}}}]}),
                ),
                ("owner_kind", "Kind", json!({})),
                ("owner_name", "Owner", json!({})),
                (
                    "root_cause",
                    "Root cause",
                    json!({"links": [{"title": "Page of the cause", "url": CAUSE_PAGE, "targetBlank": true}]}),
                ),
                ("trigger", "Ended by", json!({})),
                ("Value #C", "Runs", json!({"decimals": 0})),
                ("depth", "Links to the culprit", json!({})),
                ("route", "Who repairs", json!({})),
                ("verdict", "Verdict", json!({})),
            ])
            .sorted("Needs", true)
            .without("verdict")
            .without("Value #A")
            .without("Value #B")
            .sized(24, 6)
            .link("Runbook HookJobFailed", FAILED),
        ],
    }
}

fn over_time() -> Row {
    let code = |state: &str, code: u32| {
        format!(
            "{code} * {}",
            job(&format!("hookbudget_job_state{{state=\"{state}\"}}"), "")
        )
    };
    let all = [
        ("waiting", 1),
        ("succeeded", 2),
        ("failed", 3),
        ("suspended", 4),
        ("missing", 5),
    ]
    .map(|(state, number)| code(state, number))
    .join(" or ");
    let over = settled("job_name", "");
    Row {
        question: "How has each Job fared?",
        panels: vec![
            states(
                "State of each Job",
                "Jobs that began within the time that is shown: green has succeeded, blue waits, red has failed, and grey has \
                 failed and needs nobody, because a later run has succeeded or the verdict says so.",
                &[
                    (1, "waiting", "blue"),
                    (2, "succeeded", "green"),
                    (3, "failed", "red"),
                    (4, "suspended", "yellow"),
                    (5, "deleted before its end", "purple"),
                    (6, "failed, needs nobody", "gray"),
                ],
            )
            .over_time(
                &format!(
                    "(6 * {over} or {all}) and on (cluster, namespace, job_name) (hookbudget_job_start_timestamp_seconds{{{CHOSEN}}} > time() - $__range_s)"
                ),
                "{{cluster}} {{namespace}}/{{job_name}}",
            )
            .empty("no Job began in this time")
            .leads("Status page", SERIES_PAGE)
            .sized(24, 7),
        ],
    }
}
