//! Quantities as Kubernetes writes them: `128Mi`, `1.5G`, `64000k`, `1e9`.

use std::borrow::Cow;

/// Reads a quantity of bytes (kubernetes/apimachinery `pkg/api/resource/quantity.go`): a decimal number, then
/// a binary suffix (`Ki` to `Ei`), a decimal one (`n`, `u`, `m`, none, `k` to `E`), or an exponent (`e3`, `E3`).
/// Fractions of a byte count as a whole one, as there; what is too large counts as the largest number. `None`
/// for what is no quantity, and for one below zero.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let number = text.strip_prefix('+').unwrap_or(text);
    let end = number
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(number.len());
    let (number, suffix) = number.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let (base, power) = scale(suffix)?;
    // Digits beyond these change no byte.
    let fraction = fraction.get(..fraction.len().min(18))?;
    let digits = if fraction.is_empty() {
        Cow::Borrowed(whole)
    } else {
        Cow::Owned([whole, fraction].concat())
    };
    let digits = digits.trim_start_matches('0');
    let Some(mantissa) = number_of(digits) else {
        return Some(u64::MAX);
    };
    let places = u32::try_from(fraction.len()).ok()?;
    let divisor = 10_u128.checked_pow(places)?;
    let value = if power >= 0 {
        let factor = base.checked_pow(power.unsigned_abs());
        factor.and_then(|factor| Some(mantissa.checked_mul(factor)?.div_ceil(divisor)))
    } else {
        let below = base.checked_pow(power.unsigned_abs());
        let below = below.and_then(|below| below.checked_mul(divisor));
        Some(below.map_or(u128::from(mantissa > 0), |below| mantissa.div_ceil(below)))
    };
    Some(
        value
            .and_then(|value| u64::try_from(value).ok())
            .unwrap_or(u64::MAX),
    )
}

fn number_of(digits: &str) -> Option<u128> {
    if digits.is_empty() {
        return Some(0);
    }
    digits.parse().ok()
}

/// The base and the power that a suffix stands for.
fn scale(suffix: &str) -> Option<(u128, i32)> {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    const DECIMAL: [(&str, i32); 10] = [
        ("n", -9),
        ("u", -6),
        ("m", -3),
        ("", 0),
        ("k", 3),
        ("M", 6),
        ("G", 9),
        ("T", 12),
        ("P", 15),
        ("E", 18),
    ];
    if let Some(at) = BINARY.iter().position(|known| *known == suffix) {
        return Some((1024, i32::try_from(at + 1).ok()?));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        return Some((10, *power));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let power: i32 = exponent.parse().ok()?;
    Some((10, power.clamp(-60, 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_kubernetes_is_read() {
        for (text, value) in [
            ("128Mi", Some(128 << 20)),
            ("134217728", Some(128 << 20)),
            ("131072Ki", Some(128 << 20)),
            ("0.5Gi", Some(512 << 20)),
            (".5Gi", Some(512 << 20)),
            ("1.", Some(1)),
            ("128M", Some(128_000_000)),
            ("64000k", Some(64_000_000)),
            ("1e9", Some(1_000_000_000)),
            ("1E9", Some(1_000_000_000)),
            ("1.5e3", Some(1500)),
            ("12e-1", Some(2)),
            ("1E", Some(1_000_000_000_000_000_000)),
            ("134217728000m", Some(128 << 20)),
            ("1m", Some(1)),
            ("0", Some(0)),
            ("+5k", Some(5000)),
            ("16Ei", Some(u64::MAX)),
            ("99999999999999999999999999999999999999999999", Some(u64::MAX)),
            ("0.000000000000000000000000000001", Some(0)),
            ("-1Mi", None),
            ("1K", None),
            ("128 Mi", None),
            ("1.2.3", None),
            ("Mi", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(bytes(text), value, "{text}");
        }
    }
}
