//! One case for each root cause: its alert carries its route and severity, and reaches the one who can repair it.

use std::fmt::Write as _;

use hookbudget::engine::root_cause::RootCause;
use serde_json::Value;

use super::{promtool_tests, root};

const BY: &str =
    "namespace=\"n\", job_name=\"j\", owner_kind=\"\", owner_name=\"\", trigger=\"BackoffLimitExceeded\"";

/// A test of the shipped rules on one failed Job for each cause, with and without kube-state-metrics.
fn cases(with_kube_state_metrics: bool) -> String {
    let rules = root().join("alerts");
    let mut test = format!(
        "rule_files: [{}, {}]\nevaluation_interval: 15s\ntests:\n",
        Value::from(rules.join("hookbudget.yaml").display().to_string()),
        Value::from(rules.join("kube-state-metrics.yaml").display().to_string()),
    );
    for cause in RootCause::ALL {
        let (name, route, severity) = (cause.as_str(), cause.route().as_str(), cause.severity().as_str());
        let labels =
            format!("root_cause=\"{name}\", route=\"{route}\", severity=\"{severity}\", verdict=\"real\"");
        let _ = write!(
            test,
            "  - name: {name}\n    interval: 15s\n    input_series:\n      \
             - series: 'hookbudget_job_root_cause{{instance=\"a\", {BY}, {labels}}}'\n        values: '1x20 stale'\n      \
             - series: 'hookbudget_job_root_cause{{instance=\"b\", {BY}, {labels}}}'\n        values: '1x20 stale'\n      \
             - series: 'hookbudget_job_info{{{BY}}}'\n        values: '1x60'\n"
        );
        if with_kube_state_metrics {
            let _ = writeln!(
                test,
                "      - series: 'kube_job_failed{{namespace=\"n\", job_name=\"j\", condition=\"true\", reason=\"\"}}'\n        values: '1x60'"
            );
        }
        let _ = write!(
            test,
            "    promql_expr_test:\n      \
             - expr: count(ALERTS{{alertname=\"HookJobFailed\", alertstate=\"firing\", root_cause=\"{name}\", route=\"{route}\", severity=\"{severity}\", owner_kind=\"\"}})\n        \
               eval_time: 3m\n        exp_samples: [{{value: 1}}]\n      \
             - expr: count(ALERTS{{alertname=\"HookJobFailed\"}})\n        \
               eval_time: 3m\n        exp_samples: [{{value: 1}}]\n      \
             - expr: count(ALERTS{{alertname=\"HookJobFailed\"}})\n        eval_time: 11m\n"
        );
        let joined = if with_kube_state_metrics {
            "exp_samples: [{value: 1}]"
        } else {
            "exp_samples: []"
        };
        let _ = write!(
            test,
            "      - expr: count(hookbudget:kube_job_failed:cause{{root_cause=\"{name}\", route=\"{route}\"}})\n        \
               eval_time: 3m\n        {joined}\n"
        );
    }
    test
}

#[test]
fn each_root_cause_raises_one_alert_with_its_route_and_severity() {
    promtool_tests("causes.yaml", &cases(false));
}

#[test]
fn each_root_cause_is_joined_to_what_kube_state_metrics_says() {
    promtool_tests("causes.yaml", &cases(true));
}
