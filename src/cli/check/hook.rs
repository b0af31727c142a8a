//! A webhook of a configuration: what it calls, and about what it is called.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The label that `namespaceSelector` tells namespaces by.
pub(super) const NAME: &str = "kubernetes.io/metadata.name";
/// The label of a namespace that holds its mode.
pub(super) const MODE: &str = "hookbudget.dev/mode";

/// A webhook of a configuration, as far as it is checked; either kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) client_config: ClientConfig,
    pub(super) failure_policy: Option<String>,
    pub(super) timeout_seconds: Option<i32>,
    pub(super) match_policy: Option<String>,
    pub(super) side_effects: Option<String>,
    pub(super) reinvocation_policy: Option<String>,
    rules: Vec<Rule>,
    pub(super) namespace_selector: Option<Selector>,
    pub(super) object_selector: Option<Selector>,
    pub(super) match_conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    pub(super) name: String,
    pub(super) expression: String,
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
pub(super) struct Rule {
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    scope: Option<String>,
    resources: Vec<String>,
    operations: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Selector {
    pub(super) match_expressions: Vec<Expression>,
    pub(super) match_labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Expression {
    pub(super) key: String,
    pub(super) operator: String,
    pub(super) values: Vec<String>,
}

impl Hook {
    pub(super) fn covers(&self, resource: &str, operation: &str) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|one| one == wanted || one == "*");
        self.rules.iter().any(|rule| {
            has(&rule.api_groups, "batch")
                && has(&rule.api_versions, "v1")
                && has(&rule.resources, resource)
                && has(&rule.operations, operation)
                && rule.scope.as_deref() != Some("Cluster")
        })
    }

    /// Whether the webhook is called about what is in a namespace; one whose labels are not known has its name alone.
    pub(super) fn selects(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        let value = |key: &str| match key {
            NAME => Some(namespace),
            _ => labels.and_then(|labels| labels.get(key)).map(String::as_str),
        };
        self.namespace_selector.as_ref().is_none_or(|selector| {
            let wanted = &selector.match_labels;
            wanted.iter().all(|(key, wanted)| value(key) == Some(wanted))
                && selector.match_expressions.iter().all(|expression| {
                    let value = value(&expression.key);
                    let among = value.is_some_and(|value| expression.values.iter().any(|one| one == value));
                    match expression.operator.as_str() {
                        "In" => among,
                        "NotIn" => !among,
                        "Exists" => value.is_some(),
                        "DoesNotExist" => value.is_none(),
                        _ => true,
                    }
                })
        })
    }

    pub(super) fn path(&self) -> &str {
        if let Some(service) = &self.client_config.service {
            return service.path.as_deref().unwrap_or("/");
        }
        let url = self.client_config.url.as_deref().unwrap_or_default();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or("/"))
    }
}
