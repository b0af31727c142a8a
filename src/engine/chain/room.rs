//! Below a Pod that finds no node: the nodes with their arithmetic, the autoscaler, and what keeps it from acting.

use jiff::Timestamp;

use crate::engine::Seconds;
use crate::engine::capacity::{Stuck, amount};
use crate::engine::case::{Case, later};
use crate::engine::diagnosis::ChainLink;
use crate::engine::evidence::{EventRecord, ObjectRef};
use crate::engine::family::first_sentence;
use crate::engine::signatures::{Unschedulable, holds, unschedulable};

/// The kind of the link that stands for all nodes; its name is the resource that is short.
pub(crate) const NODES: &str = "Nodes";
/// The kind of the link that stands for who adds nodes.
pub(crate) const AUTOSCALER: &str = "Autoscaler";
/// How long a node may take to join after it was asked for: cluster-autoscaler's default of
/// `--max-node-provision-time` (kubernetes/autoscaler `config/flags`).
const JOINS_WITHIN: Seconds = Seconds::new(900);
/// Pods that stand in the way and are named.
const STUCK: usize = 3;

/// What lies below a Pod.
pub(crate) struct Below {
    pub(crate) links: Vec<ChainLink>,
    /// Until when a node for it may join, where one is on its way.
    pub(crate) joins_by: Option<Timestamp>,
    /// Who adds nodes adds none.
    pub(crate) refused: bool,
}

/// What is known below the Pod. Without room (`for_room` false) only who adds nodes has something to say: arithmetic
/// about a taint would be none.
pub(crate) fn below(case: &Case<'_>, pod: &ObjectRef, for_room: bool) -> Below {
    let capacity = case.evidence.capacity.as_ref();
    let mut links = Vec::new();
    let room = capacity.and_then(|capacity| capacity.rooms.iter().find(|room| room.pod == *pod));
    let room = room.filter(|_| for_room);
    if let Some(room) = room {
        links.push(ChainLink {
            kind: NODES.to_owned(),
            namespace: String::new(),
            name: room.resource.clone(),
            relation: "needs room on".to_owned(),
            finding: room.finding(),
            proof: room.arithmetic(),
        });
    }
    let said = autoscaler(case, pod);
    let joins_by = said.as_ref().and_then(|said| said.joins_by);
    let refused = said.is_some() && joins_by.is_none();
    links.extend(said.map(|said| ChainLink {
        kind: AUTOSCALER.to_owned(),
        namespace: String::new(),
        name: said.who.to_owned(),
        relation: "gets its node from".to_owned(),
        finding: said.finding,
        proof: said.proof,
    }));
    let stuck = capacity.map_or(&[][..], |capacity| &capacity.stuck);
    let others = || stuck.iter().filter(|other| other.pod != *pod);
    if refused {
        let waits = others().filter(|other| other.node.is_none());
        links.extend(waits.take(STUCK).map(|other| neighbour(other, None)));
    }
    if let Some(room) = room.filter(|_| joins_by.is_none()) {
        let held = others().filter(|other| other.node.as_ref() == Some(&room.node));
        let held = held.filter_map(|other| Some((other, *other.requests.get(&room.resource)?)));
        // What holds too little to matter is noise.
        let free = room.allocatable.saturating_sub(room.requested);
        let enough = held.filter(|(_, amount)| free.saturating_add(*amount) >= room.asked);
        links.extend(
            enough
                .take(STUCK)
                .map(|(other, held)| neighbour(other, Some(&amount(&room.resource, held)))),
        );
    }
    Below {
        links,
        joins_by,
        refused,
    }
}

/// A Pod that stands in the way: one that no new node could hold, or one that holds room and does no work.
fn neighbour(stuck: &Stuck, holds: Option<&str>) -> ChainLink {
    let message = first_sentence(&stuck.message);
    let (relation, finding) = match (holds, &stuck.node) {
        (Some(held), Some(node)) => (
            "finds no room beside",
            format!("holds {held} of node {node} and does no work: {message}"),
        ),
        _ => (
            "is kept from acting by",
            format!("waits for a node that a new one cannot be: {message}"),
        ),
    };
    ChainLink {
        kind: stuck.pod.kind.clone(),
        namespace: stuck.pod.namespace.clone(),
        name: stuck.pod.name.clone(),
        relation: relation.to_owned(),
        finding,
        proof: match &stuck.node {
            None => format!("PodScheduled=False: {}", stuck.message),
            Some(node) => format!("spec.nodeName {node}: {}", stuck.message),
        },
    }
}

/// What who adds nodes says.
struct Said {
    who: &'static str,
    /// Until when the node may come that it adds.
    joins_by: Option<Timestamp>,
    finding: String,
    proof: String,
}

/// The newest word about this Pod; else that the whole cluster, or every group that could grow, is in back-off.
fn autoscaler(case: &Case<'_>, pod: &ObjectRef) -> Option<Said> {
    let events = case.evidence.events.iter();
    let own = events
        .filter(|event| event.object == *pod)
        .filter_map(|event| Some((event, verdict(event)?)))
        .max_by_key(|(event, _)| event.last);
    if let Some((event, (who, acts))) = own {
        let by = later(event.last.unwrap_or(case.until()), JOINS_WITHIN);
        let joins_by = Some(by).filter(|by| acts && case.until() < *by);
        let finding = match (acts, joins_by) {
            (true, Some(_)) => "adds a node",
            (true, None) => "was to add a node, and none has come",
            (false, _) => "adds no node",
        };
        return Some(Said {
            who,
            joins_by,
            finding: finding.to_owned(),
            proof: proof(event),
        });
    }
    let mut elsewhere = case.evidence.events.iter().rev();
    let backoff = elsewhere.find(|event| {
        verdict(event).is_some_and(|(_, acts)| !acts)
            && holds(&event.message, "backoff")
            && event.object.kind != "Pod"
    });
    if let Some(event) = backoff {
        return Some(Said {
            who: "cluster-autoscaler",
            joins_by: None,
            finding: "adds no node".to_owned(),
            proof: proof(event),
        });
    }
    in_status(case)
}

/// What the status of the cluster autoscaler says, where no event says anything: events go after an hour.
fn in_status(case: &Case<'_>) -> Option<Said> {
    let groups = &case.evidence.capacity.as_ref()?.groups;
    let held = |group: &&crate::engine::capacity::NodeGroup| {
        group.scale_up == "Backoff" || group.size.is_some_and(|(size, most)| size >= most)
    };
    let own: Vec<_> = groups.iter().filter(|group| !group.name.is_empty()).collect();
    if own.is_empty() || !own.iter().all(held) {
        return None;
    }
    let words = own.iter().take(STUCK).map(|group| {
        let state = match (group.scale_up.as_str(), group.size) {
            ("Backoff", _) if !group.reason.is_empty() => format!("in back-off: {}", group.reason),
            ("Backoff", _) => "in back-off".to_owned(),
            (_, Some((size, most))) => format!("{size} of at most {most} nodes"),
            (other, None) => other.to_owned(),
        };
        format!("node group {} {state}", group.name)
    });
    Some(Said {
        who: "cluster-autoscaler",
        joins_by: None,
        finding: "adds no node: no group of nodes may grow".to_owned(),
        proof: format!(
            "ConfigMap cluster-autoscaler-status: {}",
            words.collect::<Vec<_>>().join("; ")
        ),
    })
}

/// Who speaks in an event, and whether it acts: cluster-autoscaler (kubernetes/autoscaler
/// `cluster-autoscaler/processors/status`), Karpenter (kubernetes-sigs/karpenter
/// `pkg/controllers/provisioning/scheduling/events.go`).
fn verdict(event: &EventRecord) -> Option<(&'static str, bool)> {
    const CLUSTER: &str = "cluster-autoscaler";
    const KARPENTER: &str = "karpenter";
    match event.reason.as_str() {
        "TriggeredScaleUp" => Some((CLUSTER, true)),
        "NotTriggerScaleUp" | "FailedScaleUp" | "ScaleUpFailed" => Some((CLUSTER, false)),
        "Nominated" => Some((KARPENTER, true)),
        "FailedScheduling" if event.message.starts_with("Failed to schedule pod, ") => {
            Some((KARPENTER, false))
        }
        _ => None,
    }
}

fn proof(event: &EventRecord) -> String {
    format!(
        "event {} on {} {}: {}",
        event.reason, event.object.kind, event.object.name, event.message
    )
}

/// True for a scheduler's message that more nodes of the same kind cannot answer.
#[must_use]
pub(crate) fn no_node_helps(message: &str) -> bool {
    matches!(
        unschedulable(message),
        Some(Unschedulable::Volume | Unschedulable::Affinity)
    ) && !holds(message, "unbound immediate")
}

#[cfg(test)]
mod tests;
