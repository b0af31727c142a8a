use serde_json::json;

use super::*;
use crate::cli::manifest::{Loaded, PathOrStdin, load_with};

fn load(text: &str) -> Loaded {
    load_with(&[PathOrStdin::Stdin], &mut text.as_bytes())
}

fn apply(text: &str, edit: &Edit) -> Result<String, String> {
    let loaded = load(text);
    let document = loaded
        .documents
        .last()
        .unwrap_or_else(|| panic!("{text:?} {loaded:?}"));
    let splice = document.splice(edit)?;
    let mut text = text.to_owned();
    text.replace_range(splice.range, &splice.text);
    Ok(text)
}

fn set(pointer: &str, value: Value) -> Edit {
    Edit::Set {
        pointer: pointer.to_owned(),
        value,
    }
}

fn append(pointer: &str, value: Value) -> Edit {
    Edit::Append {
        pointer: pointer.to_owned(),
        value,
    }
}

fn prepend(pointer: &str, value: Value) -> Edit {
    Edit::Prepend {
        pointer: pointer.to_owned(),
        value,
    }
}

/// Each edit, the text before and the text after it; both without their `kind: Job` line.
fn check(edit: &Edit, before: &str, after: &str) {
    let text = format!("kind: Job\n{before}");
    assert_eq!(apply(&text, edit), Ok(format!("kind: Job\n{after}")), "{edit:?}");
    let value = |text: &str| Value::clone(&load(text).documents[0].value);
    let mut wanted = value(&text);
    crate::cli::fix::apply(&mut wanted, edit).expect("applies");
    assert_eq!(value(&format!("kind: Job\n{after}")), wanted);
}

#[test]
fn a_value_is_replaced_in_its_own_manner() {
    let edit = set("/spec/backoffLimit", json!(3));
    check(
        &edit,
        "spec:\n  backoffLimit: 6   # why\n",
        "spec:\n  backoffLimit: 3   # why\n",
    );
    check(
        &edit,
        "spec: {backoffLimit: 6, x: 1}\n",
        "spec: {backoffLimit: 3, x: 1}\n",
    );
    check(
        &edit,
        "spec:\n  backoffLimit:\n  x: 1\n",
        "spec:\n  backoffLimit: 3\n  x: 1\n",
    );
    check(
        &edit,
        "spec:\n  backoffLimit: # none\n",
        "spec:\n  backoffLimit: 3 # none\n",
    );
    check(
        &edit,
        "spec:\n  backoffLimit: &n 6\n",
        "spec:\n  backoffLimit: &n 3\n",
    );
    check(
        &edit,
        "n: &n 6\nspec:\n  backoffLimit: *n\n",
        "n: &n 6\nspec:\n  backoffLimit: 3\n",
    );
    let edit = set("/restartPolicy", json!("Never"));
    check(&edit, "restartPolicy: 'OnFailure'\n", "restartPolicy: 'Never'\n");
    check(
        &edit,
        "restartPolicy: \"OnFailure\"\n",
        "restartPolicy: \"Never\"\n",
    );
    check(
        &edit,
        "restartPolicy: |-\n  OnFailure\nx: 1\n",
        "restartPolicy: Never\nx: 1\n",
    );
    check(&set("/a", json!("yes")), "a: no\n", "a: \"yes\"\n");
}

#[test]
fn a_collection_takes_the_place_of_another_value() {
    let edit = set("/a", json!({"b": [1, 2]}));
    check(&edit, "a: 5\nz: 1\n", "a:\n  b:\n    - 1\n    - 2\nz: 1\n");
    check(&edit, "a: {}\nz: 1\n", "a:\n  b:\n    - 1\n    - 2\nz: 1\n");
    check(&edit, "a:\nz:\n- 1\n", "a:\n  b:\n  - 1\n  - 2\nz:\n- 1\n");
    check(
        &edit,
        "a: # c\n    c: 5\nz: 1\n",
        "a: # c\n    b:\n      - 1\n      - 2\nz: 1\n",
    );
    check(&edit, "a:\n- 5\nz: 1\n", "a:\n  b:\n  - 1\n  - 2\nz: 1\n");
    check(
        &set("/a", json!(7)),
        "a:\n  - 5\n  - x: 1\n    w: 2\nz: 1\n",
        "a: 7\nz: 1\n",
    );
    check(
        &set("/a/1", json!({"x": 1, "w": 2})),
        "a:\n  - 5\n  - 6\n",
        "a:\n  - 5\n  - w: 2\n    x: 1\n",
    );
    check(&set("/a", json!("one\ntwo\n")), "a: x\n", "a: \"one\\ntwo\\n\"\n");
}

#[test]
fn a_key_is_added_behind_the_short_ones() {
    let edit = set("/spec/backoffLimit", json!(3));
    check(
        &edit,
        "spec:\n  a: 1 # x\n  # of b\n  b:\n    c: 1\n",
        "spec:\n  a: 1 # x\n  backoffLimit: 3\n  # of b\n  b:\n    c: 1\n",
    );
    check(
        &edit,
        "spec:\n  # of b\n  b:\n    c: 1\n",
        "spec:\n  backoffLimit: 3\n  # of b\n  b:\n    c: 1\n",
    );
    check(&edit, "spec:\n  a: 1", "spec:\n  a: 1\n  backoffLimit: 3");
    check(
        &edit,
        "spec:\r\n  a: 1\r\n",
        "spec:\r\n  a: 1\r\n  backoffLimit: 3\r\n",
    );
    check(&edit, "spec: {}\nx: 1\n", "spec:\n  backoffLimit: 3\nx: 1\n");
    check(&edit, "spec: {} # none\n", "spec: {backoffLimit: 3} # none\n");
    check(&edit, "spec: {a: 1}\n", "spec: {a: 1, backoffLimit: 3}\n");
    check(&edit, "spec: {a: 1,}\n", "spec: {a: 1, backoffLimit: 3,}\n");
    check(
        &edit,
        "spec: { b: {c: 1} }\n",
        "spec: { b: {c: 1}, backoffLimit: 3 }\n",
    );
    check(&edit, "spec:\n", "spec:\n  backoffLimit: 3\n");
    check(&edit, "x: 1\n", "x: 1\nspec:\n  backoffLimit: 3\n");
    check(
        &set("/c/0/p", json!("v")),
        "c:\n  - name: a\n    env:\n      - x\n",
        "c:\n  - name: a\n    p: v\n    env:\n      - x\n",
    );
    check(
        &set("/c/0/p", json!("v")),
        "c:\n- env:\n  - x\n  name: a\n",
        "c:\n- p: v\n  env:\n  - x\n  name: a\n",
    );
    check(
        &set("/m/a~1b", json!("v")),
        "m:\n  \"c/d\": \"x\"\n",
        "m:\n  \"c/d\": \"x\"\n  \"a/b\": \"v\"\n",
    );
}

#[test]
fn lists_grow_at_both_ends() {
    let (last, first) = (
        append("/l", json!({"k": "A", "v": "1"})),
        prepend("/l", json!("x")),
    );
    check(
        &last,
        "l:\n  - k: B # b\nz: 1\n",
        "l:\n  - k: B # b\n  - k: A\n    v: \"1\"\nz: 1\n",
    );
    check(
        &last,
        "l:\n- k: B\nz: 1\n",
        "l:\n- k: B\n- k: A\n  v: \"1\"\nz: 1\n",
    );
    check(&last, "l: []\nz: 1\n", "l:\n  - k: A\n    v: \"1\"\nz: 1\n");
    check(&last, "l: [{k: B}]\n", "l: [{k: B}, {k: A, v: \"1\"}]\n");
    check(&last, "z: 1\n", "z: 1\nl:\n  - k: A\n    v: \"1\"\n");
    check(
        &last,
        "l: [\n  a,\n  b\n]\n",
        "l: [\n  a,\n  b,\n  {k: A, v: \"1\"}\n]\n",
    );
    check(&first, "l:\n  # of y\n  - y\n", "l:\n  # of y\n  - x\n  - y\n");
    check(&first, "l: [y]\n", "l: [x, y]\n");
    check(&first, "l:\n", "l:\n  - x\n");
}

#[test]
fn json_stays_json() {
    let pretty = "{\n  \"kind\": \"Job\",\n  \"spec\": {\n    \"a\": 1,\n    \"t\": {\n      \"b\": [{\"k\": 1}]\n    }\n  }\n}\n";
    assert_eq!(
        apply(pretty, &set("/spec/x", json!("yes"))).unwrap(),
        pretty.replace("\"a\": 1,", "\"a\": 1,\n    \"x\": \"yes\",")
    );
    assert_eq!(
        apply(pretty, &set("/spec/a", json!("two"))).unwrap(),
        pretty.replace("\"a\": 1", "\"a\": \"two\"")
    );
    assert_eq!(
        apply(pretty, &append("/spec/t/b", json!({"k": "x"}))).unwrap(),
        pretty.replace("{\"k\": 1}", "{\"k\": 1}, {\"k\": \"x\"}")
    );
    assert_eq!(
        apply(r#"{"kind":"Job","spec":{}}"#, &set("/spec/a/b", json!(null))).unwrap(),
        r#"{"kind":"Job","spec":{"a": {"b": null}}}"#
    );
}

#[test]
fn what_several_places_share_is_refused_with_its_reason() {
    let shared = "kind: Job\na: &a\n  x: 1\nb: *a\nc:\n  <<: *a\n  w: 2\n";
    for (edit, why) in [
        (
            set("/a/x", json!(2)),
            "the anchor in line 3 is repeated by an alias",
        ),
        (
            set("/a", json!(2)),
            "the anchor in line 3 is repeated by an alias",
        ),
        (set("/b/x", json!(2)), "the alias `*a` in line 4"),
        (set("/c/x/z", json!(2)), "`x` comes from the merge key in line 6"),
        (append("/c/x", json!(2)), "`x` comes from the merge key in line 6"),
        (append("/c/w", json!(2)), "it is no list"),
        (
            set("/c/w/z", json!(2)),
            "its parent is neither a mapping nor a list",
        ),
    ] {
        let error = apply(shared, &edit).expect_err(why);
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(
        apply(shared, &set("/b", json!(2))).unwrap(),
        shared.replace("b: *a", "b: 2")
    );
    assert_eq!(
        apply(shared, &set("/c/x", json!(2))).unwrap(),
        shared.replace("  w: 2", "  w: 2\n  x: 2")
    );
}
