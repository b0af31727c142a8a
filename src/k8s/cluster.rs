//! The room in a cluster: its nodes, what their Pods request of them, and the Pods that stand in the way.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::meta::{ConditionObject, Meta};
use super::text::null_default;
use crate::engine::capacity::{Amounts, Capacity, Node, NodeGroup, Stuck, room, short_of};
use crate::engine::chain::no_node_helps;
use crate::engine::evidence::{Condition, Dependency, ObjectRef, PodRecord};
use crate::engine::quantity;

/// Pods that stand in the way, of each kind, that are kept.
const STUCK: usize = 4;
/// Pods whose room is worked out.
const ASKING: usize = 8;
/// Bytes kept of a message.
const MESSAGE: usize = 500;

/// A Node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeObject {
    #[serde(deserialize_with = "null_default")]
    metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    spec: NodeSpec,
    #[serde(deserialize_with = "null_default")]
    status: NodeStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    #[serde(deserialize_with = "null_default")]
    unschedulable: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct NodeStatus {
    #[serde(deserialize_with = "null_default")]
    allocatable: Quantities,
    #[serde(deserialize_with = "null_default")]
    conditions: Vec<ConditionObject>,
}

/// Quantities as they are written: text, or a bare number.
type Quantities = BTreeMap<String, serde_json::Value>;

fn amounts(quantities: &Quantities) -> Amounts {
    let read = quantities.iter().filter_map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let value = if name == "cpu" {
            milli(&text)
        } else {
            quantity::bytes(&text)
        };
        Some((name.clone(), value?))
    });
    read.collect()
}

/// Thousandths of a core: `250m` is 250, `2` is 2000.
fn milli(text: &str) -> Option<u64> {
    if let Some(number) = text.strip_suffix('m') {
        return quantity::bytes(number);
    }
    // Less than a thousandth counts as one.
    if text.ends_with(['u', 'n']) {
        return Some(1);
    }
    let exact = quantity::bytes(&format!("{text}e3"));
    exact.or_else(|| Some(quantity::bytes(text)?.saturating_mul(1000)))
}

fn add(to: &mut Amounts, from: &Amounts) {
    for (name, value) in from {
        let sum = to.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*value);
    }
}

fn at_least(to: &mut Amounts, from: &Amounts) {
    for (name, value) in from {
        let most = to.entry(name.clone()).or_default();
        *most = (*most).max(*value);
    }
}

impl NodeObject {
    fn into_node(self) -> Node {
        let ready = self
            .status
            .conditions
            .into_iter()
            .map(Condition::from)
            .any(|condition| condition.kind == "Ready" && condition.status == "True");
        Node {
            name: self.metadata.name,
            open: ready && !self.spec.unschedulable,
            allocatable: amounts(&self.status.allocatable),
            requested: Amounts::new(),
        }
    }
}

/// A Pod, as far as the room that it takes or waits for goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodRoom {
    #[serde(deserialize_with = "null_default")]
    metadata: Named,
    #[serde(deserialize_with = "null_default")]
    spec: Spec,
    #[serde(deserialize_with = "null_default")]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(deserialize_with = "null_default")]
    name: String,
    #[serde(deserialize_with = "null_default")]
    namespace: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(deserialize_with = "null_default")]
    node_name: String,
    #[serde(deserialize_with = "null_default")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "null_default")]
    init_containers: Vec<Container>,
    #[serde(deserialize_with = "null_default")]
    overhead: Quantities,
    #[serde(deserialize_with = "null_default")]
    resources: Resources,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    restart_policy: Option<String>,
    #[serde(deserialize_with = "null_default")]
    resources: Resources,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    #[serde(deserialize_with = "null_default")]
    requests: Quantities,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    #[serde(deserialize_with = "null_default")]
    phase: String,
    #[serde(deserialize_with = "null_default")]
    conditions: Vec<ConditionObject>,
    #[serde(deserialize_with = "null_default")]
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    #[serde(deserialize_with = "null_default")]
    state: State,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Waiting>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Waiting {
    #[serde(deserialize_with = "null_default")]
    reason: String,
    #[serde(deserialize_with = "null_default")]
    message: String,
}

impl PodRoom {
    /// What the Pod requests of its node (kubernetes/component-helpers `resource/helpers.go` `PodRequests`): its
    /// containers and sidecars together, or the largest init container with the sidecars before it, and overhead.
    fn requests(&self) -> Amounts {
        let (mut sum, mut most, mut sidecars) = (Amounts::new(), Amounts::new(), Amounts::new());
        for container in &self.spec.init_containers {
            let own = amounts(&container.resources.requests);
            if container.restart_policy.as_deref() == Some("Always") {
                add(&mut sidecars, &own);
                at_least(&mut most, &sidecars);
            } else {
                let mut at_once = sidecars.clone();
                add(&mut at_once, &own);
                at_least(&mut most, &at_once);
            }
        }
        for container in &self.spec.containers {
            add(&mut sum, &amounts(&container.resources.requests));
        }
        add(&mut sum, &sidecars);
        at_least(&mut sum, &most);
        // Stated for the Pod as a whole, it goes before its containers'.
        for (name, value) in amounts(&self.spec.resources.requests) {
            sum.insert(name, value);
        }
        add(&mut sum, &amounts(&self.spec.overhead));
        sum
    }

    fn object(&self) -> ObjectRef {
        ObjectRef {
            kind: "Pod".to_owned(),
            namespace: self.metadata.namespace.clone(),
            name: self.metadata.name.clone(),
        }
    }

    fn takes_room(&self) -> bool {
        !matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// The scheduler's verdict on a Pod without a node.
    fn unplaced(&self) -> Option<Condition> {
        let mut conditions = self.status.conditions.iter().cloned().map(Condition::from);
        conditions.find(|c| c.kind == "PodScheduled" && c.status == "False")
    }
}

/// The room in a cluster, added up Pod by Pod so that no list of Pods is ever held.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    nodes: BTreeMap<String, Node>,
    /// Pods without a node: what they request, and what the scheduler says.
    waiting: Vec<(ObjectRef, Amounts, Condition)>,
    crashing: Vec<Stuck>,
    /// True when not every Pod of the cluster was added.
    pub partial: bool,
    /// The groups of the cluster autoscaler.
    pub groups: Vec<NodeGroup>,
}

/// Pods without a node that are remembered.
const WAITING: usize = 1000;

impl Sum {
    /// Takes a node in. Nodes come before Pods.
    pub fn add_node(&mut self, node: NodeObject) {
        let node = node.into_node();
        self.nodes.insert(node.name.clone(), node);
    }

    /// True without a single node: nothing can be said then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Takes a Pod in.
    pub fn add_pod(&mut self, pod: &PodRoom) {
        if !pod.takes_room() {
            return;
        }
        let requests = pod.requests();
        if pod.spec.node_name.is_empty() {
            if let Some(condition) = pod.unplaced().filter(|_| self.waiting.len() < WAITING) {
                self.waiting.push((pod.object(), requests, condition));
            }
            return;
        }
        if let Some(node) = self.nodes.get_mut(&pod.spec.node_name) {
            add(&mut node.requested, &requests);
            add(&mut node.requested, &Amounts::from([("pods".to_owned(), 1)]));
        }
        let waits = pod.status.container_statuses.iter();
        let mut waits = waits.filter_map(|status| status.state.waiting.as_ref());
        let crashes = waits.find(|waiting| waiting.reason == "CrashLoopBackOff");
        if let Some(waiting) = crashes.filter(|_| self.crashing.len() < WAITING) {
            self.crashing.push(Stuck {
                pod: pod.object(),
                node: Some(pod.spec.node_name.clone()),
                message: told(&format!("{}: {}", waiting.reason, waiting.message)),
                since: None,
                requests,
            });
        }
    }

    /// The room that these Pods ask for, and what stands in their way.
    #[must_use]
    pub fn capacity(&self, asking: &[ObjectRef]) -> Capacity {
        let nodes: Vec<Node> = self.nodes.values().cloned().collect();
        let waiting = self.waiting.iter();
        let asks = waiting.clone().filter(|(pod, ..)| asking.contains(pod));
        let rooms = asks
            .take(ASKING)
            .filter_map(|(pod, requests, condition)| {
                room(pod, requests, &condition.message, &nodes, self.partial)
            })
            .collect::<Vec<_>>();
        let never = waiting
            .filter(|(pod, _, condition)| !asking.contains(pod) && no_node_helps(&condition.message))
            .map(|(pod, requests, condition)| Stuck {
                pod: pod.clone(),
                node: None,
                message: told(&condition.message),
                since: condition.at,
                requests: requests.clone(),
            });
        // The oldest first: it has been in the way longest.
        let mut stuck: Vec<Stuck> = never.collect();
        stuck.sort_by(|one, other| order(one).cmp(&order(other)));
        stuck.truncate(STUCK);
        let beside = |stuck: &&Stuck| rooms.iter().any(|room| stuck.node.as_ref() == Some(&room.node));
        let mut holders: Vec<Stuck> = self.crashing.iter().filter(beside).cloned().collect();
        holders.sort_by_key(|stuck| {
            let held = rooms.iter().filter_map(|room| stuck.requests.get(&room.resource));
            (std::cmp::Reverse(held.max().copied()), stuck.pod.clone())
        });
        holders.truncate(STUCK);
        stuck.extend(holders);
        Capacity {
            rooms,
            stuck,
            groups: self.groups.clone(),
        }
    }
}

fn order(stuck: &Stuck) -> (Option<Timestamp>, &ObjectRef) {
    (stuck.since, &stuck.pod)
}

fn told(message: &str) -> String {
    let text = &message[..message.floor_char_boundary(MESSAGE)];
    super::meta::safe(text.to_owned())
}

/// The Pods of a dependency that find no node for want of room.
#[must_use]
pub fn asking(dependency: &Dependency) -> Vec<ObjectRef> {
    let mut found = Vec::new();
    collect(dependency, &mut found);
    found
}

fn collect(dependency: &Dependency, found: &mut Vec<ObjectRef>) {
    for workload in &dependency.workloads {
        found.extend(workload.pods.iter().filter_map(asks));
        workload.needs.iter().for_each(|need| collect(need, found));
    }
    dependency.needs.iter().for_each(|need| collect(need, found));
}

/// The Pod, when it finds no node for want of room.
#[must_use]
pub fn asks(pod: &PodRecord) -> Option<ObjectRef> {
    let mut conditions = pod.conditions.iter();
    let no = conditions.find(|c| c.kind == "PodScheduled" && c.status == "False")?;
    let short = pod.node.is_none() && short_of(&no.message).next().is_some();
    short.then(|| ObjectRef {
        kind: "Pod".to_owned(),
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
    })
}

#[cfg(test)]
mod tests;
