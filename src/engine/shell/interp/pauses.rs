//! What may pause without saying so: programs that are not shown, `read -t`, code of another language.
//!
//! A loop that runs such a thing in each round lasts at least as long as its own pauses; nobody sees how much
//! longer.

use std::rc::Rc;

use super::super::value::Value;
use super::external::{LOCAL, WRAPPERS};
use super::{Flow, Machine};

/// Programs that are over at once, besides those that work on texts: they say something of the container, or write
/// it down.
const QUICK: [&str; 44] = [
    "arch",
    "bc",
    "chgrp",
    "cksum",
    "clear",
    "cmp",
    "column",
    "comm",
    "dc",
    "expand",
    "file",
    "fold",
    "gawk",
    "getconf",
    "groups",
    "hexdump",
    "ifconfig",
    "ip",
    "join",
    "logger",
    "mawk",
    "mkfifo",
    "nl",
    "nproc",
    "od",
    "paste",
    "pgrep",
    "pidof",
    "readlink",
    "realpath",
    "rev",
    "rmdir",
    "sha1sum",
    "sha512sum",
    "shuf",
    "stat",
    "strings",
    "sync",
    "tac",
    "tput",
    "truncate",
    "uptime",
    "xxd",
    "yq",
];

/// What stands behind the option that carries a program's code: `python3 -c`, `perl -e`.
const INTERPRETERS: [(&str, &[&str]); 8] = [
    ("python", &["-c"]),
    ("python3", &["-c"]),
    ("perl", &["-e", "-E", "-ne", "-pe", "-le", "-lne"]),
    ("ruby", &["-e", "-ne", "-pe"]),
    ("node", &["-e", "-p", "-pe", "--eval", "--print"]),
    ("nodejs", &["-e", "-p", "-pe"]),
    ("php", &["-r"]),
    ("deno", &["eval"]),
];

/// Words of code that may take time: it pauses, calls somebody, starts a program or goes round in a loop.
const TAKES_TIME: [&str; 26] = [
    "`", "async", "await", "connect", "exec", "fetch", "fork", "http", "include", "listen", "loop", "nap",
    "net", "open(", "poll", "popen", "process", "promise", "request", "require", "select", "sleep", "socket",
    "spawn", "system", "time",
];

/// The same, as words that also stand for something else inside of longer ones.
const TAKES_TIME_ALONE: [&str; 5] = ["use", "wait", "while", "until", "for"];

/// Modules of Python that call nobody and wait for nothing.
const QUICK_MODULES: [&str; 14] = [
    "base64",
    "binascii",
    "configparser",
    "datetime",
    "hashlib",
    "json",
    "math",
    "os",
    "random",
    "re",
    "secrets",
    "string",
    "sys",
    "uuid",
];

/// Why a loop may last longer than its own pauses.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MayPause {
    pub why: Rc<str>,
    /// It stands where it decides: it is what the loop asks, if nothing else is.
    pub asks: bool,
}

/// The code in the arguments of a program of another language.
pub(super) fn code_of<'v>(base: &str, arguments: &'v [Value]) -> Option<&'v str> {
    let (_, options) = INTERPRETERS.iter().find(|(name, _)| *name == base)?;
    let at = arguments
        .iter()
        .position(|argument| options.contains(&argument.text.as_str()))?;
    arguments.get(at + 1)?.get()
}

/// How long code pauses that does nothing else: `sleep 5`, `import time; time.sleep(5)`.
fn pause_in(code: &str) -> Option<&str> {
    let code = code.trim().trim_end_matches(';').trim_end();
    let call = match code.rsplit_once(';') {
        Some((import, call)) if matches!(import.trim(), "import time" | "from time import sleep") => {
            call.trim()
        }
        Some(_) => return None,
        None => code,
    };
    let call = call.strip_prefix("time.").unwrap_or(call);
    let span = call.strip_prefix("sleep")?;
    let inner = span
        .trim_start()
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    let span = inner.unwrap_or(span).trim();
    let plain = !span.is_empty() && span.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then_some(span)
}

/// True for a program that is over at once, whatever its arguments are.
pub(super) fn is_quick(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or(name);
    LOCAL.contains(&base) || QUICK.contains(&base)
}

/// True for code that only works on its input.
fn is_quick_code(base: &str, code: &str) -> bool {
    let lower = code.to_ascii_lowercase();
    let words = || lower.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    if words().any(|word| TAKES_TIME_ALONE.contains(&word)) {
        return false;
    }
    if base.starts_with("python") {
        let imports = code.split(['\n', ';']).map(str::trim).filter_map(|line| {
            let rest = line
                .strip_prefix("import ")
                .or_else(|| line.strip_prefix("from "))?;
            Some(rest.split(" import ").next().unwrap_or(rest))
        });
        let mut modules = imports.flat_map(|names| names.split(','));
        return modules.all(|name| QUICK_MODULES.contains(&name.trim()))
            && !["open(", "popen", "system", "exec", "__import__", "sleep"]
                .iter()
                .any(|word| lower.contains(word));
    }
    !TAKES_TIME.iter().any(|word| lower.contains(word))
}

impl Machine<'_> {
    /// Something runs of which nobody sees how long it takes.
    pub(super) fn may_pause(&mut self, why: impl Into<Rc<str>>) {
        let asks = self.in_condition > 0;
        if let Some(frame) = self.frames.last_mut()
            && frame.may_pause.as_ref().is_none_or(|known| known.asks && !asks)
        {
            frame.may_pause = Some(MayPause {
                why: why.into(),
                asks,
            });
        }
    }

    /// Looks at a program that is not shown, or that runs what its arguments say; `Some` where all that it does is
    /// to pause for a time that is written there.
    pub(super) fn look_for_pauses(&mut self, at: usize, name: &str, arguments: &[Value]) -> Option<Flow> {
        let base = name.rsplit('/').next().unwrap_or(name);
        let code = code_of(base, arguments);
        if let Some(span) = code.and_then(pause_in) {
            return Some(self.sleep(at, "sleep", &[Value::known(span)]));
        }
        if base == "tail"
            && let [follows, .., file] = arguments
            && matches!(follows.get(), Some("-f" | "-F" | "--follow"))
            && file.text == "/dev/null"
        {
            return Some(self.sleep_for_ever(at));
        }
        if self.in_loop() && !is_over_at_once(base, arguments, code) {
            self.may_pause(format!(
                "`{name}` may pause, and the manifest does not show how long"
            ));
        }
        None
    }
}

/// True for a command line that takes no time to speak of.
fn is_over_at_once(base: &str, arguments: &[Value], code: Option<&str>) -> bool {
    if let Some(code) = code {
        return is_quick_code(base, code);
    }
    let has = |wanted: fn(&str) -> bool| arguments.iter().any(|argument| wanted(&argument.text));
    let starts_others = || {
        has(|text| text.contains("sleep") || text.contains("system(") || text.contains("getline"))
            || has(|text| matches!(text, "-exec" | "-execdir" | "-ok" | "s_client"))
    };
    match base {
        "tail" => !has(|text| matches!(text, "-f" | "-F" | "--follow" | "--retry")),
        // A packet a second.
        "ping" | "ping6" => arguments
            .iter()
            .skip_while(|argument| argument.text != "-c")
            .nth(1)
            .is_none_or(|count| count.text == "1"),
        "xargs" => {
            let mut words = arguments
                .iter()
                .filter(|argument| !argument.text.starts_with('-'));
            words
                .next()
                .is_none_or(|word| word.text == "echo" || is_quick(&word.text))
                && !starts_others()
        }
        _ => is_quick(base) && !starts_others() && !WRAPPERS.iter().any(|(name, _)| *name == base),
    }
}
