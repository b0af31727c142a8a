//! `dependency_not_ready`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::dependency;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// A release, a Kustomization or a database cluster that has to be ready first says of itself that it is not,
    /// and none of its own objects that could be seen explains it.
    ///
    /// # Evidence
    ///
    /// The chain over `dependsOn` of the Job's release (Flux `HelmRelease` and `Kustomization`), or over the release
    /// that would install what the Job calls, to one whose condition `Ready` is `False`; its message is the proof.
    ///
    /// # Not to be confused with
    ///
    /// `dependency_missing`: there the object does not exist at all. `dependency_pod_pending`,
    /// `dependency_crashloop`, `dependency_node_capacity`: the deeper reasons, where a Pod shows them.
    /// `dependency_slow_start`: there it is still at work, within the time that it may take.
    ///
    /// # Repair
    ///
    /// Repair the release or the object that its condition names; what depends on it follows at its next
    /// reconciliation.
    ///
    /// # Do not
    ///
    /// Do not force a reconciliation of what depends on it: it waits again.
    DependencyNotReady, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    dependency(
        case,
        RootCause::DependencyNotReady,
        "Repair the object that says it is not ready; its condition says why.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::evidence::Evidence;
    use crate::engine::testkit::{at, failed, find, judge, log};

    fn released_after(release: &Value) -> Evidence {
        let mut dependency = json!({
            "object": {"kind": "HelmRelease", "namespace": "flux-system", "name": "bp-cnpg"}, "exists": true,
            "relation": "is released by what depends on",
        });
        for (key, value) in release.as_object().expect("fields") {
            dependency[key] = value.clone();
        }
        let logs = log(&["curl: (7) refused"]);
        failed(
            "DeadlineExceeded",
            840,
            json!({"logs": logs, "dependencies": [dependency]}),
        )
    }

    fn ready(status: &str, reason: &str, since: i64) -> Value {
        json!({"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": "so it is", "at": at(since)}]})
    }

    #[test]
    fn its_evidence_is_found() {
        let evidence = released_after(&ready("False", "InstallFailed", 10));
        let found = find(&DependencyNotReady, &evidence).expect("found");
        assert!(
            found.proofs[0]
                .text
                .contains("Ready=False InstallFailed: so it is")
        );
        assert_eq!(judge(&evidence).root_cause, Some(DependencyNotReady.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        for release in [
            ready("True", "InstallSucceeded", 10),
            ready("Unknown", "Progressing", 600),
            json!({"exists": false}),
        ] {
            assert!(
                find(&DependencyNotReady, &released_after(&release)).is_none(),
                "{release}"
            );
        }
    }

    #[test]
    fn a_release_that_is_suspended_is_parked() {
        let mut fields = ready("False", "InstallFailed", 10);
        fields["suspended"] = json!(true);
        let judged = judge(&released_after(&fields));
        assert_eq!(judged.verdict, crate::engine::diagnosis::Verdict::Parked);
    }

    #[test]
    fn what_the_release_waits_for_is_not_blamed_for_a_program_that_fails_by_itself() {
        let end = json!({"exit_code": 1, "reason": "Error", "started": at(1), "finished": at(5)});
        let mut evidence = released_after(&ready("False", "InstallFailed", 10));
        evidence.logs.clear();
        evidence.pods =
            serde_json::from_value(crate::engine::testkit::pod(json!({"ends": [end]}))).expect("Pods");
        assert!(find(&DependencyNotReady, &evidence).is_none());
    }
}
