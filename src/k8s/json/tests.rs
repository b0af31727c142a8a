use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Raw, Whole, read};

/// What both readers make of a text.
fn compare(text: &str) -> Option<Value> {
    let theirs = serde_json::from_str::<Value>(text);
    let ours = read::<Value>(text);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{text}"),
        (Err(_), Err(_)) => {}
        _ => panic!("{text:?}: {ours:?}, and serde_json says {theirs:?}"),
    }
    let passed = read::<serde::de::IgnoredAny>(text).is_ok();
    let theirs_passed = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    assert_eq!(passed, theirs_passed, "{text:?} passed over");
    ours.ok()
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "null",
    " true ",
    "false",
    "nul",
    "nulll",
    "tru",
    "True",
    "0",
    "-0",
    "-",
    "01",
    "-01",
    "1.",
    ".5",
    "1.5",
    "1e3",
    "1E+3",
    "1e-3",
    "1e",
    "1e+",
    "1.5e3x",
    "+1",
    "0x1",
    "1e999",
    "-1e999",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    "1.7976931348623157e308",
    "5e-324",
    "\"\"",
    "\"a",
    "\"a\"b",
    "\"\\n\\t\\\"\\\\\\/\\b\\f\\r\"",
    "\"\\x\"",
    "\"\\",
    "\"\\u",
    "\"\\u12\"",
    "\"\\u00e4\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ud83dx\"",
    "\"\\ud83d\\n\"",
    "\"\\ud83d\\u0041\"",
    "\"\\uD83D\\uDE00 and more\"",
    "\"a\nb\"",
    "\"a\u{7f}b\"",
    "\"ä€😀\"",
    "\"12345678ä\\n12345678\"",
    "[]",
    "[ ]",
    "[,]",
    "[1]",
    "[1,]",
    "[1 2]",
    "[1,2",
    "[1,,2]",
    "[",
    "]",
    "{}",
    "{ }",
    "{,}",
    "{\"a\":1}",
    "{\"a\":1,}",
    "{\"a\" 1}",
    "{\"a\":}",
    "{a:1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":[{\"b\":[]},{}],\"c\":null}",
    "{\"a\":1",
    "{\"a\"",
    "{",
    "}",
    "{]",
    "[}",
    "{\"a\":1]",
    "[1}",
    "1 1",
    "[] []",
    "\u{feff}1",
    "{\"\\u0061\":1}",
    "{1:2}",
    "\u{0}",
    "\"\u{1}\"",
    "// x\n1",
    "'a'",
    "NaN",
    "Infinity",
    "[[[[[[[[1]]]]]]]]",
    "[-]",
    "[1e]",
    "{\"a\":-}",
    "[tru]",
    "{\"k\":\"\\q\"}",
];

#[test]
#[allow(clippy::too_many_lines)] // a table
fn it_takes_and_refuses_what_serde_json_does() {
    for text in TEXTS {
        compare(text);
    }
    for depth in [1, 63, 64, 65, 126, 127, 128, 129, 200, 1_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
            compare(&[open.repeat(depth), "1".into(), close.repeat(depth)].concat());
            compare(&[open.repeat(depth), close.repeat(depth)].concat());
            compare(&open.repeat(depth));
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        "\\PC{0,24}".prop_map(Value::from),
        "[\\x00-\\x7f]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[ -~]{0,12}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whole_and_damaged_texts_read_as_serde_json_reads_them(
        value in value(),
        pretty in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..3),
    ) {
        const SPOILERS: [&str; 18] =
            ["", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", "e", ".", "n", " ", "\n", "\\u00", "ä"];
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let mut text = text.expect("a value");
        prop_assert_eq!(compare(&text), serde_json::from_str::<Value>(&text).ok());
        for (place, spoiler) in damage {
            let mut places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            places.push(text.len());
            let at = places[place.index(places.len())];
            let next = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
            text.replace_range(at..next, SPOILERS[spoiler.index(SPOILERS.len())]);
            compare(&text);
        }
    }
}

#[derive(Debug, Deserialize)]
struct Holder<'a> {
    #[serde(borrow)]
    before: Raw<'a>,
    #[serde(borrow)]
    object: Option<Whole<'a, Inner>>,
    after: u8,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Inner {
    number: u8,
}

#[test]
fn a_value_comes_with_its_text_and_a_bad_one_costs_nobody_else() {
    let read = |object: &str| {
        let text = format!(r#"{{"before": [1, {{"a": 2}} ], "object": {object} , "after": 3}}"#);
        let holder: Holder<'_> = read(&text).expect("the rest is well");
        assert_eq!((holder.before.0, holder.after), (r#"[1, {"a": 2} ]"#, 3));
        holder.object.map(|whole| (whole.text.to_owned(), whole.value))
    };
    let good = r#"{ "number":7, "other": [{}] }"#;
    assert_eq!(read(good), Some((good.to_owned(), Ok(Inner { number: 7 }))));
    for bad in [
        r#"{"number": "7"}"#,
        r#"{"number": {"deep": [1, 2]}, "x": "]"}"#,
        "[]",
        "\"x\"",
    ] {
        let (text, value) = read(bad).expect("an object");
        assert_eq!(text, bad);
        assert!(value.is_err(), "{value:?}");
    }
    assert_eq!(read("null"), None);
    let text = r#"{"before": 1, "object": {"number": 7, "x": [}, "after": 3}"#;
    assert!(super::read::<Holder<'_>>(text).is_err());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let error = read::<Inner>(r#"{"number": 300}"#).expect_err("too large");
    assert!(error.to_string().ends_with("at byte 14"), "{error}");
    assert_eq!(
        read::<Value>("[1,]").expect_err("a comma").to_string(),
        "a comma before the closing bracket at byte 3"
    );
    assert_eq!(json!([1]), read::<Value>("[1]").expect("a list"));
}
