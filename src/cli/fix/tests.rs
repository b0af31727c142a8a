use super::*;
use crate::cli::manifest::{PathOrStdin, load_with};
use serde_json::{Value, json};

const TEXT: &str = "kind: Job\nspec: {x: 0, w: 0}\n---\nkind: Job\nshared: &s {x: 1}\nspec: *s\n";

fn loaded(text: &str) -> Loaded {
    load_with(&[PathOrStdin::Stdin], &mut text.as_bytes())
}

fn choice(document: usize, code: &'static str, pointer: &str, value: Value) -> Choice {
    Choice {
        document,
        edits: vec![Edit::Set {
            pointer: pointer.to_owned(),
            value,
        }],
        note: Note {
            file: Arc::from("<stdin>"),
            line: 1,
            code,
            object: "Job x".to_owned(),
            safety: FixSafety::Unsafe,
            refused: None,
        },
    }
}

fn text(outcome: &Outcome) -> Option<&str> {
    outcome.changed.first().map(|changed| changed.after.text())
}

fn notes(outcome: &Outcome) -> Vec<(&str, Option<&str>)> {
    outcome
        .notes
        .iter()
        .map(|note| (note.code, note.refused.as_deref()))
        .collect()
}

#[test]
fn fixes_that_undo_each_other_are_both_left_out_and_others_stay_possible() {
    let mut loaded = loaded(TEXT);
    let mut fixing = Fixing::new(&mut loaded);
    fixing.round(vec![choice(0, "HB3", "/spec/w", json!(5))]);
    fixing.round(vec![choice(0, "HB1", "/spec/x", json!(1))]);
    fixing.round(vec![choice(0, "HB2", "/spec/x", json!(0))]);
    assert!(fixing.made.is_empty(), "the file starts again");
    let barred = |code, value| {
        fixing
            .barred
            .contains(&choice(0, code, "/spec/x", json!(value)).barred())
    };
    assert!(barred("HB1", 1) && barred("HB2", 0));
    fixing.round(vec![choice(0, "HB3", "/spec/w", json!(5))]);
    let outcome = fixing.outcome();
    assert_eq!(text(&outcome), Some(TEXT.replace("w: 0", "w: 5").as_str()));
    let why = Some("the fixes of HB1 and HB2 undo each other: decide which one is meant");
    assert_eq!(notes(&outcome), [("HB3", None), ("HB1", why), ("HB2", why)]);
}

#[test]
fn a_fix_that_cannot_be_made_takes_no_other_with_it() {
    let mut loaded = loaded(TEXT);
    let mut fixing = Fixing::new(&mut loaded);
    fixing.round(vec![
        choice(0, "HB1", "/spec/x", json!(7)),
        choice(0, "HB2", "/spec/x/z", json!(7)),
        choice(1, "HB3", "/spec/x", json!(7)),
    ]);
    let outcome = fixing.outcome();
    assert_eq!(text(&outcome), Some(TEXT.replace("x: 0", "x: 7").as_str()));
    let reasons = notes(&outcome);
    assert_eq!(
        reasons.iter().filter(|(_, why)| why.is_none()).count(),
        1,
        "{reasons:?}"
    );
    assert!(
        reasons
            .iter()
            .any(|(code, why)| *code == "HB3" && why.is_some_and(|why| why.contains("alias `*s`"))),
        "{reasons:?}"
    );
}
