//! The shell's grammar: text in, tree with byte offsets out. POSIX and the parts of bash that scripts in
//! manifests use. Linear in the length of the text, bounded in depth; `docs/design/shell-parser.md` says why
//! this is not a library's parser.

pub(super) mod ast;
mod commands;
mod compound;
mod cursor;
mod params;
mod words;

pub(super) use ast::{
    Assign, CaseArm, Command, Item, Join, Kind, List, Param, ParamOp, Part, Pipeline, RedirectKind, Word,
};
pub(super) use cursor::{Parser, SyntaxError};

/// The longest script that is read, in bytes. An API object holds 3 MiB at the most, and hand-written
/// scripts have a few KiB.
pub(super) const LONGEST: usize = 128 * 1024;

/// How deep commands and expansions may nest.
pub(super) const DEEPEST: u32 = 32;

/// Reads a script. What stands before a syntax error is returned with the error.
pub(super) fn parse(text: &str) -> (List, Option<SyntaxError>) {
    if text.len() > LONGEST {
        let why = format!("the script is longer than {} KiB and is not read", LONGEST / 1024);
        return (List::default(), Some(SyntaxError { at: 0, why }));
    }
    let (list, error) = Parser::new(text).program();
    let error = error.map(|error| SyntaxError {
        why: format!("the script cannot be read from here on: {}", error.why),
        ..error
    });
    (list, error)
}

#[cfg(test)]
mod tests;
