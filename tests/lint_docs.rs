//! The examples of `docs/lint.md` are what the commands print.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::{read, root, run};

const PAGE: &str = "docs/lint.md";

#[test]
fn the_examples_of_the_page_are_what_the_commands_print() {
    let page = read(PAGE);
    let mut wanted = String::new();
    let mut examples = 0;
    let mut rest = page.as_str();
    while let Some(at) = rest.find("```console\n$ hookbudget ") {
        let (before, block) = rest.split_at(at);
        let end = block[3..].find("\n```\n").expect("the block ends") + 3;
        let command = block
            .lines()
            .nth(1)
            .expect("a command")
            .trim_start_matches("$ hookbudget ");
        let ran = run(&command.split_whitespace().collect::<Vec<_>>());
        let out = ran.out.trim_end();
        wanted = format!("{wanted}{before}```console\n$ hookbudget {command}\n{out}\n```\n");
        rest = &block[end + "\n```\n".len()..];
        examples += 1;
    }
    wanted.push_str(rest);
    assert!(examples >= 5, "{examples}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(root().join(PAGE), wanted).expect("written");
    } else {
        assert!(
            page == wanted,
            "{PAGE} is stale: BLESS=1 cargo test --test lint_docs"
        );
    }
}
