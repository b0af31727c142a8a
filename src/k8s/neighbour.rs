//! Objects that stand beside a Job into the engine's [`Inventory`](crate::engine::inventory::Inventory).

use serde_json::Value;

use crate::engine::inventory::{Neighbour, NeighbourKind};
use crate::engine::job::Pairs;

/// Which kind an object is, where the engine asks for it.
#[must_use]
pub fn kind_of(api_version: &str, kind: &str) -> Option<NeighbourKind> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    NeighbourKind::ALL
        .into_iter()
        .find(|known| known.as_str() == kind && known.group() == group)
}

/// An object of such a kind as it stands in a file. A value of another type than it should have is passed over:
/// what stands beside a Job is context, and the API server is the one to refuse it.
#[must_use]
pub fn neighbour(kind: NeighbourKind, object: &Value) -> Neighbour<'_> {
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let text = |key| {
        let text = metadata.get(key).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let data = match kind {
        NeighbourKind::ConfigMap => pairs(object.get("data")),
        _ => Pairs::new(),
    };
    Neighbour {
        kind,
        namespace: text("namespace").map(Into::into),
        name: text("name").unwrap_or_default().into(),
        labels: pairs(metadata.get("labels")),
        annotations: pairs(metadata.get("annotations")),
        data,
    }
}

fn pairs(object: Option<&Value>) -> Pairs<'_> {
    let entries = object.and_then(Value::as_object).into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into())))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::job::lookup;

    #[test]
    fn only_a_config_map_shows_its_data_and_a_group_tells_kinds_apart() {
        let object = json!({"metadata": {"name": "scripts", "namespace": "gitea", "labels": {"app": 3}},
            "data": {"wait.sh": "sleep 5"}});
        let scripts = neighbour(NeighbourKind::ConfigMap, &object);
        assert_eq!(scripts.namespace.as_deref(), Some("gitea"));
        assert_eq!(lookup(&scripts.data, "wait.sh"), Some("sleep 5"));
        assert!(scripts.labels.is_empty());
        assert!(neighbour(NeighbourKind::Secret, &object).data.is_empty());
        assert_eq!(kind_of("apps/v1", "Deployment"), Some(NeighbourKind::Deployment));
        assert_eq!(kind_of("v1", "Deployment"), None);
        assert_eq!(kind_of("serving.knative.dev/v1", "Service"), None);
    }
}
