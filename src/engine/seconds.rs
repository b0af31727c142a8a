//! Spans of time: one type for every clock, and the duration grammar of Go that Helm, Flux and the
//! `hookbudget.dev/` annotations use.

use std::fmt;
use std::ops::{Add, Mul, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOS: i64 = 1_000_000_000;

/// A span of time with the range and the resolution of Go's `time.Duration`: nanoseconds in an `i64`,
/// about ±292 years. Arithmetic saturates at the ends of that range instead of wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(i64);

impl Seconds {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span that Go's `time.Duration` can hold.
    pub const MAX: Self = Self(i64::MAX);

    /// Whole seconds.
    #[must_use]
    pub const fn new(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOS))
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Seconds with a fraction, `None` when the number is not finite or beyond the range.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // the range is checked first
    pub fn from_f64(seconds: f64) -> Option<Self> {
        let nanos = (seconds * NANOS as f64).round();
        (nanos.is_finite() && nanos.abs() < i64::MAX as f64).then_some(Self(nanos as i64))
    }

    /// The span in nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The span in seconds, fraction included.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // a double holds a span of a hundred days to the nanosecond
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / NANOS as f64
    }

    /// Whole seconds, the fraction cut off.
    #[must_use]
    pub const fn whole(self) -> i64 {
        self.0 / NANOS
    }

    /// Whole seconds, a fraction rounded up.
    #[must_use]
    pub const fn ceil(self) -> i64 {
        let whole = self.0 / NANOS;
        if self.0 % NANOS > 0 { whole + 1 } else { whole }
    }

    /// `self - other`, or zero when `other` is longer.
    #[must_use]
    pub fn minus_or_zero(self, other: Self) -> Self {
        Self::ZERO.max(self - other)
    }

    /// The span `count` times over.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    /// How often `other` fits into this span; zero when `other` is not positive.
    #[must_use]
    pub fn fits(self, other: Self) -> u64 {
        if other.0 <= 0 {
            0
        } else {
            u64::try_from(self.0 / other.0).unwrap_or(0)
        }
    }

    /// Parses a Go duration such as `15m`, `1h30m`, `1.5s` or `-2ms`; the grammar and the limits are those
    /// of `time.ParseDuration`.
    ///
    /// # Errors
    /// Says which part of the text is not a duration.
    pub fn parse_go(text: &str) -> Result<Self, DurationError> {
        parse_go(text)
    }

    /// Prints the span as Go's `Duration.String` does: `15m0s`, `1.5s`, `350ms`.
    #[must_use]
    pub fn to_go(self) -> String {
        print_go(self.0)
    }
}

impl Add for Seconds {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Seconds {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<u32> for Seconds {
    type Output = Self;
    fn mul(self, count: u32) -> Self {
        self.times(u64::from(count))
    }
}

impl std::iter::Sum for Seconds {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, Add::add)
    }
}

/// Seconds as people write them in a message: `840 s`, `0.357 s` (three decimals at the most).
impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % NANOS == 0 {
            return write!(f, "{} s", self.0 / NANOS);
        }
        let text = format!("{:.3}", self.as_f64());
        write!(f, "{} s", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A whole number of seconds is written as an integer, anything else as a float.
impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % NANOS == 0 {
            serializer.serialize_i64(self.0 / NANOS)
        } else {
            serializer.serialize_f64(self.as_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Self::from_f64(seconds)
            .ok_or_else(|| serde::de::Error::custom("a span of time has to lie within 292 years"))
    }
}

/// Why a text is not a Go duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing but a sign, or nothing at all.
    #[error("{0:?} is not a duration: write a number with a unit, such as 15m or 1h30m")]
    NoNumber(String),
    /// A number without a unit.
    #[error("{0:?} has a number without a unit: write {1}s for seconds or {1}m for minutes")]
    NoUnit(String, String),
    /// A unit that Go does not know.
    #[error("{0:?} has the unknown unit {1:?}: the units are ns, us, ms, s, m and h")]
    UnknownUnit(String, String),
    /// Beyond what an `i64` of nanoseconds holds.
    #[error("{0:?} is longer than 292 years, the longest duration there is")]
    TooLong(String),
}

/// Go's `unitMap` (go/src/time/format.go); both micro signs (U+00B5 and U+03BC) count.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

const LIMIT: u64 = 1 << 63;

fn parse_go(text: &str) -> Result<Seconds, DurationError> {
    let too_long = || DurationError::TooLong(text.to_owned());
    let no_number = || DurationError::NoNumber(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Seconds::ZERO);
    }
    if rest.is_empty() {
        return Err(no_number());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(no_number());
        }
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        if unit.is_empty() {
            return Err(DurationError::NoUnit(text.to_owned(), number.to_owned()));
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit(text.to_owned(), unit.to_owned()));
        };
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| too_long())?
        };
        let part = whole
            .checked_mul(*factor)
            .and_then(|v| v.checked_add(fraction_nanos(fraction, *factor)));
        total = part
            .and_then(|v| total.checked_add(v))
            .filter(|v| *v <= LIMIT)
            .ok_or_else(too_long)?;
        rest = next;
    }
    match (negative, i64::try_from(total)) {
        (false, Ok(nanos)) => Ok(Seconds(nanos)),
        (true, Ok(nanos)) => Ok(Seconds(-nanos)),
        (true, Err(_)) => Ok(Seconds(i64::MIN)),
        (false, Err(_)) => Err(too_long()),
    }
}

/// The part behind the decimal point. Go cuts what lies below a nanosecond off, and stops to take digits in
/// when they no longer fit into 63 bits.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)] // as Go
fn fraction_nanos(digits: &str, factor: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0_f64);
    for digit in digits.bytes() {
        if value > (LIMIT - 1) / 10 {
            break;
        }
        let next = value * 10 + u64::from(digit - b'0');
        if next > LIMIT {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (factor as f64 / scale)) as u64
}

fn print_go(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let span = nanos.unsigned_abs();
    let decimal = |value: u64, unit: u64| {
        let text = format!(
            "{}.{:0width$}",
            value / unit,
            value % unit,
            width = unit.ilog10() as usize
        );
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match span {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{span}ns"),
        1_000..1_000_000 => format!("{sign}{}\u{b5}s", decimal(span, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(span, 1_000_000)),
        _ => {
            let (minutes, rest) = (span / 60_000_000_000, span % 60_000_000_000);
            let seconds = if rest % 1_000_000_000 == 0 {
                (rest / 1_000_000_000).to_string()
            } else {
                decimal(rest, 1_000_000_000)
            };
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, m) => format!("{sign}{m}m{seconds}s"),
                (h, m) => format!("{sign}{h}h{m}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_grammar_is_that_of_go() {
        for (text, nanos) in [
            ("0", 0),
            ("+0", 0),
            ("15m", 900 * NANOS),
            ("15m0s", 900 * NANOS),
            ("1h30m", 5400 * NANOS),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", NANOS),
            ("-2ms", -2_000_000),
            ("3\u{b5}s", 3_000),
            ("3\u{3bc}s", 3_000),
            ("1h1h", 7200 * NANOS),
            ("0.100000000000000000000h", 360 * NANOS),
            ("0.9223372036854775807h", 3_320_413_933_267),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(Seconds::parse_go(text), Ok(Seconds(nanos)), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused_with_a_remedy() {
        for (text, part) in [
            ("", "number with a unit"),
            ("-", "number with a unit"),
            ("m", "number with a unit"),
            (".s", "number with a unit"),
            ("1.2.3s", "number with a unit"),
            ("15", "write 15s"),
            ("15 m", "unknown unit \" m\""),
            ("1d", "unknown unit \"d\""),
            ("15min", "unknown unit \"min\""),
            ("9223372036854775808ns", "292 years"),
            ("99999999999999999999h", "292 years"),
        ] {
            let message = Seconds::parse_go(text).expect_err(text).to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn prints_as_go_does() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (305 * NANOS, "5m5s"),
            (900 * NANOS, "15m0s"),
            (3600 * NANOS, "1h0m0s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(Seconds(nanos).to_go(), text);
        }
    }

    #[test]
    fn people_read_seconds() {
        assert_eq!(Seconds::new(840).to_string(), "840 s");
        assert_eq!(
            Seconds::from_f64(0.357_142).map(|s| s.to_string()).as_deref(),
            Some("0.357 s")
        );
    }

    proptest! {
        #[test]
        fn a_printed_span_reads_back(nanos: i64) {
            prop_assert_eq!(Seconds::parse_go(&Seconds(nanos).to_go()), Ok(Seconds(nanos)));
        }

        #[test]
        fn no_text_makes_the_parser_fall(text in ".{0,40}") {
            let _ = Seconds::parse_go(&text);
        }
    }
}
