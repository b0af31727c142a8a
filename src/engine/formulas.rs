//! The closed formulas between a wait and the clocks around it (F8 to F15).

use super::Seconds;
use super::release::RELEASE_POLL;

/// F8: the wall time of a loop of `count` tries that each probe for `probe` and then sleep for `interval`;
/// `sleeps_last` is false for a loop that leaves before the sleep of its last try.
#[must_use]
pub fn loop_wall(count: u64, interval: Seconds, probe: Seconds, sleeps_last: bool) -> Seconds {
    let sleeps = if sleeps_last {
        count
    } else {
        count.saturating_sub(1)
    };
    probe.times(count) + interval.times(sleeps)
}

/// F8 turned around: how long a probe may take on average until the loop uses `room` up.
#[must_use]
#[allow(clippy::cast_precision_loss)] // a count of tries is far below 2^52
pub fn break_even_probe(count: u64, interval: Seconds, room: Seconds) -> Option<Seconds> {
    let left = room.minus_or_zero(interval.times(count));
    if count == 0 {
        None
    } else {
        Seconds::from_f64(left.as_f64() / count as f64)
    }
}

/// F9: what an inner wait needs of the deadline.
#[must_use]
pub fn needed_deadline(wait: Seconds, startup: Seconds, headroom: Seconds) -> Seconds {
    wait + startup + headroom
}

/// F10: what a deadline needs of the release's timeout. `Failed` appears only when the Pod is gone, and the
/// release sees it at its next poll.
#[must_use]
pub fn needed_release(deadline: Seconds, grace: Seconds) -> Seconds {
    deadline + grace + RELEASE_POLL
}

/// F12: the longest that one action of Helm takes with `hooks` hooks, each of them deleted and awaited, and
/// the main wait, all with the same timeout.
#[must_use]
pub fn action_bound(hooks: u32, timeout: Seconds) -> Seconds {
    timeout.times(u64::from(hooks) * 2 + 1)
}

/// F12 with remediation: every retry uninstalls and runs the action again.
#[must_use]
pub fn flux_bound(retries: u32, action: Seconds, uninstall: Seconds) -> Seconds {
    (action + uninstall).times(u64::from(retries) + 1)
}

/// F13: the timeout of a Flux Kustomization that states none: its interval less 30 s, 30 s at least
/// (fluxcd/kustomize-controller `GetTimeout`).
#[must_use]
pub fn kustomization_timeout(stated: Option<Seconds>, interval: Seconds) -> Seconds {
    stated
        .unwrap_or(interval - Seconds::new(30))
        .max(Seconds::new(30))
}

/// F14: the pause before retry `n` (from 0) of an Argo CD sync with the defaults 5 s, factor 2, at most 3 min.
#[must_use]
pub fn argo_retry(n: u32) -> Seconds {
    Seconds::new(5)
        .times(1_u64.checked_shl(n.min(32)).unwrap_or(u64::MAX))
        .min(Seconds::new(180))
}

/// F15: the scheduled time of a `CronJob`'s Job in seconds since the epoch, from the minutes that its name
/// ends with (`getTimeHashInMinutes`, kubernetes/kubernetes `pkg/controller/cronjob/utils.go`).
#[must_use]
pub fn scheduled_at(job_name: &str) -> Option<i64> {
    let (_, suffix) = job_name.rsplit_once('-')?;
    suffix
        .parse::<i64>()
        .ok()
        .filter(|minutes| *minutes >= 0)
        .and_then(|minutes| minutes.checked_mul(60))
}

/// F16: how long a loop has waited after `attempt` of `attempts` tries, and how long it still will, when each
/// try takes `interval` and a probe of `probe` on average.
#[must_use]
pub fn loop_progress(attempt: u64, attempts: u64, interval: Seconds, probe: Seconds) -> (Seconds, Seconds) {
    let each = interval + probe;
    (each.times(attempt), each.times(attempts.saturating_sub(attempt)))
}
