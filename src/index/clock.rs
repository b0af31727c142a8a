//! Where `now` comes from: the machine, or a recording that is being played.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// A source of `now`. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    Real,
    /// A clock that stands until it is set, in milliseconds since 1970.
    Virtual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` until [`Self::set`].
    #[must_use]
    pub fn standing_at(now: Timestamp) -> Self {
        Self::Virtual(Arc::new(AtomicI64::new(now.as_millisecond())))
    }

    /// The time it shows, to the microsecond at most: no more of it is kept.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Real => {
                let now = Timestamp::now();
                Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
            }
            Self::Virtual(millis) => {
                Timestamp::from_millisecond(millis.load(Ordering::Relaxed)).unwrap_or(Timestamp::UNIX_EPOCH)
            }
        }
    }

    /// Sets a virtual clock; the machine's is left alone.
    pub fn set(&self, now: Timestamp) {
        if let Self::Virtual(millis) = self {
            millis.store(now.as_millisecond(), Ordering::Relaxed);
        }
    }
}
