//! The fenced blocks of the documentation, and what a comment above one says about how it is run. The words are in
//! CONTRIBUTING.md.
#![allow(dead_code, reason = "every test takes what it needs")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::ops::Range;
use std::path::Path;
use std::process::Command;

/// Pages and stages in the order in which their commands are typed on a real cluster: a reader's way, from the
/// installation to what takes it away (`tests/cluster/install/docs.rs`).
pub(crate) const WAY: [(&str, &str); 10] = [
    ("README.md", "install"),
    ("docs/guides/first-namespace.md", "use"),
    ("docs/guides/write-a-good-hook.md", "use"),
    ("docs/guides/respond-to-an-alert.md", "use"),
    ("docs/guides/write-a-good-hook.md", "mended"),
    ("docs/guides/tune-budgets.md", "use"),
    ("docs/status-page.md", "use"),
    ("certs/README.md", "tools"),
    ("docs/guides/first-namespace.md", "uninstall"),
    ("certs/README.md", "provided"),
];

/// What a comment above a block says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// `typed on a cluster: STAGE`.
    Cluster(String),
    /// `exits: STATUS`, where it is not 0.
    Exits(i32),
    /// `run as: COMMAND`: what the tests run in its place.
    RunAs(String),
    /// `run by: FILE`: what else runs it.
    RunBy(String),
    /// `not run: REASON`.
    NotRun(String),
}

/// A fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) page: String,
    /// Line of the fence that opens it, from 1.
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
    /// Where the text stands in the page.
    pub(crate) place: Range<usize>,
    pub(crate) marks: Vec<Mark>,
    /// The block of output that follows at once.
    pub(crate) shown: Option<String>,
}

impl Block {
    /// `page:line`, as an editor takes it.
    pub(crate) fn at(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    pub(crate) fn is_commands(&self) -> bool {
        matches!(self.language.as_str(), "sh" | "console")
    }

    pub(crate) fn stage(&self) -> Option<&str> {
        self.marks.iter().find_map(|mark| match mark {
            Mark::Cluster(stage) => Some(stage.as_str()),
            _ => None,
        })
    }

    /// The exit status that its commands have.
    pub(crate) fn exits(&self) -> i32 {
        let status = self.marks.iter().find_map(|mark| match mark {
            Mark::Exits(status) => Some(*status),
            _ => None,
        });
        status.unwrap_or(0)
    }

    /// What is run here: nothing of what is run elsewhere or not at all.
    pub(crate) fn script(&self) -> Option<&str> {
        let mut script = Some(self.text.as_str());
        for mark in &self.marks {
            match mark {
                Mark::RunAs(command) => script = Some(command),
                Mark::RunBy(_) | Mark::NotRun(_) => return None,
                Mark::Cluster(_) | Mark::Exits(_) => {}
            }
        }
        script
    }
}

fn mark(comment: &str) -> Option<Result<Mark, String>> {
    let (word, value) = comment.split_once(": ")?;
    let value = value.trim().to_owned();
    Some(match word {
        "typed on a cluster" => Ok(Mark::Cluster(value)),
        "exits" => value.parse().map(Mark::Exits).map_err(|error| error.to_string()),
        "run as" => Ok(Mark::RunAs(value)),
        "run by" => Ok(Mark::RunBy(value)),
        "not run" if value.split_whitespace().count() >= 4 => Ok(Mark::NotRun(value)),
        "not run" => Err("the reason is missing".to_owned()),
        _ => return None,
    })
}

/// The blocks of a page.
pub(crate) fn parse(page: &str, text: &str) -> Result<Vec<Block>, String> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut marks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    // Nothing but empty lines since the last block.
    let mut adjacent = false;
    let mut offset = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let (start, bare) = (offset, line.trim());
        offset += line.len();
        if let Some((block, indent)) = &mut open {
            if bare == "```" {
                let (mut block, _) = open.take().expect("it is open");
                block.place.end = start;
                let is_output = block.language == "text" && block.marks.is_empty() && adjacent;
                match blocks.last_mut().filter(|_| is_output) {
                    Some(before) if before.is_commands() && before.shown.is_none() => {
                        before.shown = Some(block.text);
                    }
                    _ => blocks.push(block),
                }
                adjacent = true;
            } else {
                block.text += line.get(*indent..).unwrap_or("\n");
            }
        } else if let Some(language) = bare.strip_prefix("```") {
            let block = Block {
                page: page.to_owned(),
                line: number + 1,
                language: language.to_owned(),
                text: String::new(),
                place: offset..offset,
                marks: std::mem::take(&mut marks),
                shown: None,
            };
            open = Some((block, line.len() - line.trim_start().len()));
        } else if let Some(comment) = bare
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"))
        {
            match mark(comment) {
                Some(Ok(found)) => marks.push(found),
                Some(Err(why)) => return Err(format!("{page}:{}: {why}", number + 1)),
                None => {}
            }
            adjacent = false;
        } else if !bare.is_empty() {
            if !marks.is_empty() {
                return Err(format!("{page}:{}: {marks:?} stands above no block", number + 1));
            }
            adjacent = false;
        }
    }
    match open {
        Some((block, _)) => Err(format!("{}: the block does not end", block.at())),
        None => Ok(blocks),
    }
}

/// What a command printed, both streams as a terminal shows them.
pub(crate) struct Typed {
    pub(crate) status: i32,
    pub(crate) printed: String,
}

/// Types a script into a shell that stops at the first command that fails; ten minutes at most.
pub(crate) fn type_in(directory: &Path, path: &str, script: &str) -> Typed {
    let output = Command::new("timeout")
        .args(["600", "bash", "--noprofile", "--norc", "-euo", "pipefail", "-c"])
        .arg(format!("exec 2>&1\n{script}"))
        .current_dir(directory)
        .env("PATH", path)
        .env_remove("NO_COLOR")
        .env_remove("COLUMNS")
        .stdin(std::process::Stdio::null())
        .output()
        .expect("bash runs");
    Typed {
        status: output.status.code().unwrap_or(-1),
        printed: String::from_utf8_lossy(&output.stdout).into_owned(),
    }
}

/// The part of what is shown that was not printed: the lines come in this order, and `...` stands for what differs
/// from run to run, or is long.
pub(crate) fn missing<'s>(shown: &'s str, printed: &str) -> Option<&'s str> {
    let mut rest = printed;
    for part in shown.lines().flat_map(|line| line.split("...")).map(str::trim) {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return Some(part),
        }
    }
    None
}

/// A directory with what the commands of the documentation name, to be written into: the rest of the repository is
/// there by links.
pub(crate) fn desk(root: &Path) -> tempfile::TempDir {
    const COPIED: [&str; 2] = ["examples", "certs"];
    let desk = tempfile::tempdir().expect("a directory");
    for entry in std::fs::read_dir(root).expect("the repository") {
        let name = entry.expect("an entry").file_name();
        let copied = COPIED.iter().any(|copied| name == *copied);
        let to = desk.path().join(&name);
        if copied {
            let status = Command::new("cp")
                .arg("-r")
                .arg(root.join(&name))
                .arg(&to)
                .status();
            assert!(status.expect("cp runs").success(), "{} is copied", name.display());
        } else if name != "target" && name != ".git" {
            std::os::unix::fs::symlink(root.join(&name), &to).expect("a link");
        }
    }
    desk
}

/// `PATH` with the programs that were built first.
pub(crate) fn path_with(binary: &str) -> String {
    let directory = Path::new(binary).parent().expect("a directory").display();
    format!("{directory}:{}", std::env::var("PATH").unwrap_or_default())
}
