//! `kubelet_admission_rejected`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::pod_reason;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The scheduler sent the Pod to a node and the kubelet there refused it: what the scheduler knew of the
    /// node was out of date.
    ///
    /// # Evidence
    ///
    /// Pod phase `Failed` with reason `UnexpectedAdmissionError`, `OutOfcpu`, `OutOfmemory`, `OutOfpods`,
    /// `NodeAffinity` or `NodeAffinityChanged`. No container ran.
    ///
    /// # Not to be confused with
    ///
    /// `unschedulable_resources`: there the Pod never got a node. `evicted_memory`: there it ran and was put
    /// out.
    ///
    /// # Repair
    ///
    /// Another Pod usually lands elsewhere. Where the same node refuses again and again, look at its device
    /// plugins and at what runs on it outside Kubernetes.
    ///
    /// # Do not
    ///
    /// Do not count such failures as the application's: a `podFailurePolicy` can ignore them.
    KubeletAdmissionRejected, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let pod = pod_reason(
        case,
        &[
            "UnexpectedAdmissionError",
            "OutOfcpu",
            "OutOfmemory",
            "OutOfpods",
            "NodeAffinity",
            "NodeAffinityChanged",
        ],
    )?;
    let finding = format!("the node refused Pod {}: {}", pod.name, pod.reason);
    let found = Match::from_pod(
        RootCause::KubeletAdmissionRejected,
        finding,
        pod,
        pod.created,
        pod.message.clone(),
    );
    Some(found.repair("See what else uses the node; another Pod usually lands elsewhere."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{find, judge, put_out};

    #[test]
    fn its_evidence_is_found() {
        let evidence = put_out(
            "OutOfcpu",
            "Pod was rejected: Node didn't have enough resource: cpu",
        );
        assert!(find(&KubeletAdmissionRejected, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(KubeletAdmissionRejected.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = put_out("Evicted", "The node was low on resource: memory.");
        assert!(find(&KubeletAdmissionRejected, &evidence).is_none());
    }
}
