//! `probe_killed`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::Confidence;
use crate::engine::family::exit;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::holds;

cause! {
    /// # What it is
    ///
    /// The kubelet killed the container because its liveness or startup probe failed.
    ///
    /// # Evidence
    ///
    /// An event `Unhealthy` on the Pod that speaks of a liveness or startup probe, an event `Killing`, and an
    /// end with exit code 137 or 143.
    ///
    /// # Not to be confused with
    ///
    /// `oom_killed`: there the reason is `OOMKilled`. A readiness probe kills nobody.
    ///
    /// # Repair
    ///
    /// A Job rarely needs a liveness probe: take it out, or give it the time that the Job's start needs.
    ///
    /// # Do not
    ///
    /// Do not raise `backoffLimit` to sit out a probe.
    ProbeKilled, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let event = case
        .pod_events("Unhealthy")
        .filter(|event| holds(&event.message, "liveness") || holds(&event.message, "startup"))
        .max_by_key(|event| event.last)?;
    let end = [137, 143].into_iter().find_map(|code| exit(case, code))?;
    let killing = case
        .pod_events("Killing")
        .any(|event| holds(&event.message, "probe"));
    let finding = format!(
        "the kubelet killed container {} because its probe failed",
        end.container.name
    );
    let found = Match::from_end(RootCause::ProbeKilled, finding, end)
        .proof(
            "event",
            format!("Pod {} Unhealthy", event.object.name),
            event.last,
            event.message.clone(),
        )
        .repair("Take the probe out of the Job, or give it the time that the container needs.");
    Some(if killing {
        found
    } else {
        found.confident(Confidence::Likely)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{exited, failed, find, judge, pod_event};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(137, "Error"), "events": pod_event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500")}),
        );
        assert!(find(&ProbeKilled, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(ProbeKilled.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error"), "events": pod_event("Unhealthy", "Readiness probe failed: connection refused")}),
        );
        assert!(find(&ProbeKilled, &evidence).is_none());
    }
}
