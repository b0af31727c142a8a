//! What several rules say in the same words.

use crate::engine::budget::ContainerReading;
use crate::engine::finding::{At, Confidence};
use crate::engine::job::RestartPolicy;
use crate::engine::rule::Context;
use crate::engine::shell::reading::ReadConfidence;
use crate::engine::shell::{Probe, Target};
use crate::engine::{Limit, Seconds};

/// Delays that a message spells out before it cuts the sum short.
const MOST_TERMS: usize = 8;

/// The first call of a service of the Job's own namespace, outside any wait.
pub(super) fn internal_call<'a>(cx: &Context<'a>) -> Option<(&'a ContainerReading, &'a Probe)> {
    let own = cx.job.namespace.as_deref();
    let here = |target: &Target| {
        target
            .service()
            .is_some_and(|(_, namespace)| match (namespace, own) {
                (Some(namespace), Some(own)) => namespace == own,
                (Some(_), None) | (None, _) => true,
            })
    };
    cx.clocks
        .containers
        .iter()
        .filter(|container| !container.sidecar)
        .find_map(|container| {
            let call = container
                .reading
                .calls
                .iter()
                .find(|call| call.is_service_call() && call.target.as_ref().is_some_and(here))?;
            Some((container, call))
        })
}

/// True for a hook that calls a service of its namespace, does not wait for it, and is retried: its retries
/// are its wait.
pub(super) fn waits_by_failing(cx: &Context<'_>) -> bool {
    let clocks = cx.clocks;
    let retried = clocks.attempts > 1;
    cx.origin().is_hook() && retried && clocks.wait.is_none() && internal_call(cx).is_some()
}

/// The retry timeline in one line: `0 + 10 + 20 + 40 + 80 + 160 = 310 s with attempts that fail at once, at
/// most 1180 s when each hangs for 127 s; deadline 840 s`.
pub(super) fn retry_sum(cx: &Context<'_>, deadline: Seconds) -> String {
    let retries = crate::engine::budget::retries_of(cx.job, cx.policy);
    let rounds: Vec<_> = retries.rounds().take(MOST_TERMS + 1).collect();
    let last = rounds.len() - usize::from(retries.policy == RestartPolicy::Never && !rounds.is_empty());
    let mut terms: Vec<String> = rounds
        .iter()
        .take(last.min(MOST_TERMS))
        .map(|round| round.delay.whole().to_string())
        .collect();
    if rounds.len() > MOST_TERMS {
        terms.push("...".to_owned());
    }
    let Limit::At(lower) = cx.clocks.retries_lower else {
        return format!("the retries never end; deadline {deadline}");
    };
    let policy = cx.job.pod.restart_policy.as_str();
    let sum = if terms.is_empty() {
        "0".to_owned()
    } else {
        terms.join(" + ")
    };
    let most = match (cx.clocks.retries_upper, cx.clocks.run.worst) {
        (Limit::At(upper), Limit::At(hang)) if hang > Seconds::ZERO => {
            format!(", at most {upper} when each hangs for {hang}")
        }
        (Limit::At(upper), _) => format!(", at most {upper} with overshooting delays"),
        (Limit::Never, _) => String::new(),
    };
    format!(
        "{policy}, backoffLimit {}: {sum} = {lower} with attempts that fail at once{most}; deadline {deadline}",
        cx.job.backoff_limit.value
    )
}

/// How sure a finding is that rests on this reading.
pub(super) fn read_confidence(confidence: ReadConfidence) -> Confidence {
    match confidence {
        ReadConfidence::Certain => Confidence::Certain,
        ReadConfidence::Likely => Confidence::Likely,
        ReadConfidence::Possible => Confidence::Possible,
    }
}

/// How sure a finding is that rests on all the waits of a Job; a declared wait is certain.
pub(super) fn confidence_of_waits(cx: &Context<'_>) -> Confidence {
    cx.clocks
        .waits()
        .map(|(_, wait)| read_confidence(wait.confidence))
        .min()
        .unwrap_or(Confidence::Certain)
}

/// The Job's waits as a message shows them.
pub(super) struct WaitInMessage {
    /// The longest wait's place, or the annotation that declares it.
    pub(super) at: At,
    /// The arithmetic of every wait.
    pub(super) arithmetic: String,
    /// What one try of the only wait takes at worst.
    each: Option<Seconds>,
}

impl WaitInMessage {
    pub(super) fn of(cx: &Context<'_>) -> Self {
        let waits: Vec<_> = cx
            .clocks
            .waits()
            .filter(|(container, _)| !container.sidecar)
            .collect();
        let Some((container, longest)) = waits.iter().max_by_key(|(_, wait)| wait.span.nominal) else {
            let at = At::field("/metadata/annotations/hookbudget.dev~1wait");
            return Self {
                at,
                arithmetic: "wait declared by hookbudget.dev/wait".to_owned(),
                each: None,
            };
        };
        let texts: Vec<&str> = waits.iter().map(|(_, wait)| wait.arithmetic.as_str()).collect();
        let each = match (waits.len(), longest.attempts, longest.interval, &longest.probe) {
            (1, Some(_), Some(interval), Some(probe)) => probe.limit.seconds().map(|limit| interval + limit),
            _ => None,
        };
        Self {
            at: At::script(container.pointer.clone(), longest.place),
            arithmetic: texts.join(", then "),
            each,
        }
    }

    /// `105 tries of 8 s`: how many tries fit into a span in the worst case.
    pub(super) fn tries_that_fit(&self, span: Seconds) -> Option<String> {
        let each = self.each.filter(|each| *each > Seconds::ZERO)?;
        Some(format!("{} tries of {each}", span.fits(each)))
    }
}
