use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::cli::manifest::source::Origin;
use crate::cli::manifest::{split, yaml};

/// Whether each document of a text was read here; what was read is what the parser gives.
fn compare(text: &str) -> Vec<bool> {
    let source = Source::new("a.yaml", Origin::Stdin, text.to_owned());
    let ranges = split::documents(&source);
    let read = |range: &Range<usize>| {
        let own = parse(&source, range);
        if own.is_some() {
            let parsed = yaml::parse_any(&source, range).ok().flatten();
            assert_eq!(format!("{own:#?}"), format!("{parsed:#?}"), "{text}");
        }
        own.is_some()
    };
    ranges.iter().map(read).collect()
}

fn texts(below: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            texts(&path, found);
        } else if matches!(extension, Some("yaml" | "yml")) {
            found.extend(std::fs::read_to_string(&path));
        }
    }
}

static FIXTURES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut found = Vec::new();
    texts(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
        &mut found,
    );
    found.sort_unstable();
    found
});

#[test]
fn fixtures_read_as_the_parser_reads_them() {
    let read: Vec<bool> = FIXTURES.iter().flat_map(|text| compare(text)).collect();
    let own = read.iter().filter(|own| **own).count();
    assert!(
        own * 10 > read.len() * 8,
        "{own} of {} documents without the parser",
        read.len()
    );
}

#[test]
fn what_is_written_otherwise_is_left_to_the_parser() {
    for text in [
        "a: &x 1\nb: *x\n",
        "<<: {a: 1}\n",
        "a: !!str 1\n",
        "? a\n: b\n",
        "a: >\n  b\n",
        "a: |2\n   b\n",
        "a: |\n\n  b\n",
        "a: |\n  b",
        "a: b\n  c\n",
        "a: \"b\n  c\"\n",
        "a: \"b\\n\"\n",
        "a: 'it''s'\n",
        "a: b: c\n",
        "a:\n",
        "a: {b: c}\n",
        "a: [b,\n  c]\n",
        "a: [[b]]\n",
        "a:\t1\n",
        "a: 1\r\n",
        "a: \u{e9}\n",
        "a: 1\na: 2\n",
        "a: 1\n b: 2\n",
        "a:\n  b: 1\n c: 2\n",
        "- a\nb: 1\n",
        "null: 1\n",
        "a\n",
        "# nothing\n",
    ] {
        assert_eq!(compare(text), [false], "{text:?}");
    }
}

/// What lines of manifests hold, and what breaks them.
const PIECES: [&str; 48] = [
    "a: 1",
    "b: x y",
    "c:",
    "d: \"q # r\"",
    "e: 'q: r'",
    "- f",
    "- g: 1",
    "- h:",
    "-",
    "- - i",
    "- |",
    "j: |",
    "k: |-",
    "l: |+",
    "m: >",
    "# n",
    "",
    " ",
    "o: p # q",
    "[r]",
    "s: [t, \"u\", -c] # v",
    "w: {}",
    "x: []",
    "y: yes",
    "z: 014",
    "---",
    "...",
    "\"a b\": c",
    "f: -c",
    "- --flag=x",
    "- \"k\": v",
    "g: http://h:80/i",
    "h: a:",
    "i: a#b",
    "echo 'x' # y",
    "if [ $i -ge 3 ]; then",
    "n: ~",
    "m: &a 1",
    "b: *a",
    "\tt",
    "q: \"\"",
    "r: ''",
    "t: '",
    "u: \"",
    "- []",
    "- {} # x",
    "v: a, b]",
    "- k: |",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn lines_read_as_the_parser_reads_them(
        lines in proptest::collection::vec((0_usize..6, 0..PIECES.len()), 1..9),
        ends in any::<bool>(),
    ) {
        let lines: Vec<String> = lines.iter().map(|(indent, piece)| format!("{:indent$}{}", "", PIECES[*piece])).collect();
        let text = lines.join("\n") + if ends { "\n" } else { "" };
        compare(&text);
    }

    #[test]
    fn damaged_manifests_read_as_the_parser_reads_them(
        which in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..3, "[ \n:#\"'|\\[\\]{},a-]"), 1..3),
    ) {
        let mut text: Vec<char> = which.get(&FIXTURES).chars().collect();
        for (at, removed, added) in &edits {
            if !text.is_empty() {
                let at = at.index(text.len());
                let end = text.len().min(at + removed);
                text.splice(at..end, added.chars());
            }
        }
        compare(&text.into_iter().collect::<String>());
    }
}
