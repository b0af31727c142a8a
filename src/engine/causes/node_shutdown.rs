//! `node_shutdown`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::disrupted;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The node was shut down, and its kubelet ended the Pods first.
    ///
    /// # Evidence
    ///
    /// The Pod's condition `DisruptionTarget` with reason `TerminationByKubelet`.
    ///
    /// # Not to be confused with
    ///
    /// `node_lost`: there the node went away without a word.
    ///
    /// # Repair
    ///
    /// Let the Job run again elsewhere. On spot instances a long Job needs to save its progress.
    ///
    /// # Do not
    ///
    /// Do not raise `backoffLimit` alone: ignore `DisruptionTarget` in a `podFailurePolicy`.
    NodeShutdown, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let (pod, condition) =
        disrupted(case, &["TerminationByKubelet"]).filter(|(_, c)| !case.ran_after(None, c.at))?;
    let finding = format!("the node of Pod {} was shut down", pod.name);
    let text = format!("DisruptionTarget {}: {}", condition.reason, condition.message);
    Some(
        Match::from_pod(RootCause::NodeShutdown, finding, pod, condition.at, text)
            .repair("Run the Job again on a node that stays."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{disrupted, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = disrupted("TerminationByKubelet");
        assert!(find(&NodeShutdown, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(NodeShutdown.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = disrupted("DeletionByTaintManager");
        assert!(find(&NodeShutdown, &evidence).is_none());
    }
}
