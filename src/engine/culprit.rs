//! Which link of a chain is the culprit: the object to name, to group by, and to repair first.

use super::chain::{AUTOSCALER, NODES};
use super::diagnosis::ChainLink;
use super::evidence::ObjectRef;

/// How many other Jobs a diagnosis names.
pub const LISTED: usize = 10;

/// Where in a chain its culprit stands. Pods that wait for the same room end at the same nodes, whatever an autoscaler
/// says about each; what keeps the autoscaler from acting made it worse, and is not what the Jobs have in common.
#[must_use]
pub fn place_of(chain: &[ChainLink]) -> Option<usize> {
    let nodes = chain.iter().position(|link| link.kind == NODES);
    let last = || chain.iter().position(|link| link.kind == AUTOSCALER);
    nodes
        .or_else(|| last()?.checked_sub(1))
        .or_else(|| chain.len().checked_sub(1))
}

/// The culprit of a whole chain; `None` where it ends at the Job or above.
#[must_use]
pub fn culprit(chain: &[ChainLink]) -> Option<ObjectRef> {
    let job = chain.iter().position(|link| link.kind == "Job")?;
    let at = place_of(chain).filter(|at| *at > job)?;
    let link = chain.get(at)?;
    Some(ObjectRef {
        kind: link.kind.clone(),
        namespace: link.namespace.clone(),
        name: link.name.clone(),
    })
}

/// The last object of a chain below the Job that waits for something: nodes and who adds them explain it.
#[must_use]
pub fn held_up(links: &[ChainLink]) -> Option<&ChainLink> {
    let explains = links
        .iter()
        .position(|link| link.kind == NODES || link.kind == AUTOSCALER);
    links[..explains.unwrap_or(links.len())].last()
}

/// `namespace/name`, or the name of what has no namespace.
#[must_use]
pub fn place(link: &ChainLink) -> String {
    if link.namespace.is_empty() {
        link.name.clone()
    } else {
        format!("{}/{}", link.namespace, link.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(kinds: &[&str]) -> Vec<ChainLink> {
        let link = |kind: &&str| ChainLink {
            kind: (*kind).to_owned(),
            name: "x".to_owned(),
            ..ChainLink::default()
        };
        kinds.iter().map(link).collect()
    }

    #[test]
    fn what_explains_the_nodes_is_not_the_culprit() {
        for (kinds, expected) in [
            (&["HelmRelease", "Job"][..], None),
            (&["Job", "Pod"], Some("Pod")),
            (&["Job", "Service", "Deployment", "Pod"], Some("Pod")),
            (&["Job", "Service", "Pod", "Autoscaler"], Some("Pod")),
            (
                &["Job", "Service", "Pod", "Nodes", "Autoscaler", "Pod"],
                Some("Nodes"),
            ),
            (&["Job", "Pod", "Nodes", "Pod"], Some("Nodes")),
            (&["CronJob"], None),
        ] {
            let found = culprit(&chain(kinds)).map(|object| object.kind);
            assert_eq!(found.as_deref(), expected, "{kinds:?}");
        }
    }

    #[test]
    fn what_is_held_up_stands_above_the_nodes() {
        let links = chain(&["Service", "Deployment", "Nodes", "Autoscaler", "Pod"]);
        assert_eq!(held_up(&links).map(|link| link.kind.as_str()), Some("Deployment"));
        assert!(held_up(&chain(&["Nodes"])).is_none());
    }
}
