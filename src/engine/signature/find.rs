//! Looking for a policy's signatures in a case.

use jiff::Timestamp;

use super::{Judgement, Signature};
use crate::engine::case::{Case, later, span};
use crate::engine::cause::{Match, Stated, named};
use crate::engine::diagnosis::{Confidence, Trigger};
use crate::engine::evidence::{Condition, Dependency, ObjectRef, SignatureHit};
use crate::engine::pattern::Pattern;
use crate::engine::phase::is_overtaken;
use crate::engine::policy::GoDuration;
use crate::engine::progress::newest_line;
use crate::engine::root_cause::{Rank, RootCause};
use crate::engine::told::{TELLING_LINES, Told, told};

/// Longest text that a pattern is held against, in bytes: messages are cut by whoever writes them, lines by the index.
const LONGEST_TEXT: usize = 8 * 1024;

/// The signatures that match, in the order of the policy.
#[must_use]
pub fn find(case: &Case<'_>) -> Vec<Match> {
    let signatures = case.knobs.signatures.iter();
    signatures
        .filter(|signature| is_meant(signature, case))
        .filter_map(|signature| match (&signature.when.text, &signature.when.object) {
            (Some(pattern), _) => in_texts(case, signature, pattern),
            (None, Some(_)) => of_object(case, signature),
            (None, None) => None,
        })
        .collect()
}

/// True when some signature looks at objects for this Job.
#[must_use]
pub fn is_wanted(signatures: &[Signature], namespace: &str, name: &str) -> bool {
    signatures
        .iter()
        .any(|signature| signature.object().is_some() && takes(signature, namespace, name))
}

fn is_meant(signature: &Signature, case: &Case<'_>) -> bool {
    let job = case.job();
    takes(signature, &job.namespace, &job.name)
}

fn takes(signature: &Signature, namespace: &str, name: &str) -> bool {
    let wanted = signature.when.job.as_ref();
    wanted.is_none_or(|pattern| pattern.is_match(&format!("{namespace}/{name}")))
}

/// What an object says explains a Job that was waiting or could not reach something, and no other.
fn waited(case: &Case<'_>) -> bool {
    match case.last_hit() {
        Some(hit) => hit.signature.is_unreachable(),
        None => {
            !case.is_failure()
                || matches!(case.trigger, Trigger::DeadlineExceeded | Trigger::ReleaseTimeout)
                || ends_in_a_wait(case)
        }
    }
}

/// True when the newest log ends in lines about a wait; without a log, when the script waits at all.
fn ends_in_a_wait(case: &Case<'_>) -> bool {
    const LAST: usize = 3;
    if case.evidence.logs.is_empty() {
        return !case.evidence.waits.is_empty();
    }
    newest_line(case.evidence, &case.knobs.progress).is_some_and(|(_, log, line)| {
        let spoken = log.lines.iter().rev().filter(|line| !line.trim().is_empty());
        spoken.take(LAST).any(|last| last == line)
    })
}

fn of_object(case: &Case<'_>, signature: &Signature) -> Option<Match> {
    if signature.rank >= Rank::Dependency && !waited(case) {
        return None;
    }
    let name = signature.name.as_str();
    let hits = case.evidence.signatures.iter().filter(|hit| hit.name == name);
    // Of several objects the one that changed last.
    let hit: &SignatureHit = hits.max_by_key(|hit| hit.since)?;
    let since = hit.since.or(case.job().started);
    let found = stated(case, signature, since).proof(
        "object",
        format!("{} signature {name}", named(&hit.object)),
        hit.since,
        hit.proof.clone(),
    );
    let object = &hit.object;
    Some(found.link(&object.kind, &object.namespace, &object.name, "depends on"))
}

/// A match with everything that the policy says of it.
fn stated(case: &Case<'_>, signature: &Signature, since: Option<Timestamp>) -> Match {
    let mut finding = signature.finding().to_owned();
    let mut given_until = None;
    if let (Judgement::Real, Some(GoDuration(within)), Some(since)) =
        (signature.verdict, signature.within, since)
    {
        let age = span(since, case.until());
        if age < within {
            given_until = Some(later(since, within));
            finding = format!("{finding}, and may take {within} to come up ({age} so far)");
        }
    }
    let mut found = Match::new(RootCause::Custom(signature.name), finding);
    found.verdict = signature.verdict.verdict();
    found.given_until = given_until;
    found.stated = Some(Stated {
        severity: signature.severity,
        route: signature.route,
        rank: signature.rank,
        advice: signature.advice(),
    });
    let runbook = match signature.runbook.as_str() {
        "" => String::new(),
        url => format!("Runbook: {url}"),
    };
    let steps = [&signature.repair, &signature.do_not, &runbook];
    let steps = steps
        .into_iter()
        .map(|step| step.trim())
        .filter(|step| !step.is_empty());
    found.repair.extend(steps.map(str::to_owned));
    found
}

/// A text that matches, and where it stands.
struct Spoken<'e> {
    kind: &'static str,
    source: String,
    at: Option<Timestamp>,
    text: &'e str,
    /// The object that says it, where it is not the Job.
    object: Option<(ObjectRef, &'static str)>,
    older: bool,
}

/// The newest line of the Job's own first, then what events and conditions say.
fn in_texts(case: &Case<'_>, signature: &Signature, pattern: &Pattern) -> Option<Match> {
    let spoken = in_logs(case, pattern)
        .or_else(|| in_events(case, pattern))
        .or_else(|| in_states(case, pattern))
        .or_else(|| in_dependencies(case, pattern))?;
    let mut found = stated(case, signature, case.job().started)
        .confident(Confidence::Likely)
        .proof(spoken.kind, spoken.source, spoken.at, spoken.text);
    if let Some((object, relation)) = spoken.object {
        found = found.link(&object.kind, &object.namespace, &object.name, relation);
    }
    found.depth = 1;
    found.older = spoken.older;
    Some(found)
}

fn matches(pattern: &Pattern, text: &str) -> bool {
    pattern.is_match(&text[..text.floor_char_boundary(LONGEST_TEXT)])
}

fn in_logs<'e>(case: &Case<'e>, pattern: &Pattern) -> Option<Spoken<'e>> {
    let told = told(case.evidence);
    let newest = told.last().map(Told::run);
    told.into_iter().rev().find_map(|told| {
        let lines = told.lines.iter().rev().filter(|line| !line.trim().is_empty());
        let line = lines.take(TELLING_LINES).find(|line| matches(pattern, line))?;
        let older = Some(told.run()) != newest;
        Some(Spoken {
            kind: "log",
            at: told.at,
            text: line.trim(),
            object: Some((pod(case, told.pod), "runs as")),
            older,
            source: told.source,
        })
    })
}

fn pod(case: &Case<'_>, name: &str) -> ObjectRef {
    ObjectRef {
        kind: "Pod".to_owned(),
        namespace: case.job().namespace.clone(),
        name: name.to_owned(),
    }
}

fn in_events<'e>(case: &Case<'e>, pattern: &Pattern) -> Option<Spoken<'e>> {
    let newest_first = case.evidence.events.iter().rev();
    let mut spoken = newest_first.filter(|event| matches(pattern, &event.message));
    let event = spoken.find(|event| !is_overtaken(case, event))?;
    Some(Spoken {
        kind: "event",
        source: format!("{} {}", named(&event.object), event.reason),
        at: event.last,
        text: &event.message,
        object: (event.object.kind != "Job").then(|| (event.object.clone(), "runs as")),
        older: false,
    })
}

/// The Job's condition, and what holds its Pods.
fn in_states<'e>(case: &Case<'e>, pattern: &Pattern) -> Option<Spoken<'e>> {
    let job = case.job();
    let own = in_conditions(&job.conditions, pattern).map(|condition| Spoken {
        kind: "condition",
        source: format!("Job {}/{} {}", job.namespace, job.name, condition.kind),
        at: condition.at,
        text: &condition.message,
        object: None,
        older: false,
    });
    let waiting = || {
        let (in_pod, container, waiting) = case
            .waiting()
            .find(|(_, _, waiting)| matches(pattern, &waiting.message))?;
        Some(Spoken {
            kind: "state",
            source: format!(
                "Pod {}/{} container {}",
                in_pod.namespace, in_pod.name, container.name
            ),
            at: waiting.seen,
            text: &waiting.message,
            object: Some((pod(case, &in_pod.name), "runs as")),
            older: false,
        })
    };
    let of_pods = || {
        let mut pods = case.evidence.pods.iter().rev().take(1);
        let (in_pod, text) = pods.find_map(|pod| {
            let condition = in_conditions(&pod.conditions, pattern).map(|c| c.message.as_str());
            let own = matches(pattern, &pod.message).then_some(pod.message.as_str());
            Some((pod, own.or(condition)?))
        })?;
        Some(Spoken {
            kind: "condition",
            source: format!("Pod {}/{}", in_pod.namespace, in_pod.name),
            at: in_pod.created,
            text,
            object: Some((pod(case, &in_pod.name), "runs as")),
            older: false,
        })
    };
    own.or_else(waiting).or_else(of_pods)
}

fn in_dependencies<'e>(case: &Case<'e>, pattern: &Pattern) -> Option<Spoken<'e>> {
    let spoken = |dependency: &'e Dependency| {
        let condition = in_conditions(&dependency.conditions, pattern)?;
        Some(Spoken {
            kind: "condition",
            source: format!("{} {}", named(&dependency.object), condition.kind),
            at: condition.at,
            text: &condition.message,
            object: Some((dependency.object.clone(), "waits for")),
            older: false,
        })
    };
    case.evidence.dependencies.iter().find_map(spoken)
}

fn in_conditions<'c>(conditions: &'c [Condition], pattern: &Pattern) -> Option<&'c Condition> {
    conditions
        .iter()
        .find(|condition| matches(pattern, &condition.message))
}
