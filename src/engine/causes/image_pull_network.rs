//! `image_pull_network`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::pull;
use crate::engine::signatures::PullFailure;

cause! {
    /// # What it is
    ///
    /// The node cannot reach the registry: its name does not resolve, nothing answers, or the TLS handshake
    /// fails.
    ///
    /// # Evidence
    ///
    /// The container waits with `ErrImagePull`, `ImagePullBackOff` or `RegistryUnavailable`, and the message
    /// holds `i/o timeout`, `no such host`, `connection refused`, `x509:` or their like.
    ///
    /// # Not to be confused with
    ///
    /// `image_pull_rate_limited`: there the registry answers. `dns_failure`: there a container ran, and it is
    /// the Job's own call that fails.
    ///
    /// # Repair
    ///
    /// Try from the node, not from a Pod: the kubelet uses the node's resolver, proxy and certificates.
    ///
    /// # Do not
    ///
    /// Do not change the image: other images of that registry fail on this node as well.
    ImagePullNetwork, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let (found, image) = pull(case, PullFailure::Network)?;
    Some(found.repair(format!(
        "Restore the way from the node to the registry of {image}."
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, failed, find, judge, pod, pod_event, waiting};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("ErrImagePull", r#"failed to do request: Head "https://registry.example/v2/tool": dial tcp 192.0.2.7:443: i/o timeout"#)}),
        );
        assert!(find(&ImagePullNetwork, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(ImagePullNetwork.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("ErrImagePull", "toomanyrequests: You have reached your pull rate limit")}),
        );
        assert!(find(&ImagePullNetwork, &evidence).is_none());
    }

    #[test]
    fn a_container_that_ran_later_had_its_image() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": pod(json!({
                "waits": [{"reason": "ErrImagePull", "message": r#"failed to do request: Head "https://registry.example/v2/tool": dial tcp 192.0.2.7:443: i/o timeout"#, "seen": at(40)}],
                "state": {"running": {"started": at(60)}},
            }))}),
        );
        assert!(find(&ImagePullNetwork, &evidence).is_none());
    }

    #[test]
    fn the_event_tells_where_the_back_off_does_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({
                "pods": waiting("ImagePullBackOff", "Back-off pulling image"),
                "events": pod_event("Failed", r#"Failed to pull image: failed to do request: Head "https://registry.example/v2/tool": dial tcp 192.0.2.7:443: i/o timeout"#),
            }),
        );
        assert!(find(&ImagePullNetwork, &evidence).is_some());
    }
}
