//! `image_never_pull`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::{blocking_event, waits_for};
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// `imagePullPolicy: Never`, and the node does not have the image.
    ///
    /// # Evidence
    ///
    /// The container waits with `ErrImageNeverPull`, or its Pod has an event of that name.
    ///
    /// # Not to be confused with
    ///
    /// `image_pull_not_found`: there somebody asked a registry.
    ///
    /// # Repair
    ///
    /// Load the image onto every node that may take the Pod, or use `IfNotPresent`.
    ///
    /// # Do not
    ///
    /// Do not pin the Job to the one node that happens to have it.
    ImageNeverPull, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let cause = RootCause::ImageNeverPull;
    let found = if let Some(seen) = waits_for(case, &["ErrImageNeverPull"]) {
        let image = &seen.1.image;
        let finding = format!("image {image} is not on the node and imagePullPolicy is Never");
        Match::from_waiting(cause, finding, seen)
    } else {
        let event = blocking_event(case, "ErrImageNeverPull")?;
        Match::from_event(
            cause,
            "the image is not on the node and imagePullPolicy is Never",
            event,
        )
    };
    Some(found.repair("Bring the image onto the node, or let the kubelet pull it."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{failed, find, judge, waiting};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("ErrImageNeverPull", r#"Container image "tool:1" is not present with pull policy of Never"#)}),
        );
        assert!(find(&ImageNeverPull, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(ImageNeverPull.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("ErrImagePull", r#"failed to resolve reference "registry.example/tool:9": registry.example/tool:9: not found"#)}),
        );
        assert!(find(&ImageNeverPull, &evidence).is_none());
    }
}
