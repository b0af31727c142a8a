//! `tls_failure`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::told;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::LogSignature;

cause! {
    /// # What it is
    ///
    /// The other side answers, and its certificate, or the handshake, is not accepted.
    ///
    /// # Evidence
    ///
    /// The last telling line holds `x509:`, `certificate verify failed` or their like; or curl's exit code 35
    /// or 60.
    ///
    /// # Not to be confused with
    ///
    /// `auth_failure`: there the handshake is fine. A handshake that times out is no TLS failure but a service
    /// that is not there yet.
    ///
    /// # Repair
    ///
    /// Look at the certificate's names, its end, and its issuer; mount the CA into the Job.
    ///
    /// # Do not
    ///
    /// Do not add `--insecure`.
    TlsFailure, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let found = told(
        case,
        RootCause::TlsFailure,
        LogSignature::Tls,
        "the TLS handshake fails",
    )?;
    Some(found.repair("Give the Job the right CA, or renew the certificate of what it calls."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{exited, failed, find, judge, log};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error"), "logs": log(&["curl: (60) SSL certificate problem: unable to get local issuer certificate"])}),
        );
        assert!(find(&TlsFailure, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(TlsFailure.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error"), "logs": log(&["net/http: TLS handshake timeout"])}),
        );
        assert!(find(&TlsFailure, &evidence).is_none());
    }
}
