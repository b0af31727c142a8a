use std::collections::BTreeMap;

use super::*;

impl Names for BTreeMap<String, Value> {
    fn get(&mut self, name: &str) -> Value {
        BTreeMap::get(self, name).cloned().unwrap_or_default()
    }
    fn set(&mut self, name: &str, value: Value) {
        self.insert(name.to_owned(), value);
    }
}

#[test]
fn arithmetic_is_that_of_the_shell() {
    for (text, expected) in [
        ("", "0"),
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 ** 3 ** 2", "512"),
        ("2**n", "32"),
        ("10 % 4 - 1", "1"),
        ("n++ + n", "11"),
        ("++n", "6"),
        ("n += 3", "8"),
        ("n > 4 && n < 6", "1"),
        ("n >= 6 || unset", "0"),
        ("n == 5 ? 10 : 20", "10"),
        ("$n * 2", "10"),
        ("0x1f + 010", "39"),
        ("-n", "-5"),
        ("!n", "0"),
        ("1 << 4", "16"),
        ("n < 8 ? (n = 1) : 0, n", "1"),
    ] {
        let mut names = BTreeMap::from([("n".to_owned(), Value::known("5"))]);
        assert_eq!(
            evaluate(text, &mut names).map(|v| v.text).as_deref(),
            Ok(expected),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_number_is_said() {
    let mut names = BTreeMap::from([
        ("h".to_owned(), Value::unknown("$h", "`$h` is hidden")),
        ("w".to_owned(), Value::known("word")),
    ]);
    for text in [
        "h + 1",
        "w",
        "1 +",
        "1 / 0",
        "(1",
        "1 2",
        &"(".repeat(10_000),
        &"-".repeat(10_001),
    ] {
        assert!(evaluate(text, &mut names).is_err(), "{text}");
    }
}
