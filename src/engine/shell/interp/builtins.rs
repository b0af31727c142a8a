//! Built-in commands of the shell, and the small programs that scripts count and wait with.

use std::fmt::Write as _;

use super::super::duration;
use super::super::reading::{ReadConfidence, Wait};
use super::super::value::{Status, Value};
use super::expand::numbers;
use super::mounted::How;
use super::{Flow, HiddenText, Machine, test};
use crate::engine::{Limit, Seconds, Span};

impl Machine<'_> {
    /// `break`, `continue`, `return`, `exit`.
    fn jump(&mut self, name: &str, arguments: &[Value]) -> Option<Flow> {
        match name {
            "break" => {
                self.status = Status::Success;
                Some(Flow::Break(levels(arguments)))
            }
            "continue" => {
                self.status = Status::Success;
                Some(Flow::Continue(levels(arguments)))
            }
            "return" => {
                self.leave_with(arguments);
                Some(Flow::Return)
            }
            "exit" => {
                self.leave_with(arguments);
                if matches!(self.status, Status::Open | Status::Hidden(_)) {
                    self.leave_the_end_open();
                }
                self.exit_code = match &self.status {
                    Status::Success => 0,
                    Status::Failure(code) => *code,
                    Status::Open | Status::Hidden(_) => 1,
                };
                Some(Flow::Exit)
            }
            _ => None,
        }
    }

    /// Runs a built-in; `None` when `name` is none.
    pub(super) fn builtin(&mut self, at: usize, name: &str, arguments: &[Value]) -> Option<Flow> {
        let flow = match name {
            "cd" => {
                self.change_directory(arguments.first());
                self.succeed()
            }
            ":" | "true" | "trap" | "umask" | "ulimit" | "shopt" | "alias" | "hash" | "disown" | "pushd"
            | "popd" | "fg" | "bg" | "getopts" => self.succeed(),
            "jobs" => {
                self.print(&Value::printed_here("jobs"));
                self.succeed()
            }
            "kill" => self.kill(arguments),
            "wait" => self.wait_for_jobs(!arguments.is_empty()),
            "false" => {
                self.status = Status::Failure(1);
                Flow::Next
            }
            "echo" => self.echo(arguments),
            "printf" => self.printf(arguments),
            "export" | "readonly" => self.declare(false, arguments),
            "local" | "declare" | "typeset" => self.declare(true, arguments),
            "set" => self.set(arguments),
            "shift" => {
                let count = number(arguments.first()).unwrap_or(1);
                let count = usize::try_from(count).unwrap_or(0).min(self.arguments.len());
                self.arguments.drain(..count);
                self.succeed()
            }
            "unset" => {
                for argument in arguments {
                    self.assign(&argument.text, Value::default());
                }
                self.succeed()
            }
            "exec" => return Some(self.exec(at, arguments)),
            "eval" => {
                self.hidden = HiddenText::Here;
                self.hidden_text(at, "`eval` runs a text that is made at run time");
                Flow::Next
            }
            "." | "source" => {
                if let Some((file, rest)) = arguments.split_first()
                    && let Some(flow) = self.mounted(at, file, rest, How::Sourced)
                {
                    return Some(flow);
                }
                let file = arguments
                    .first()
                    .map(|file| file.text.as_str())
                    .unwrap_or_default();
                self.hidden = HiddenText::Here;
                self.hidden_text(at, format!("the script `{file}` is not in the manifest"));
                Flow::Next
            }
            "[" => {
                let arguments = match arguments.split_last() {
                    Some((last, rest)) if last.get() == Some("]") => rest,
                    _ => arguments,
                };
                self.status = test::single_bracket(self, arguments);
                Flow::Next
            }
            "test" => {
                self.status = test::single_bracket(self, arguments);
                Flow::Next
            }
            "let" => {
                for argument in arguments {
                    self.status = match self.arithmetic(argument) {
                        Ok(value) => Status::of(value.text != "0"),
                        Err(why) => Status::Hidden(why.into()),
                    };
                }
                Flow::Next
            }
            "read" | "mapfile" | "readarray" => self.read_line(arguments),
            "sleep" | "usleep" => self.sleep(at, name, arguments),
            "seq" => self.seq(arguments),
            "expr" => self.expr(arguments),
            "date" => {
                let value = match date_offset(arguments) {
                    Some(offset) => self.date(offset),
                    None => Value::printed_here("date"),
                };
                self.print(&value);
                self.succeed()
            }
            _ => return self.jump(name, arguments),
        };
        Some(flow)
    }

    pub(super) fn succeed(&mut self) -> Flow {
        self.status = Status::Success;
        Flow::Next
    }

    fn read_line(&mut self, arguments: &[Value]) -> Flow {
        for argument in arguments
            .iter()
            .filter(|argument| !argument.text.starts_with('-'))
        {
            let mut value = self.printed_by("read");
            value.text = format!("${}", argument.text).into();
            self.assign(&argument.text, value);
        }
        self.pause_of_read(arguments);
        // As a condition it ends a loop over lines; else there is something to read.
        self.note_opaque(true);
        self.status = if self.in_condition > 0 {
            Status::Failure(1)
        } else {
            Status::Open
        };
        Flow::Next
    }

    /// `read -t 5` pauses for 5 s where its input stays open, and not at all where there is none.
    fn pause_of_read(&mut self, arguments: &[Value]) {
        let flag = arguments
            .iter()
            .position(|argument| argument.text.starts_with("-t"));
        let Some((at, flag)) = flag.and_then(|at| Some((at, arguments.get(at)?))) else {
            return;
        };
        let attached = flag.text.strip_prefix("-t").filter(|span| !span.is_empty());
        let span = attached
            .or_else(|| arguments.get(at + 1)?.get())
            .unwrap_or_default();
        if self.input.is_some() || self.frames.is_empty() {
            return;
        }
        self.may_pause(format!(
            "`read -t {span}` pauses for as long where its input stays open, and not at all where there is none"
        ));
        self.surplus = self.surplus + duration::seconds(span).unwrap_or(Seconds::ZERO);
    }

    fn leave_with(&mut self, arguments: &[Value]) {
        match arguments
            .first()
            .map(|argument| (argument.get(), number(Some(argument))))
        {
            None => {}
            Some((_, Some(0))) => self.status = Status::Success,
            Some((_, Some(code))) => self.status = Status::Failure(i32::try_from(code & 255).unwrap_or(1)),
            Some((_, None)) => self.status = Status::Open,
        }
    }

    fn echo(&mut self, arguments: &[Value]) -> Flow {
        if self.output.is_some() {
            let flagged = arguments
                .first()
                .and_then(Value::get)
                .is_some_and(|flag| matches!(flag, "-n" | "-ne" | "-en"));
            let escaped = arguments.first().and_then(Value::get) == Some("-e");
            let mut line = Value::default();
            for (index, argument) in arguments.iter().skip(usize::from(flagged || escaped)).enumerate() {
                if index > 0 {
                    line.text.push(' ');
                }
                self.append(&mut line, argument);
            }
            if !flagged {
                line.text.push('\n');
            }
            self.print(&line);
        }
        self.succeed()
    }

    fn printf(&mut self, arguments: &[Value]) -> Flow {
        if let [flag, name, rest @ ..] = arguments
            && flag.get() == Some("-v")
        {
            let line = self.formatted(rest);
            self.assign(&name.text, line);
        } else if self.output.is_some() {
            let line = self.formatted(arguments);
            self.print(&line);
        }
        self.succeed()
    }

    /// What `printf` makes of its arguments.
    fn formatted(&mut self, arguments: &[Value]) -> Value {
        let format = arguments.first().cloned().unwrap_or_default();
        if format.get() == Some("%(%s)T") && arguments.get(1).is_none_or(|time| time.text == "-1") {
            return self.date(0);
        }
        let mut line = Value::default();
        let mut rest = arguments.iter().skip(1);
        line.mark(&format);
        let mut pieces = format.text.split('%');
        line.text.push_str(pieces.next().unwrap_or_default());
        while let Some(piece) = pieces.next() {
            if piece.is_empty() {
                // `%%`
                line.text.push('%');
                line.text.push_str(pieces.next().unwrap_or_default());
                continue;
            }
            let Some((kind, after)) = split_kind(piece) else {
                return self.printed_by("printf");
            };
            let argument = rest.next().cloned().unwrap_or_default();
            if kind.is_number && argument.is_known() {
                let Some(number) = number(Some(&argument)) else {
                    return self.printed_by("printf");
                };
                let mut text = Value::known(kind.of(number));
                text.mark(&argument);
                self.append(&mut line, &text);
            } else {
                self.append(&mut line, &argument);
            }
            line.text.push_str(after);
        }
        line.text = line.text.replace("\\n", "\n").into();
        line
    }

    fn set(&mut self, arguments: &[Value]) -> Flow {
        let mut words = arguments.iter().filter_map(Value::get);
        while let Some(word) = words.next() {
            match (word.strip_prefix('-'), word.strip_prefix('+')) {
                (Some("-"), _) => {
                    self.arguments = arguments
                        .iter()
                        .skip_while(|word| word.text != "--")
                        .skip(1)
                        .cloned()
                        .collect();
                    break;
                }
                (Some(flags), _) => {
                    self.errexit |= flags.contains('e');
                    if flags.ends_with('o') {
                        self.option(words.next(), true);
                    }
                }
                (_, Some(flags)) => {
                    if flags.contains('e') {
                        self.errexit = false;
                    }
                    if flags.ends_with('o') {
                        self.option(words.next(), false);
                    }
                }
                _ => {}
            }
        }
        self.succeed()
    }

    fn option(&mut self, name: Option<&str>, on: bool) {
        match name {
            Some("errexit") => self.errexit = on,
            Some("pipefail") => self.pipefail = on,
            _ => {}
        }
    }

    fn exec(&mut self, at: usize, arguments: &[Value]) -> Flow {
        if arguments.is_empty() {
            return self.succeed();
        }
        let flow = self.dispatch(at, arguments);
        if flow != Flow::Next {
            return flow;
        }
        if matches!(self.status, Status::Open | Status::Hidden(_)) {
            self.leave_the_end_open();
        }
        self.exit_code = if let Status::Failure(code) = self.status {
            code
        } else {
            0
        };
        Flow::Exit
    }

    pub(super) fn sleep(&mut self, at: usize, name: &str, arguments: &[Value]) -> Flow {
        let mut pause = Seconds::ZERO;
        for argument in arguments {
            let span = match argument.get() {
                Some("infinity" | "inf") => return self.sleep_for_ever(at),
                Some(text) if name == "usleep" => text
                    .parse::<i64>()
                    .ok()
                    .map(|micros| Seconds::from_nanos(micros.saturating_mul(1000))),
                Some(text) => duration::seconds(text),
                None => None,
            };
            let Some(span) = span else {
                let Some(why) = argument.unknown.as_deref() else {
                    let why = format!("`sleep {}` fails: that is no span of time", argument.text);
                    self.unreadable(at, why);
                    self.status = Status::Failure(1);
                    return Flow::Next;
                };
                let why = format!("how long `sleep {}` pauses is not shown: {why}", argument.text);
                if self.in_loop() {
                    self.hide_bound(&why.into());
                } else {
                    self.unreadable(at, why);
                }
                return self.succeed();
            };
            pause = pause + span.max(Seconds::ZERO);
        }
        let assumed = arguments.iter().any(|argument| argument.assumed);
        let (deadline, now) = (self.deadline, self.now);
        if let Some(frame) = self.frames.last_mut() {
            // A `timeout` inside of the loop cuts the pause short; one around the loop ends the loop.
            let cut = deadline.filter(|_| frame.deadline != deadline);
            let pause = cut.map_or(pause, |deadline| pause.min(deadline.minus_or_zero(now)));
            frame.pause = frame.pause + pause;
            frame.assumed |= assumed;
        } else {
            self.keep_pause(at, Span::exactly(pause), assumed);
        }
        self.status = Status::Success;
        self.pass(pause, Limit::At(pause))
    }

    pub(super) fn sleep_for_ever(&mut self, at: usize) -> Flow {
        self.status = Status::Success;
        if let Some(deadline) = self.deadline {
            let left = deadline.minus_or_zero(self.now);
            if let Some(frame) = self
                .frames
                .last_mut()
                .filter(|frame| frame.deadline != Some(deadline))
            {
                frame.pause = frame.pause + left;
            }
            self.now = deadline;
            return Flow::Killed;
        }
        match self.frames.last_mut() {
            Some(frame) => frame.endless = true,
            None => self.keep_pause(at, Span::UNBOUNDED, false),
        }
        Flow::Break(u32::MAX)
    }

    /// A pause outside of loops: it takes its time whatever the dependency does.
    pub(super) fn keep_pause(&mut self, at: usize, span: Span, assumed: bool) {
        let undecided = self.undecided;
        self.keep(Wait {
            place: self.place(at),
            target: None,
            tool: None,
            span,
            attempts: None,
            interval: None,
            probe: None,
            falls_through: false,
            ready_statuses: Vec::new(),
            fatal_statuses: Vec::new(),
            confidence: if assumed {
                ReadConfidence::Likely
            } else {
                ReadConfidence::Certain
            },
            arithmetic: match span.nominal {
                Limit::At(pause) => format!("a pause of {pause}"),
                Limit::Never => "a pause without end".to_owned(),
            },
        });
        self.undecided = undecided;
    }

    fn seq(&mut self, arguments: &[Value]) -> Flow {
        self.status = Status::Success;
        let operands = arguments
            .iter()
            .filter(|argument| argument.text != "-w")
            .collect::<Vec<_>>();
        if let Some(unknown) = operands.iter().find(|operand| !operand.is_known()) {
            self.print(&(*unknown).clone());
            return Flow::Next;
        }
        let values = operands
            .iter()
            .map(|operand| number(Some(operand)))
            .collect::<Option<Vec<_>>>();
        let numbers = match values.as_deref() {
            Some([last]) => numbers(1, 1, *last),
            Some([first, last]) => numbers(*first, 1, *last),
            Some([first, step, last]) => numbers(*first, *step, *last),
            _ => {
                self.print(&Value::printed_here("seq"));
                return Flow::Next;
            }
        };
        self.charge(numbers.len() / 4);
        let mut lines = String::with_capacity(numbers.len() * 4);
        for number in numbers {
            // Writing to a String does not fail.
            let _ = writeln!(lines, "{number}");
        }
        let mut value = Value::known(lines);
        for operand in operands {
            value.mark(operand);
        }
        self.print(&value);
        Flow::Next
    }

    /// `expr A op B`: integers and comparisons.
    fn expr(&mut self, arguments: &[Value]) -> Flow {
        let mut text = Value::default();
        for argument in arguments {
            self.append(&mut text, argument);
            text.text.push(' ');
        }
        // `expr` compares with one equals sign.
        text.text = text.text.replace(" = ", " == ").into();
        let value = if let Ok(value) = self.arithmetic(&text) {
            self.status = Status::of(value.text != "0");
            value
        } else {
            self.status = Status::Open;
            self.printed_by("expr")
        };
        self.print(&value);
        Flow::Next
    }
}

/// `date [-u] [-d TEXT] +%s`: how many seconds from now.
fn date_offset(arguments: &[Value]) -> Option<i64> {
    let mut words = arguments.iter().map(Value::get);
    let mut offset = 0;
    let mut in_seconds = false;
    while let Some(word) = words.next() {
        match word? {
            "+%s" => in_seconds = true,
            "-u" | "--utc" => {}
            "-d" | "-ud" | "--date" => offset = offset_of(words.next()??)?,
            word => offset = offset_of(word.strip_prefix("--date=")?)?,
        }
    }
    in_seconds.then_some(offset)
}

/// `+5 minutes`, `now + 30 sec`, as GNU date reads them.
fn offset_of(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_prefix("now").unwrap_or(text).trim_start();
    let text = text.strip_prefix('+').unwrap_or(text).trim_start();
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let seconds = match unit.trim().trim_end_matches('s') {
        "sec" | "second" => 1,
        "min" | "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    count.parse::<i64>().ok()?.checked_mul(seconds)
}

/// `%s`, `%d`, `%03d`.
struct Kind {
    is_number: bool,
    zeros: bool,
    width: usize,
}

impl Kind {
    fn of(&self, number: i64) -> String {
        if self.zeros {
            format!("{number:0width$}", width = self.width)
        } else {
            format!("{number:width$}", width = self.width)
        }
    }
}

/// The conversion that a piece of a format begins with, behind its percent sign, and the text behind it.
fn split_kind(piece: &str) -> Option<(Kind, &str)> {
    let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
    let (width, rest) = piece.split_at(digits);
    let is_number = match rest.chars().next()? {
        's' if digits == 0 => false,
        'd' | 'i' | 'u' => true,
        _ => return None,
    };
    let kind = Kind {
        is_number,
        zeros: width.starts_with('0'),
        width: if width.is_empty() {
            0
        } else {
            width.parse().ok().filter(|width| *width < 64)?
        },
    };
    Some((kind, rest.get(1..)?))
}

/// A number as programs read it: `010` is ten.
fn number(value: Option<&Value>) -> Option<i64> {
    value?.get()?.trim().parse().ok()
}

fn levels(arguments: &[Value]) -> u32 {
    number(arguments.first())
        .and_then(|levels| u32::try_from(levels).ok())
        .unwrap_or(1)
}
