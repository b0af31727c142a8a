//! `connection_refused`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause, named};
use crate::engine::evidence::Dependency;
use crate::engine::family::told;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::LogSignature;
use jiff::Timestamp;

cause! {
    /// # What it is
    ///
    /// The name resolves, and nobody listens there. By itself it says that the service is not up yet, or not on
    /// that port; as a root cause it stands where the Service has ready endpoints and refuses nevertheless.
    ///
    /// # Evidence
    ///
    /// The last telling line speaks of `connection refused`, or curl's exit code 7, and nothing deeper is
    /// proven.
    ///
    /// # Not to be confused with
    ///
    /// `dependency_no_endpoints` and the causes below it: why nobody listens. `budget_misconfigured`,
    /// `inner_budget_exhausted`: the service was only slow, and the Job's own clocks ended the wait.
    /// `dns_failure`: the name itself is not there.
    ///
    /// # Repair
    ///
    /// Compare the port with the Service's; a Service with ready endpoints that refuses has a wrong
    /// `targetPort`. Let the Job wait for the service inside one run.
    ///
    /// # Do not
    ///
    /// Do not use `backoffLimit` as a wait.
    ConnectionRefused, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let mut found = told(
        case,
        RootCause::ConnectionRefused,
        LogSignature::Refused,
        "what the Job calls refuses the connection",
    )?;
    let was_ready = case
        .evidence
        .dependencies
        .iter()
        .find(|dependency| ready_before(dependency, found.at));
    // A service that came up later, or of which nothing is known, was only slow: clocks weigh more.
    found.soft = was_ready.is_none();
    if let Some(dependency) = was_ready {
        let at = found.at;
        found = found
            .proof(
                "dependency",
                named(&dependency.object),
                at,
                format!("{} ready addresses", dependency.ready.unwrap_or(0)),
            )
            .link(
                &dependency.object.kind,
                &dependency.object.namespace,
                &dependency.object.name,
                "calls",
            );
    }
    Some(found.repair("Check the port of what the Job calls, and that it listens on all addresses."))
}

/// True when every Pod behind the Service was ready before the refusal.
fn ready_before(dependency: &Dependency, refused: Option<Timestamp>) -> bool {
    let mut pods = dependency
        .workloads
        .iter()
        .flat_map(|workload| &workload.pods)
        .peekable();
    dependency.ready.is_some_and(|ready| ready > 0)
        && pods.peek().is_some()
        && pods.all(|pod| {
            let ready = pod
                .conditions
                .iter()
                .find(|c| c.kind == "Ready" && c.status == "True");
            ready
                .and_then(|c| c.at)
                .zip(refused)
                .is_some_and(|(ready, refused)| ready < refused)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, exited, failed, find, judge, log};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": exited(7, "Error"), "logs": log(&["curl: (7) Failed to connect to powerdns port 8081"])}),
        );
        assert!(find(&ConnectionRefused, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(ConnectionRefused.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(6, "Error"), "logs": log(&["curl: (6) Could not resolve host: powerdns"])}),
        );
        assert!(find(&ConnectionRefused, &evidence).is_none());
    }

    #[test]
    fn curls_exit_code_tells_where_no_line_does() {
        let evidence = failed("DeadlineExceeded", 840, json!({"pods": exited(7, "Error")}));
        assert!(find(&ConnectionRefused, &evidence).is_some());
    }

    #[test]
    fn a_service_that_was_ready_before_makes_it_hard() {
        for (since, soft) in [(2, false), (100, true)] {
            let evidence = failed(
                "BackoffLimitExceeded",
                330,
                json!({
                    "pods": exited(7, "Error"),
                    "logs": log(&["curl: (7) Failed to connect to powerdns port 8081"]),
                    "dependencies": [{"object": {"kind": "Service", "name": "powerdns"}, "exists": true, "ready": 1, "workloads": [
                        {"pods": [{"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "at": at(since)}]}]},
                    ]}],
                }),
            );
            assert_eq!(
                find(&ConnectionRefused, &evidence).map(|found| found.soft),
                Some(soft)
            );
        }
    }
}
