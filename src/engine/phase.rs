//! How far a Pod has got: a later phase proves that the ones before it succeeded, whatever was seen of them.

use jiff::Timestamp;

use super::case::Case;
use super::evidence::{ContainerRecord, ContainerState, EventRecord, Waiting};
use super::signatures::holds;

/// The phases of a Pod's start in the order in which the kubelet goes through them (kubernetes/kubernetes
/// `pkg/kubelet/kubelet.go` `SyncPod`, `pkg/kubelet/kuberuntime/kuberuntime_container.go` `startContainer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It finds its node.
    Scheduling,
    /// Its volumes are attached and mounted.
    Volumes,
    /// Its sandbox and network are set up.
    Sandbox,
    /// A container's image is pulled.
    Image,
    /// The container is made.
    Configuration,
    /// It is started.
    Start,
    /// It has run.
    Run,
}

/// The phase that an event about a Pod speaks of; `None` for what may happen at any time.
#[must_use]
pub fn of_event(event: &EventRecord) -> Option<Phase> {
    let says = |part| holds(&event.message, part);
    Some(match event.reason.as_str() {
        "FailedScheduling" => Phase::Scheduling,
        "Scheduled" | "FailedMount" | "FailedAttachVolume" => Phase::Volumes,
        "FailedCreatePodSandBox" => Phase::Sandbox,
        "Pulling" | "ErrImageNeverPull" | "InspectFailed" => Phase::Image,
        "Failed" if is_pull(&event.message) => Phase::Image,
        "Failed" if says("runtime create failed") || says("failed to start") => Phase::Start,
        "BackOff" if says("pulling image") => Phase::Image,
        "Pulled" | "Failed" => Phase::Configuration,
        "Created" | "FailedPostStartHook" => Phase::Start,
        "Started" | "BackOff" => Phase::Run,
        _ => return None,
    })
}

/// True for the message of an event `Failed` that is about an image.
#[must_use]
pub fn is_pull(message: &str) -> bool {
    let parts = [
        "failed to pull",
        "errimage",
        "imagepullbackoff",
        "invalidimagename",
    ];
    parts.iter().any(|part| holds(message, part))
}

/// The phase in which a container waits.
#[must_use]
pub fn of_wait(reason: &str) -> Option<Phase> {
    Some(match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "RegistryUnavailable"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "ImageInspectError"
        | "SignatureValidationFailed" => Phase::Image,
        "CreateContainerConfigError" | "CreateContainerError" => Phase::Configuration,
        "RunContainerError" | "PostStartHookError" => Phase::Start,
        "CrashLoopBackOff" => Phase::Run,
        _ => return None,
    })
}

/// True when the event's Pod has got further since: a later phase was spoken of or waited in, a container ran,
/// or the Pod was made anew and got further.
#[must_use]
pub fn is_overtaken(case: &Case<'_>, event: &EventRecord) -> bool {
    let Some(phase) = of_event(event) else {
        return case.ran_after(None, event.last);
    };
    let since = |at: Option<Timestamp>| event.last.is_none_or(|last| at.is_some_and(|at| at >= last));
    let spoken = case.evidence.events.iter().any(|later| {
        later.object == event.object && since(later.last) && of_event(later).is_some_and(|of| of > phase)
    });
    let pods = || case.evidence.pods.iter();
    let made = pods()
        .find(|pod| pod.name == event.object.name)
        .and_then(|pod| pod.created);
    let waited = pods()
        .filter(|pod| pod.name == event.object.name || made.is_some_and(|made| pod.created > Some(made)))
        .flat_map(|pod| &pod.containers)
        .flat_map(waits)
        .any(|wait| since(wait.seen) && of_wait(&wait.reason).is_some_and(|of| of > phase));
    spoken || waited || case.ran_after(None, event.last)
}

/// True when the container has waited for a later phase since it was seen in this one.
#[must_use]
pub fn is_past(container: &ContainerRecord, waiting: &Waiting) -> bool {
    let Some(phase) = of_wait(&waiting.reason) else {
        return false;
    };
    waits(container)
        .any(|later| later.seen > waiting.seen && of_wait(&later.reason).is_some_and(|of| of > phase))
}

fn waits(container: &ContainerRecord) -> impl Iterator<Item = &Waiting> {
    let current = match &container.state {
        ContainerState::Waiting(waiting) => Some(waiting),
        _ => None,
    };
    current.into_iter().chain(&container.waits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::engine::root_cause::RootCause;
    use crate::engine::testkit::{at, failed, judge, pod};

    const MOUNT: &str = "MountVolume.SetUp failed for volume \"kube-api-access-hcjlb\" : failed to sync \
                         configmap cache: timed out waiting for the condition";
    const PULL: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \
                        \"127.0.0.1:38207/tools/mint:9.9.9\": failed to resolve reference \
                        \"127.0.0.1:38207/tools/mint:9.9.9\": 127.0.0.1:38207/tools/mint:9.9.9: not found";

    fn event(reason: &str, message: &str, last: i64) -> serde_json::Value {
        let object = json!({"kind": "Pod", "namespace": "demo", "name": "job-x"});
        json!({"object": object, "type": "Warning", "reason": reason, "message": message, "last": at(last)})
    }

    fn wait(reason: &str, message: &str, seen: i64) -> serde_json::Value {
        json!({"reason": reason, "message": message, "seen": at(seen)})
    }

    fn cause(events: &serde_json::Value, waits: &serde_json::Value) -> Option<RootCause> {
        let mut more = json!({ "events": events });
        if waits.as_array().is_some_and(|waits| !waits.is_empty()) {
            more["pods"] = pod(json!({"image": "127.0.0.1:38207/tools/mint:9.9.9", "waits": waits}));
        }
        judge(&failed("DeadlineExceeded", 40, more)).root_cause
    }

    #[test]
    fn a_container_that_waits_for_its_image_has_its_volumes_and_its_sandbox() {
        for (reason, message) in [
            ("FailedMount", MOUNT),
            ("FailedCreatePodSandBox", "failed to setup network for sandbox"),
        ] {
            let events = json!([event(reason, message, 1)]);
            let waits = json!([
                wait("ErrImagePull", PULL, 3),
                wait("ImagePullBackOff", "Back-off pulling image", 17)
            ]);
            assert_eq!(
                cause(&events, &waits),
                Some(RootCause::ImagePullNotFound),
                "{reason}"
            );
        }
    }

    #[test]
    fn an_event_of_a_later_phase_says_the_same_where_the_pod_is_not_known() {
        let later = [
            event("Pulling", "Pulling image", 3),
            event("Failed", &format!("Failed to pull image \"tool:9\": {PULL}"), 4),
            event("Failed", "Error: ErrImagePull", 4),
            event("BackOff", "Back-off pulling image \"tool:9\"", 17),
            event("Failed", "Error: ImagePullBackOff", 17),
        ];
        for (reason, message) in [
            ("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu."),
            ("FailedMount", MOUNT),
            ("FailedCreatePodSandBox", "failed to setup network for sandbox"),
        ] {
            let mut events = vec![event(reason, message, 1)];
            events.extend(later.clone());
            assert_eq!(
                cause(&json!(events), &json!([])),
                Some(RootCause::ImagePullNotFound),
                "{reason}"
            );
        }
    }

    #[test]
    fn what_comes_again_after_the_later_phase_counts() {
        let events = json!([
            event("Pulling", "Pulling image", 3),
            event("FailedMount", MOUNT, 30)
        ]);
        assert_eq!(cause(&events, &json!([])), Some(RootCause::VolumeMountFailed));
    }

    #[test]
    fn an_image_that_came_at_last_is_not_what_a_missing_secret_is() {
        let waits = json!([
            wait("ErrImagePull", PULL, 3),
            wait("CreateContainerConfigError", "secret \"key\" not found", 30)
        ]);
        assert_eq!(cause(&json!([]), &waits), Some(RootCause::ConfigMissing));
    }

    #[test]
    fn a_pod_that_was_made_at_last_is_not_kept_back_by_a_quota() {
        let mut quota = event(
            "FailedCreate",
            "pods \"job-x\" is forbidden: exceeded quota: team",
            1,
        );
        quota["object"] = json!({"kind": "Job", "namespace": "demo", "name": "job"});
        let pull = event("Failed", &format!("Failed to pull image \"tool:9\": {PULL}"), 4);
        assert_eq!(
            cause(&json!([quota, pull]), &json!([])),
            Some(RootCause::ImagePullNotFound)
        );
    }
}
