//! The two webhook configurations against what the webhook is made for.

use super::hook::{Hook, MODE, NAME, Selector};
use super::report::Area;
use crate::certs::ConfigurationKind;

/// The longest that a Job's creation should wait for us.
const LONGEST_TIMEOUT: i32 = 10;
/// How to get the configuration of the chart back.
const UPGRADE: &str = "helm upgrade brings the chart's configuration back";

/// Namespaces that are never judged, besides the webhook's own: what repairs the cluster runs there.
const NEVER: [&str; 2] = ["kube-system", "kube-node-lease"];
/// `matchConditions` of the chart (`templates/_helpers.tpl`), by name, in one line each.
const CONDITIONS: [(&str, &str); 2] = [
    (
        "not-owned-by-a-cronjob",
        "!has(object.metadata.ownerReferences) || !object.metadata.ownerReferences.exists(o, o.kind == 'CronJob' \
         && o.apiVersion.startsWith('batch/') && has(o.controller) && o.controller)",
    ),
    (
        "run-by-the-job-controller",
        "!has(object.spec.managedBy) || object.spec.managedBy == 'kubernetes.io/job-controller'",
    ),
];

/// What a configuration is held against.
pub(super) struct Expected<'a> {
    pub(super) kind: ConfigurationKind,
    /// The namespace of the webhook, which is never judged.
    pub(super) own_namespace: &'a str,
    /// What the chart's values exclude besides; `None` where that is not known.
    pub(super) excluded: Option<Vec<&'a str>>,
}

/// Judges one configuration, which is absent or has these webhooks.
pub(super) fn judge(area: &mut Area<'_>, name: &str, expected: &Expected<'_>, hooks: Option<&[Hook]>) {
    let Some(hooks) = hooks else {
        area.fail(
            format!("there is no {} {name}: nothing is judged", expected.kind.as_str()),
            format!("helm install, or name another one by --webhook-configuration ({UPGRADE})"),
        );
        return;
    };
    if hooks.is_empty() {
        let kind = expected.kind.as_str();
        area.fail(format!("the {kind} {name} has no webhook"), UPGRADE);
    }
    for hook in hooks {
        let faults = faults(expected, hook);
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
            let besides = match expected.excluded.as_deref() {
                None | Some([]) => String::new(),
                Some(names) => format!(", and as the values say not in {}", names.join(", ")),
            };
            area.ok(format!(
                "{}: failurePolicy {policy}, timeout {timeout} s{besides}",
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

impl Faults {
    fn fail(&mut self, message: impl Into<String>, remedy: impl Into<String>) {
        self.fails.push((message.into(), remedy.into()));
    }

    fn warn(&mut self, message: impl Into<String>, remedy: impl Into<String>) {
        self.warns.push((message.into(), remedy.into()));
    }
}

fn faults(expected: &Expected<'_>, hook: &Hook) -> Faults {
    let mut faults = Faults::default();
    let kind = expected.kind;
    let path = match kind {
        ConfigurationKind::Mutating => "/mutate",
        ConfigurationKind::Validating => "/validate",
    };
    if hook.path().split('?').next() != Some(path) {
        faults.fail(
            format!("it calls {}, and {path} is what answers", hook.path()),
            format!("write clientConfig path {path}; {UPGRADE}"),
        );
    }
    for (resource, operation) in [("jobs", "CREATE"), ("cronjobs", "CREATE"), ("cronjobs", "UPDATE")] {
        if !hook.covers(resource, operation) {
            faults.fail(
                format!("no rule covers {operation} of {resource}"),
                format!("add it to rules; {UPGRADE}"),
            );
        }
    }
    if hook.side_effects.as_deref() != Some("None") {
        faults.warn(
            "sideEffects is not None: dry runs are refused",
            "write sideEffects: None",
        );
    }
    if hook.match_policy.as_deref().unwrap_or("Equivalent") != "Equivalent" {
        faults.warn(
            "matchPolicy is Exact: other versions of the API pass by",
            "write matchPolicy: Equivalent",
        );
    }
    if kind == ConfigurationKind::Mutating && hook.reinvocation_policy.as_deref() != Some("IfNeeded") {
        faults.warn(
            "reinvocationPolicy is Never: what a later webhook injects is not in the budget",
            "write reinvocationPolicy: IfNeeded",
        );
    }
    let timeout = hook.timeout_seconds.unwrap_or(10);
    if timeout > LONGEST_TIMEOUT {
        faults.warn(
            format!("timeoutSeconds is {timeout}: an unreachable webhook holds up every Job that long"),
            "webhook.timeoutSeconds: 3 under Ignore, 10 at the most under Fail",
        );
    }
    wide(&mut faults, expected, hook);
    narrow_by_namespace(&mut faults, expected, hook);
    narrow_by_object(&mut faults, hook);
    faults
}

/// Namespaces that have to be left out, and are not.
fn wide(faults: &mut Faults, expected: &Expected<'_>, hook: &Hook) {
    // Absent means Fail (`k8s.io/api/admissionregistration/v1`).
    let fails_closed = hook.failure_policy.as_deref().unwrap_or("Fail") == "Fail";
    for namespace in std::iter::once(expected.own_namespace)
        .chain(NEVER)
        .filter(|namespace| hook.selects(namespace, None))
    {
        let message = format!("the namespace {namespace} is judged too");
        let remedy = format!("exclude it in namespaceSelector by {NAME}; {UPGRADE}");
        if fails_closed {
            let blocks = "and under failurePolicy Fail that can block the webhook's own recovery";
            faults.fail(format!("{message}, {blocks}"), remedy);
        } else {
            faults.warn(message, remedy);
        }
    }
}

/// Namespaces that are left out, and that nobody asked to leave out.
fn narrow_by_namespace(faults: &mut Faults, expected: &Expected<'_>, hook: &Hook) {
    let Some(selector) = &hook.namespace_selector else {
        return;
    };
    // What was not installed by the chart may be meant for some namespaces.
    let mut narrow = |message: String, remedy: String| {
        if expected.excluded.is_some() {
            faults.fail(message, remedy);
        } else {
            faults.warn(message, remedy);
        }
    };
    for (key, value) in &selector.match_labels {
        narrow(
            format!(
                "namespaceSelector has matchLabels {key}: {value}: nothing is judged in other namespaces"
            ),
            format!("remove it; {UPGRADE}"),
        );
    }
    let mut more = Vec::new();
    for expression in &selector.match_expressions {
        match (expression.key.as_str(), expression.operator.as_str()) {
            (NAME, "NotIn") => more.extend(expression.values.iter().map(String::as_str).filter(|name| {
                let known = expected.excluded.as_deref().unwrap_or_default();
                *name != expected.own_namespace && !NEVER.contains(name) && !known.contains(name)
            })),
            (MODE, "NotIn") if expression.values == ["off"] => {}
            (key, operator) => narrow(
                format!(
                    "namespaceSelector has {key} {operator} {:?}: namespaces are left out by it",
                    expression.values
                ),
                format!("remove it; {UPGRADE}"),
            ),
        }
    }
    if more.is_empty() {
        return;
    }
    narrow(
        format!(
            "nothing is judged in the namespaces {}, and no value is known to exclude them",
            more.join(", ")
        ),
        format!("webhook.excludedNamespaces, if that is meant; else {UPGRADE}"),
    );
}

/// Objects that are left out by what stands in them, which whoever writes a Job can write.
fn narrow_by_object(faults: &mut Faults, hook: &Hook) {
    let selects =
        |selector: &Selector| !selector.match_labels.is_empty() || !selector.match_expressions.is_empty();
    if hook.object_selector.as_ref().is_some_and(selects) {
        faults.fail(
            "objectSelector is set: Jobs are judged or not by their own labels",
            format!("remove it; {UPGRADE}"),
        );
    }
    for condition in &hook.match_conditions {
        let words: Vec<&str> = condition.expression.split_whitespace().collect();
        let ours = CONDITIONS.iter().find(|(name, _)| *name == condition.name);
        match ours {
            Some((_, expression)) if words == expression.split_whitespace().collect::<Vec<_>>() => {}
            Some(_) => faults.fail(
                format!(
                    "matchConditions has another {}: {}",
                    condition.name,
                    words.join(" ")
                ),
                UPGRADE,
            ),
            None => faults.fail(
                format!(
                    "matchConditions has {}, which leaves objects out: {}",
                    condition.name,
                    words.join(" ")
                ),
                format!("remove it; {UPGRADE}"),
            ),
        }
    }
    for (name, _) in CONDITIONS {
        if !hook
            .match_conditions
            .iter()
            .any(|condition| condition.name == name)
        {
            faults.warn(
                format!("matchConditions lacks {name}: the webhook is asked about what it does not judge"),
                UPGRADE,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn",
                 "values": ["hooks", "kube-system", "kube-node-lease", "shop"]},
                {"key": "hookbudget.dev/mode", "operator": "NotIn", "values": ["off"]}]},
            "objectSelector": {},
            "matchConditions": CONDITIONS.map(|(name, expression)| json!({"name": name, "expression": expression})),
        });
        change(&mut hook);
        vec![serde_json::from_value(hook).unwrap()]
    }

    fn lines(hooks: Option<&[Hook]>) -> Vec<(Level, String)> {
        held(ConfigurationKind::Mutating, Some(vec!["shop"]), hooks)
    }

    fn held(
        kind: ConfigurationKind,
        excluded: Option<Vec<&str>>,
        hooks: Option<&[Hook]>,
    ) -> Vec<(Level, String)> {
        let mut report = Report::new();
        let expected = Expected {
            kind,
            own_namespace: "hooks",
            excluded,
        };
        judge(&mut report.area("x"), "hookbudget", &expected, hooks);
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
                "mutate.hookbudget.dev: failurePolicy Ignore, timeout 3 s, and as the values say not in shop"
                    .to_owned()
            )]
        );
        assert_eq!(lines(None)[0].0, Level::Fail);
        assert_eq!(lines(Some(&[]))[0].0, Level::Fail);
    }

    type Case = (fn(&mut Value), Level, &'static str);

    fn each_is_named_once<const N: usize>(cases: [Case; N]) {
        for (change, level, words) in cases {
            let found = lines(Some(&chart(change)));
            assert!(
                found.len() == 1 && found[0].0 == level && found[0].1.contains(words),
                "{words}: {found:?}"
            );
        }
    }

    #[test]
    fn each_fault_is_named_once() {
        each_is_named_once([
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
                |hook| hook["rules"][0]["apiVersions"] = json!(["v1beta1"]),
                Level::Fail,
                "CREATE of jobs",
            ),
            (
                |hook| {
                    hook["namespaceSelector"]["matchExpressions"][0]["values"] =
                        json!(["kube-system", "kube-node-lease"]);
                },
                Level::Warn,
                "namespace hooks",
            ),
            (
                |hook| {
                    hook["namespaceSelector"]["matchExpressions"][0]["values"] =
                        json!(["hooks", "kube-system"]);
                },
                Level::Warn,
                "namespace kube-node-lease",
            ),
            (
                |hook| {
                    hook["failurePolicy"] = json!("Fail");
                    hook["namespaceSelector"]["matchExpressions"][0]["values"] =
                        json!(["hooks", "kube-node-lease"]);
                },
                Level::Fail,
                "kube-system",
            ),
        ]);
        let by_url = chart(|hook| hook["clientConfig"] = json!({"url": "https://127.0.0.1:8443/mutate"}));
        assert_eq!(lines(Some(&by_url))[0].0, Level::Ok);
    }

    #[test]
    fn what_leaves_objects_out_is_named_once() {
        each_is_named_once([
            (
                |hook| {
                    hook["namespaceSelector"]["matchExpressions"][0]["values"] =
                        json!(["hooks", "kube-system", "kube-node-lease", "shop", "payments"]);
                },
                Level::Fail,
                "in the namespaces payments",
            ),
            (
                |hook| hook["namespaceSelector"]["matchLabels"] = json!({"team": "a"}),
                Level::Fail,
                "matchLabels team: a",
            ),
            (
                |hook| hook["namespaceSelector"]["matchExpressions"][1]["values"] = json!(["off", "enforce"]),
                Level::Fail,
                "enforce",
            ),
            (
                |hook| {
                    hook["namespaceSelector"]["matchExpressions"][1] =
                        json!({"key": "team", "operator": "DoesNotExist"});
                },
                Level::Fail,
                "team DoesNotExist",
            ),
            (
                |hook| hook["objectSelector"]["matchLabels"] = json!({"judge": "me"}),
                Level::Fail,
                "objectSelector",
            ),
            (
                |hook| {
                    let never = json!({"name": "never", "expression": "false"});
                    hook["matchConditions"].as_array_mut().unwrap().push(never);
                },
                Level::Fail,
                "never, which leaves objects out: false",
            ),
            (
                |hook| hook["matchConditions"][1]["expression"] = json!("has(object.spec.managedBy)"),
                Level::Fail,
                "another run-by-the-job-controller",
            ),
            (
                |hook| hook["matchConditions"] = json!([hook["matchConditions"][0]]),
                Level::Warn,
                "lacks run-by-the-job-controller",
            ),
        ]);
    }

    /// Where the Deployment cannot be read, what is meant is not known.
    #[test]
    fn namespaces_that_are_left_out_are_named_whoever_left_them_out() {
        let found = held(ConfigurationKind::Mutating, None, Some(&chart(|_| ())));
        assert!(
            found.len() == 1 && found[0].0 == Level::Warn && found[0].1.contains("namespaces shop"),
            "{found:?}"
        );
        let one = chart(|hook| {
            hook["namespaceSelector"]["matchExpressions"] =
                json!([{"key": NAME, "operator": "In", "values": ["shop"]}]);
        });
        let found = held(ConfigurationKind::Mutating, None, Some(&one));
        assert!(
            found.len() == 1 && found[0].0 == Level::Warn && found[0].1.contains("metadata.name In"),
            "{found:?}"
        );
    }

    /// Each recorded render of the chart is what it is held against.
    #[test]
    fn what_the_chart_renders_is_in_order() {
        let renders = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/chart");
        let mut judged = 0;
        for file in std::fs::read_dir(renders).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let objects: Vec<Value> = text
                .split("---\n")
                .filter(|document| !document.trim().is_empty())
                .map(|document| serde_saphyr::from_str(document).unwrap())
                .collect();
            let excluded = objects
                .iter()
                .find_map(|object| {
                    object["metadata"]["annotations"]["hookbudget.dev/excluded-namespaces"].as_str()
                })
                .unwrap();
            for kind in ConfigurationKind::ALL {
                let object = objects.iter().find(|object| object["kind"] == kind.as_str());
                let hooks: Vec<Hook> = serde_json::from_value(object.unwrap()["webhooks"].clone()).unwrap();
                let excluded = excluded.split(',').filter(|name| !name.is_empty()).collect();
                let found = held(kind, Some(excluded), Some(&hooks));
                assert!(
                    found.len() == 1 && found[0].0 == Level::Ok,
                    "{}: {found:?}",
                    path.display()
                );
                judged += 1;
            }
        }
        assert!(judged >= 10, "{judged}");
    }
}
