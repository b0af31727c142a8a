//! `image_signature_invalid`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::waits_for;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The runtime checks signatures, and this image has none that it accepts.
    ///
    /// # Evidence
    ///
    /// The container waits with `SignatureValidationFailed`.
    ///
    /// # Not to be confused with
    ///
    /// `image_pull_auth`: there the registry refuses; here the node does, after the registry has answered.
    ///
    /// # Repair
    ///
    /// Find out where this image comes from before anything else; then sign it.
    ///
    /// # Do not
    ///
    /// Do not switch the check off.
    ImageSignatureInvalid, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let seen = waits_for(case, &["SignatureValidationFailed"])?;
    let finding = format!(
        "the signature of image {image} is not accepted",
        image = seen.1.image
    );
    Some(
        Match::from_waiting(RootCause::ImageSignatureInvalid, finding, seen)
            .repair("Sign the image, or find out who replaced it."),
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
            json!({"pods": waiting("SignatureValidationFailed", "image pull failed: signature validation failed")}),
        );
        assert!(find(&ImageSignatureInvalid, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(ImageSignatureInvalid.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("ErrImagePull", "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized")}),
        );
        assert!(find(&ImageSignatureInvalid, &evidence).is_none());
    }
}
