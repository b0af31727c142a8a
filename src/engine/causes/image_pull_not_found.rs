//! `image_pull_not_found`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::pull;
use crate::engine::family::some_container_ran;
use crate::engine::signatures::PullFailure;

cause! {
    /// # What it is
    ///
    /// The registry answers, and it does not have this repository or this tag. A Pod that cannot be pulled
    /// counts against no `backoffLimit`: only the deadline or the release's timeout ends it.
    ///
    /// # Evidence
    ///
    /// The container waits with `ErrImagePull` or `ImagePullBackOff`, and the message, or the Pod's event
    /// `Failed`, says `not found` or `manifest unknown`.
    ///
    /// # Not to be confused with
    ///
    /// `image_pull_auth`: some registries answer "denied" for what does not exist as well.
    /// `image_pull_network`: `no such host` is about the registry's name, not the image's.
    ///
    /// # Repair
    ///
    /// Compare the tag with what the registry lists; a tag that was cleaned up or never pushed is the usual
    /// reason. See whether the image is there for the node's architecture.
    ///
    /// # Do not
    ///
    /// Do not switch to `latest` to make it work.
    ImagePullNotFound, find, rules_out: some_container_ran
}

fn find(case: &Case<'_>) -> Option<Match> {
    let (found, image) = pull(case, PullFailure::NotFound)?;
    Some(found.repair(format!("Push the image {image} or correct its name and tag.")))
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
            json!({"pods": waiting("ErrImagePull", r#"failed to resolve reference "registry.example/tool:9": registry.example/tool:9: not found"#)}),
        );
        assert!(find(&ImagePullNotFound, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(ImagePullNotFound.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("ErrImagePull", "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized")}),
        );
        assert!(find(&ImagePullNotFound, &evidence).is_none());
    }

    #[test]
    fn a_container_that_ran_later_had_its_image() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": pod(json!({
                "waits": [{"reason": "ErrImagePull", "message": r#"failed to resolve reference "registry.example/tool:9": registry.example/tool:9: not found"#, "seen": at(40)}],
                "state": {"running": {"started": at(60)}},
            }))}),
        );
        assert!(find(&ImagePullNotFound, &evidence).is_none());
    }

    #[test]
    fn the_event_tells_where_the_back_off_does_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({
                "pods": waiting("ImagePullBackOff", "Back-off pulling image"),
                "events": pod_event("Failed", r#"Failed to pull image: failed to resolve reference "registry.example/tool:9": registry.example/tool:9: not found"#),
            }),
        );
        assert!(find(&ImagePullNotFound, &evidence).is_some());
    }
}
