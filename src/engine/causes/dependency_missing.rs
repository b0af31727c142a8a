//! `dependency_missing`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::dependency;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// What the Job calls, or what a Pod below needs, does not exist at all.
    ///
    /// # Evidence
    ///
    /// The named Service, Secret or other object is not in the cluster, and nothing is there that would make
    /// it.
    ///
    /// # Not to be confused with
    ///
    /// `dependency_no_endpoints`: there the Service exists. `dns_failure`: there the name does not resolve, and
    /// nobody could look whether the Service exists.
    ///
    /// # Repair
    ///
    /// Check the name and the namespace; then the order: a hook may run before the chart's own objects are
    /// made.
    ///
    /// # Do not
    ///
    /// Do not wait for it longer than whoever creates it needs.
    DependencyMissing, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    dependency(
        case,
        RootCause::DependencyMissing,
        "Create the object that is missing, or correct the name by which the Job calls it.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{blocked_by, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = blocked_by(json!({"exists": false}), &json!([]));
        assert!(find(&DependencyMissing, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(DependencyMissing.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = blocked_by(json!({"ready": 0}), &json!([]));
        assert!(find(&DependencyMissing, &evidence).is_none());
    }
}
