//! `evicted_ephemeral_storage`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::pod_reason;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::holds;

cause! {
    /// # What it is
    ///
    /// The node's disk ran full and the kubelet put the Pod out.
    ///
    /// # Evidence
    ///
    /// Pod reason `Evicted` and a message that holds `The node was low on resource: ephemeral-storage`.
    ///
    /// # Not to be confused with
    ///
    /// `ephemeral_limit_exceeded`: there the Pod wrote more than its own limit, and the node had room.
    ///
    /// # Repair
    ///
    /// Find what fills the node's disk (images, logs, `emptyDir`), and request `ephemeral-storage`.
    ///
    /// # Do not
    ///
    /// Do not run the Job again on the same node before it has room.
    EvictedEphemeralStorage, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let pod = pod_reason(case, &["Evicted"])?;
    holds(&pod.message, "low on resource: ephemeral-storage").then(|| {
        let finding = format!(
            "the node was low on ephemeral-storage and evicted Pod {}",
            pod.name
        );
        Match::from_pod(
            RootCause::EvictedEphemeralStorage,
            finding,
            pod,
            pod.deleted,
            pod.message.clone(),
        )
        .repair(
            "Find what uses up ephemeral-storage on the node, and give the Pod requests that match its use.",
        )
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
            "The node was low on resource: ephemeral-storage. Threshold quantity: 100Mi, available: 50Mi.",
        );
        assert!(find(&EvictedEphemeralStorage, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(EvictedEphemeralStorage.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = put_out("Evicted", "The node was low on resource: memory.");
        assert!(find(&EvictedEphemeralStorage, &evidence).is_none());
    }
}
