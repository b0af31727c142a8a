//! Room on the nodes: what a Pod asks for, what is left, and who should make more of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::ObjectRef;

/// Amounts of resources by name: `cpu` in thousandths of a core, everything else in its own unit (memory in bytes).
pub type Amounts = BTreeMap<String, u64>;

/// How the room in a cluster stood when somebody asked for it in vain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capacity {
    /// What the Pods in question ask for, against what the nodes have left.
    pub rooms: Vec<Room>,
    /// Pods that wait for a node which will never come, or that hold room and do no work.
    pub stuck: Vec<Stuck>,
    /// The groups of nodes that the cluster autoscaler looks after, where it says how it stands.
    pub groups: Vec<NodeGroup>,
}

/// What one Pod asks for of one resource, against what the nodes have left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Room {
    /// The Pod.
    pub pod: ObjectRef,
    /// `cpu`, `memory`, `pods`, or an extended resource.
    pub resource: String,
    /// What the Pod asks for.
    pub asked: u64,
    /// Nodes that are ready and not cordoned.
    pub nodes: u32,
    /// Those of them that have less left than is asked for.
    pub short: u32,
    /// The one among those that has most left.
    pub node: String,
    /// What may be requested of that node.
    pub allocatable: u64,
    /// What is requested of it, at least.
    pub requested: u64,
    /// The most that may be requested of any of the nodes.
    pub largest: u64,
    /// True when not all Pods could be seen: more may be requested than `requested` says.
    pub partial: bool,
}

/// A Pod that stands in the way of others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stuck {
    /// The Pod.
    pub pod: ObjectRef,
    /// The node that it is bound to, if it is.
    pub node: Option<String>,
    /// What the scheduler or the kubelet says of it.
    pub message: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What it requests.
    pub requests: Amounts,
}

/// A group of nodes of the cluster autoscaler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeGroup {
    /// Its name; empty for the cluster as a whole.
    pub name: String,
    /// `Healthy`, `Unhealthy`.
    pub health: String,
    /// `NoActivity`, `InProgress`, `Backoff`, `NotNeeded`.
    pub scale_up: String,
    /// Why it is in back-off, where that is said.
    pub reason: String,
    /// The size that was asked of the cloud, and the largest that is allowed.
    pub size: Option<(u32, u32)>,
}

/// A node, as far as its room goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// True when it is ready and not cordoned.
    pub open: bool,
    /// `status.allocatable`.
    pub allocatable: Amounts,
    /// What its Pods request, each Pod counting as one of `pods`.
    pub requested: Amounts,
}

impl Node {
    fn left(&self, resource: &str) -> u64 {
        let of = |amounts: &Amounts| amounts.get(resource).copied().unwrap_or(0);
        of(&self.allocatable).saturating_sub(of(&self.requested))
    }
}

/// The resources that the scheduler's message says are short: `Insufficient cpu`, `Too many pods`.
pub fn short_of(message: &str) -> impl Iterator<Item = &str> {
    let message = message.split("preemption:").next().unwrap_or(message);
    let named = message
        .split("Insufficient ")
        .skip(1)
        .filter_map(|rest| rest.split([',', ' ']).next())
        .map(|name| name.trim_end_matches('.'))
        .filter(|name| !name.is_empty());
    named.chain(message.contains("Too many pods").then_some("pods"))
}

/// What a Pod asks for against what the nodes have left, for the first resource that the message names and that some
/// node is proven to lack. With `partial` knowledge of what is requested, what is left is an upper bound: a node that
/// lacks room by it does lack room.
#[must_use]
pub fn room(
    pod: &ObjectRef,
    requests: &Amounts,
    message: &str,
    nodes: &[Node],
    partial: bool,
) -> Option<Room> {
    let open = || nodes.iter().filter(|node| node.open);
    short_of(message).find_map(|resource| {
        let asked = if resource == "pods" {
            1
        } else {
            requests.get(resource).copied().filter(|asked| *asked > 0)?
        };
        let short = || open().filter(|node| node.left(resource) < asked);
        let closest = short().max_by_key(|node| (node.left(resource), std::cmp::Reverse(&node.name)))?;
        let of = |amounts: &Amounts| amounts.get(resource).copied().unwrap_or(0);
        Some(Room {
            pod: pod.clone(),
            resource: resource.to_owned(),
            asked,
            nodes: count(open().count()),
            short: count(short().count()),
            node: closest.name.clone(),
            allocatable: of(&closest.allocatable),
            requested: of(&closest.requested),
            largest: open().map(|node| of(&node.allocatable)).max().unwrap_or_default(),
            partial,
        })
    })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Room {
    /// True when not even an empty node would hold the Pod.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        self.asked > self.largest
    }

    /// What is wrong, as a clause.
    #[must_use]
    pub fn finding(&self) -> String {
        let Self { resource, node, .. } = self;
        let asked = amount(resource, self.asked);
        if self.is_too_large() {
            let largest = amount(resource, self.largest);
            return format!(
                "{asked} is asked for, and the largest node has {largest}: it would not fit on an empty one"
            );
        }
        let left = amount(resource, self.allocatable.saturating_sub(self.requested));
        let most = if self.partial { " at most" } else { "" };
        if self.nodes == 1 {
            return format!("{asked} is asked for, and the only node {node} has {left} left{most}");
        }
        format!(
            "{asked} is asked for, and {} of {} nodes have less left: {node} has {left}{most}",
            self.short, self.nodes
        )
    }

    /// The sum that shows it.
    #[must_use]
    pub fn arithmetic(&self) -> String {
        let Self { resource, node, .. } = self;
        let of = |value| amount(resource, value);
        let left = self.allocatable.saturating_sub(self.requested);
        let mut text = format!(
            "node {node}: {} allocatable - {} requested = {} left < {} asked",
            of(self.allocatable),
            of(self.requested),
            of(left),
            of(self.asked),
        );
        if self.partial {
            // Writing to a String cannot fail.
            let _ = write!(text, " (by the Pods that could be seen)");
        }
        text
    }
}

/// An amount as Kubernetes writes it.
#[must_use]
pub fn amount(resource: &str, value: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    match resource {
        "cpu" if value.is_multiple_of(1000) => (value / 1000).to_string(),
        "cpu" => format!("{value}m"),
        "memory" | "ephemeral-storage" => {
            let whole = UNITS
                .iter()
                .find(|(_, shift)| value >= 1 << shift && value.is_multiple_of(1 << shift));
            // Sums of odd requests are told in MiB: nobody reads bytes.
            let near = whole.or_else(|| UNITS.iter().find(|(_, shift)| *shift == 20 && value >= 1 << 20));
            near.map_or_else(
                || value.to_string(),
                |(unit, shift)| format!("{}{unit}", value >> shift),
            )
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, open: bool, allocatable: u64, requested: u64) -> Node {
        let cpu = |value| Amounts::from([("cpu".to_owned(), value), ("pods".to_owned(), 110)]);
        Node {
            name: name.to_owned(),
            open,
            allocatable: cpu(allocatable),
            requested: cpu(requested),
        }
    }

    fn asked(cpu: u64) -> Amounts {
        Amounts::from([("cpu".to_owned(), cpu)])
    }

    const FULL: &str = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available.";

    #[test]
    fn the_sum_is_shown_at_its_boundary() {
        for (left, is_short) in [(499, true), (500, false), (501, false)] {
            let nodes = [node("n", true, 8000, 8000 - left)];
            let room = room(&ObjectRef::default(), &asked(500), FULL, &nodes, false);
            assert_eq!(room.is_some(), is_short, "{left}");
        }
        let nodes = [node("n", true, 8000, 7900)];
        let found = room(&ObjectRef::default(), &asked(500), FULL, &nodes, false).expect("short");
        assert_eq!(
            found.arithmetic(),
            "node n: 8 allocatable - 7900m requested = 100m left < 500m asked"
        );
        assert!(!found.is_too_large());
    }

    #[test]
    fn a_node_with_room_that_is_closed_to_the_pod_does_not_count_as_short() {
        let nodes = [
            node("control-plane", true, 8000, 0),
            node("cordoned", false, 4000, 4000),
            node("a", true, 4000, 3900),
            node("b", true, 4000, 3700),
        ];
        let found = room(&ObjectRef::default(), &asked(500), FULL, &nodes, true).expect("short");
        assert_eq!((found.short, found.nodes, found.node.as_str()), (2, 3, "b"));
        assert_eq!(
            found.finding(),
            "500m is asked for, and 2 of 3 nodes have less left: b has 300m at most"
        );
    }

    #[test]
    fn what_no_node_could_ever_hold_is_told_from_what_is_full() {
        let nodes = [node("n", true, 2000, 0)];
        let found = room(&ObjectRef::default(), &asked(4000), FULL, &nodes, false).expect("short");
        assert!(found.is_too_large());
        assert!(found.finding().contains("would not fit on an empty one"));
    }

    #[test]
    fn the_scheduler_names_what_is_short() {
        let names = |text| short_of(text).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            names(
                "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 Insufficient memory. preemption: 1 Insufficient cpu"
            ),
            ["nvidia.com/gpu", "memory"]
        );
        assert_eq!(names("0/1 nodes are available: 1 Too many pods."), ["pods"]);
        assert!(names("0/1 nodes are available: 1 node(s) had untolerated taint {a: b}.").is_empty());
    }

    #[test]
    fn amounts_read_as_kubernetes_writes_them() {
        for (resource, value, text) in [
            ("cpu", 250, "250m"),
            ("cpu", 3000, "3"),
            ("memory", 512 << 20, "512Mi"),
            ("memory", 2 << 30, "2Gi"),
            ("memory", (2 << 30) + 5, "2048Mi"),
            ("nvidia.com/gpu", 2, "2"),
        ] {
            assert_eq!(amount(resource, value), text);
        }
    }
}
