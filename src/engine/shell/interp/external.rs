//! Programs: probes, tools that wait, wrappers around other commands, filters.

use std::cell::Cell;
use std::rc::Rc;

use super::super::reading::{Failure, Probe, ReadConfidence, Wait};
use super::super::syntax;
use super::super::tools::{self, Call, OnError, Prints, Then};
use super::super::value::{REFUSED, Status, Value};
use super::mounted::How;
use super::{Flow, Machine, Source};
use crate::engine::budget::UNANSWERED_SYN;
use crate::engine::{Limit, Seconds, Span};

/// Programs that work on texts and files of the container and take no time to speak of.
pub(super) const LOCAL: [&str; 52] = [
    "addgroup",
    "adduser",
    "awk",
    "base64",
    "basename",
    "chmod",
    "chown",
    "cp",
    "cut",
    "df",
    "diff",
    "dirname",
    "du",
    "egrep",
    "env",
    "envsubst",
    "fgrep",
    "find",
    "free",
    "grep",
    "gunzip",
    "gzip",
    "head",
    "hostname",
    "id",
    "install",
    "jq",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mktemp",
    "mv",
    "openssl",
    "printenv",
    "ps",
    "pwd",
    "rm",
    "sed",
    "sha256sum",
    "sort",
    "stty",
    "tail",
    "tar",
    "tee",
    "touch",
    "tr",
    "uname",
    "uniq",
    "wc",
    "which",
    "whoami",
];

/// Commands that run the command behind them; the number of own arguments besides options.
pub(super) const WRAPPERS: [(&str, usize); 14] = [
    ("command", 0),
    ("builtin", 0),
    ("nohup", 0),
    ("nice", 0),
    ("sudo", 0),
    ("setsid", 0),
    ("stdbuf", 0),
    ("tini", 0),
    ("/sbin/tini", 0),
    ("/tini", 0),
    ("dumb-init", 0),
    ("gosu", 1),
    ("su-exec", 1),
    ("busybox", 0),
];

/// A command line that was read before.
#[derive(Debug)]
pub(super) struct KnownCall {
    tool: String,
    arguments: Vec<Value>,
    call: Call,
}

/// How many of them are kept, and of how many words at the most.
const MOST_KNOWN: usize = 4;
const MOST_REMEMBERED: usize = 64;

impl Machine<'_> {
    pub(super) fn external(&mut self, at: usize, name: &str, arguments: &[Value]) -> Flow {
        let base = name.rsplit('/').next().unwrap_or(name);
        if let Some((_, own)) = WRAPPERS
            .iter()
            .find(|(wrapper, _)| *wrapper == base || *wrapper == name)
        {
            return self.wrapper(at, base, *own, arguments);
        }
        match base {
            "env" if !arguments.is_empty() => return self.env_command(at, arguments),
            "timeout" => return self.timeout(at, arguments),
            _ if is_shell(base) => return self.shell(at, name, arguments),
            "cat" => return self.cat(arguments),
            _ if LOCAL.contains(&base) => {
                if let Some(flow) = self.computed(base, arguments) {
                    return flow;
                }
                return self
                    .look_for_pauses(at, name, arguments)
                    .unwrap_or_else(|| self.filter(base, arguments));
            }
            _ => {}
        }
        if name.contains('/')
            && let Some(flow) = self.mounted(at, &Value::known(name), arguments, How::Direct)
        {
            return flow;
        }
        if name.contains('/')
            && is_program_too(base)
            && let Some(flow) = self.builtin(at, base, arguments)
        {
            return flow;
        }
        if let Some(call) = self.read_call(base, arguments) {
            if base.starts_with("ping") {
                self.look_for_pauses(at, name, arguments);
            }
            return self.call(at, call);
        }
        if let Some(flow) = self.computed(base, arguments) {
            return flow;
        }
        self.look_for_pauses(at, name, arguments)
            .unwrap_or_else(|| self.unknown_program(at, name))
    }

    /// What a command line asks a tool to do. Each round of a loop makes the same calls, and to read their options
    /// takes longer than all else in the round.
    fn read_call(&mut self, tool: &str, arguments: &[Value]) -> Option<Call> {
        let same = |known: &&Rc<KnownCall>| known.tool == tool && known.arguments == arguments;
        if let Some(known) = self.known_calls.iter().find(same) {
            return Some(known.call.clone());
        }
        let asked = Cell::new(false);
        let call = tools::read(tool, arguments, &|name| {
            asked.set(true);
            self.timeout_variable(name)
        })?;
        // A variable that limits the tool may have another value in the next round.
        if !asked.get() && arguments.len() <= MOST_REMEMBERED {
            if self.known_calls.len() >= MOST_KNOWN {
                self.known_calls.remove(0);
            }
            self.known_calls.push(Rc::new(KnownCall {
                tool: tool.to_owned(),
                arguments: arguments.to_vec(),
                call: call.clone(),
            }));
        }
        Some(call)
    }

    /// A variable that limits a tool, such as `PGCONNECT_TIMEOUT`.
    fn timeout_variable(&self, name: &str) -> Option<Value> {
        self.note_look(name);
        if let Some(value) = self.vars.get(name) {
            return Some(value.clone());
        }
        match (self.env)(name) {
            super::EnvValue::Known(text) => Some(Value::known(text)),
            super::EnvValue::Hidden => Some(Value::unknown(
                format!("${name}"),
                format!("the manifest does not show the value of `${name}`"),
            )),
            super::EnvValue::Unset => None,
        }
    }

    fn wrapper(&mut self, at: usize, name: &str, own: usize, arguments: &[Value]) -> Flow {
        if name == "command"
            && arguments
                .first()
                .and_then(Value::get)
                .is_some_and(|flag| matches!(flag, "-v" | "-V"))
        {
            self.print(&Value::printed("command -v"));
            self.status = Status::Open;
            return Flow::Next;
        }
        let skipped = arguments
            .iter()
            .take_while(|argument| argument.text.starts_with('-'))
            .count();
        self.dispatch(at, arguments.get(skipped + own..).unwrap_or_default())
    }

    /// `env [-i] [A=b].. COMMAND`
    fn env_command(&mut self, at: usize, arguments: &[Value]) -> Flow {
        let is_own = |argument: &&Value| argument.text.starts_with('-') || argument.text.contains('=');
        let own = arguments.iter().take_while(is_own).count();
        let (assigns, command) = arguments.split_at(own);
        self.subshell(|machine| {
            for assign in assigns {
                if let Some((name, text)) = assign.text.split_once('=') {
                    let mut value = Value::known(text);
                    value.mark(assign);
                    machine.assign(name, value);
                }
            }
            machine.dispatch(at, command)
        })
    }

    /// `sh -c TEXT`
    fn shell(&mut self, at: usize, name: &str, arguments: &[Value]) -> Flow {
        let own = self.expands_braces(name);
        let outer = std::mem::replace(&mut self.braces, own);
        let flow = self.shell_command(at, name, arguments);
        self.braces = outer;
        flow
    }

    fn shell_command(&mut self, at: usize, name: &str, arguments: &[Value]) -> Flow {
        let place = self.place(at);
        let Some(script) = super::super::entry::script_of(arguments) else {
            if let Some((index, errexit)) = super::super::entry::file_of(arguments)
                && let Some(path) = arguments.get(index)
            {
                let rest = arguments.get(index + 1..).unwrap_or_default();
                if let Some(flow) = self.mounted(at, path, rest, How::Shell(errexit)) {
                    return flow;
                }
            }
            let file = arguments.iter().find(|argument| !argument.text.starts_with('-'));
            let file = file.map_or("its standard input", |file| file.text.as_str());
            self.hidden_text(
                at,
                format!("`{name}` runs `{file}`, which the manifest does not show"),
            );
            return Flow::Next;
        };
        let Some(text) = script.text.get().map(str::to_owned) else {
            self.hidden_text(at, format!("`{name} -c` runs a text that is not wholly known"));
            return Flow::Next;
        };
        self.charge(text.len() / 8);
        let (list, error) = syntax::parse(&text);
        if let Some(error) = error {
            self.hidden_text(at, error.why);
        }
        let outer_source = std::mem::replace(&mut self.source, Source::fixed(place));
        let outer_arguments = std::mem::replace(&mut self.arguments, script.arguments);
        let functions = self.functions.clone();
        let flow = self.subshell(|machine| {
            machine.errexit = script.errexit;
            machine.list(&list)
        });
        self.functions = functions;
        self.arguments = outer_arguments;
        self.source = outer_source;
        flow
    }

    fn cat(&mut self, arguments: &[Value]) -> Flow {
        let value = match self.input.take() {
            Some(input) if arguments.is_empty() => input,
            _ => self.printed_by("cat"),
        };
        self.print(&value);
        self.succeed()
    }

    /// A program that works on its input: of nothing it makes nothing.
    fn filter(&mut self, name: &str, arguments: &[Value]) -> Flow {
        let has = |flag: &str| arguments.iter().any(|argument| argument.get() == Some(flag));
        let empty = self
            .input
            .as_ref()
            .is_some_and(|input| input.get().is_some_and(|text| text.trim().is_empty()));
        let searches = matches!(name, "grep" | "egrep" | "fgrep");
        if empty {
            let counts = name == "wc" || (searches && has("-c"));
            self.print(&Value::known(if counts { "0\n" } else { "" }));
            self.status = match name {
                _ if searches => Status::Failure(1),
                // No result at all.
                "jq" if asks_jq(arguments) => Status::Failure(4),
                _ => Status::Success,
            };
            return Flow::Next;
        }
        let printed = self.printed_by(name);
        self.print(&printed);
        let asks = searches || (name == "jq" && asks_jq(arguments));
        if asks && self.doom.is_some() {
            self.status = Status::Open;
            return Flow::Next;
        }
        let decides = searches || matches!(name, "jq" | "ls" | "ps" | "diff" | "which");
        if decides && self.in_condition > 0 {
            if let Some(frame) = self.frames.last_mut() {
                frame.readiness = true;
                frame.files_decide |= printed.local;
            }
            self.status = self.undecided_status();
        } else {
            self.status = Status::Success;
        }
        Flow::Next
    }

    /// What a call prints while nothing answers.
    fn print_of(&mut self, prints: Prints, tool: &str) {
        match prints {
            Prints::Nothing => {}
            Prints::Code => {
                let mut code = Value::known("000");
                code.code = true;
                self.print(&code);
            }
            Prints::Unknown => self.print(&Value::printed(tool)),
        }
    }

    /// A call of a network service that is not there.
    pub(super) fn call(&mut self, at: usize, call: Call) -> Flow {
        if let Some(why) = &call.hidden {
            self.unreadable(at, why.clone());
        }
        let cap = self.cap.map(Limit::At);
        // A negative limit has run out before the first try.
        let none = Limit::At(Seconds::ZERO);
        let limit = cap.map_or(call.limit, |cap| call.limit.min(cap)).max(none);
        let hangs = if call.connects && call.waits.is_none() {
            limit.min(Limit::At(UNANSWERED_SYN))
        } else {
            limit
        };
        let probe = Probe {
            place: self.place(at),
            tool: call.tool,
            target: call.target,
            limit,
            behind_unread: self.unread_ahead(),
            failure: Failure::Unknown,
        };
        self.print_of(call.prints, &probe.tool);
        let failure = match call.on_error {
            OnError::Fails => Status::Failure(1),
            OnError::Answers => Status::Failure(REFUSED),
            OnError::Open => Status::Open,
        };
        let doomed = self.doomed(probe.place, failure.clone());
        let is_doomed = doomed.is_some();
        if self.in_loop() {
            self.note_opaque(failure == Status::Open);
            self.probed += 1;
            self.status = doomed.unwrap_or(failure);
            if self.present && call.waits.is_none() {
                self.status = Status::Success;
            }
            let mut endless = false;
            if let Some(frame) = self.frames.last_mut() {
                frame.note_probe(&probe);
                frame.hangs = frame.hangs.max(hangs.seconds());
                frame.assumed |= call.assumed;
                if let Some(waits) = &call.waits {
                    frame.tool = frame.tool + call.nominal;
                    frame.tool_name = Some(waits.name.clone());
                }
                endless = call
                    .waits
                    .as_ref()
                    .is_some_and(|waits| !waits.span.nominal.is_bounded());
                frame.endless |= endless && self.deadline.is_none();
            }
            if endless {
                return match self.deadline {
                    Some(deadline) => {
                        self.now = deadline;
                        Flow::Killed
                    }
                    None => Flow::Break(1),
                };
            }
            return self.pass(call.nominal, hangs);
        }
        self.settle();
        self.status = doomed.unwrap_or(Status::Open);
        if let Some(waits) = call.waits {
            let span = self.capped(waits.span);
            let nominal = span.nominal.seconds().unwrap_or(Seconds::ZERO);
            self.keep(Wait {
                place: probe.place,
                target: probe.target.clone(),
                tool: Some(waits.name),
                span,
                attempts: waits.attempts,
                interval: waits.interval,
                falls_through: span.nominal.is_bounded()
                    && call
                        .then
                        .as_ref()
                        .map_or(!self.errexit || self.in_condition > 0, |then| then.always),
                ready_statuses: Vec::new(),
                fatal_statuses: Vec::new(),
                confidence: if call.assumed || waits.assumed {
                    ReadConfidence::Likely
                } else {
                    ReadConfidence::Certain
                },
                arithmetic: waits.arithmetic,
                probe: Some(probe),
            });
            let flow = self.pass(nominal, Limit::At(nominal));
            return match call.then.filter(|_| flow == Flow::Next) {
                Some(then) => self.turn_into(at, &then, is_doomed),
                None => flow,
            };
        }
        self.keep_call(probe);
        self.pass(call.nominal, limit)
    }
}

/// True for `jq -e`, whose status says whether there is something.
fn asks_jq(arguments: &[Value]) -> bool {
    arguments.iter().filter_map(Value::get).any(|argument| {
        let short = argument.strip_prefix('-').filter(|flags| !flags.starts_with('-'));
        argument == "--exit-status" || short.is_some_and(|flags| flags.contains('e'))
    })
}

/// Built-in commands that stand in `/bin` as well.
fn is_program_too(base: &str) -> bool {
    matches!(
        base,
        "[" | "date"
            | "echo"
            | "expr"
            | "false"
            | "kill"
            | "printf"
            | "seq"
            | "sleep"
            | "test"
            | "true"
            | "usleep"
    )
}

impl Machine<'_> {
    /// What an enclosing `timeout` leaves of a span; no less than nothing.
    fn capped(&self, span: Span) -> Span {
        let cap = self.cap.map_or(Limit::Never, Limit::At);
        let within = |limit: Limit| limit.min(cap).max(Limit::ZERO);
        Span::between(within(span.nominal), within(span.worst))
    }

    /// The program that has waited runs another one in its place.
    fn turn_into(&mut self, at: usize, then: &Then, failed: bool) -> Flow {
        // Whether the script goes on is decided with the wait.
        self.undecided = None;
        if failed && !then.always {
            return Flow::Next;
        }
        self.dispatch(at, &then.command)
    }
}

pub(in crate::engine::shell) fn is_shell(base: &str) -> bool {
    matches!(base, "sh" | "bash" | "ash" | "dash" | "ksh" | "zsh" | "mksh")
}
