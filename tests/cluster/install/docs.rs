//! The commands of the documentation, typed on a cluster in the order in which a reader types them. The blocks are those
//! that a comment marks with a stage; `tests/docs_commands.rs` runs the others.

use std::path::Path;

use super::{NAMESPACE, ROOT, SHOP, left_behind};
use crate::blocks::{Block, WAY, desk, missing, parse, path_with, type_in};
use crate::kit::{run, until};

fn blocks_of(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(format!("{ROOT}/{page}")).expect("the page");
    parse(page, &text).unwrap_or_else(|why| panic!("{why}"))
}

/// Types a block, and holds what it shows against what it prints.
fn type_block(block: &Block, directory: &Path, path: &str) {
    let script = block.script().unwrap_or_default();
    println!("== {}\n{script}", block.at());
    let typed = type_in(directory, path, script);
    println!("{}", typed.printed);
    let expected = block.exits();
    assert_eq!(typed.status, expected, "{}\n{}", block.at(), typed.printed);
    let shown = block.shown.as_deref().unwrap_or_default();
    if let Some(part) = missing(shown, &typed.printed) {
        panic!(
            "{}: not shown, or not there: {part}\n{}",
            block.at(),
            typed.printed
        );
    }
}

/// What the test leaves behind when it fails, so that the next one finds an empty cluster.
struct Tidy;

impl Drop for Tidy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (release, namespace) in [("orders", "orders"), ("hookbudget", NAMESPACE)] {
                run("helm", &["uninstall", release, "-n", namespace, "--no-hooks"], "");
            }
            let namespaces = [
                "delete",
                "namespace",
                SHOP,
                NAMESPACE,
                "orders",
                "--ignore-not-found",
            ];
            run("kubectl", &namespaces, "");
        }
    }
}

#[test]
#[ignore = "installs the release itself: see tests/cluster/run"]
fn the_commands_of_the_documentation_do_what_it_says() {
    let _tidy = Tidy;
    let path = path_with(env!("CARGO_BIN_EXE_hookbudget"));
    let desk = desk(Path::new(ROOT));
    for (page, stage) in WAY {
        let blocks: Vec<Block> = blocks_of(page)
            .into_iter()
            .filter(|block| block.stage() == Some(stage))
            .collect();
        assert!(!blocks.is_empty(), "{page} has nothing for the stage {stage}");
        for block in &blocks {
            type_block(block, desk.path(), &path);
        }
    }
    run("helm", &["uninstall", "hookbudget", "-n", NAMESPACE], "");
    run(
        "kubectl",
        &["delete", "namespace", NAMESPACE, "orders", "--ignore-not-found"],
        "",
    );
    run(
        "kubectl",
        &[
            "delete",
            "crd",
            "jobdiagnoses.hookbudget.dev",
            "--ignore-not-found",
        ],
        "",
    );
    until(60, "the namespaces to go", || {
        let gone = |name| !run("kubectl", &["get", "namespace", name], "").ok;
        (gone(NAMESPACE) && gone(SHOP)).then_some(())
    });
    assert_eq!(left_behind(), Vec::<String>::new());
}
