//! Finding what several causes of one family share: the event, state or line that decides between them.

use super::case::{Case, End};
use super::cause::Match;
use super::chain::below_a_pod;
use super::culprit::{held_up, place};
use super::diagnosis::Confidence;
use super::evidence::{Condition, ContainerRecord, EventRecord, ObjectRef, PodRecord, Waiting};
use super::phase::{is_overtaken, is_pull};
use super::repair::{in_the_way, steps};
use super::root_cause::RootCause;
use super::signatures::{
    CreateFailure, LogSignature, PullFailure, Unschedulable, create_failure, exit_signature, pull_failure,
    unschedulable,
};
use super::told::Hit;

/// The newest `FailedCreate` event of the Job of this kind, unless a Pod was made after it.
#[must_use]
pub fn creation<'e>(case: &Case<'e>, kind: CreateFailure) -> Option<&'e EventRecord> {
    case.events("Job", "FailedCreate")
        .filter(|event| create_failure(&event.message) == Some(kind))
        .max_by_key(|event| event.last)
        .filter(|event| !case.pod_made_after(event.last))
}

/// The Pod that the scheduler cannot place for this reason, unless it or a later one was placed.
#[must_use]
pub fn scheduling(case: &Case<'_>, kind: Unschedulable) -> Option<Match> {
    let name = match kind {
        Unschedulable::Resources => RootCause::UnschedulableResources,
        Unschedulable::Volume => RootCause::UnschedulableVolume,
        Unschedulable::Affinity => RootCause::UnschedulableAffinity,
        Unschedulable::Taint => RootCause::UnschedulableTaint,
    };
    let finding = |pod: &str, message: &str| format!("Pod {pod} finds no node: {}", first_sentence(message));
    // The link names the Pod itself.
    let linked = |mut found: Match, message: &str| {
        for link in &mut found.links {
            link.finding = format!("finds no node: {}", first_sentence(message));
        }
        found
    };
    let Some((pod, condition)) = unplaced(case) else {
        let event = unplaced_and_gone(case)?;
        let finding = finding(&event.object.name, &event.message);
        return (unschedulable(&event.message) == Some(kind))
            .then(|| linked(Match::from_event(name, finding, event), &event.message));
    };
    (unschedulable(&condition.message) == Some(kind)).then(|| {
        let finding = finding(&pod.name, &condition.message);
        let found = Match::from_pod(name, finding, pod, condition.at, condition.message.clone())
            .confident(Confidence::Likely);
        with_room(case, linked(found, &condition.message), pod)
    })
}

/// Below the Pod: the nodes with their arithmetic, and who adds some.
fn with_room(case: &Case<'_>, mut found: Match, pod: &PodRecord) -> Match {
    let object = ObjectRef {
        kind: "Pod".to_owned(),
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
    };
    let below = below_a_pod(case, &object, found.cause == RootCause::UnschedulableResources);
    found.given_until = below.joins_by;
    found.repair = in_the_way(&below.links);
    for link in below.links {
        let source = format!("{} {}", link.kind, place(&link));
        found = found.proof("dependency", source, None, link.proof.clone());
        found.links.push(link);
    }
    found
}

/// What the scheduler said last of a Pod that nobody has seen, unless one was seen later.
fn unplaced_and_gone<'e>(case: &Case<'e>) -> Option<&'e EventRecord> {
    let pods = &case.evidence.pods;
    blocking_event(case, "FailedScheduling").filter(|event| {
        !pods
            .iter()
            .any(|pod| pod.name == event.object.name || pod.created >= event.last)
    })
}

/// The newest Pod without a node, and what the scheduler says of it.
#[must_use]
pub fn unplaced<'e>(case: &Case<'e>) -> Option<(&'e PodRecord, &'e Condition)> {
    let pods = &case.evidence.pods;
    let placed = |pod: &PodRecord, status: &str| {
        pod.conditions
            .iter()
            .find(|c| c.kind == "PodScheduled" && c.status == status)
            .and_then(|c| c.at)
    };
    pods.iter()
        .rev()
        .filter(|pod| pod.node.is_none())
        .filter_map(|pod| {
            let no = pod
                .conditions
                .iter()
                .find(|c| c.kind == "PodScheduled" && c.status == "False")?;
            Some((pod, no))
        })
        .find(|(_, no)| {
            !pods
                .iter()
                .any(|other| placed(other, "True").is_some_and(|yes| no.at.is_some_and(|no| yes > no)))
        })
}

/// The text up to the first full stop that ends a sentence.
#[must_use]
pub fn first_sentence(text: &str) -> &str {
    text.split(". ").next().unwrap_or(text).trim_end_matches('.')
}

/// The kubelet's message without the names that it ends with: ` (pod: "x_ns(uid)", container: c)`.
#[must_use]
pub fn without_names(message: &str) -> &str {
    message.split(" (pod: \"").next().unwrap_or(message)
}

/// Waiting for an image.
#[must_use]
pub fn is_pull_reason(reason: &str) -> bool {
    matches!(
        reason,
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable"
    )
}

/// The image that cannot be pulled for this reason, with the most telling message that was seen.
#[must_use]
pub fn pull<'e>(case: &Case<'e>, kind: PullFailure) -> Option<(Match, &'e str)> {
    let name = match kind {
        PullFailure::NotFound => RootCause::ImagePullNotFound,
        PullFailure::Auth => RootCause::ImagePullAuth,
        PullFailure::RateLimited => RootCause::ImagePullRateLimited,
        PullFailure::Network => RootCause::ImagePullNetwork,
    };
    let why = match kind {
        PullFailure::NotFound => "the registry does not have it",
        PullFailure::Auth => "the registry refuses the credentials",
        PullFailure::RateLimited => "the registry limits the rate of pulls",
        PullFailure::Network => "the node cannot reach the registry",
    };
    let finding = |container: &ContainerRecord| {
        format!(
            "image {} of container {} cannot be pulled: {why}",
            container.image, container.name
        )
    };
    let waiting = || {
        case.waiting()
            .filter(|(_, _, waiting)| is_pull_reason(&waiting.reason))
    };
    let told = waiting().find_map(|found| {
        let reason = format!("{} {}", found.2.reason, found.2.message);
        pull_failure(&reason).map(|kind| (kind, found))
    });
    if let Some((told, found)) = told {
        return (told == kind).then(|| {
            let container = found.1;
            let found = Match::from_waiting(name, finding(container), found).confident(Confidence::Likely);
            (found, container.image.as_str())
        });
    }
    // The back-off says nothing by itself in older kubelets; the event of the failed pull does, also where the
    // Pod was never seen.
    let event = failed_event(case, |message| {
        is_pull(message) && pull_failure(message).is_some()
    })
    .filter(|event| pull_failure(&event.message) == Some(kind))?;
    let waits = waiting().find(|(pod, ..)| pod.name == event.object.name);
    let (finding, image) = if let Some((_, container, _)) = waits {
        (finding(container), container.image.as_str())
    } else {
        // Failed to pull image "registry.example/tool:9": rpc error: ..
        let image = event.message.split('"').nth(1).unwrap_or("of the Pod");
        (format!("image {image} cannot be pulled: {why}"), image)
    };
    Some((Match::from_event(name, finding, event), image))
}

/// The newest event `Failed` of the kubelet on the Job's Pods that says this and that nothing has overtaken.
#[must_use]
pub fn failed_event<'e>(case: &Case<'e>, says: impl Fn(&str) -> bool) -> Option<&'e EventRecord> {
    case.pod_events("Failed")
        .filter(|event| says(&event.message))
        .max_by_key(|event| event.last)
        .filter(|event| !is_overtaken(case, event))
}

/// A container that waits for one of these reasons.
#[must_use]
pub fn waits_for<'e>(
    case: &Case<'e>,
    reasons: &[&str],
) -> Option<(&'e PodRecord, &'e ContainerRecord, &'e Waiting)> {
    case.waiting()
        .find(|(_, _, waiting)| reasons.contains(&waiting.reason.as_str()))
}

/// The newest event of this reason on the Job's Pods that no later phase has overtaken.
#[must_use]
pub fn blocking_event<'e>(case: &Case<'e>, reason: &'e str) -> Option<&'e EventRecord> {
    case.pod_events(reason)
        .max_by_key(|event| event.last)
        .filter(|event| !is_overtaken(case, event))
}

/// The newest line with this signature, or, where no line tells anything, curl's exit code for it.
#[must_use]
pub fn told(case: &Case<'_>, name: RootCause, signature: LogSignature, finding: &str) -> Option<Match> {
    if let Some(hit) = case.hit(signature) {
        return Some(Match::from_hit(
            name,
            format!("{finding}: {}", shortened(hit)),
            hit,
        ));
    }
    let end = case.last_end().filter(|_| case.hits.is_empty())?;
    (exit_signature(end.end.exit_code) == Some(signature)).then(|| {
        let code = end.end.exit_code;
        let curl = end.container.image.contains("curl")
            || case
                .evidence
                .logs
                .iter()
                .flat_map(|log| &log.lines)
                .any(|line| line.contains("curl"));
        let confidence = if curl {
            Confidence::Likely
        } else {
            Confidence::Possible
        };
        Match::from_end(
            name,
            format!("{finding}: exit code {code}, which is curl's for it"),
            end,
        )
        .confident(confidence)
    })
}

fn shortened<'h>(hit: &Hit<'h>) -> &'h str {
    let end = hit
        .line
        .char_indices()
        .nth(160)
        .map_or(hit.line.len(), |(at, _)| at);
    &hit.line[..end]
}

/// The last failed run with this exit code and a reason that leaves the exit code its meaning.
#[must_use]
pub fn exit<'c, 'e>(case: &'c Case<'e>, code: i32) -> Option<&'c End<'e>> {
    case.ends
        .iter()
        .rev()
        .find(|end| end.end.exit_code == code && matches!(end.end.reason.as_str(), "Error" | ""))
}

/// A Pod with this status reason.
#[must_use]
pub fn pod_reason<'e>(case: &Case<'e>, reasons: &[&str]) -> Option<&'e PodRecord> {
    case.evidence
        .pods
        .iter()
        .rev()
        .find(|pod| reasons.contains(&pod.reason.as_str()))
}

/// A Pod whose `DisruptionTarget` condition gives one of these reasons.
#[must_use]
pub fn disrupted<'e>(case: &Case<'e>, reasons: &[&str]) -> Option<(&'e PodRecord, &'e Condition)> {
    case.evidence.pods.iter().rev().find_map(|pod| {
        let condition = pod.conditions.iter().find(|c| {
            c.kind == "DisruptionTarget" && c.status == "True" && reasons.contains(&c.reason.as_str())
        })?;
        Some((pod, condition))
    })
}

/// Why it is known that no image, no scheduler and no configuration stood in the way: a container ran.
#[must_use]
pub fn some_container_ran(case: &Case<'_>) -> Option<String> {
    let end = case.ends.last()?;
    Some(format!(
        "{} ran and ended with exit code {}",
        end.source(),
        end.end.exit_code
    ))
}

/// The walk down the Job's dependencies, when it ends at this cause and the Job cannot reach what it calls.
#[must_use]
pub fn dependency(case: &Case<'_>, name: RootCause, repair: &str) -> Option<Match> {
    let walk = case
        .walk()
        .filter(|walk| walk.cause == name && case.may_be_blocked_outside())?
        .clone();
    let first = walk.links.first()?;
    let last = held_up(&walk.links)?;
    let finding = if std::ptr::eq(first, last) {
        format!("{} {} {}", last.kind, last.name, last.finding)
    } else {
        format!(
            "{} {} {}, because {} {} {}",
            first.kind, first.name, first.finding, last.kind, last.name, last.finding
        )
    };
    let mut found = Match::new(name, finding).confident(Confidence::Likely);
    for link in walk.links.iter().rev() {
        let source = format!("{} {}", link.kind, place(link));
        found = found.proof("dependency", source, walk.at, link.proof.clone());
    }
    found.depth = walk.links.len();
    found.verdict = walk.verdict;
    found.given_until = walk.given_until;
    found.soft = name == RootCause::DependencySlowStart;
    found.repair = steps(&walk.links, repair);
    found.links = walk.links;
    Some(found)
}
