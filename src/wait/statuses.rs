//! Sets of HTTP statuses, as `--ready` and `--fatal` write them.

use std::ops::RangeInclusive;

/// A set of HTTP statuses: `200`, `200,204`, `2xx`, `200-399`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Exactly these statuses.
    #[must_use]
    pub fn of(statuses: &[u16]) -> Self {
        Self(statuses.iter().map(|status| *status..=*status).collect())
    }

    /// True when the set holds `status`.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }

    /// Reads a comma list of statuses, classes and ranges; an empty text is the empty set.
    ///
    /// # Errors
    /// Names the part that is none of the three.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self(Vec::new()));
        }
        text.split(',')
            .map(|part| {
                range(part.trim()).ok_or_else(|| {
                    format!(
                        "{:?} is no HTTP status: write 200, 2xx or 200-299, separated by commas",
                        part.trim()
                    )
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn range(part: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = if let Some(class) = part.strip_suffix("xx") {
        let class: u16 = class.parse().ok().filter(|class| (1..=5).contains(class))?;
        (class * 100, class * 100 + 99)
    } else if let Some((first, last)) = part.split_once('-') {
        (first.parse().ok()?, last.parse().ok()?)
    } else {
        let status = part.parse().ok()?;
        (status, status)
    };
    (first <= last && (100..=599).contains(&first) && last <= 599).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_classes_and_ranges_are_read() {
        let set = Statuses::parse("200, 3xx,401-403").expect("a set");
        for (status, within) in [
            (199, false),
            (200, true),
            (201, false),
            (399, true),
            (400, false),
            (403, true),
        ] {
            assert_eq!(set.contains(status), within, "{status}");
        }
        assert!(!Statuses::parse("").expect("the empty set").contains(200));
    }

    #[test]
    fn what_is_no_status_is_named() {
        for text in ["20", "ok", "6xx", "xx", "299-200", "200-", "600", "200,,204"] {
            assert!(Statuses::parse(text).is_err(), "{text}");
        }
    }
}
