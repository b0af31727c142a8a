//! Spans as command lines write them.

use crate::engine::Seconds;

/// `5`, `0.5`, `5s`, `1m`, `2h`, `1d`: the grammar of `sleep` and `timeout` (GNU coreutils); a number alone
/// is in seconds.
pub(super) fn seconds(text: &str) -> Option<Seconds> {
    let text = text.trim();
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at)?, 1.0),
        Some((at, 'm')) => (text.get(..at)?, 60.0),
        Some((at, 'h')) => (text.get(..at)?, 3600.0),
        Some((at, 'd')) => (text.get(..at)?, 86_400.0),
        _ => (text, 1.0),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = if plain { number.parse().ok()? } else { return None };
    Seconds::from_f64(number * unit)
}

/// A Go duration, or a number of seconds.
pub(super) fn go_or_seconds(text: &str) -> Option<Seconds> {
    Seconds::parse_go(text).ok().or_else(|| seconds(text))
}

/// A Go duration (`time.ParseDuration`): a number without a unit is none, except 0.
pub(super) fn go(text: &str) -> Option<Seconds> {
    Seconds::parse_go(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_reads_a_number_with_a_unit() {
        for (text, millis) in [
            ("5", 5000),
            ("5s", 5000),
            ("1m", 60_000),
            (".5", 500),
            ("0.25s", 250),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(
                seconds(text),
                Some(Seconds::from_nanos(millis * 1_000_000)),
                "{text}"
            );
        }
        for text in ["", "s", "five", "1e3", "-5", "inf", "1.2.3", "5x"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
