//! Reading manifests as a user hands them in.
#![cfg(feature = "cli")]

use hookbudget::cli::manifest::{Loaded, PathOrStdin, load_with};

fn stdin(text: &str) -> Loaded {
    load_with(&[PathOrStdin::Stdin], &mut text.as_bytes())
}

#[test]
fn a_stream_gives_its_objects_with_their_places() {
    let loaded = stdin("kind: Job\nspec:\n  backoffLimit: 6\n---\nkind: Job\nspec: {backoffLimit: 014}\n");
    assert_eq!(loaded.errors, []);
    let [first, second] = loaded.documents.as_slice() else {
        panic!("{loaded:?}")
    };
    let place = first.locate("/spec/backoffLimit");
    assert_eq!((place.line, place.column, place.exact), (3, 17, true));
    assert_eq!(first.source().slice(&place.span), "6");
    assert_eq!(second.value["spec"]["backoffLimit"], 12);
    let place = second.locate("/spec/backoffLimit");
    assert_eq!((place.line, place.column), (6, 22));
    let key = first.locate_key("/spec/backoffLimit");
    assert_eq!((key.line, key.column), (3, 3));
    let missing = first.locate("/spec/activeDeadlineSeconds");
    assert_eq!((missing.line, missing.column, missing.exact), (2, 1, false));
}

#[test]
fn a_line_of_a_script_is_found_in_the_file() {
    for (header, indent) in [
        ("|", "      "),
        ("|-", "      "),
        ("|+", "      "),
        ("|2-", "      "),
        ("|2", "        "),
        (">", "      "),
    ] {
        let body = "set -eu\n\nfor i in $(seq 1 60); do\n  sleep 5\ndone\n";
        let lines: String = body
            .lines()
            .map(|line| {
                if line.is_empty() {
                    "\n".into()
                } else {
                    format!("{indent}{line}\n")
                }
            })
            .collect();
        let text = format!("kind: Job\nspec:\n  script: {header} # run\n{lines}  next: 1\n");
        let loaded = stdin(&text);
        let document = &loaded.documents.first().unwrap_or_else(|| panic!("{loaded:?}"));
        let value = document.value["spec"]["script"].as_str().unwrap_or_default();
        let (line, column) = value
            .lines()
            .enumerate()
            .find_map(|(index, line)| line.find("sleep").map(|at| (index + 1, at + 1)))
            .unwrap_or_else(|| panic!("{value:?}"));
        let place = document.locate_in_scalar("/spec/script", line, column);
        assert_eq!(
            (place.line, place.exact),
            (7, true),
            "{header}: {value:?} {place:?}"
        );
        assert!(
            document.source().slice(&place.span).starts_with("sleep"),
            "{header} {place:?}"
        );
    }
}

#[test]
fn every_broken_input_is_named_with_its_place_and_the_rest_goes_on() {
    let bomb = (1..12).fold(
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(),
        |text, level| {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            format!("{text}a{level}: &a{level} [{items}]\n")
        },
    );
    let cases = [
        (
            "a: 1\na: 2",
            "4:1: key `a` is set twice: in line 3 and in line 4; remove one",
        ),
        (
            "{\"a\": 1,\n \"a\": 2}",
            "4:2: key `a` is set twice: in line 3 and in line 4; remove one",
        ),
        (
            "spec:\n\tbackoffLimit: 6",
            "4:2: tabs disallowed within this context (block indentation)",
        ),
        ("spec: {a: 1", "3:7: unclosed bracket '{'"),
        ("a: *nowhere", "3:4: while parsing node, found unknown anchor"),
        (
            "a: &a [*a]",
            "3:8: this alias stands inside the node that it names",
        ),
        (
            "a: .inf",
            "3:4: `.inf` has no JSON form; write a finite number, or quote it as text",
        ),
        (
            "a: 'open\nb: 2",
            "4:1: invalid indentation in multiline quoted scalar",
        ),
        ("a: b: c", "3:5: mapping values are not allowed in this context"),
        ("? [a]\n: b", "3:3: a key must be text, not a list or a mapping"),
        ("~: b", "3:1: null cannot be a key; quote it"),
        (
            "<<: 5",
            "3:1: `<<` needs a mapping or a list of mappings to merge",
        ),
        ("a: !!int six", "3:10: `six` is not the `!!int` that its tag says"),
        ("kind: Job\nkind", "4:1: simple key expected ':'"),
        (
            "- a\nb: 1",
            "4:1: while parsing a block collection, did not find expected '-' indicator",
        ),
        ("kind: 5", "3:7: kind: expected a string, found the number 5"),
        ("{\"a\": [1, }", "3:7: mismatched bracket '[' closed by '}'"),
        (&"[".repeat(100_000), "3:129: nested deeper than 128 levels"),
        (&"{\"a\":".repeat(100_000), "3:641: nested deeper than 128 levels"),
        (&"- ".repeat(100_000), "3:257: nested deeper than 128 levels"),
        (
            &bomb,
            "8:45: aliases multiply this document beyond any Kubernetes object; write it out",
        ),
    ];
    for (text, expected) in cases {
        let loaded = stdin(&format!("kind: Before\n---\n{text}\n---\nkind: After\n"));
        let kinds: Vec<_> = loaded
            .documents
            .iter()
            .map(hookbudget::cli::manifest::Document::kind)
            .collect();
        assert_eq!(kinds, ["Before", "After"], "{expected}");
        let errors: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, [format!("<stdin>:{expected}")]);
    }
}

#[test]
fn text_over_several_lines_is_found_where_its_writing_shows_it() {
    let table = [
        ("set -eu;\n    sleep 5", 3, 5, true),
        ("'set -eu;\n    sleep 5'", 3, 5, true),
        ("\"set -eu;\n    sleep 5\"", 3, 5, true),
        ("\"set -eu\\nsleep 5\"", 2, 21, true),
        ("\"\\u00e9\\ud83d\\ude00 sleep 5\"", 2, 31, true),
        (">-\n    set -eu;\n    sleep 5\n\n      deep\n    end", 4, 5, true),
        ("|2\n\n      set -eu\n    sleep 5", 5, 5, true),
        ("'it''s; sleep 5'", 2, 19, true),
        ("\"set -eu;\n    \\x73leep 5; sleep\"", 3, 5, true),
        ("\"set -eu  \n\n    echo\\n\\\n    \\  sleep 5\"", 5, 8, true),
        ("\"a\\n\n    b\\r\\t日本 sleep 5\"", 3, 13, true),
        ("|\n    日本\tsleep 5", 3, 8, true),
        ("|-\r\n    set -eu\r\n    sleep 5\r", 4, 5, true),
        (">1\n   a\n  sleep 5", 4, 3, true),
    ];
    for (script, line, column, exact) in table {
        let loaded = stdin(&format!("kind: Job\na-script: {script}\n"));
        let document = loaded
            .documents
            .first()
            .unwrap_or_else(|| panic!("{script:?} {loaded:?}"));
        let value = document.value["a-script"].as_str().unwrap();
        let start = value.find("sleep").unwrap();
        let place = document.locate_range_in_scalar("/a-script", start..start + 5);
        assert_eq!(
            (place.line, place.column, place.exact),
            (line, column, exact),
            "{script:?}"
        );
        if exact {
            // An escape hides where the letters behind it stand.
            let written = document.source().slice(&place.span);
            assert!("sleep".starts_with(written), "{script:?}: {written:?}");
        }
    }
}
