//! `image_pull_auth`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::pull;
use crate::engine::signatures::PullFailure;

cause! {
    /// # What it is
    ///
    /// The registry refuses the node's credentials, or there are none.
    ///
    /// # Evidence
    ///
    /// The container waits with `ErrImagePull` or `ImagePullBackOff`, and the message holds `401`, `403`,
    /// `unauthorized` or `pull access denied`.
    ///
    /// # Not to be confused with
    ///
    /// `image_pull_not_found`: a registry may answer "denied" for a repository that does not exist; check the
    /// name too. `auth_failure`: there a container ran and was refused by what it called.
    ///
    /// # Repair
    ///
    /// Check `imagePullSecrets` of the Pod and of its `ServiceAccount`, in this namespace, and whether the
    /// token has run out.
    ///
    /// # Do not
    ///
    /// Do not make the repository public.
    ImagePullAuth, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let (found, image) = pull(case, PullFailure::Auth)?;
    Some(found.repair(format!("Give the Pod an imagePullSecret that may read {image}.")))
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
            json!({"pods": waiting("ErrImagePull", "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized")}),
        );
        assert!(find(&ImagePullAuth, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(ImagePullAuth.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("ErrImagePull", r#"failed to resolve reference "registry.example/tool:9": registry.example/tool:9: not found"#)}),
        );
        assert!(find(&ImagePullAuth, &evidence).is_none());
    }

    #[test]
    fn a_container_that_ran_later_had_its_image() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": pod(json!({
                "waits": [{"reason": "ErrImagePull", "message": "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized", "seen": at(40)}],
                "state": {"running": {"started": at(60)}},
            }))}),
        );
        assert!(find(&ImagePullAuth, &evidence).is_none());
    }

    #[test]
    fn the_event_tells_where_the_back_off_does_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({
                "pods": waiting("ImagePullBackOff", "Back-off pulling image"),
                "events": pod_event("Failed", "Failed to pull image: failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized"),
            }),
        );
        assert!(find(&ImagePullAuth, &evidence).is_some());
    }
}
