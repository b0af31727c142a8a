//! The recorded incidents, played into an index whose time stands until it is let go on.

use std::time::Duration;

use hookbudget::index::Handle;
use hookbudget::index::replay::Recording;
use jiff::{SignedDuration, Timestamp};

/// A recording, played up to some point.
pub(crate) struct Playback {
    pub(crate) handle: Handle,
    pub(crate) recording: Recording,
    next: usize,
}

impl Playback {
    /// Plays nothing yet.
    pub(crate) fn new(handle: Handle, recording: Recording) -> Self {
        Self {
            handle,
            recording,
            next: 0,
        }
    }

    /// Lets time go on.
    pub(crate) fn play_to(&mut self, seconds: u64) {
        let until = Duration::from_secs(seconds);
        while let Some((at, change)) = self.recording.steps.get(self.next).filter(|(at, _)| *at <= until) {
            self.handle.clock().set(self.time(*at));
            let _ = self.handle.take_in([change.clone()]);
            self.next += 1;
        }
        self.handle.clock().set(self.time(until));
        let _ = self.handle.tick();
    }

    /// The time so long after the start.
    pub(crate) fn time(&self, since: Duration) -> Timestamp {
        let since = SignedDuration::try_from(since).expect("a span");
        self.recording.start.checked_add(since).expect("a time")
    }
}
