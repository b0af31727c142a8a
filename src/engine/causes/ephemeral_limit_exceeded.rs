//! `ephemeral_limit_exceeded`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::pod_reason;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::holds;

cause! {
    /// # What it is
    ///
    /// The Pod wrote more to its containers' layers, logs and `emptyDir` volumes than its limit for
    /// `ephemeral-storage`, or its volume's `sizeLimit`, allows.
    ///
    /// # Evidence
    ///
    /// Pod reason `Evicted` and a message that says that usage exceeds a limit.
    ///
    /// # Not to be confused with
    ///
    /// `evicted_ephemeral_storage`: there the node ran full, whoever filled it.
    ///
    /// # Repair
    ///
    /// Write less (a Job that downloads tools on every run writes them each time), or raise the limit.
    ///
    /// # Do not
    ///
    /// Do not take the limit away: the node then pays.
    EphemeralLimitExceeded, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let pod = pod_reason(case, &["Evicted"])?;
    let over = holds(&pod.message, "exceeds the")
        || holds(&pod.message, "exceeds its")
        || holds(&pod.message, "usage exceeds");
    over.then(|| {
        let finding = format!("Pod {} wrote more to local disk than its limit allows", pod.name);
        Match::from_pod(
            RootCause::EphemeralLimitExceeded,
            finding,
            pod,
            pod.deleted,
            pod.message.clone(),
        )
        .repair("Write less to local disk, or raise the ephemeral-storage limit.")
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
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.",
        );
        assert!(find(&EphemeralLimitExceeded, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(EphemeralLimitExceeded.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = put_out("Evicted", "The node was low on resource: ephemeral-storage.");
        assert!(find(&EphemeralLimitExceeded, &evidence).is_none());
    }
}
