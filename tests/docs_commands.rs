//! Every command that the documentation shows is run: here where no cluster is needed, in
//! `tests/cluster/install/docs.rs` where one is, and what is run nowhere says why. What is shown as output is what they
//! print. `BLESS=1` writes the outputs of `console` blocks anew.
#![cfg(all(feature = "cli", feature = "wait"))]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "what could not be looked at is said")]

#[path = "support/blocks.rs"]
mod blocks;
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use blocks::{Block, Mark, WAY, desk, missing, parse, path_with, type_in};
use support::{files, read, root};

/// Pages whose `sh` blocks are scripts of hooks, not commands to type.
const SCRIPTS_OF_HOOKS: [&str; 2] = ["docs/rules/", "docs/causes/"];

/// Reports of what a cluster did and said, written by the tests that saw it.
const REPORTS: &str = "docs/incidents/";

/// Every page of the repository that people read.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = std::fs::read_dir(root())
        .expect("the repository")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"))
        .collect();
    for below in [
        "docs",
        "certs",
        "charts",
        "dashboards",
        "examples",
        "fuzz",
        "tests",
    ] {
        let below = files(below, ".md").into_iter();
        pages.extend(below.filter(|page| !page.starts_with("tests/fixtures/") && !page.contains("/target/")));
    }
    pages.sort();
    pages
}

fn blocks_of(page: &str) -> Vec<Block> {
    parse(page, &read(page)).unwrap_or_else(|why| panic!("{why}"))
}

fn all_blocks() -> Vec<Block> {
    pages().iter().flat_map(|page| blocks_of(page)).collect()
}

fn is_script_of_a_hook(block: &Block) -> bool {
    SCRIPTS_OF_HOOKS.iter().any(|below| block.page.starts_with(below))
}

fn has(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program} > /dev/null")])
        .status();
    found.is_ok_and(|status| status.success())
}

/// Whether a tool that the machine of the tests has to have is there; elsewhere it is said that it is not.
fn at_hand(tool: &str, for_what: &str) -> bool {
    let there = has(tool);
    assert!(
        there || std::env::var_os("CI").is_none(),
        "no {tool} for {for_what}: tests/setup installs it"
    );
    if !there {
        eprintln!("no {tool} on the PATH: {for_what} is not looked at here");
    }
    there
}

#[test]
fn no_block_escapes() {
    let mut wrong = String::new();
    for block in all_blocks() {
        let at = block.at();
        match block.language.as_str() {
            "sh" | "console" | "yaml" | "json" | "promql" => {}
            "text" if block.page.starts_with(REPORTS) => {}
            "text" if block.marks.iter().any(|mark| matches!(mark, Mark::NotRun(_))) => {}
            "text" => {
                let _ = writeln!(
                    wrong,
                    "{at}: output of no command: put it right behind the block that prints it"
                );
            }
            other => {
                let _ = writeln!(
                    wrong,
                    "{at}: {other:?} is nothing that a test looks at: sh for commands, console for commands with their \
                     exact output, text for output, yaml, json, promql"
                );
            }
        }
        if let Some(stage) = block.stage().filter(|stage| !WAY.contains(&(&block.page, stage))) {
            let _ = writeln!(
                wrong,
                "{at}: nobody types {stage:?} of this page: WAY in tests/support/blocks.rs has who does"
            );
        }
        for mark in &block.marks {
            if let Mark::RunBy(file) = mark {
                let there = std::fs::read_to_string(root().join(file)).unwrap_or_default();
                // A script may take the words out of the page itself.
                if there.contains(&block.page) {
                    continue;
                }
                let first = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
                for line in block
                    .text
                    .lines()
                    .filter(|line| !line.starts_with(' '))
                    .map(first)
                {
                    if !there.contains(&line) {
                        let _ = writeln!(wrong, "{at}: {file} does not run `{line}`");
                    }
                }
            }
        }
    }
    assert_eq!(wrong, "");
}

/// The output of a page's `console` blocks as the commands print it, and what is wrong.
fn run_page(page: &str, path: &str, wrong: &mut String) -> String {
    let mut text = read(page);
    let desk = desk(&root());
    // From the end, so that places stay right; the commands ran in order before.
    let mut outputs: Vec<(Block, String)> = Vec::new();
    for block in blocks_of(page) {
        if !block.is_commands() || block.stage().is_some() || is_script_of_a_hook(&block) {
            continue;
        }
        let Some(script) = block.script() else { continue };
        if script.contains("helm ") && !at_hand("helm", &block.at()) {
            continue;
        }
        let at = block.at();
        if block.language == "sh" {
            let typed = type_in(desk.path(), path, script);
            if typed.status != block.exits() {
                let _ = writeln!(
                    wrong,
                    "{at}: exits with {}, not {}:\n{}",
                    typed.status,
                    block.exits(),
                    typed.printed
                );
            }
            if let Some(part) = block
                .shown
                .as_deref()
                .and_then(|shown| missing(shown, &typed.printed))
            {
                let _ = writeln!(
                    wrong,
                    "{at}: not printed, or not in this order: {part}\n{}",
                    typed.printed
                );
            }
            continue;
        }
        let printed = run_console(&block, desk.path(), path, wrong);
        outputs.push((block, printed));
    }
    for (block, printed) in outputs.into_iter().rev() {
        let has_gaps = block.text.lines().any(|line| line.trim() == "...");
        if has_gaps {
            if let Some(part) = missing(&block.text, &printed) {
                let _ = writeln!(
                    wrong,
                    "{}: not printed, or not in this order: {part}\n{printed}",
                    block.at()
                );
            }
        } else {
            text.replace_range(block.place, &printed);
        }
    }
    text
}

/// A `console` block as it comes out: each command behind its `$`, and what it prints.
fn run_console(block: &Block, desk: &Path, path: &str, wrong: &mut String) -> String {
    let mut whole = String::new();
    let mut lines = block.text.lines();
    while let Some(line) = lines.next() {
        let Some(first) = line.strip_prefix("$ ") else {
            continue;
        };
        let mut command = first.to_owned();
        let _ = writeln!(whole, "{line}");
        while command.ends_with('\\') {
            let more = lines.next().unwrap_or_default();
            let _ = write!(command, "\n{more}");
            let _ = writeln!(whole, "{more}");
        }
        let typed = type_in(desk, path, &command);
        if typed.status != block.exits() {
            let _ = writeln!(
                wrong,
                "{}: `{command}` exits with {}, not {}",
                block.at(),
                typed.status,
                block.exits()
            );
        }
        whole += typed.printed.trim_end();
        whole.push('\n');
    }
    if whole.is_empty() {
        let _ = writeln!(wrong, "{}: no command: begin its line with `$ `", block.at());
    }
    whole
}

#[test]
fn the_commands_do_what_is_shown() {
    let path = path_with(env!("CARGO_BIN_EXE_hookbudget"));
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = String::new();
    for page in pages() {
        let wanted = run_page(&page, &path, &mut wrong);
        if bless {
            std::fs::write(root().join(&page), &wanted).expect("written");
        } else if wanted != read(&page) {
            let _ = writeln!(
                wrong,
                "{page} is stale: BLESS=1 cargo test --test docs_commands, and look at the change"
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_scripts_of_hooks_are_read_by_a_shell() {
    for block in all_blocks()
        .iter()
        .filter(|block| is_script_of_a_hook(block) && block.is_commands())
    {
        let checked = Command::new("bash")
            .args(["-n", "-c", &block.text])
            .output()
            .expect("bash runs");
        assert!(
            checked.status.success(),
            "{}: {}",
            block.at(),
            String::from_utf8_lossy(&checked.stderr)
        );
    }
}

#[test]
fn yaml_and_json_can_be_read() {
    for block in all_blocks() {
        let read = match block.language.as_str() {
            "yaml" => serde_saphyr::from_multiple::<serde_json::Value>(&block.text)
                .map(drop)
                .map_err(|error| error.to_string()),
            "json" => serde_json::from_str::<serde_json::Value>(&block.text)
                .map(drop)
                .map_err(|error| error.to_string()),
            _ => continue,
        };
        assert!(read.is_ok(), "{}: {read:?}", block.at());
    }
}

/// Queries name metrics that exist, and Prometheus can read them.
#[test]
fn queries_are_queries() {
    let known = format!("{}{}", read("docs/metrics.md"), read("docs/metrics-webhook.md"));
    let mut rules = "groups: [{name: docs, rules: [".to_owned();
    for block in all_blocks().iter().filter(|block| block.language == "promql") {
        let names = block.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in names.filter(|name| name.starts_with("hookbudget_")) {
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end));
            let found = [Some(name), family]
                .into_iter()
                .flatten()
                .any(|name| known.contains(&format!("`{name}`")));
            assert!(found, "{}: no metric {name}", block.at());
        }
        let query = block
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let query = serde_json::to_string(&query.collect::<Vec<_>>().join("\n")).expect("JSON");
        let _ = write!(rules, "{{record: \"docs:query\", expr: {query}}},");
    }
    rules += "]}]";
    if at_hand("promtool", "queries of the documentation") {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), &rules).expect("written");
        let checked = Command::new("promtool")
            .args(["check", "rules", "--lint=none"])
            .arg(file.path())
            .output();
        let checked = checked.expect("promtool runs");
        assert!(
            checked.status.success(),
            "{rules}\n{}",
            String::from_utf8_lossy(&checked.stderr)
        );
    }
}

/// The anchors that headings of a page give, as hosts of repositories make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// `a/b/../c` without its dots.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = String::new();
    for page in pages() {
        let text = read(&page);
        let mut rest = text.as_str();
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            let target = rest.split(')').next().unwrap_or_default();
            if target.contains("://") || target.is_empty() || target.contains(char::is_whitespace) {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let directory = Path::new(&page).parent().expect("a directory");
            let to = if file.is_empty() {
                PathBuf::from(&page)
            } else {
                normal(&directory.join(file))
            };
            if !root().join(&to).exists() {
                let _ = writeln!(wrong, "{page}: {target} leads nowhere");
            } else if !anchor.is_empty() && !anchors(&read(&to.display().to_string())).contains(anchor) {
                let _ = writeln!(wrong, "{page}: {target}: no such heading");
            }
        }
    }
    assert_eq!(wrong, "");
}

/// A page that the index of the documentation does not name is found by nobody.
#[test]
fn the_index_leads_to_every_page() {
    let index = read("docs/README.md");
    let generated = [
        "docs/rules/",
        "docs/causes/",
        "docs/runbooks/",
        "docs/design/",
        "docs/incidents/",
    ];
    for page in files("docs", ".md") {
        let below = page.trim_start_matches("docs/");
        let listed_elsewhere =
            generated.iter().any(|below| page.starts_with(below)) && !page.ends_with("README.md");
        if below != "README.md" && !listed_elsewhere {
            assert!(
                index.contains(&format!("]({below})")),
                "docs/README.md does not lead to {page}"
            );
        }
    }
}
