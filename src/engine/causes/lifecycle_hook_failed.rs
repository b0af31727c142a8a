//! `lifecycle_hook_failed`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::waits_for;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The container started, and its `postStart` hook failed. The kubelet then kills the container.
    ///
    /// # Evidence
    ///
    /// An event `FailedPostStartHook` on the Pod, or a container that waits with `PostStartHookError`.
    ///
    /// # Not to be confused with
    ///
    /// `probe_killed`: there a liveness probe had the container killed. `app_error`: there the main process
    /// ended by itself.
    ///
    /// # Repair
    ///
    /// Repair the hook's command, or move it into the container's own start.
    ///
    /// # Do not
    ///
    /// Do not wait for another service in a `postStart` hook: use an init container or the script itself.
    LifecycleHookFailed, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let finding = "the container's postStart hook failed";
    let repair = "Repair the postStart hook, or do its work in the container's own command.";
    if let Some(seen) = waits_for(case, &["PostStartHookError"]) {
        return Some(Match::from_waiting(RootCause::LifecycleHookFailed, finding, seen).repair(repair));
    }
    let event = case
        .pod_events("FailedPostStartHook")
        .max_by_key(|event| event.last)?;
    Some(Match::from_event(RootCause::LifecycleHookFailed, finding, event).repair(repair))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{failed, find, judge, pod_event};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "BackoffLimitExceeded",
            40,
            json!({"events": pod_event("FailedPostStartHook", "Exec lifecycle hook failed")}),
        );
        assert!(find(&LifecycleHookFailed, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(LifecycleHookFailed.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            40,
            json!({"events": pod_event("Unhealthy", "Liveness probe failed")}),
        );
        assert!(find(&LifecycleHookFailed, &evidence).is_none());
    }
}
