//! What to do when accepting fails.

use std::{io, time::Duration};

const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);

/// Grows the pause between failing accepts, as Go's `net/http` does (5 ms doubled up to 1 s): with no file
/// descriptor left, accept fails at once and for as long as none is freed.
#[derive(Debug, Default)]
pub(super) struct AcceptBackoff {
    last: Option<Duration>,
}

impl AcceptBackoff {
    /// The pause to make after `error`; none if it concerned only the one connection.
    pub(super) fn after(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
        ) {
            return None;
        }
        let pause = self.last.map_or(FIRST, |last| (last * 2).min(LONGEST));
        self.last = Some(pause);
        Some(pause)
    }

    /// An accept worked.
    pub(super) fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_start_again() {
        let exhausted = || io::Error::from_raw_os_error(24); // EMFILE on Linux
        let mut backoff = AcceptBackoff::default();
        let pauses: Vec<u128> = (0..10)
            .filter_map(|_| backoff.after(&exhausted()))
            .map(|pause| pause.as_millis())
            .collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.after(&exhausted()), Some(FIRST));
    }

    #[test]
    fn a_peer_that_is_gone_again_costs_no_pause() {
        let mut backoff = AcceptBackoff::default();
        for kind in [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset] {
            assert_eq!(backoff.after(&io::Error::from(kind)), None);
        }
    }
}
