//! What is to be done with a stored state now.

use jiff::Timestamp;

use super::{Found, OVERLAP};
use crate::tls::{Authority, BACKDATE, Bundle, CertificateFacts, accepts, needs_renewal};

/// One change of the stored state. Each leaves a state that is whole and that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The authority is missing and this process still knows it: write back what it knows.
    Restore,
    /// The authority is missing and nobody here knows it: make everything anew.
    Create,
    /// Issue a new serving certificate.
    Renew(Why),
    /// Make the next authority, to be trusted beside the present one.
    Introduce,
    /// Let the next authority sign.
    Promote,
    /// Leave out previous authorities.
    Forget,
}

/// Why a serving certificate is issued anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is none, or it cannot be read.
    Missing,
    /// The authority did not sign it.
    Issuer,
    /// It lacks a name by which it is called.
    Names,
    /// Its end is near.
    Expiry,
    /// Somebody asked for it.
    Asked,
}

impl Step {
    /// A short name, for a metric's label and a log line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Create => "create",
            Self::Renew(Why::Missing) => "renew_missing",
            Self::Renew(Why::Issuer) => "renew_issuer",
            Self::Renew(Why::Names) => "renew_names",
            Self::Renew(Why::Expiry) => "renew_expiry",
            Self::Renew(Why::Asked) => "renew_asked",
            Self::Introduce => "introduce",
            Self::Promote => "promote",
            Self::Forget => "forget",
        }
    }

    /// Every step, for a counter that starts at zero.
    pub const ALL: [Self; 10] = [
        Self::Restore,
        Self::Create,
        Self::Renew(Why::Missing),
        Self::Renew(Why::Issuer),
        Self::Renew(Why::Names),
        Self::Renew(Why::Expiry),
        Self::Renew(Why::Asked),
        Self::Introduce,
        Self::Promote,
        Self::Forget,
    ];
}

/// The next step; none when the state is as it should be. `known` says whether this process holds an earlier
/// whole state, `names` what the serving certificate must be valid for, `next_is_trusted` whether clients have
/// been told long enough to trust the next authority.
///
/// What keeps a server from serving comes first, what keeps the state small last. A serving certificate that
/// is merely near its end waits for a promotion that is under way: that issues one anyway.
#[must_use]
pub fn due(
    found: &Found,
    known: bool,
    names: &[String],
    next_is_trusted: bool,
    now: Timestamp,
) -> Option<Step> {
    let Some(authority) = &found.authority else {
        return Some(if known { Step::Restore } else { Step::Create });
    };
    let Some(leaf) = &found.leaf else {
        return Some(Step::Renew(Why::Missing));
    };
    if let Some(why) = unfit(authority, leaf, names) {
        return Some(Step::Renew(why));
    }
    match &found.next {
        Some(_) if next_is_trusted => return Some(Step::Promote),
        None if authority.needs_renewal(now) => return Some(Step::Introduce),
        _ => {}
    }
    // An authority that has run out issues nothing better.
    if needs_renewal(now, leaf) && leaf.not_after < authority.not_after() {
        return Some(Step::Renew(Why::Expiry));
    }
    let ended = found.previous.iter().any(|previous| previous.not_after <= now);
    if !found.previous.is_empty() && (ended || overlap_is_over(leaf, now)) {
        return Some(Step::Forget);
    }
    None
}

/// Why a serving certificate cannot be served, whatever the date.
fn unfit(authority: &Authority, leaf: &Bundle, names: &[String]) -> Option<Why> {
    let facts = CertificateFacts::read(&leaf.cert_pem).ok()?.into_iter().next()?;
    let Some(first) = facts.names.first() else {
        return Some(Why::Names);
    };
    // Judged at a moment in which both are valid: whether the dates fit the present is another question.
    let begin = CertificateFacts::read(authority.cert_pem())
        .ok()
        .and_then(|authority| authority.first().map(|authority| authority.not_before))
        .map_or(facts.not_before, |begin| begin.max(facts.not_before));
    let host = first
        .strip_prefix("*.")
        .map_or_else(|| first.clone(), |rest| format!("any.{rest}"));
    if accepts(authority.cert_pem(), &leaf.cert_pem, &host, begin).is_err() {
        return Some(Why::Issuer);
    }
    names
        .iter()
        .any(|name| !facts.names.contains(name))
        .then_some(Why::Names)
}

/// Whether every server has had time to take up this certificate.
pub(super) fn overlap_is_over(leaf: &Bundle, now: Timestamp) -> bool {
    let Some(facts) = CertificateFacts::read(&leaf.cert_pem)
        .ok()
        .and_then(|facts| facts.into_iter().next())
    else {
        return false;
    };
    now.duration_since(facts.not_before) >= BACKDATE + OVERLAP
}
