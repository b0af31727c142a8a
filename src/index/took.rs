//! How long diagnoses take, as a histogram.

use std::time::{Duration, Instant};

/// Upper bounds in microseconds, and as a scrape writes them in seconds. One diagnosis is to stay below 5 ms: the index
/// takes nothing else in meanwhile.
pub const TOOK_BUCKETS: [(u64, &str); 7] = [
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (25_000, "0.025"),
];

/// Diagnoses by how long they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// Counts per bucket of [`TOOK_BUCKETS`], not added up; the last one is of those above all bounds.
    pub counts: [u64; TOOK_BUCKETS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Took {
    /// Counts one that began then and is done now.
    pub(super) fn since(&mut self, begun: Instant) {
        self.add(begun.elapsed());
    }

    fn add(&mut self, span: Duration) {
        let micros = span.as_micros();
        let bucket = TOOK_BUCKETS
            .iter()
            .position(|(bound, _)| micros <= u128::from(*bound));
        self.counts[bucket.unwrap_or(TOOK_BUCKETS.len())] += 1;
        self.sum += span;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_belong_to_their_bucket() {
        let mut took = Took::default();
        for micros in [0, 100, 101, 5_000, 5_001, 1_000_000] {
            took.add(Duration::from_micros(micros));
        }
        assert_eq!(took.counts, [2, 1, 0, 0, 0, 1, 1, 1]);
        assert_eq!(took.sum, Duration::from_micros(1_010_202));
        for (micros, seconds) in TOOK_BUCKETS {
            let seconds: f64 = seconds.parse().expect("a number");
            assert_eq!(Duration::from_secs_f64(seconds), Duration::from_micros(micros));
        }
    }
}
