//! `image_pull_rate_limited`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::pull;
use crate::engine::signatures::PullFailure;

cause! {
    /// # What it is
    ///
    /// The registry limits how often this address or account may pull.
    ///
    /// # Evidence
    ///
    /// The container waits with `ErrImagePull` or `ImagePullBackOff`, and the message holds `toomanyrequests`
    /// or `429`.
    ///
    /// # Not to be confused with
    ///
    /// `image_pull_auth`: with `429` the credentials are fine, or not asked for at all.
    ///
    /// # Repair
    ///
    /// Pull with an account, through a mirror, or keep the image on the nodes (`imagePullPolicy: IfNotPresent`
    /// with a fixed tag).
    ///
    /// # Do not
    ///
    /// Do not delete and create the Pod again: every try counts.
    ImagePullRateLimited, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let (found, image) = pull(case, PullFailure::RateLimited)?;
    Some(found.repair(format!(
        "Pull {image} through a mirror or with an account, and let the node keep it."
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
            json!({"pods": waiting("ErrImagePull", "toomanyrequests: You have reached your pull rate limit")}),
        );
        assert!(find(&ImagePullRateLimited, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(ImagePullRateLimited.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("ErrImagePull", "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized")}),
        );
        assert!(find(&ImagePullRateLimited, &evidence).is_none());
    }

    #[test]
    fn a_container_that_ran_later_had_its_image() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": pod(json!({
                "waits": [{"reason": "ErrImagePull", "message": "toomanyrequests: You have reached your pull rate limit", "seen": at(40)}],
                "state": {"running": {"started": at(60)}},
            }))}),
        );
        assert!(find(&ImagePullRateLimited, &evidence).is_none());
    }

    #[test]
    fn the_event_tells_where_the_back_off_does_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({
                "pods": waiting("ImagePullBackOff", "Back-off pulling image"),
                "events": pod_event("Failed", "Failed to pull image: toomanyrequests: You have reached your pull rate limit"),
            }),
        );
        assert!(find(&ImagePullRateLimited, &evidence).is_some());
    }
}
