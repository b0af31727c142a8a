//! The tree. Offsets are bytes from the start of the script.

use std::rc::Rc;

/// Commands one after the other. What runs in the background is kept until the script waits for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine::shell) struct List(pub(in crate::engine::shell) Vec<Rc<Item>>);

/// Pipelines joined by `&&` and `||`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::shell) struct Item {
    pub first: Pipeline,
    pub rest: Vec<(Join, Pipeline)>,
    pub background: bool,
}

/// What joins two pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::shell) enum Join {
    And,
    Or,
}

/// Commands joined by `|`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::shell) struct Pipeline {
    pub bang: bool,
    pub stages: Vec<Command>,
}

/// One command with its redirections.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::shell) struct Command {
    pub at: usize,
    pub kind: Kind,
    pub redirects: Vec<Redirect>,
}

/// The kinds of commands.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::shell) enum Kind {
    Simple {
        assigns: Vec<Assign>,
        words: Vec<Word>,
    },
    Group(List),
    Subshell(List),
    If {
        arms: Vec<(List, List)>,
        otherwise: Option<List>,
    },
    Loop {
        until: bool,
        condition: List,
        body: List,
    },
    For {
        name: String,
        words: Option<Vec<Word>>,
        body: List,
    },
    ForArith {
        parts: Box<[Word; 3]>,
        body: List,
    },
    Case {
        subject: Word,
        arms: Vec<CaseArm>,
    },
    Function {
        name: String,
        body: Rc<Command>,
    },
    Test(Vec<Word>),
    Arith(Word),
}

/// `pattern|pattern) list ;;`
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::shell) struct CaseArm {
    pub patterns: Vec<Word>,
    pub body: List,
}

/// `NAME=value` before a command, or alone.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::shell) struct Assign {
    pub name: String,
    pub append: bool,
    /// `None` for an array: its elements are not followed.
    pub value: Option<Word>,
}

/// A redirection. The text of a here-document is not kept.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::shell) struct Redirect {
    pub kind: RedirectKind,
    pub fd: Option<u32>,
    pub target: Word,
}

/// What a redirection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::shell) enum RedirectKind {
    Read,
    Write,
    Duplicate,
    HereDocument,
    HereString,
}

/// A word before expansion.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine::shell) struct Word {
    pub at: usize,
    pub parts: Vec<Part>,
}

impl Word {
    /// The text of a word that needs no expansion and is not quoted.
    pub(in crate::engine::shell) fn bare(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// A piece of a word.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::shell) enum Part {
    /// Unquoted text: braces and patterns count.
    Literal(Rc<str>),
    /// Quoted text.
    Quoted(Rc<str>),
    Param {
        param: Box<Param>,
        quoted: bool,
    },
    Command {
        list: Rc<List>,
        quoted: bool,
    },
    Arith(Box<Word>),
}

/// `$NAME` or `${...}`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::shell) struct Param {
    pub name: String,
    pub op: ParamOp,
}

/// What `${NAME...}` does with the value. `colon` is true where an empty value counts as unset.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::shell) enum ParamOp {
    Plain,
    Length,
    Default {
        colon: bool,
        word: Word,
    },
    Assign {
        colon: bool,
        word: Word,
    },
    Demand {
        colon: bool,
    },
    Alternative {
        colon: bool,
        word: Word,
    },
    TrimSuffix {
        longest: bool,
        pattern: Word,
    },
    TrimPrefix {
        longest: bool,
        pattern: Word,
    },
    /// Substrings, replacements, indirection, arrays.
    Other,
}
