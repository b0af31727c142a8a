//! From evidence to a diagnosis: every cause is asked, one root is chosen, the rest follows from it.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::case::{Case, condition, failure};
use super::cause::Match;
use super::causes::registry;
use super::culprit::culprit;
use super::diagnosis::{
    ChainLink, Confidence, Diagnosis, DiagnosisKnobs, JobName, JobPhase, Proof, RuledOut, Trigger, Verdict,
};
use super::evidence::{Evidence, Lost};
use super::missed_run::is_missed_run;
use super::progress::progress;
use super::repair::repair_order;
use super::retry::advised;
use super::root_cause::{Rank, RootCause, Severity};
use super::signature;

/// Judges a Job as it stood at `now`. A failed Job gets exactly one root cause; one that has not failed gets
/// what holds it up, if anything does.
#[must_use]
pub fn diagnose(evidence: &Evidence, knobs: &DiagnosisKnobs, now: Timestamp) -> Diagnosis {
    let case = Case::new(evidence, knobs, now);
    let mut matches: Vec<Match> = if case.phase == JobPhase::Succeeded {
        Vec::new()
    } else {
        let known = registry().iter().filter_map(|cause| cause.find(&case));
        signature::find(&case).into_iter().chain(known).collect()
    };
    matches.sort_by_key(order);
    let mut matches = matches.into_iter();
    let root = matches
        .next()
        .or_else(|| case.is_failure().then(|| nothing_known(&case)));
    let contributing: Vec<Match> = matches.filter(|other| !is_last_resort(other.cause)).collect();
    let mut diagnosis = assemble(&case, root.as_ref(), &contributing);
    diagnosis.hide_secrets(&knobs.redact);
    diagnosis
}

/// The first in this order is the root. What is known of the newest run comes before what is known of an
/// older one, unless the newest is only known to have failed; what is proven comes before what the Job's
/// clocks suggest, and those before what time would have healed; then the lower layer, the deeper link, the
/// later evidence. A signature of the policy, whose author knows the cluster, comes before its equals, in the order
/// of the policy.
fn order(found: &Match) -> (u8, Rank, Reverse<usize>, Reverse<Option<Timestamp>>) {
    let class = match (found.cause, found.older, found.soft) {
        (RootCause::Unknown, ..) => 5,
        (RootCause::EvidenceLost, ..) => 4,
        (RootCause::AppError, ..) => 3,
        (_, true, _) => 2,
        (_, _, true) => 1,
        _ => 0,
    };
    let at = if found.stated.is_some() {
        Some(Timestamp::MAX)
    } else {
        found.at
    };
    (class, found.rank(), Reverse(found.depth), Reverse(at))
}

const fn is_last_resort(cause: RootCause) -> bool {
    matches!(
        cause,
        RootCause::Unknown | RootCause::EvidenceLost | RootCause::AppError
    )
}

/// A failure that no cause claims, not even the last resorts.
fn nothing_known(_case: &Case<'_>) -> Match {
    Match::new(
        RootCause::Unknown,
        "it failed, and no known cause matches the evidence",
    )
    .confident(Confidence::Possible)
}

fn assemble(case: &Case<'_>, root: Option<&Match>, contributing: &[Match]) -> Diagnosis {
    let job = case.job();
    let verdict = verdict(case, root);
    let chosen = root.map(|found| found.cause);
    let mut not: Vec<RuledOut> = Vec::new();
    if case.is_failure() {
        for other in registry() {
            let name = other.meta().cause;
            if chosen == Some(name) || contributing.iter().any(|found| found.cause == name) {
                continue;
            }
            not.extend(other.rules_out(case).map(|why| RuledOut { cause: name, why }));
        }
    }
    let chain = chain(case, root);
    let culprit = root.and_then(|_| culprit(&chain));
    let (retry_advice, retry_reason) = advised(case, root, culprit.as_ref());
    Diagnosis {
        job: JobName {
            namespace: job.namespace.clone(),
            name: job.name.clone(),
        },
        owner: job.owner.clone(),
        state: case.phase,
        trigger: case.trigger,
        root_cause: chosen,
        verdict,
        severity: severity(root, verdict),
        route: root.map(Match::route),
        confidence: root.map_or(Confidence::Certain, |found| found.confidence),
        summary: summary(case, root),
        chain,
        culprit,
        same_culprit: Vec::new(),
        same_culprit_more: 0,
        repair_order: repair_order(case, root, contributing),
        contributing: contributing.iter().map(|found| found.cause).collect(),
        candidates: root.map_or_else(Vec::new, |found| candidates(found, &not)),
        not,
        retry_advice,
        retry_reason,
        transient_until: root
            .and_then(|found| found.given_until)
            .filter(|_| verdict == Verdict::Transient && case.ended.is_some()),
        progress: progress(case.evidence, &case.knobs.progress, case.until()),
        evidence: proofs(case, root, contributing),
        evidence_lost: lost(case, root),
    }
}

fn verdict(case: &Case<'_>, root: Option<&Match>) -> Verdict {
    if case.job().parked.is_some() || case.phase == JobPhase::Suspended {
        return Verdict::Parked;
    }
    match root {
        None => Verdict::Cosmetic,
        Some(found) if is_last_resort(found.cause) && found.cause != RootCause::AppError => Verdict::Unknown,
        // Before it has failed, a Job that cannot reach something yet does what it is there for.
        Some(found) if !case.is_failure() && found.soft => Verdict::Transient,
        Some(found) if found.verdict == Verdict::Real && found.is_given_time(case.now) => Verdict::Transient,
        Some(found) => found.verdict,
    }
}

fn severity(root: Option<&Match>, verdict: Verdict) -> Severity {
    match (root, verdict) {
        // It is real only where its time went by and the Job still stands as failed.
        (Some(found), Verdict::Real) if found.cause == RootCause::DependencySlowStart => Severity::Warning,
        (Some(found), Verdict::Real | Verdict::Unknown) => found.severity(),
        _ => Severity::Info,
    }
}

fn summary(case: &Case<'_>, root: Option<&Match>) -> String {
    let job = case.job();
    let missed = is_missed_run(case.evidence);
    let kind = if missed { "CronJob" } else { "Job" };
    let name = format!("{kind} {}/{}", job.namespace, job.name);
    let after = case
        .elapsed()
        .map_or_else(String::new, |span| format!(" after {} s", span.whole()));
    let state = match (case.phase, case.trigger) {
        (JobPhase::Succeeded, _) => return format!("{name} has succeeded."),
        (_, Trigger::NeverStarted) if missed => "has made no Job".to_owned(),
        (_, Trigger::NeverStarted) => "has never started".to_owned(),
        (_, Trigger::ReleaseTimeout) => "was given up by its release and goes on".to_owned(),
        (JobPhase::Failed, trigger) => format!("failed with {}{after}", trigger.as_str()),
        (JobPhase::Suspended, _) => "is suspended".to_owned(),
        (JobPhase::Missing, _) => "is gone without having ended".to_owned(),
        (JobPhase::Waiting, _) => format!("has not ended{after}"),
    };
    let Some(found) = root else {
        return format!("{name} {state}.");
    };
    let over = found.given_until.filter(|_| !found.is_given_time(case.now));
    let over = over.map_or_else(String::new, |until| format!(" It was given until {until}."));
    format!("{name} {state}: {}.{over}", found.finding)
}

/// From the release over the Job down to the root.
fn chain(case: &Case<'_>, root: Option<&Match>) -> Vec<ChainLink> {
    let job = case.job();
    let mut chain = Vec::new();
    if is_missed_run(case.evidence) {
        let links = root.into_iter().flat_map(|found| found.links.iter().cloned());
        chain.extend(links.map(|link| ChainLink {
            relation: String::new(),
            ..link
        }));
        return chain;
    }
    let release = job
        .release
        .as_ref()
        .and_then(|release| release.object.as_ref().map(|object| (object, release)));
    if let Some((object, release)) = release.filter(|_| case.is_failure()) {
        chain.push(ChainLink {
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            relation: String::new(),
            finding: "is not ready".to_owned(),
            proof: if release.message.is_empty() {
                "it waits for the Job".to_owned()
            } else {
                release.message.clone()
            },
        });
    }
    let proof = failure(job).map_or_else(
        || {
            format!(
                "active {}, failed {}, succeeded {}",
                job.active, job.failed, job.succeeded
            )
        },
        |c| format!("condition {}=True {}: {}", c.kind, c.reason, c.message),
    );
    chain.push(ChainLink {
        kind: "Job".to_owned(),
        namespace: job.namespace.clone(),
        name: job.name.clone(),
        relation: if chain.is_empty() {
            String::new()
        } else {
            "waits for".to_owned()
        },
        finding: match case.phase {
            JobPhase::Failed => format!("failed with {}", case.trigger.as_str()),
            _ if case.trigger == Trigger::ReleaseTimeout => "goes on after its release gave up".to_owned(),
            _ if case.trigger == Trigger::NeverStarted => "has no Pod".to_owned(),
            other => format!("is {}", other.as_str()),
        },
        proof,
    });
    chain.extend(root.into_iter().flat_map(|found| found.links.iter().cloned()));
    chain
}

/// What it may have been, where nothing tells: the usual suspects less those that are ruled out.
fn candidates(root: &Match, not: &[RuledOut]) -> Vec<RootCause> {
    if !root.candidates.is_empty() {
        return root.candidates.clone();
    }
    if !is_last_resort(root.cause) || root.cause == RootCause::AppError {
        return Vec::new();
    }
    [
        RootCause::OomKilled,
        RootCause::RuntimeDownloadFailed,
        RootCause::DnsFailure,
        RootCause::ConnectionRefused,
        RootCause::ImagePullNotFound,
        RootCause::AppError,
    ]
    .into_iter()
    .filter(|cause| !not.iter().any(|ruled| ruled.cause == *cause))
    .collect()
}

fn proofs(case: &Case<'_>, root: Option<&Match>, contributing: &[Match]) -> Vec<Proof> {
    let mut proofs: Vec<Proof> = Vec::new();
    if let Some(c) = failure(case.job()).or_else(|| condition(&case.job().conditions, "Complete")) {
        proofs.push(Proof {
            kind: "condition".to_owned(),
            source: format!("Job {}/{} {}", case.job().namespace, case.job().name, c.kind),
            at: c.at,
            text: format!("{}: {}", c.reason, c.message),
        });
    }
    for found in root.into_iter().chain(contributing) {
        for proof in &found.proofs {
            if !proofs.contains(proof) {
                proofs.push(proof.clone());
            }
        }
    }
    proofs
}

fn lost(case: &Case<'_>, root: Option<&Match>) -> Vec<Lost> {
    let mut lost = case.evidence.lost.clone();
    for missing in root.into_iter().flat_map(|found| &found.missing) {
        if !lost.contains(missing) {
            lost.push(missing.clone());
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testkit::{at, evidence, failed, job_event, judge, log, pod};

    #[test]
    fn what_the_newest_run_shows_comes_before_what_an_older_one_showed() {
        let end = |attempt: u32, exit_code: i32, reason: &str| {
            let (started, finished) = (at(2 * i64::from(attempt)), at(2 * i64::from(attempt) + 1));
            json!({"attempt": attempt, "exit_code": exit_code, "reason": reason, "started": started, "finished": finished})
        };
        for (code, chosen) in [(7, RootCause::BudgetMisconfigured), (1, RootCause::OomKilled)] {
            let pods = pod(json!({"ends": [end(0, 1, "OOMKilled"), end(1, code, "Error")]}));
            let judged = judge(&failed("BackoffLimitExceeded", 330, json!({ "pods": pods })));
            assert_eq!(judged.root_cause, Some(chosen));
        }
    }

    #[test]
    fn an_early_refusal_is_not_the_cause_of_a_later_failure() {
        let end = json!({"exit_code": 6, "reason": "Error", "started": at(61), "finished": at(62)});
        let mut pods = pod(json!({"ends": [end]}));
        pods[0]["created"] = json!(at(60));
        let judged = judge(&failed(
            "BackoffLimitExceeded",
            330,
            json!({
                "events": job_event("FailedCreate", r#"pods "job-x" is forbidden: exceeded quota: team"#),
                "pods": pods,
                "logs": log(&["curl: (6) Could not resolve host: powerdns"]),
            }),
        ));
        assert_eq!(judged.root_cause, Some(RootCause::DnsFailure));
        assert!(!judged.contributing.contains(&RootCause::PodCreateQuota));
    }

    #[test]
    fn a_job_that_runs_or_has_succeeded_has_no_cause() {
        for (job, phase) in [
            (json!({"created": at(0), "active": 1}), JobPhase::Waiting),
            (
                json!({"conditions": [{"type": "Complete", "status": "True"}]}),
                JobPhase::Succeeded,
            ),
        ] {
            let judged = judge(&evidence(&json!({ "job": job })));
            assert_eq!(
                (judged.state, judged.root_cause, judged.severity),
                (phase, None, Severity::Info)
            );
        }
    }

    #[test]
    fn a_quick_failure_against_an_unchanged_blocker_is_said() {
        let quick = |finished| {
            let end = json!({"exit_code": 1, "reason": "Error", "started": at(1), "finished": at(finished)});
            let more = json!({
                "pods": pod(json!({"ends": [end]})),
                "logs": log(&["curl: (22) The requested URL returned error: 401"]),
            });
            let judged = judge(&failed("BackoffLimitExceeded", 330, more));
            judged
                .repair_order
                .iter()
                .any(|step| step.contains("and not before"))
        };
        assert!(quick(20));
        assert!(!quick(21));
    }

    #[test]
    fn a_reason_that_is_not_known_is_a_failure_nevertheless() {
        let judged = judge(&failed("SomethingNew", 9, json!({})));
        assert_eq!(
            (judged.trigger, judged.root_cause),
            (Trigger::Other, Some(RootCause::EvidenceLost))
        );
    }
}
