//! The policy's redaction patterns applied to evidence: every text that the cluster wrote, and no name of an object.

use std::borrow::Cow;

use super::evidence::{
    Condition, ContainerState, Dependency, DownloadRecord, Evidence, PodRecord, Termination, WaitRecord,
    Waiting, Workload,
};
use super::pattern::Pattern;
use super::redact::redact_with;

/// Hides in one text.
pub fn text(text: &mut String, patterns: &[Pattern]) {
    if patterns.is_empty() {
        return;
    }
    if let Cow::Owned(safe) = redact_with(text, patterns) {
        *text = safe;
    }
}

/// Hides in everything that is known of a Job.
pub fn evidence(evidence: &mut Evidence, patterns: &[Pattern]) {
    if patterns.is_empty() {
        return;
    }
    let job = &mut evidence.job;
    conditions(&mut job.conditions, patterns);
    for text_of_job in job
        .parked
        .iter_mut()
        .chain(job.release.iter_mut().map(|r| &mut r.message))
    {
        text(text_of_job, patterns);
    }
    pods(&mut evidence.pods, patterns);
    for event in &mut evidence.events {
        text(&mut event.message, patterns);
    }
    for line in evidence.logs.iter_mut().flat_map(|log| &mut log.lines) {
        text(line, patterns);
    }
    for hit in &mut evidence.signatures {
        text(&mut hit.proof, patterns);
    }
    for lost in &mut evidence.lost {
        text(&mut lost.what, patterns);
        text(&mut lost.why, patterns);
    }
    targets(&mut evidence.waits, &mut evidence.downloads, patterns);
    dependencies(&mut evidence.dependencies, patterns);
}

/// Hides in what a script waits for and fetches.
pub fn targets(waits: &mut [WaitRecord], downloads: &mut [DownloadRecord], patterns: &[Pattern]) {
    for target in waits.iter_mut().filter_map(|wait| wait.target.as_mut()) {
        text(&mut target.text, patterns);
    }
    for download in downloads {
        text(&mut download.target, patterns);
    }
}

fn conditions(conditions: &mut [Condition], patterns: &[Pattern]) {
    for condition in conditions {
        text(&mut condition.message, patterns);
    }
}

fn pods(pods: &mut [PodRecord], patterns: &[Pattern]) {
    for pod in pods {
        text(&mut pod.message, patterns);
        conditions(&mut pod.conditions, patterns);
        for container in &mut pod.containers {
            let wait = |waiting: &mut Waiting| text(&mut waiting.message, patterns);
            let end = |end: &mut Termination| text(&mut end.message, patterns);
            container.waits.iter_mut().for_each(wait);
            container.ends.iter_mut().for_each(end);
            match &mut container.state {
                ContainerState::Waiting(waiting) => wait(waiting),
                ContainerState::Terminated(terminated) => end(terminated),
                ContainerState::Unknown | ContainerState::Running { .. } => {}
            }
        }
    }
}

fn dependencies(known: &mut [Dependency], patterns: &[Pattern]) {
    for dependency in known {
        text(&mut dependency.target, patterns);
        conditions(&mut dependency.conditions, patterns);
        if let Some(parked) = &mut dependency.parked {
            text(parked, patterns);
        }
        for workload in &mut dependency.workloads {
            let Workload {
                pods: own,
                needs,
                parked,
                ..
            } = workload;
            pods(own, patterns);
            dependencies(needs, patterns);
            if let Some(parked) = parked {
                text(parked, patterns);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testkit::evidence as read;

    #[test]
    fn a_pattern_reaches_every_text_of_the_evidence_and_no_name() {
        let says = "customer 4711 is gone";
        let condition = json!([{"type": "Failed", "status": "True", "reason": "x", "message": says}]);
        let end = json!({"exit_code": 1, "message": says});
        let pod = json!({
            "name": "customer", "message": says, "conditions": condition,
            "containers": [{"name": "c", "waits": [{"message": says}], "ends": [end], "state": {"terminated": end}}],
        });
        let mut known = read(&json!({
            "job": {"name": "customer-4711", "conditions": condition, "parked": says, "release": {"message": says}},
            "pods": [pod],
            "events": [{"reason": "x", "message": says}],
            "logs": [{"pod": "customer", "lines": [says]}],
            "waits": [{"target": {"text": says}}],
            "downloads": [{"target": says}],
            "signatures": [{"name": "x", "proof": says}],
            "lost": [{"what": says, "why": says}],
            "dependencies": [{
                "object": {"name": "db"}, "target": says, "conditions": condition, "parked": says,
                "workloads": [{"parked": says, "pods": [pod], "needs": [{"target": says}]}],
            }],
        }));
        let patterns = [Pattern::new("customer [0-9]+").expect("a pattern")];
        evidence(&mut known, &patterns);
        let once = serde_json::to_string(&known).expect("JSON");
        assert!(!once.contains("customer 4711"), "{once}");
        assert!(once.contains("customer-4711"), "{once}");
        assert_eq!(once.matches("[redacted] is gone").count(), 25, "{once}");
        evidence(&mut known, &patterns);
        assert_eq!(
            serde_json::to_string(&known).expect("JSON"),
            once,
            "twice is once"
        );
    }
}
