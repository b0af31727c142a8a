//! Clients of the API server: `kubectl`, `oc`, `cmctl`, `helm`. The tool's name tells their calls from those of
//! ordinary services.

use std::borrow::Cow;

use super::super::duration::{go, go_or_seconds};
use super::super::reading::Target;
use super::super::value::Value;
use super::options::Options;
use super::{Call, OnError, Prints, no_limit};
use crate::engine::{Limit, Seconds};

/// `kubectl wait --timeout`: 30 s (kubernetes/kubectl, `pkg/cmd/wait/wait.go`).
const KUBECTL_WAIT: Seconds = Seconds::new(30);

/// A negative `kubectl wait --timeout` "means wait for a week" (its help text).
const A_WEEK: Seconds = Seconds::new(7 * 86_400);

/// `progressDeadlineSeconds` of a Deployment: 600 (kubernetes/api `apps/v1/types.go`).
const PROGRESS: Seconds = Seconds::new(600);

/// `helm --timeout`: 5 min (helm/helm, `pkg/cmd/install.go`).
const HELM: Seconds = Seconds::new(300);

const LONG: [&str; 22] = [
    "as",
    "chunk-size",
    "cluster",
    "container",
    "context",
    "field-selector",
    "filename",
    "for",
    "from-literal",
    "grace-period",
    "kubeconfig",
    "namespace",
    "output",
    "patch",
    "request-timeout",
    "selector",
    "server",
    "template",
    "timeout",
    "token",
    "type",
    "user",
];

pub(super) fn kubectl(name: &str, arguments: &[Value]) -> Option<Call> {
    let options = Options::parse(arguments, "nlfoscpk", &LONG, false);
    let words = options
        .operands
        .iter()
        .map(|word| word.text.as_str())
        .collect::<Vec<_>>();
    let verb = *words.first()?;
    if matches!(
        verb,
        "version" | "config" | "completion" | "kustomize" | "plugin" | "help"
    ) {
        return None;
    }
    let object = object_of(verb, &words, options.value(&["l", "selector"]));
    let target = (!object.is_empty()).then_some(Target {
        text: object,
        host: None,
        port: None,
    });
    let mut call = Call::of(name, target);
    call = call.limited(
        "--request-timeout",
        options.value(&["request-timeout"]),
        go_or_seconds,
    );
    call.prints = if matches!(verb, "get" | "describe" | "logs" | "exec") {
        Prints::Unknown
    } else {
        Prints::Nothing
    };
    let timeout = options.value(&["timeout"]);
    match (verb, words.get(1)) {
        ("wait", _) => wait(&mut call, timeout),
        ("rollout", Some(&"status")) if watches(&options) => {
            let kind = words.get(2).copied().unwrap_or_default();
            rollout(&mut call, kind.split('/').next().unwrap_or_default(), timeout);
        }
        _ => call.on_error = OnError::Open,
    }
    Some(call)
}

/// `kubectl rollout status --watch`: true by default.
fn watches(options: &Options<'_>) -> bool {
    let off = |value: &Value| matches!(value.get(), Some("false" | "0" | "f" | "F" | "FALSE" | "False"));
    !options.value(&["w", "watch"]).is_some_and(off)
}

/// The objects that a command names: `deployment/web`, `pod x`, `pod -l app=web`. Values that it sets are left
/// out: they may be secrets.
fn object_of(verb: &str, words: &[&str], selector: Option<&Value>) -> String {
    let mut words = words.get(1..).unwrap_or_default();
    if verb == "rollout" {
        words = words.get(1..).unwrap_or_default();
        if let [kind, name] = words
            && !kind.contains('/')
        {
            return format!("{kind}/{name}");
        }
    }
    let mut object = words
        .iter()
        .copied()
        .filter(|word| !word.contains('='))
        .collect::<Vec<_>>();
    let selector = selector.map(|selector| format!("-l {}", selector.text));
    object.extend(selector.as_deref());
    object.join(" ")
}

fn wait(call: &mut Call, timeout: Option<&Value>) {
    let Some(timeout) = timeout else {
        waits(
            call,
            "kubectl wait",
            Limit::At(KUBECTL_WAIT),
            "kubectl wait, by default 30s".to_owned(),
            true,
        );
        return;
    };
    let text = timeout.get().unwrap_or_default();
    match go(text).filter(|_| timeout.is_known()) {
        Some(span) if span < Seconds::ZERO => {
            waits(
                call,
                "kubectl wait",
                Limit::Never,
                format!("kubectl wait --timeout={text} waits for {A_WEEK}"),
                false,
            );
        }
        Some(Seconds::ZERO) => call.limit = Limit::ZERO,
        Some(span) => waits(
            call,
            "kubectl wait",
            Limit::At(span),
            format!("kubectl wait --timeout={text}"),
            timeout.assumed,
        ),
        None => hide(call, "kubectl wait --timeout", timeout),
    }
}

/// "zero means never" (`kubectl rollout status --timeout`, 0 s by default). A Deployment ends it with an error
/// when its progress deadline has passed (`DeploymentStatusViewer`, kubernetes/kubectl
/// `pkg/polymorphichelpers/rollout_status.go`); for a `StatefulSet` and a `DaemonSet` nothing does.
fn rollout(call: &mut Call, kind: &str, timeout: Option<&Value>) {
    let of_deployment = matches!(
        kind.split('.')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str(),
        "deployment" | "deployments" | "deploy"
    );
    let endless = if of_deployment {
        Limit::At(PROGRESS)
    } else {
        Limit::Never
    };
    let Some(timeout) = timeout else {
        let text = if of_deployment {
            format!("kubectl rollout status, by default until the progress deadline of {PROGRESS}")
        } else {
            "kubectl rollout status without --timeout".to_owned()
        };
        waits(call, "kubectl rollout status", endless, text, of_deployment);
        return;
    };
    let text = timeout.get().unwrap_or_default();
    match go(text).filter(|_| timeout.is_known()) {
        Some(span) if span <= Seconds::ZERO => {
            waits(
                call,
                "kubectl rollout status",
                endless,
                format!("kubectl rollout status --timeout={text}"),
                of_deployment,
            );
        }
        Some(span) => waits(
            call,
            "kubectl rollout status",
            Limit::At(span),
            format!("kubectl rollout status --timeout={text}"),
            timeout.assumed,
        ),
        None => hide(call, "kubectl rollout status --timeout", timeout),
    }
}

/// `cmctl check api --wait`: 0 s, one check, by default (cert-manager/cmctl, `pkg/check/api`).
pub(super) fn cmctl(arguments: &[Value]) -> Call {
    let options = Options::parse(arguments, "n", &["wait", "interval", "namespace"], false);
    let mut call = Call::of("cmctl", None);
    if let Some(wait) = options.value(&["wait"]) {
        match wait.get().and_then(go) {
            Some(span) => waits(
                &mut call,
                "cmctl check api",
                Limit::At(span),
                format!("cmctl check api --wait={}", wait.text),
                wait.assumed,
            ),
            None => hide(&mut call, "cmctl --wait", wait),
        }
    }
    call
}

pub(super) fn helm(arguments: &[Value]) -> Option<Call> {
    let long = ["timeout", "namespace", "set", "values", "version", "repo"];
    let options = Options::parse(arguments, "nf", &long, false);
    let verb = options.operands.first()?.text.as_str();
    if !matches!(
        verb,
        "install" | "upgrade" | "uninstall" | "rollback" | "test" | "status" | "list" | "get"
    ) {
        return None;
    }
    let mut call = Call::of("helm", None);
    call.prints = Prints::Unknown;
    // `helm test` waits for the Pods of the tests by nature.
    if verb == "test" || options.has(&["wait", "atomic", "rollback-on-failure", "wait-for-jobs"]) {
        let name = format!("helm {verb}");
        match options.value(&["timeout"]) {
            None => waits(
                &mut call,
                name,
                Limit::At(HELM),
                format!("helm {verb}, by default 5m"),
                true,
            ),
            Some(value) => match value.get().and_then(go) {
                Some(span) => waits(
                    &mut call,
                    name,
                    Limit::At(span),
                    format!("helm {verb} --timeout {}", value.text),
                    value.assumed,
                ),
                None => hide(&mut call, "helm --timeout", value),
            },
        }
    }
    Some(call)
}

fn waits(
    call: &mut Call,
    name: impl Into<Cow<'static, str>>,
    limit: Limit,
    arithmetic: String,
    assumed: bool,
) {
    *call = call.clone().waiting(name, limit, arithmetic, assumed);
}

fn hide(call: &mut Call, flag: &str, value: &Value) {
    call.hidden = Some(no_limit(flag, value));
}
