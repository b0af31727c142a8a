//! Times as they are kept of very many Jobs.

use jiff::Timestamp;

/// A time to the microsecond, or none: a third of what `Option<Timestamp>` takes. The API server writes whole seconds of
/// Jobs, and [`super::Clock`] shows no more than microseconds. None is before every time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Moment(i64);

impl Moment {
    /// No time: out of a timestamp's range.
    const NONE: Self = Self(i64::MIN);

    /// True of any time but none.
    pub(super) fn is_known(self) -> bool {
        self != Self::NONE
    }

    /// This one, or that one where this is none.
    pub(super) fn or(self, other: impl Into<Self>) -> Self {
        if self.is_known() { self } else { other.into() }
    }

    /// The time.
    pub(super) fn get(self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.0).ok()
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self::NONE
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(at.as_microsecond())
    }
}

impl From<Option<Timestamp>> for Moment {
    fn from(at: Option<Timestamp>) -> Self {
        at.map_or(Self::NONE, Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_comes_back_to_the_microsecond_and_none_stays_none() {
        let exact = |text: &str| Some(text.parse().expect("a time"));
        let far = exact("9999-12-30T21:59:59Z");
        let times = [
            exact("2026-11-21T10:00:00.123456Z"),
            far,
            Some(Timestamp::UNIX_EPOCH),
        ];
        for at in times.into_iter().chain([None, Some(Timestamp::MIN)]) {
            assert_eq!(Moment::from(at).get(), at);
        }
    }
}
