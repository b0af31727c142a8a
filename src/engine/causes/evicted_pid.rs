//! `evicted_pid`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::pod_reason;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::holds;

cause! {
    /// # What it is
    ///
    /// The node ran out of process ids and the kubelet put the Pod out.
    ///
    /// # Evidence
    ///
    /// Pod reason `Evicted` and a message that holds `The node was low on resource: pids`.
    ///
    /// # Not to be confused with
    ///
    /// `evicted_memory`: a fork bomb often exhausts memory first.
    ///
    /// # Repair
    ///
    /// Find the Pod that forks without end, and set `podPidsLimit` on the nodes.
    ///
    /// # Do not
    ///
    /// Do not blame the Job that was put out before you have counted the node's processes.
    EvictedPid, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let pod = pod_reason(case, &["Evicted"])?;
    holds(&pod.message, "low on resource: pids").then(|| {
        let finding = format!("the node was low on pids and evicted Pod {}", pod.name);
        Match::from_pod(
            RootCause::EvictedPid,
            finding,
            pod,
            pod.deleted,
            pod.message.clone(),
        )
        .repair("Find what uses up pids on the node, and give the Pod requests that match its use.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{find, judge, put_out};

    #[test]
    fn its_evidence_is_found() {
        let evidence = put_out(
            "Evicted",
            "The node was low on resource: pids. Threshold quantity: 100Mi, available: 50Mi.",
        );
        assert!(find(&EvictedPid, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(EvictedPid.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = put_out("Evicted", "The node was low on resource: memory.");
        assert!(find(&EvictedPid, &evidence).is_none());
    }
}
