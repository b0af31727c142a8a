//! The whole way, walked: a dry run of an unsafe hook Job, which the API server shows to the webhook or does not.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::hook::{Hook, MODE};
use super::report::Area;
use crate::certs::ConfigurationKind;
use crate::engine::assess::assess;
use crate::engine::finding::Decision;
use crate::engine::policy::{Mode, Policy};
use crate::engine::release::Surroundings;
use crate::k8s::JobObject;

const NO_ANSWER: &str = "where no line names the cause: kubectl get --raw /metrics shows apiserver_admission_webhook_fail_open_count; mostly the API server cannot reach the Pods on port 8443 (a firewall of a private control plane, a NetworkPolicy), or caBundle is another authority's; a changed policy takes up to two minutes";
const ELSEWHERE: &str =
    "this is no fault; --probe-namespace names a namespace in mode warn or enforce, where it would be seen";

/// The rule whose warning shows a judgement.
const RULE: &str = "HB301";

/// What the answer to the dry run has to show of each webhook: nothing where there is a reason why it cannot.
pub(super) struct Due {
    rewrite: Result<(), String>,
    judgement: Result<(), String>,
}

impl Due {
    /// By the mode of the namespace, as its label or else the policy has it, by the rules' levels and by the selectors
    /// of the configurations. Labels and policy are absent where they cannot be read.
    pub(super) fn of(
        namespace: &str,
        labels: Option<&BTreeMap<String, String>>,
        hooks: &[(ConfigurationKind, &Hook)],
        policy: Option<&Policy>,
    ) -> Self {
        let mode = Self::mode(namespace, labels, policy);
        let selected = |wanted: ConfigurationKind| {
            let selected = hooks
                .iter()
                .any(|(kind, hook)| *kind == wanted && hook.selects(namespace, labels));
            if selected {
                Ok(())
            } else {
                Err(format!("no {} selects the namespace", wanted.as_str()))
            }
        };
        let warned = |mode: Mode| match policy {
            None => Err("which policy is in force is not known".to_owned()),
            Some(policy) if !warns(policy, mode) => Err(format!("the policy does not let {RULE} warn")),
            Some(_) => Ok(()),
        };
        Self {
            rewrite: selected(ConfigurationKind::Mutating).and(mode.clone().map(drop)),
            judgement: selected(ConfigurationKind::Validating).and_then(|()| warned(mode?)),
        }
    }

    /// A mode in which something can be seen.
    fn mode(
        namespace: &str,
        labels: Option<&BTreeMap<String, String>>,
        policy: Option<&Policy>,
    ) -> Result<Mode, String> {
        let labels = labels.ok_or("its labels, and with them its mode, cannot be read")?;
        let label = labels.get(MODE).map(String::as_str);
        let mode = match (label.and_then(Mode::parse), policy) {
            (Some(mode), _) => mode,
            (None, Some(policy)) => policy.mode(namespace, label),
            (None, None) => return Err("which policy is in force is not known".to_owned()),
        };
        if mode <= Mode::Audit {
            return Err(format!("it is in mode {}", mode.as_str()));
        }
        Ok(mode)
    }
}

/// Whether [`RULE`] leads to a warning about the Job of the dry run.
fn warns(policy: &Policy, mode: Mode) -> bool {
    let text = unsafe_job().to_string();
    let Ok(object) = serde_json::from_str::<JobObject<'_>>(&text) else {
        return false;
    };
    let (job, _) = object.into_facts();
    let findings = assess(&job, Surroundings::default(), policy).findings;
    findings
        .iter()
        .any(|finding| finding.code == RULE && finding.decision(mode) > Decision::Allow)
}

/// What the API server answered.
struct Answer {
    status: u16,
    warnings: Vec<String>,
    body: Value,
}

impl Answer {
    fn warns(&self, of: impl Fn(&str) -> bool) -> bool {
        self.warnings.iter().any(|warning| of(warning))
    }

    fn is_rewritten(&self) -> bool {
        let containers = self.body["spec"]["template"]["spec"]["containers"][0]["env"].as_array();
        let injected = |entry: &Value| {
            let name = entry["name"].as_str();
            name.is_some_and(|name| name.starts_with("HOOKBUDGET_"))
        };
        containers.is_some_and(|env| env.iter().any(injected))
            || self.warns(|warning| warning.contains("hookbudget rewrote"))
    }

    /// Whichever rule speaks, it was the validating webhook.
    fn is_judged(&self) -> bool {
        self.warns(|warning| warning.split([' ', '"']).any(is_code))
    }
}

/// `HB` and three digits.
fn is_code(word: &str) -> bool {
    word.strip_prefix("HB")
        .is_some_and(|number| number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Creates the Job as a dry run and looks for traces of both webhooks.
pub(super) async fn judge(area: &mut Area<'_>, client: &Client, namespace: &str, due: &Due) {
    let answer = match ask(client, namespace).await {
        Ok(answer) => answer,
        Err(error) => {
            area.warn(
                format!("a dry run in {namespace} came to nothing: {error}"),
                "look at the API server",
            );
            return;
        }
    };
    read(area, namespace, due, &answer);
}

fn read(area: &mut Area<'_>, namespace: &str, due: &Due, answer: &Answer) {
    let message = answer.body["message"].as_str().unwrap_or_default();
    if message.contains("failed calling webhook") && message.contains(".hookbudget.dev") {
        area.fail(
            format!("the API server cannot call the webhook: {message}"),
            "the lines above name the cause, or a firewall does not let the API server reach port 8443",
        );
        return;
    }
    let denied = message.contains("validate.hookbudget.dev") && message.contains("denied");
    let dry_run = format!("a dry run of an unsafe hook Job in {namespace}");
    if denied {
        area.ok(format!("{dry_run} was judged and denied"));
        return;
    }
    if !(200..300).contains(&answer.status) {
        area.warn(
            format!("a dry run in {namespace} was refused by somebody else: {message}"),
            "run it as a user who may create Jobs there, or name another namespace by --probe-namespace",
        );
        return;
    }
    if let Some(told) = answer
        .warnings
        .iter()
        .find(|text| text.contains("hookbudget did not judge"))
    {
        area.warn(
            format!("{dry_run} reached the webhook: {told}"),
            "the log of the webhook says more",
        );
        return;
    }
    let (rewritten, judged) = (answer.is_rewritten(), answer.is_judged());
    let missing = |seen: bool, due: &Result<(), String>| !seen && due.is_ok();
    match (missing(rewritten, &due.rewrite), missing(judged, &due.judgement)) {
        (true, true) => area.fail(format!("{dry_run} was neither rewritten nor judged"), NO_ANSWER),
        (true, false) => area.fail(format!("{dry_run} was not rewritten"), NO_ANSWER),
        (false, true) => area.fail(format!("{dry_run} was not judged"), NO_ANSWER),
        (false, false) => match (rewritten, judged) {
            (true, true) => area.ok(format!("{dry_run} was rewritten and judged")),
            (true, false) => area.ok(format!("{dry_run} was rewritten")),
            (false, true) => area.ok(format!("{dry_run} was judged")),
            (false, false) => {}
        },
    }
    let unseen = |what: &'static str, seen: bool, due: &Result<(), String>| {
        let why = due.as_ref().err().filter(|_| !seen)?;
        Some((what, why.clone()))
    };
    let unseen = [
        unseen("a rewrite", rewritten, &due.rewrite),
        unseen("a judgement", judged, &due.judgement),
    ];
    match unseen {
        [Some((_, why)), Some((_, other))] if why == other => area.warn(
            format!("what the webhook does cannot be seen in {namespace}: {why}"),
            ELSEWHERE,
        ),
        unseen => {
            for (what, why) in unseen.into_iter().flatten() {
                area.warn(format!("{what} cannot be seen in {namespace}: {why}"), ELSEWHERE);
            }
        }
    }
}

/// A hook whose logs are lost under `OnFailure`: [`RULE`] warns of it, and nothing denies it.
fn unsafe_job() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"generateName": "hookbudget-check-", "annotations": {"helm.sh/hook": "test"}},
        "spec": {"template": {"spec": {"restartPolicy": "OnFailure", "containers": [
            {"name": "never-run", "image": "hookbudget-check:never-run", "command": ["true"]}]}}},
    })
}

async fn ask(client: &Client, namespace: &str) -> Result<Answer, String> {
    let request = Request::post(format!("/apis/batch/v1/namespaces/{namespace}/jobs?dryRun=All"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Body::from(unsafe_job().to_string().into_bytes()))
        .map_err(|error| error.to_string())?;
    let response = client.send(request).await.map_err(|error| error.to_string())?;
    let (head, body) = response.into_parts();
    let body: Bytes = body
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    let warnings = head.headers.get_all(http::header::WARNING).iter();
    Ok(Answer {
        status: head.status.as_u16(),
        warnings: warnings
            .filter_map(|value| value.to_str().ok())
            .map(str::to_owned)
            .collect(),
        body: serde_json::from_slice(&body).map_err(|error| error.to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::{Level, Report};
    use super::*;

    const SEEN: Due = Due {
        rewrite: Ok(()),
        judgement: Ok(()),
    };

    fn lines(due: &Due, answer: &Answer) -> Vec<(Level, String)> {
        let mut report = Report::new();
        read(&mut report.area("x"), "default", due, answer);
        let found = report.found().into_iter();
        found
            .map(|(level, message)| (level, message.to_owned()))
            .collect()
    }

    fn created(env: &str, warnings: &[&str]) -> Answer {
        Answer {
            status: 201,
            warnings: warnings.iter().map(|&warning| warning.to_owned()).collect(),
            body: json!({"spec": {"template": {"spec": {"containers": [{"env": [{"name": env}]}]}}}}),
        }
    }

    const INJECTED: &str = "HOOKBUDGET_DEADLINE_SECONDS";
    const WARNED: &str = "299 - \"HB301 logs are lost\"";

    #[test]
    fn traces_of_both_webhooks_are_told_apart() {
        let refused = |status, message: &str| Answer {
            status,
            warnings: vec![],
            body: json!({"kind": "Status", "message": message}),
        };
        for (answer, level, words) in [
            (created(INJECTED, &[WARNED]), Level::Ok, "rewritten and judged"),
            (
                created(INJECTED, &["299 - \"HB106 no deadline\""]),
                Level::Ok,
                "rewritten and judged",
            ),
            (created("PATH", &[]), Level::Fail, "neither"),
            (created(INJECTED, &[]), Level::Fail, "not judged"),
            (
                created(INJECTED, &["299 - \"HB is no code\""]),
                Level::Fail,
                "not judged",
            ),
            (created("PATH", &[WARNED]), Level::Fail, "not rewritten"),
            (
                created("PATH", &["299 - \"hookbudget did not judge this object: late\""]),
                Level::Warn,
                "late",
            ),
            (
                refused(
                    403,
                    "admission webhook \"validate.hookbudget.dev\" denied the request: HB101",
                ),
                Level::Ok,
                "denied",
            ),
            (
                refused(403, "jobs.batch is forbidden: User \"x\""),
                Level::Warn,
                "somebody else",
            ),
            (
                refused(500, "failed calling webhook \"mutate.hookbudget.dev\": x509"),
                Level::Fail,
                "x509",
            ),
            (
                refused(500, "failed calling webhook \"mutate.example.com\": x509"),
                Level::Warn,
                "somebody else",
            ),
        ] {
            let found = lines(&SEEN, &answer);
            assert!(
                found.len() == 1 && found[0].0 == level && found[0].1.contains(words),
                "{words}: {found:?}"
            );
        }
    }

    /// What a healthy webhook answers under a policy is never a fault, and silence is one where something is due.
    #[test]
    fn silence_is_a_fault_only_where_the_policy_lets_something_be_seen() {
        let none = BTreeMap::new();
        let labelled = |mode: &str| BTreeMap::from([(MODE.to_owned(), mode.to_owned())]);
        let (audit, warn, odd) = (labelled("audit"), labelled("warn"), labelled("wran"));
        let policy = |text: &str| Some(crate::cli::policy::read_text("p", text).unwrap());
        let both = (true, true);
        for (text, labels, (rewrite, judgement), why) in [
            ("{}", Some(&none), both, ""),
            ("{defaultMode: enforce}", Some(&none), both, ""),
            (
                "{defaultMode: audit}",
                Some(&none),
                (false, false),
                "in mode audit",
            ),
            ("{defaultMode: off}", Some(&none), (false, false), "in mode off"),
            ("{defaultMode: audit}", Some(&warn), both, ""),
            (
                "{defaultMode: audit}",
                Some(&odd),
                (false, false),
                "in mode audit",
            ),
            ("{}", Some(&audit), (false, false), "in mode audit"),
            (
                "{namespaceModes: {default: audit}}",
                Some(&none),
                (false, false),
                "in mode audit",
            ),
            ("{namespaceModes: {shop: audit}}", Some(&none), both, ""),
            (
                "{rules: {HB301: info}}",
                Some(&none),
                (true, false),
                "let HB301 warn",
            ),
            (
                "{rules: {HB301: off}}",
                Some(&warn),
                (true, false),
                "let HB301 warn",
            ),
            ("{rules: {HB301: warning}}", Some(&none), both, ""),
            ("{rewrite: none}", Some(&none), both, ""),
            ("{}", None, (false, false), "cannot be read"),
            ("", Some(&none), (false, false), "not known"),
            ("", Some(&warn), (true, false), "not known"),
        ] {
            let policy = if text.is_empty() { None } else { policy(text) };
            let hook = Hook::default();
            let hooks = [
                (ConfigurationKind::Mutating, &hook),
                (ConfigurationKind::Validating, &hook),
            ];
            let due = Due::of("default", labels, &hooks, policy.as_ref());
            assert_eq!(
                (due.rewrite.is_ok(), due.judgement.is_ok()),
                (rewrite, judgement),
                "{text} {labels:?}"
            );
            let healthy = created(
                if rewrite { INJECTED } else { "PATH" },
                if judgement { &[WARNED] } else { &[] },
            );
            let found = lines(&due, &healthy);
            assert!(
                found.iter().all(|(level, _)| *level != Level::Fail),
                "{text}: {found:?}"
            );
            assert!(
                found
                    .iter()
                    .any(|(level, line)| *level == Level::Warn && line.contains(why))
                    != why.is_empty(),
                "{text}: {found:?}"
            );
            let silent = lines(&due, &created("PATH", &[]));
            assert_eq!(
                silent.iter().any(|(level, _)| *level == Level::Fail),
                rewrite || judgement,
                "{text}: {silent:?}"
            );
        }
    }

    #[test]
    fn a_namespace_that_is_not_selected_is_never_called_unreachable() {
        let excluded: Hook = serde_json::from_value(json!({"namespaceSelector": {"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["default"]}]}}))
        .unwrap();
        let selected = Hook::default();
        let labels = BTreeMap::new();
        let due = |mutating, validating| {
            let hooks = [
                (ConfigurationKind::Mutating, mutating),
                (ConfigurationKind::Validating, validating),
            ];
            Due::of("default", Some(&labels), &hooks, Some(&Policy::default()))
        };
        let found = lines(&due(&excluded, &excluded), &created("PATH", &[]));
        assert!(found.iter().all(|(level, _)| *level == Level::Warn), "{found:?}");
        let found = lines(&due(&selected, &excluded), &created(INJECTED, &[]));
        assert_eq!(found[0].0, Level::Ok, "{found:?}");
        assert!(found[1].1.contains("ValidatingWebhookConfiguration"), "{found:?}");
        let found = lines(&due(&selected, &excluded), &created("PATH", &[]));
        assert_eq!(found[0].0, Level::Fail, "{found:?}");
    }
}
