//! Flags whose secret has a form of its own: headers, and what one letter means to a program.

use super::HIDDEN;
use super::command::{Command, Form, is_any};
use super::key::{Kind, is_secret_header, kind};
use super::walk::{Expect, Step, is_hidden, is_user_and_password, quotation, replaced};

/// What may stand before a flag that is an element of a list.
const OPENING: [char; 5] = ['[', '(', '\\', '"', '\''];
/// What may stand behind it.
const CLOSING: [char; 6] = [']', ')', '\\', '"', '\'', ','];

/// The flag that a word is, as it stands in a command or as an element of a list: `"--password",`. A flag in quotes is
/// one of a sentence unless it is the last word.
pub(super) fn bare(word: &str, is_last: bool) -> &str {
    let is_closed = word.ends_with(['"', '\'', ']', ',']);
    if is_closed && (is_last || word.ends_with("\",") || word.ends_with("',")) {
        let flag = word.trim_end_matches(CLOSING);
        return &flag[flag.rfind(OPENING).map_or(0, |at| at + 1)..];
    }
    word
}

/// Behind these stands a header in full: `-H`, `-sSH`, `--header`.
pub(super) fn is_of_header(word: &str) -> bool {
    let is_letters =
        |letters: &str| letters.ends_with('H') && letters.bytes().all(|b| b.is_ascii_alphabetic());
    word.strip_prefix('-')
        .is_some_and(|flag| matches!(flag, "-header" | "-proxy-header") || is_letters(flag))
}

/// False for most words.
pub(super) fn may_be_one(word: &str) -> bool {
    word.starts_with('-') || word.starts_with(OPENING)
}

/// A header in one word with its flag, or in quotes of its own: `--header='X-API-Key: a b'`, `-H'Cookie: a=b'`,
/// `"X-API-Key: a b"`.
pub(super) fn header(rest: &str, word: &str) -> Option<Step> {
    let begins = word.len() - word.trim_start_matches(OPENING).len();
    let flags = ["--header=", "--proxy-header=", "-H"];
    let Some(flag) = flags.iter().find(|flag| word[begins..].starts_with(**flag)) else {
        let name = header_name(&word[begins..])?;
        let is_one = name.contains('-') && kind(name) == Some(Kind::Secret);
        return is_one.then(|| header_line(rest)).flatten();
    };
    let behind = begins + flag.len();
    if let Some((from, to)) = quotation(&rest[behind..]) {
        return hide_value(rest, behind + from, behind + to);
    }
    let opened = word[..begins].rfind(['\\', '"', '\''])?;
    let (_, to) = quotation(&rest[opened..])?;
    hide_value(rest, behind, opened + to)
}

/// A header in quotes, whatever its name may be.
pub(super) fn header_line(rest: &str) -> Option<Step> {
    let begins = usize::from(rest.starts_with(['[', '(']));
    let (from, to) = quotation(&rest[begins..])?;
    hide_value(rest, begins + from, begins + to)
}

/// The name of the header at the beginning of a text.
fn header_name(text: &str) -> Option<&str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let (name, behind) = text.split_at(text.find(|c| !is_of_name(c))?);
    behind.starts_with(':').then_some(name)
}

/// Hides all that stands behind the name of a header.
fn hide_value(rest: &str, from: usize, to: usize) -> Option<Step> {
    let name = header_name(&rest[from..to]).filter(|name| is_secret_header(name))?;
    let value = rest[from + name.len() + 1..to].trim_start_matches(' ');
    let shown = !(value.is_empty() || is_hidden(value));
    let shown = shown.then(|| format!("{}{HIDDEN}", &rest[..to - value.len()]));
    Some((to, shown, Expect::Nothing))
}

/// A word that begins with a dash and letters, of which one may mean a secret.
#[derive(Clone, Copy)]
pub(super) struct Flag {
    /// Where the dash stands.
    begins: usize,
    /// The first of them.
    letter: u8,
    /// The last one, where there is nothing else.
    last: Option<u8>,
}

impl Flag {
    /// `None` for one that means none to any program.
    pub(super) fn of(word: &str) -> Option<Self> {
        let flag = word.trim_start_matches(OPENING);
        let letters = flag.strip_prefix('-')?.trim_end_matches(CLOSING).as_bytes();
        let letter = *letters.first()?;
        let is_alone = letters.iter().all(u8::is_ascii_alphabetic);
        let last = letters.last().copied().filter(|_| is_alone);
        let begins = word.len() - flag.len();
        let flag = Self { begins, letter, last };
        (is_any(letter) || last.is_some_and(is_any)).then_some(flag)
    }

    /// What it says to the program of the command.
    pub(super) fn step(self, rest: &str, word: &str, command: &Command) -> Option<Step> {
        let next = |expect| Some((word.len(), None, expect));
        let is_alone = word[self.begins + 2..].trim_end_matches(CLOSING).is_empty();
        match command.form(self.letter) {
            Some(Form::User) if is_alone => next(Expect::UserAndPassword),
            Some(Form::Next | Form::Either) if is_alone => next(Expect::Value(Kind::Secret)),
            Some(form @ (Form::Glued | Form::Either | Form::User)) if !is_alone => {
                self.glued(rest, word, form)
            }
            Some(_) => None,
            // The last of several letters may have a value: `-su`.
            None => match command.form(self.last?)? {
                Form::User => next(Expect::UserAndPassword),
                _ => None,
            },
        }
    }

    /// Hides what stands in the word of the flag, and what else stands in its quotes.
    fn glued(self, rest: &str, word: &str, form: Form) -> Option<Step> {
        let begins = self.begins + 2;
        let opened = word[..self.begins].rfind(['"', '\'']);
        let around = opened
            .and_then(|at| Some(at + quotation(&rest[at..])?.1))
            .map(|to| (begins, to));
        let within = || quotation(&rest[begins..]).map(|(from, to)| (begins + from, begins + to));
        let quoted = around.or_else(within).filter(|(from, to)| from < to);
        let value = quoted.map_or(&word[begins..], |(from, to)| &rest[from..to]);
        let is_shown = match form {
            Form::User => !is_user_and_password(value),
            _ => is_port(value.trim_end_matches(CLOSING)),
        };
        if is_shown {
            return None;
        }
        let Some((from, to)) = quoted else {
            let shown = format!("{}{}", &word[..begins], replaced(value));
            return Some((word.len(), Some(shown), Expect::Nothing));
        };
        let shown = (!is_hidden(value)).then(|| format!("{}{HIDDEN}", &rest[..from]));
        Some((to, shown, Expect::Nothing))
    }
}

/// Ports of a container beside one that is named like a program: `-p127.0.0.1:3306:3306`.
fn is_port(value: &str) -> bool {
    value.contains(':')
        && value
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'))
}
