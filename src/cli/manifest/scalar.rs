//! What a scalar means to the API server.
//!
//! `kubectl`, Helm and Flux turn YAML into JSON with sigs.k8s.io/yaml, which follows YAML 1.1:
//! `yes` is true, `014` is twelve, `6.0` arrives as the integer 6. A general YAML 1.2 reader would
//! judge other numbers than the ones that run. The rules here are those of `resolve.go` in
//! go.yaml.in/yaml/v2 followed by Go's `encoding/json`; the table in the tests was printed by them.
use granit_parser::Tag;
use serde_json::{Number, Value};

/// The value of a plain scalar.
///
/// # Errors
/// Numbers that JSON does not have: the infinities and not-a-number.
pub(super) fn resolve_plain(text: &str) -> Result<Value, String> {
    let other = plain_other_than_text(text)?;
    Ok(other.unwrap_or_else(|| Value::String(text.to_owned())))
}

/// The value of a plain scalar; `None` where it is text, which needs no copy.
///
/// # Errors
/// As [`resolve_plain`].
pub(super) fn plain_other_than_text(text: &str) -> Result<Option<Value>, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Some(Value::Null)),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Some(Value::Bool(true)));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Some(Value::Bool(false)));
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" | ".nan"
        | ".NaN" | ".NAN" => {
            return Err(format!(
                "`{text}` has no JSON form; write a finite number, or quote it as text"
            ));
        }
        _ => {}
    }
    let number = match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits))
        }
        Some(b'.') => float(text),
        _ => None,
    };
    Ok(number.map(Value::Number))
}

/// The value of a scalar that carries a tag.
///
/// # Errors
/// A core tag whose type the text does not have.
pub(super) fn resolve_tagged(text: &str, tag: &Tag) -> Result<Value, String> {
    let Some(kind) = tag.core_suffix() else {
        return Ok(Value::String(text.to_owned()));
    };
    let value = match kind {
        "int" | "float" | "bool" | "null" => resolve_plain(text)?,
        _ => return Ok(Value::String(text.to_owned())),
    };
    let fits = match kind {
        "int" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        "bool" => value.is_boolean(),
        _ => value.is_null(),
    };
    if fits {
        Ok(value)
    } else {
        Err(format!("`{text}` is not the `!!{kind}` that its tag says"))
    }
}

/// The mapping key that a scalar becomes in JSON; `None` for null, which cannot be a key.
pub(super) fn key(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `strconv.ParseInt(text, 0, 64)`, then `ParseUint`.
fn integer(text: &str) -> Option<Number> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = unsigned.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some("0x") => (16, unsigned.get(2..)?),
        Some("0o") => (8, unsigned.get(2..)?),
        Some("0b") => (2, unsigned.get(2..)?),
        _ if unsigned.len() > 1 && unsigned.starts_with('0') => (8, unsigned.get(1..)?),
        _ => (10, unsigned),
    };
    // from_str_radix takes a sign of its own, which would make `--5` a number.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        0_i64.checked_sub_unsigned(magnitude).map(Number::from)
    } else {
        Some(Number::from(magnitude))
    }
}

/// A decimal float of YAML 1.1; a whole one becomes the integer that Go prints for it.
fn float(text: &str) -> Option<Number> {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (body.get(..at)?, Some(body.get(at + 1..)?)),
        None => (body, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let bare = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !bare.is_empty() && digits(bare)
    });
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) || !exponent_fits {
        return None;
    }
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    if value == 0.0 {
        return Some(Number::from(0));
    }
    // Go prints a whole float without point or exponent, so that it decodes as an integer.
    if value.fract() == 0.0
        && let Ok(exact) = format!("{value:.0}").parse::<i64>()
    {
        return Some(Number::from(exact));
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Printed by sigs.k8s.io/yaml 1.6.0 `YAMLToJSON`.
    #[test]
    fn plain_scalars_read_as_the_api_server_reads_them() {
        let table = [
            ("y", json!(true)),
            ("yes", json!(true)),
            ("yEs", json!("yEs")),
            ("no", json!(false)),
            ("on", json!(true)),
            ("OFF", json!(false)),
            ("TRUE", json!(true)),
            ("tRue", json!("tRue")),
            ("~", json!(null)),
            ("", json!(null)),
            ("nULL", json!("nULL")),
            ("014", json!(12)),
            ("0o14", json!(12)),
            ("-014", json!(-12)),
            ("0_14", json!(12)),
            ("08", json!(8)),
            ("09.5", json!(9.5)),
            ("0x1F", json!(31)),
            ("0X1f", json!(31)),
            ("-0x1F", json!(-31)),
            ("+0x1F", json!(31)),
            ("0b101", json!(5)),
            ("0b2", json!("0b2")),
            ("0x", json!("0x")),
            ("1_000", json!(1000)),
            ("_1000", json!("_1000")),
            ("1__0", json!(10)),
            ("12:30", json!("12:30")),
            ("+12", json!(12)),
            ("-12", json!(-12)),
            ("1e3", json!(1000)),
            ("1e-3", json!(0.001)),
            ("1.", json!(1)),
            (".5", json!(0.5)),
            ("-.5", json!(-0.5)),
            ("6.0", json!(6)),
            ("1e21", json!(1e21)),
            ("9223372036854775807", json!(9_223_372_036_854_775_807_i64)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616_f64)),
            ("-9223372036854775808", json!(-9_223_372_036_854_775_808_i64)),
            ("-9223372036854775809", json!(-9_223_372_036_854_775_808_i64)),
            ("0xFFFFFFFFFFFFFFFFF", json!("0xFFFFFFFFFFFFFFFFF")),
            ("2024-01-01", json!("2024-01-01")),
            ("1.2.3", json!("1.2.3")),
            ("1e", json!("1e")),
            ("e3", json!("e3")),
            ("-0", json!(0)),
            ("00", json!(0)),
            ("1_0.5_0", json!(10.5)),
            ("=", json!("=")),
            ("15m", json!("15m")),
            ("1e400", json!("1e400")),
            ("+", json!("+")),
            (".", json!(".")),
            ("._", json!("._")),
            ("--5", json!("--5")),
            ("۱", json!("۱")),
        ];
        for (text, expected) in table {
            assert_eq!(resolve_plain(text), Ok(expected), "{text}");
        }
        for text in [".inf", "-.inf", ".NaN"] {
            assert!(resolve_plain(text).is_err(), "{text}");
        }
    }
}
