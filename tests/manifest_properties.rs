//! What holds for every manifest: places lead back to values, and no text breaks the reader.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use hookbudget::cli::manifest::{Document, Loaded, PathOrStdin, load_with};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn load(text: &str) -> Loaded {
    load_with(&[PathOrStdin::Stdin], &mut text.as_bytes())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        "[ -~é日😀\t]{0,12}",
        "[ a-z#|>:-]{0,6}(\n[ a-z#|>:-]{0,6}){1,5}\n?",
        prop::sample::select(vec![
            "yes",
            "no",
            "on",
            "~",
            "",
            "014",
            "1e3",
            "0x1F",
            "---",
            "...",
            "- a",
            "# a",
            "{{ .Values.x }}",
            "a: b",
            "*a",
            "&a",
            "!a",
            "<<",
            "\n",
            "\n\n",
            " a\nb\n",
            "a\n\n\nb",
            "a \n b",
            "'",
            "\"",
            "\\",
            "\u{85}",
            "\u{feff}",
            "\u{7f}",
        ])
        .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-10_000..10_000_i32).prop_map(|eighths| json!(f64::from(eighths) / 8.0 + 0.0625)),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let key = prop_oneof![text(), "[a-z]{1,4}[/~.][a-z]{1,4}"];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Whether a string in here ends in blanks, which a place leaves out.
fn ends_blank(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            text.trim_end_matches('\n').trim_end() != text.trim_end_matches('\n') || text == "\n"
        }
        Value::Array(items) => items.iter().any(ends_blank),
        Value::Object(object) => object.values().any(ends_blank),
        _ => false,
    }
}

/// A pointer for each value below (and the value itself).
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(object) => {
            for (key, item) in object {
                pointers(
                    item,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        _ => {}
    }
}

/// A place's text in YAML, read by itself, is the value.
fn again_yaml(slice: &str, column: usize, wanted: &Value) {
    // Later lines keep their indentation, so the first one gets its own back.
    let text = format!("{}{slice}\n", " ".repeat(column - 1));
    // A place has no blank lines at its end, which `+` keeps; a lone block loses the parent
    // that its indentation digit counts from.
    let explicit = slice.starts_with(['|', '>']) && slice.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if explicit || slice.contains('+') || ends_blank(wanted) {
        return;
    }
    let again = load(&format!("kind: Job\nspec:\n{}", indented(&text)));
    assert_eq!(again.errors, [], "{text:?}");
    assert_eq!(&again.documents[0].value["spec"], wanted, "{text:?}");
}

/// A place's text in JSON, read by itself, is the value.
fn again_json(slice: &str, _: usize, wanted: &Value) {
    assert_eq!(&serde_json::from_str::<Value>(slice).unwrap(), wanted);
}

/// The text of a place, read again by itself, is the value.
fn leads_back(document: &Document, again: fn(&str, usize, &Value)) {
    let mut all = Vec::new();
    pointers(&document.value, "", &mut all);
    for pointer in all {
        let place = document.locate(&pointer);
        let wanted = document.value.pointer(&pointer).unwrap();
        assert!(place.exact, "{pointer}");
        if wanted.is_null() {
            continue;
        }
        let slice = document.source().slice(&place.span);
        again(slice, place.column, wanted);
        for (index, line) in wanted.as_str().unwrap_or_default().split('\n').enumerate() {
            let place = document.locate_in_scalar(&pointer, index + 1, 1);
            if place.exact {
                let there = document.source().slice(&place.span);
                assert!(line.starts_with(there), "{pointer} {index} {line:?} {there:?}");
                assert!(
                    !there.is_empty() || line.is_empty() || slice.contains('\\'),
                    "{pointer} {index} {line:?}"
                );
            }
        }
    }
}

fn indented(text: &str) -> String {
    format!("  {}", text.replace('\n', "\n  "))
}

fn manifest(value: &Value) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "spec": value})
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn places_lead_back_to_values_in_yaml(value in value()) {
        let object = manifest(&value);
        let text = serde_saphyr::to_string(&object).unwrap();
        let loaded = load(&text);
        prop_assert_eq!(&loaded.errors, &[], "{}", text);
        prop_assert_eq!(&loaded.documents[0].value, &object, "{}", text);
        leads_back(&loaded.documents[0], again_yaml);
    }

    #[test]
    fn places_lead_back_to_values_in_json(value in value(), pretty in any::<bool>()) {
        let object = manifest(&value);
        let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.unwrap();
        let loaded = load(&format!("{text}\n{text}"));
        prop_assert_eq!(&loaded.errors, &[]);
        prop_assert_eq!(loaded.documents.len(), 2);
        for document in &loaded.documents {
            prop_assert_eq!(&document.value, &object);
            leads_back(document, again_json);
        }
    }

    #[test]
    fn no_text_breaks_the_reader(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "a", "b: ", "- ", "\n", "\n  ", "\n    ", "---\n", "...\n", "{", "}", "[", "]", ", ", ": ", "? ", "&x ", "*x", "<<: ",
                "|\n", ">-\n", "|2+\n", "\"", "'", "\\", "#", " # c\n", "\t", "\r\n", "!!str ", "!t ", "%YAML 1.2\n", "014", "yes",
                "{{ x }}", "é", "😀", "\u{feff}", "kind: Job\n", "kind: List\nitems:\n", "\"k\":", "\u{0}", "@", "`",
            ]),
            0..40,
        )
    ) {
        let text = parts.concat();
        let loaded = load(&text);
        let lines = text.matches('\n').count() + 1;
        for error in &loaded.errors {
            prop_assert!((1..=lines).contains(&error.line.unwrap_or(1)), "{error}");
        }
        for document in &loaded.documents {
            let mut all = Vec::new();
            pointers(&document.value, "", &mut all);
            for pointer in all {
                prop_assert!(document.locate(&pointer).exact, "{} in {:?}", pointer, text);
                let _ = document.locate_in_scalar(&pointer, 1, 1);
            }
        }
    }
}

#[test]
fn a_key_that_looks_like_the_head_of_a_block_is_a_key() {
    for key in ["         | # \\n\\n:kz:|", "a > # b", "|"] {
        let text = format!("kind: Job\nspec:\n  \"{key}\": |2\n       a\n      b\n");
        let loaded = load(&text);
        let name = key.replace("\\n", "\n");
        let place = loaded.documents[0].locate(&format!("/spec/{name}"));
        let slice = loaded.documents[0].source().slice(&place.span);
        assert_eq!(slice, "|2\n       a\n      b", "{key}");
        leads_back(&loaded.documents[0], again_yaml);
    }
}
