//! `dns_failure`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::told;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::LogSignature;

cause! {
    /// # What it is
    ///
    /// A name that the Job calls does not resolve. Either the name is wrong or its Service does not exist, or
    /// the cluster's DNS does not answer.
    ///
    /// # Evidence
    ///
    /// The last telling line speaks of `no such host`, `Could not resolve host` or `Temporary failure in name
    /// resolution`; or curl's exit code 6.
    ///
    /// # Not to be confused with
    ///
    /// `dependency_missing`: where the Service is known not to exist, that is the root.
    /// `runtime_download_failed`: there the name resolves and the download fails. `image_pull_network`: there
    /// no container ran.
    ///
    /// # Repair
    ///
    /// `Temporary failure` points to the DNS servers or a `NetworkPolicy`, `no such host` to the name.
    ///
    /// # Do not
    ///
    /// Do not put addresses into `/etc/hosts` of the Job.
    DnsFailure, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let found = told(
        case,
        RootCause::DnsFailure,
        LogSignature::Dns,
        "a name does not resolve",
    )?;
    Some(found.repair("Check the name; then the cluster's DNS, and the NetworkPolicy for port 53."))
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
            json!({"pods": exited(1, "Error"), "logs": log(&["curl: (6) Could not resolve host: dl.example.org"])}),
        );
        assert!(find(&DnsFailure, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(DnsFailure.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error"), "logs": log(&["curl: (28) Failed to connect to dl.example.org port 443: Timeout was reached"])}),
        );
        assert!(find(&DnsFailure, &evidence).is_none());
    }
}
