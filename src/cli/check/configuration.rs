//! The two webhook configurations against what the webhook is made for.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::report::Area;
use crate::certs::ConfigurationKind;

/// The longest that a Job's creation should wait for us.
const LONGEST_TIMEOUT: i32 = 10;
/// How to get the configuration of the chart back.
const UPGRADE: &str = "helm upgrade brings the chart's configuration back";

/// A webhook of a configuration, as far as it is checked; either kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) client_config: ClientConfig,
    failure_policy: Option<String>,
    timeout_seconds: Option<i32>,
    match_policy: Option<String>,
    side_effects: Option<String>,
    reinvocation_policy: Option<String>,
    rules: Vec<Rule>,
    namespace_selector: Option<Selector>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClientConfig {
    pub(super) service: Option<ServiceReference>,
    pub(super) url: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ServiceReference {
    pub(super) namespace: String,
    pub(super) name: String,
    path: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    operations: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    match_expressions: Vec<Expression>,
    match_labels: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Expression {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl Hook {
    fn covers(&self, resource: &str, operation: &str) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|one| one == wanted || one == "*");
        self.rules.iter().any(|rule| {
            has(&rule.api_groups, "batch")
                && has(&rule.resources, resource)
                && has(&rule.operations, operation)
        })
    }

    fn excludes(&self, namespace: &str) -> bool {
        self.namespace_selector.as_ref().is_some_and(|selector| {
            !selector.match_labels.is_empty()
                || selector
                    .match_expressions
                    .iter()
                    .any(|expression| match expression.operator.as_str() {
                        "NotIn" => {
                            expression.key == "kubernetes.io/metadata.name"
                                && expression.values.iter().any(|value| value == namespace)
                        }
                        "In" => {
                            expression.key == "kubernetes.io/metadata.name"
                                && !expression.values.iter().any(|value| value == namespace)
                        }
                        _ => false,
                    })
        })
    }

    fn path(&self) -> &str {
        if let Some(service) = &self.client_config.service {
            return service.path.as_deref().unwrap_or("/");
        }
        let url = self.client_config.url.as_deref().unwrap_or_default();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or("/"))
    }
}

/// Judges one configuration, which is absent or has these webhooks.
pub(super) fn judge(
    area: &mut Area<'_>,
    kind: ConfigurationKind,
    name: &str,
    own_namespace: &str,
    hooks: Option<&[Hook]>,
) {
    let Some(hooks) = hooks else {
        area.fail(
            format!("there is no {} {name}: nothing is judged", kind.as_str()),
            format!("helm install, or name another one by --webhook-configuration ({UPGRADE})"),
        );
        return;
    };
    if hooks.is_empty() {
        area.fail(format!("the {} {name} has no webhook", kind.as_str()), UPGRADE);
    }
    for hook in hooks {
        let faults = faults(kind, own_namespace, hook);
        for (message, remedy) in &faults.fails {
            area.fail(format!("{}: {message}", hook.name), remedy.clone());
        }
        for (message, remedy) in &faults.warns {
            area.warn(format!("{}: {message}", hook.name), remedy.clone());
        }
        if faults.fails.is_empty() && faults.warns.is_empty() {
            let (policy, timeout) = (
                hook.failure_policy.as_deref().unwrap_or("Fail"),
                hook.timeout_seconds.unwrap_or(10),
            );
            area.ok(format!(
                "{}: failurePolicy {policy}, timeout {timeout} s",
                hook.name
            ));
        }
    }
}

#[derive(Default)]
struct Faults {
    fails: Vec<(String, String)>,
    warns: Vec<(String, String)>,
}

fn faults(kind: ConfigurationKind, own_namespace: &str, hook: &Hook) -> Faults {
    let mut faults = Faults::default();
    let path = match kind {
        ConfigurationKind::Mutating => "/mutate",
        ConfigurationKind::Validating => "/validate",
    };
    if hook.path().split('?').next() != Some(path) {
        faults.fails.push((
            format!("it calls {}, and {path} is what answers", hook.path()),
            format!("write clientConfig path {path}; {UPGRADE}"),
        ));
    }
    for (resource, operation) in [("jobs", "CREATE"), ("cronjobs", "CREATE"), ("cronjobs", "UPDATE")] {
        if !hook.covers(resource, operation) {
            faults.fails.push((
                format!("no rule covers {operation} of {resource}"),
                format!("add it to rules; {UPGRADE}"),
            ));
        }
    }
    if hook.side_effects.as_deref() != Some("None") {
        faults.warns.push((
            "sideEffects is not None: dry runs are refused".to_owned(),
            "write sideEffects: None".to_owned(),
        ));
    }
    if hook.match_policy.as_deref().unwrap_or("Equivalent") != "Equivalent" {
        faults.warns.push((
            "matchPolicy is Exact: other versions of the API pass by".to_owned(),
            "write matchPolicy: Equivalent".to_owned(),
        ));
    }
    if kind == ConfigurationKind::Mutating && hook.reinvocation_policy.as_deref() != Some("IfNeeded") {
        faults.warns.push((
            "reinvocationPolicy is Never: what a later webhook injects is not in the budget".to_owned(),
            "write reinvocationPolicy: IfNeeded".to_owned(),
        ));
    }
    let timeout = hook.timeout_seconds.unwrap_or(10);
    if timeout > LONGEST_TIMEOUT {
        faults.warns.push((
            format!("timeoutSeconds is {timeout}: an unreachable webhook holds up every Job that long"),
            "webhook.timeoutSeconds: 3 under Ignore, 10 at the most under Fail".to_owned(),
        ));
    }
    // Absent means Fail (`k8s.io/api/admissionregistration/v1`).
    let fails_closed = hook.failure_policy.as_deref().unwrap_or("Fail") == "Fail";
    for namespace in [own_namespace, "kube-system"]
        .into_iter()
        .filter(|namespace| !hook.excludes(namespace))
    {
        let message = format!("the namespace {namespace} is judged too");
        let remedy = format!("exclude it in namespaceSelector by kubernetes.io/metadata.name; {UPGRADE}");
        if fails_closed {
            faults.fails.push((
                format!("{message}, and under failurePolicy Fail that can block the webhook's own recovery"),
                remedy,
            ));
        } else {
            faults.warns.push((message, remedy));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::report::{Level, Report};
    use super::*;

    fn chart(change: impl FnOnce(&mut Value)) -> Vec<Hook> {
        let mut hook = json!({
            "name": "mutate.hookbudget.dev", "failurePolicy": "Ignore", "timeoutSeconds": 3,
            "sideEffects": "None", "matchPolicy": "Equivalent", "reinvocationPolicy": "IfNeeded",
            "clientConfig": {"service": {"namespace": "hooks", "name": "hb-webhook", "path": "/mutate"}},
            "rules": [
                {"apiGroups": ["batch"], "apiVersions": ["v1"], "resources": ["jobs"], "operations": ["CREATE"]},
                {"apiGroups": ["batch"], "apiVersions": ["v1"], "resources": ["cronjobs"], "operations": ["CREATE", "UPDATE"]},
            ],
            "namespaceSelector": {"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["hooks", "kube-system"]}]},
        });
        change(&mut hook);
        vec![serde_json::from_value(hook).unwrap()]
    }

    fn lines(hooks: Option<&[Hook]>) -> Vec<(Level, String)> {
        let mut report = Report::new();
        judge(
            &mut report.area("x"),
            ConfigurationKind::Mutating,
            "hookbudget",
            "hooks",
            hooks,
        );
        report
            .found()
            .into_iter()
            .map(|(level, message)| (level, message.to_owned()))
            .collect()
    }

    #[test]
    fn the_charts_configuration_is_in_order() {
        let found = lines(Some(&chart(|_| ())));
        assert_eq!(
            found,
            [(
                Level::Ok,
                "mutate.hookbudget.dev: failurePolicy Ignore, timeout 3 s".to_owned()
            )]
        );
        assert_eq!(lines(None)[0].0, Level::Fail);
        assert_eq!(lines(Some(&[]))[0].0, Level::Fail);
    }

    #[test]
    fn each_fault_is_named_once() {
        type Case = (fn(&mut Value), Level, &'static str);
        let cases: [Case; 8] = [
            (
                |hook| hook["clientConfig"]["service"]["path"] = json!("/validate"),
                Level::Fail,
                "calls /validate",
            ),
            (
                |hook| hook["rules"][1]["operations"] = json!(["CREATE"]),
                Level::Fail,
                "UPDATE of cronjobs",
            ),
            (
                |hook| hook["sideEffects"] = json!("NoneOnDryRun"),
                Level::Warn,
                "sideEffects",
            ),
            (
                |hook| hook["matchPolicy"] = json!("Exact"),
                Level::Warn,
                "matchPolicy",
            ),
            (
                |hook| hook["reinvocationPolicy"] = json!("Never"),
                Level::Warn,
                "reinvocationPolicy",
            ),
            (
                |hook| hook["timeoutSeconds"] = json!(30),
                Level::Warn,
                "holds up every Job",
            ),
            (
                |hook| hook["namespaceSelector"]["matchExpressions"][0]["values"] = json!(["kube-system"]),
                Level::Warn,
                "namespace hooks",
            ),
            (
                |hook| {
                    hook["failurePolicy"] = json!("Fail");
                    hook["namespaceSelector"]["matchExpressions"][0]["values"] = json!(["hooks"]);
                },
                Level::Fail,
                "kube-system",
            ),
        ];
        for (change, level, words) in cases {
            let found = lines(Some(&chart(change)));
            assert!(
                found.len() == 1 && found[0].0 == level && found[0].1.contains(words),
                "{words}: {found:?}"
            );
        }
        let by_url = chart(|hook| hook["clientConfig"] = json!({"url": "https://127.0.0.1:8443/mutate"}));
        assert_eq!(lines(Some(&by_url))[0].0, Level::Ok);
    }
}
