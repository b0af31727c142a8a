//! `node_lost`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::disrupted;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The node stopped to answer, or its Node object is gone; the control plane then deleted the Pod.
    ///
    /// # Evidence
    ///
    /// The Pod's condition `DisruptionTarget` with reason `DeletionByTaintManager` or `DeletionByPodGC`.
    ///
    /// # Not to be confused with
    ///
    /// `node_drain` and `node_shutdown`: those are announced.
    ///
    /// # Repair
    ///
    /// Look at the node first: other Pods were on it as well.
    ///
    /// # Do not
    ///
    /// Do not force the deletion of a Pod while its node may come back: two runs would go on at once.
    NodeLost, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let (pod, condition) = disrupted(case, &["DeletionByTaintManager", "DeletionByPodGC"])
        .filter(|(_, c)| !case.ran_after(None, c.at))?;
    let finding = format!("the node of Pod {} went away", pod.name);
    let text = format!("DisruptionTarget {}: {}", condition.reason, condition.message);
    Some(
        Match::from_pod(RootCause::NodeLost, finding, pod, condition.at, text)
            .repair("Bring the node back or remove its Node object, then run the Job again."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{disrupted, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = disrupted("DeletionByTaintManager");
        assert!(find(&NodeLost, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(NodeLost.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = disrupted("TerminationByKubelet");
        assert!(find(&NodeLost, &evidence).is_none());
    }
}
