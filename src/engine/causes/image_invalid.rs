//! `image_invalid`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::waits_for;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The reference is not a valid image name, or the image on the node cannot be read.
    ///
    /// # Evidence
    ///
    /// The container waits with `InvalidImageName` or `ImageInspectError`.
    ///
    /// # Not to be confused with
    ///
    /// `image_pull_not_found`: there the name is valid, and the registry does not have it.
    ///
    /// # Repair
    ///
    /// Look at the rendered manifest: an empty tag, capital letters, a space. For `ImageInspectError` remove
    /// the image from the node.
    ///
    /// # Do not
    ///
    /// Do not wait for it: the kubelet asks again, and the name stays what it is.
    ImageInvalid, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let seen = waits_for(case, &["InvalidImageName", "ImageInspectError"])?;
    let finding = format!(
        "image {image} of container {container} is not valid",
        image = seen.1.image,
        container = seen.1.name
    );
    Some(
        Match::from_waiting(RootCause::ImageInvalid, finding, seen)
            .repair("Correct the image reference; a variable that was not set often leaves a bare colon."),
    )
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
            json!({"pods": waiting("InvalidImageName", r#"Failed to apply default image tag "tool:": couldn't parse image name"#)}),
        );
        assert!(find(&ImageInvalid, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(ImageInvalid.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("ErrImagePull", r#"failed to resolve reference "registry.example/tool:9": registry.example/tool:9: not found"#)}),
        );
        assert!(find(&ImageInvalid, &evidence).is_none());
    }
}
