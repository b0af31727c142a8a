//! Spans that are not known to the second: what to expect, and the worst.

use std::fmt;
use std::ops::Add;

use serde::{Serialize, Serializer};

use super::Seconds;

/// When something ends: after a span, or never by itself. `Never` is later than everything; in JSON it is
/// `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// After this span.
    At(Seconds),
    /// Not bounded.
    Never,
}

impl Limit {
    /// The limit of no time.
    pub const ZERO: Self = Self::At(Seconds::ZERO);

    /// The span, `None` when unbounded.
    #[must_use]
    pub const fn seconds(self) -> Option<Seconds> {
        match self {
            Self::At(span) => Some(span),
            Self::Never => None,
        }
    }

    /// True when there is an end.
    #[must_use]
    pub const fn is_bounded(self) -> bool {
        matches!(self, Self::At(_))
    }
}

impl From<Option<Seconds>> for Limit {
    fn from(span: Option<Seconds>) -> Self {
        span.map_or(Self::Never, Self::At)
    }
}

impl Add for Limit {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(a), Self::At(b)) => Self::At(a + b),
            _ => Self::Never,
        }
    }
}

impl Add<Seconds> for Limit {
    type Output = Self;
    fn add(self, other: Seconds) -> Self {
        self + Self::At(other)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(span) => span.fmt(f),
            Self::Never => f.write_str("without end"),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.seconds().serialize(serializer)
    }
}

/// A span as a range: `nominal` is what the numbers say when every probe answers at once, `worst` when every
/// probe hangs to its limit and every delay overshoots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Span {
    /// What is expected.
    pub nominal: Limit,
    /// The longest it can be.
    pub worst: Limit,
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self {
        nominal: Limit::ZERO,
        worst: Limit::ZERO,
    };
    /// Without any bound.
    pub const UNBOUNDED: Self = Self {
        nominal: Limit::Never,
        worst: Limit::Never,
    };

    /// A span known to the second.
    #[must_use]
    pub const fn exactly(span: Seconds) -> Self {
        Self {
            nominal: Limit::At(span),
            worst: Limit::At(span),
        }
    }

    /// A span between two limits; the worst is never shorter than the nominal one.
    #[must_use]
    pub fn between(nominal: impl Into<Self>, worst: impl Into<Self>) -> Self {
        let (nominal, worst) = (nominal.into().nominal, worst.into().worst);
        Self {
            nominal,
            worst: worst.max(nominal),
        }
    }
}

impl From<Limit> for Span {
    fn from(limit: Limit) -> Self {
        Self {
            nominal: limit,
            worst: limit,
        }
    }
}

impl From<Seconds> for Span {
    fn from(span: Seconds) -> Self {
        Self::exactly(span)
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            nominal: self.nominal + other.nominal,
            worst: self.worst + other.worst,
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nominal == self.worst {
            return self.nominal.fmt(f);
        }
        match (self.nominal, self.worst) {
            (Limit::At(_), Limit::At(worst)) => write!(f, "{}, at worst {worst}", self.nominal),
            _ => write!(f, "{}, at worst without end", self.nominal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_later_than_everything_and_swallows_sums() {
        assert!(Limit::Never > Limit::At(Seconds::MAX));
        assert_eq!(Limit::At(Seconds::new(1)) + Limit::Never, Limit::Never);
        assert_eq!(serde_json::to_string(&Limit::Never).ok().as_deref(), Some("null"));
    }

    #[test]
    fn the_worst_is_never_better_than_the_nominal() {
        let span = Span::between(Seconds::new(840), Seconds::new(10));
        assert_eq!(span.worst, Limit::At(Seconds::new(840)));
        assert_eq!(
            Span::between(Seconds::new(840), Limit::Never).to_string(),
            "840 s, at worst without end"
        );
    }
}
