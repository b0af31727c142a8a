//! `evicted_memory`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::pod_reason;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::holds;

cause! {
    /// # What it is
    ///
    /// The node ran short of memory and the kubelet put the Pod out to save it. Pods that use more than they
    /// request go first.
    ///
    /// # Evidence
    ///
    /// Pod reason `Evicted` and a message that holds `The node was low on resource: memory`.
    ///
    /// # Not to be confused with
    ///
    /// `oom_killed`: there the container's own limit, or the kernel, killed a process, and the Pod stayed.
    ///
    /// # Repair
    ///
    /// Set the request to what the Job uses; find what fills the node.
    ///
    /// # Do not
    ///
    /// Do not only raise the limit: that makes the next eviction more likely.
    EvictedMemory, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let pod = pod_reason(case, &["Evicted"])?;
    holds(&pod.message, "low on resource: memory").then(|| {
        let finding = format!("the node was low on memory and evicted Pod {}", pod.name);
        Match::from_pod(
            RootCause::EvictedMemory,
            finding,
            pod,
            pod.deleted,
            pod.message.clone(),
        )
        .repair("Find what uses up memory on the node, and give the Pod requests that match its use.")
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
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi.",
        );
        assert!(find(&EvictedMemory, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(EvictedMemory.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = put_out("Evicted", "The node was low on resource: ephemeral-storage.");
        assert!(find(&EvictedMemory, &evidence).is_none());
    }
}
