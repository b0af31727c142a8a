//! One knob for all clocks: how much of its real length an incident is played at.

use jiff::Timestamp;

/// The share of the real length; 1 is the incident as it was.
pub(super) fn scale() -> f64 {
    let text = std::env::var("HOOKBUDGET_INCIDENT_SCALE").unwrap_or_default();
    text.parse().ok().filter(|scale| *scale > 0.0).unwrap_or(0.2)
}

/// A span of the incident in seconds, as it is played: whole ones, because Kubernetes' fields are.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // minutes, positive
pub(super) fn scaled(seconds: u32) -> u64 {
    ((f64::from(seconds) * scale()).round() as u64).max(1)
}

/// The limit of the kubelet's restart delay, where it is turned: the back-off's first step of 10 s cannot be.
pub(super) fn restart_period() -> Option<String> {
    let text = std::env::var("HOOKBUDGET_RESTART_PERIOD").unwrap_or_default();
    (!text.is_empty()).then_some(text)
}

/// Seconds from one moment to another.
pub(super) fn between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// The moment in so many seconds, as `date +%s` counts.
pub(super) fn epoch_in(seconds: u64) -> i64 {
    Timestamp::now().as_second() + i64::try_from(seconds).expect("minutes")
}

/// A span for people.
pub(super) fn span(seconds: f64) -> String {
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}
