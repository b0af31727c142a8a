//! The object that a wait is for, as far as the script names it.

use crate::engine::budget::ContainerReading;
use crate::engine::inventory::NeighbourKind;
use crate::engine::rule::Context;
use crate::engine::rules::common::command_at;
use crate::engine::shell::{Target, Wait};

/// The object that a wait names, by a Service's host or as the operand of a tool.
pub(super) fn named(
    cx: &Context<'_>,
    container: &ContainerReading,
    wait: &Wait,
) -> Option<(NeighbourKind, Option<String>, String)> {
    let target = wait.target.as_ref()?;
    let own = || cx.job.namespace.as_deref().map(str::to_owned);
    if let Some((service, namespace)) = target.service() {
        let namespace = namespace.map_or_else(own, |namespace| Some(namespace.to_owned()));
        return Some((NeighbourKind::Service, namespace, service.to_owned()));
    }
    let (kind, name) = operand(target)?;
    let place = wait.probe.as_ref().map_or(wait.place, |probe| probe.place);
    let command = command_at(cx, container, place).unwrap_or_default();
    if command.contains("for=delete") {
        return None;
    }
    let namespace = namespace_flag(&command).or_else(own);
    Some((kind, namespace, name))
}

/// `deployment/web`, `deployment web`, with whatever stands before it.
fn operand(target: &Target) -> Option<(NeighbourKind, String)> {
    if target.host.is_some() {
        return None;
    }
    let mut words = target.text.split_whitespace();
    while let Some(word) = words.next() {
        let (kind, name) = match word.split_once('/') {
            Some((kind, name)) => (kind, Some(name)),
            None => (word, None),
        };
        if let Some(kind) = kind_of(kind) {
            let name = name.or_else(|| words.next())?;
            return (!name.contains('$')).then(|| (kind, name.to_owned()));
        }
    }
    None
}

/// The kind by any name that `kubectl` takes for it.
fn kind_of(word: &str) -> Option<NeighbourKind> {
    let word = word.to_ascii_lowercase();
    Some(match word.split('.').next().unwrap_or_default() {
        "service" | "services" | "svc" => NeighbourKind::Service,
        "deployment" | "deployments" | "deploy" => NeighbourKind::Deployment,
        "statefulset" | "statefulsets" | "sts" => NeighbourKind::StatefulSet,
        "secret" | "secrets" => NeighbourKind::Secret,
        "configmap" | "configmaps" | "cm" => NeighbourKind::ConfigMap,
        "serviceaccount" | "serviceaccounts" | "sa" => NeighbourKind::ServiceAccount,
        _ => return None,
    })
}

/// The value of `-n` or `--namespace`, where it is written out.
fn namespace_flag(command: &str) -> Option<String> {
    let mut words = command.split_whitespace();
    while let Some(word) = words.next() {
        let value = match word {
            "-n" | "--namespace" => words.next(),
            _ => word
                .strip_prefix("--namespace=")
                .or_else(|| word.strip_prefix("-n=")),
        };
        if let Some(value) = value {
            let value = value.trim_matches(['"', '\'']);
            return (!value.contains(['$', '`'])).then(|| value.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operand_names_its_kind_first() {
        let of = |text: &str| {
            let target = Target {
                text: text.to_owned(),
                host: None,
                port: None,
            };
            operand(&target).map(|(kind, name)| format!("{} {name}", kind.as_str()))
        };
        for (text, object) in [
            ("status deploy/web", Some("Deployment web")),
            ("deployments.v1.apps web", Some("Deployment web")),
            ("secret web", Some("Secret web")),
            ("secret", None),
            ("secret $NAME", None),
            ("pod -l app=web", None),
            ("", None),
        ] {
            assert_eq!(of(text).as_deref(), object, "{text}");
        }
    }

    #[test]
    fn a_namespace_is_taken_as_it_is_written_or_not_at_all() {
        for (command, namespace) in [
            ("kubectl get -n shop secret web", Some("shop")),
            ("kubectl --namespace=shop get secret web", Some("shop")),
            ("kubectl get secret web -n \"$NS\"", None),
            ("kubectl get secret web", None),
        ] {
            assert_eq!(namespace_flag(command).as_deref(), namespace, "{command}");
        }
    }
}
