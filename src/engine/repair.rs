//! What to repair, from the ground up.

use super::case::{Case, End};
use super::cause::Match;
use super::chain::{AUTOSCALER, NODES, PARKED, SCALED_TO_ZERO, SUSPENDED};
use super::culprit::{place, place_of};
use super::diagnosis::{ChainLink, RetryAdvice};
use super::retry::advice_of;
use super::root_cause::Rank;

/// The steps at the ground of a chain: what stands in the way of the culprit, then the culprit. `usual` is the
/// cause's own advice, which a more telling step for the object replaces.
pub(super) fn steps(links: &[ChainLink], usual: &str) -> Vec<String> {
    let ground = place_of(links).unwrap_or(0);
    let mut steps = in_the_way(&links[links.len().min(ground + 1)..]);
    let own = links
        .get(ground)
        .and_then(|link| of_object(link, &links[..ground]));
    steps.push(own.unwrap_or_else(|| usual.to_owned()));
    steps
}

/// What to do about the Pods that stand in the way.
pub(super) fn in_the_way(links: &[ChainLink]) -> Vec<String> {
    let pods = links.iter().rev().filter(|link| link.kind == "Pod");
    pods.map(|link| format!("Repair or delete Pod {}: it {}.", place(link), link.finding))
        .collect()
}

/// What to do about one object, where its kind and its state tell.
fn of_object(link: &ChainLink, above: &[ChainLink]) -> Option<String> {
    let name = place(link);
    let missing = link.finding == "does not exist";
    let by = above.last().map_or_else(String::new, |above| {
        format!(", which {} {} names", above.kind, place(above))
    });
    Some(match (link.kind.as_str(), missing) {
        (NODES, _) if link.finding.contains("empty one") => {
            let pod = above.last().map_or_else(|| "the Pod".to_owned(), place);
            format!(
                "Lower what {pod} requests, or add nodes that are larger: {}.",
                link.finding
            )
        }
        ("StorageClass", true) => {
            format!("Create StorageClass {name}{by}, or name one that exists in a new claim.")
        }
        ("PersistentVolumeClaim", false) => {
            format!("Get PersistentVolumeClaim {name} bound: see its events, its class and its provisioner.")
        }
        ("PersistentVolume", _) => format!(
            "Let the Pod run where PersistentVolume {name} can be reached, or move the data: {}.",
            link.proof
        ),
        ("HelmRelease" | "Kustomization", false) => {
            format!(
                "Repair {} {name}: {}.",
                link.kind,
                link.proof.trim_end_matches('.')
            )
        }
        (kind, false) if link.finding == SCALED_TO_ZERO => {
            format!("Scale {kind} {name} up when it is to run again.")
        }
        (kind, false) if link.finding == SUSPENDED => {
            format!("Resume {kind} {name} when it is to run again.")
        }
        (kind, false) if link.finding.starts_with(PARKED) => {
            format!("Start {kind} {name} when its time has come: it {}.", link.finding)
        }
        (kind, true) if kind != "Service" => format!("Create {kind} {name}{by}, or correct the name."),
        _ => return None,
    })
}

/// Everything to do: the ground, then what heals by itself above it, then the Job.
pub(super) fn repair_order(case: &Case<'_>, root: Option<&Match>, contributing: &[Match]) -> Vec<String> {
    let Some(root) = root else { return Vec::new() };
    let mut order = root.repair.clone();
    // Whatever lies between the root and the Job heals by itself, from the bottom up; only then is it the
    // Job's turn.
    let between = place_of(&root.links).unwrap_or(0);
    for link in root.links[..between].iter().rev() {
        // A workload that is ready has its Pods.
        if matches!(link.kind.as_str(), "Pod" | NODES | AUTOSCALER) {
            continue;
        }
        order.push(format!(
            "Wait until {} {} is there and ready.",
            link.kind,
            place(link)
        ));
    }
    for other in contributing.iter().filter(|other| other.rank() == Rank::Budget) {
        order.extend(other.repair.iter().cloned());
    }
    if case.is_failure() {
        let release = case.job().release.as_ref();
        let again = release.and_then(|release| release.object.as_ref()).map_or_else(
            || "Run the Job again".to_owned(),
            |object| {
                format!(
                    "Let {} {}/{} try again",
                    object.kind, object.namespace, object.name
                )
            },
        );
        let quick = case
            .last_end()
            .and_then(End::run_time)
            .filter(|run| *run < case.knobs.quick_failure && advice_of(root) == RetryAdvice::DoNotRetry);
        order.push(quick.map_or_else(
            || format!("{again}."),
            |run| {
                let span = run.ceil().max(1);
                format!("{again}, and not before: the last run failed within {span} s.")
            },
        ));
    }
    order.dedup();
    order
}

#[cfg(test)]
mod tests;
