//! Scripts that stand in a mounted `ConfigMap`: run by a shell, by their own first line, or by `source`.

use super::super::files::{Files, Found, ScriptFile};
use super::super::syntax;
use super::super::value::Value;
use super::{Flow, HiddenText, Machine, Source, is_shell};

/// How a script is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// `. FILE`: in the shell that is there.
    Sourced,
    /// `sh FILE`: in a new shell, with `-e` or without.
    Shell(bool),
    /// `FILE`: by the interpreter that its first line names.
    Direct,
}

impl<'e> Machine<'e> {
    /// What the container mounts, and how many elements `command` and `args` have.
    pub(in crate::engine::shell) fn set_files(&mut self, files: Files<'e>, elements: usize) {
        self.files = files;
        self.elements = elements;
    }

    /// Runs a mounted script; `None` where no such file is mounted.
    pub(super) fn mounted(&mut self, at: usize, path: &Value, arguments: &[Value], how: How) -> Option<Flow> {
        let path = self.absolute(path.get()?)?;
        let (file, text, executable) = match self.files.find(&path)? {
            Found::Hidden(why) => {
                if how == How::Sourced {
                    self.hidden = HiddenText::Here;
                }
                self.hidden_text(at, why);
                return Some(Flow::Next);
            }
            Found::Script {
                file,
                text,
                executable,
            } => (file, text, executable),
        };
        let mut errexit = how == How::Shell(true);
        if how == How::Direct {
            if !executable {
                self.unreadable(
                    at,
                    format!(
                        "`{path}` has no execute bit: write defaultMode: 0755 in its volume, or run it by sh"
                    ),
                );
            }
            match interpreter(text) {
                Ok(errexit_there) => errexit = errexit_there,
                Err(program) => {
                    self.hidden_text(
                        at,
                        format!("`{path}` is a script for `{program}`, which is not read"),
                    );
                    return Some(Flow::Next);
                }
            }
        }
        self.charge(text.len() / 8);
        if !self.step() || !self.has_room() {
            return Some(Flow::Spent);
        }
        let outer = self.braces;
        if how == How::Direct {
            let first = text.lines().next().unwrap_or_default();
            let mut shells = first.split(['/', ' ']).filter(|word| is_shell(word));
            self.braces = self.expands_braces(shells.next().unwrap_or("sh"));
        }
        let flow = self.run_file(file, text, arguments, how, errexit);
        self.braces = outer;
        Some(flow)
    }

    fn run_file(
        &mut self,
        file: ScriptFile,
        text: &str,
        arguments: &[Value],
        how: How,
        errexit: bool,
    ) -> Flow {
        let index = self
            .script_files
            .iter()
            .position(|known| *known == file)
            .unwrap_or_else(|| {
                self.script_files.push(file);
                self.script_files.len() - 1
            });
        let source = Source::element(self.elements + index, text);
        self.note_line_ends(text, &source);
        let (list, error) = syntax::parse(text);
        let outer_source = std::mem::replace(&mut self.source, source);
        // What is sourced without arguments of its own sees those of the shell.
        let own = how != How::Sourced || !arguments.is_empty();
        let outer_arguments = own.then(|| std::mem::replace(&mut self.arguments, arguments.to_vec()));
        self.depth += 1;
        let flow = if how == How::Sourced {
            match self.list(&list) {
                Flow::Return => Flow::Next,
                flow => flow,
            }
        } else {
            let functions = self.functions.clone();
            let flow = self.subshell(|machine| {
                machine.errexit = errexit;
                machine.list(&list)
            });
            self.functions = functions;
            flow
        };
        self.depth -= 1;
        if let Some(error) = error {
            self.hidden_text(error.at, error.why);
        }
        if let Some(arguments) = outer_arguments {
            self.arguments = arguments;
        }
        self.source = outer_source;
        flow
    }

    /// `cd DIRECTORY`: relative paths start there.
    pub(super) fn change_directory(&mut self, to: Option<&Value>) {
        self.directory = to
            .and_then(Value::get)
            .map(str::to_owned)
            .and_then(|to| self.absolute(&to));
    }

    fn absolute(&self, path: &str) -> Option<String> {
        if path.starts_with('/') {
            return super::super::files::normal(path);
        }
        let directory = self.directory.as_deref().filter(|_| path.contains(['/', '.']))?;
        super::super::files::normal(&format!("{directory}/{path}"))
    }
}

/// Whether the first line's shell gets `-e`; the program where it is no shell. A script without such a line
/// is run by `sh`.
fn interpreter(text: &str) -> Result<bool, String> {
    let Some(line) = text.strip_prefix("#!").and_then(|rest| rest.lines().next()) else {
        return Ok(false);
    };
    let mut words = line.split_whitespace();
    let mut program = words.next().unwrap_or_default();
    if program.ends_with("/env") {
        program = words.find(|word| !word.starts_with('-')).unwrap_or_default();
    }
    if !is_shell(program.rsplit('/').next().unwrap_or_default()) {
        return Err(program.to_owned());
    }
    Ok(words.any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('e')))
}

#[cfg(test)]
mod tests {
    use super::interpreter;

    #[test]
    fn the_first_line_names_the_interpreter() {
        assert_eq!(interpreter("#!/bin/sh -eu\n"), Ok(true));
        assert_eq!(interpreter("#!/usr/bin/env -S bash\r\n"), Ok(false));
        assert_eq!(interpreter("echo\n"), Ok(false));
        assert_eq!(interpreter("#!/usr/bin/env python3\n"), Err("python3".to_owned()));
    }
}
