//! Since when the API servers can know an authority.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// How long after a change of `caBundle` every API server is taken to know it. They watch the configurations,
/// so it takes them milliseconds; a loaded one with a slow watch may take seconds.
pub const SETTLE: Duration = Duration::from_secs(10);

/// What stands in every webhook configuration that there is, and since when this process has seen it there.
#[derive(Debug, Default)]
pub(super) struct Trust {
    since: BTreeMap<String, Instant>,
    /// There is no configuration, so nobody has to be told anything.
    nobody_asks: bool,
}

impl Trust {
    /// Takes in what the configurations say: for each, the certificates of its `caBundle`.
    pub(super) fn saw(&mut self, configurations: &[Vec<String>], now: Instant) {
        self.nobody_asks = configurations.is_empty();
        let Some((first, others)) = configurations.split_first() else {
            return;
        };
        let everywhere = |pem: &String| others.iter().all(|other| other.contains(pem));
        self.since.retain(|pem, _| first.contains(pem) && everywhere(pem));
        for pem in first.iter().filter(|pem| everywhere(pem)) {
            self.since.entry(pem.clone()).or_insert(now);
        }
    }

    /// How long until an authority is known everywhere; none while it is not in every configuration.
    pub(super) fn left(&self, pem: &str, now: Instant) -> Option<Duration> {
        if self.nobody_asks {
            return Some(Duration::ZERO);
        }
        let since = self.since.get(pem)?;
        Some(SETTLE.saturating_sub(now.duration_since(*since)))
    }

    /// Whether an authority is known everywhere.
    pub(super) fn settled(&self, pem: &str, now: Instant) -> bool {
        self.left(pem, now) == Some(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(pems: &[&str]) -> Vec<String> {
        pems.iter().map(|pem| (*pem).to_owned()).collect()
    }

    #[test]
    fn an_authority_is_known_once_it_has_stood_everywhere_for_a_while() {
        let (mut trust, start) = (Trust::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert!(!trust.settled("a", start));
        trust.saw(&[bundle(&["a"]), bundle(&[])], start);
        assert_eq!(trust.left("a", start + SETTLE), None, "one of the two lacks it");
        trust.saw(&[bundle(&["a"]), bundle(&["b", "a"])], start);
        assert_eq!(
            trust.left("a", start + second),
            Some(SETTLE.checked_sub(second).unwrap())
        );
        trust.saw(&[bundle(&["a"]), bundle(&["a"])], start + second);
        assert!(trust.settled("a", start + SETTLE), "seen again is no later");
        trust.saw(&[bundle(&[]), bundle(&["a"])], start + SETTLE);
        assert!(!trust.settled("a", start + SETTLE + SETTLE), "wiped is forgotten");
        trust.saw(&[], start + SETTLE);
        assert!(
            trust.settled("a", start + SETTLE),
            "without a configuration nobody has to know"
        );
        trust.saw(&[bundle(&["a"])], start + SETTLE);
        assert!(!trust.settled("a", start + SETTLE));
    }
}
