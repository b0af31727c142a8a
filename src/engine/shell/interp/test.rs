//! `[ ]`, `test` and `[[ ]]`, and shell patterns.

use std::borrow::Cow;

use super::super::arith::integer;
use super::super::syntax::Word;
use super::super::value::{Status, Value};
use super::verdict::{status_code, statuses_of};
use super::{Machine, pattern};

/// How deep parentheses and negations may nest.
const DEEPEST: u32 = 24;

/// One argument of a test.
struct Token<'v> {
    value: Cow<'v, Value>,
    /// The pattern that it stands for on the right of `==` in `[[ ]]`.
    pattern: Option<String>,
    /// May be an operator.
    bare: bool,
}

const BINARY: [&str; 16] = [
    "=", "==", "!=", "=~", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef", "\\<",
];

/// `[ ]` without its brackets.
pub(super) fn single_bracket(machine: &mut Machine<'_>, arguments: &[Value]) -> Status {
    let tokens = arguments
        .iter()
        .map(|value| Token {
            value: Cow::Borrowed(value),
            pattern: None,
            bare: true,
        })
        .collect::<Vec<_>>();
    evaluate(machine, &tokens)
}

pub(super) fn double_bracket(machine: &mut Machine<'_>, words: &[Word]) -> Status {
    let tokens = words
        .iter()
        .map(|word| {
            let (pattern, value) = machine.pattern(word);
            Token {
                value: Cow::Owned(value),
                pattern: Some(pattern),
                bare: word.bare().is_some(),
            }
        })
        .collect::<Vec<_>>();
    evaluate(machine, &tokens)
}

fn evaluate(machine: &mut Machine<'_>, tokens: &[Token<'_>]) -> Status {
    if tokens.is_empty() {
        return Status::Failure(1);
    }
    let mut reader = Reader {
        machine,
        tokens,
        at: 0,
        depth: 0,
    };
    let status = reader.any();
    if reader.at < tokens.len() {
        Status::Failure(2)
    } else {
        status
    }
}

struct Reader<'m, 'e, 't> {
    machine: &'m mut Machine<'e>,
    tokens: &'t [Token<'t>],
    at: usize,
    depth: u32,
}

impl<'t> Reader<'_, '_, 't> {
    fn operator(&self, ahead: usize) -> Option<&'t str> {
        let token = self.tokens.get(self.at + ahead)?;
        token.bare.then_some(token.value.get()).flatten()
    }

    fn any(&mut self) -> Status {
        let mut status = self.all();
        while matches!(self.operator(0), Some("-o" | "||")) {
            self.at += 1;
            let right = self.all();
            status = match (status, right) {
                (Status::Success, _) | (_, Status::Success) => Status::Success,
                (Status::Failure(_), other) | (other, _) => other,
            };
        }
        status
    }

    fn all(&mut self) -> Status {
        let mut status = self.one();
        while matches!(self.operator(0), Some("-a" | "&&")) {
            self.at += 1;
            let right = self.one();
            status = match (status, right) {
                (failure @ Status::Failure(_), _) | (_, failure @ Status::Failure(_)) => failure,
                (Status::Success, other) | (other, _) => other,
            };
        }
        status
    }

    fn one(&mut self) -> Status {
        self.depth += 1;
        let status = if self.depth > DEEPEST {
            Status::Failure(2)
        } else {
            self.primary()
        };
        self.depth -= 1;
        status
    }

    fn primary(&mut self) -> Status {
        let tokens = self.tokens;
        let Some(first) = tokens.get(self.at) else {
            return Status::Failure(2);
        };
        if let (Some(operator), Some(right)) = (self.operator(1), tokens.get(self.at + 2))
            && BINARY.contains(&operator)
        {
            self.at += 3;
            return compare(self.machine, first, operator, right);
        }
        match self.operator(0) {
            Some("!") if tokens.len() > self.at + 1 => {
                self.at += 1;
                let in_loop = self.machine.in_loop();
                return self.one().inverted(in_loop);
            }
            Some("(") if tokens.len() > self.at + 1 => {
                self.at += 1;
                let status = self.any();
                if self.operator(0) == Some(")") {
                    self.at += 1;
                    return status;
                }
                return Status::Failure(2);
            }
            Some(flag) if flag.len() == 2 && flag.starts_with('-') => {
                if let Some(operand) = tokens.get(self.at + 1) {
                    self.at += 2;
                    return unary(self.machine, flag, &operand.value);
                }
            }
            _ => {}
        }
        self.at += 1;
        unary(self.machine, "-n", &first.value)
    }
}

fn unary(machine: &mut Machine<'_>, flag: &str, operand: &Value) -> Status {
    let wants_text = match flag {
        "-n" => true,
        "-z" => false,
        "-v" => {
            let set = operand.get().is_some_and(|name| machine.vars.contains_key(name));
            return if set { Status::Success } else { Status::Open };
        }
        _ => {
            if let Some(frame) = machine.frames.last_mut() {
                frame.readiness = true;
                frame.files_decide = true;
            }
            return machine.undecided_status();
        }
    };
    match operand.get() {
        Some(text) => Status::of(text.is_empty() != wants_text),
        // Parts are known and not empty.
        None if !machine.in_loop() => Status::Open,
        None if operand.unset && machine.sets(&operand.text) => {
            // An image sets names in capitals.
            if operand.text.contains(|c: char| c.is_ascii_uppercase()) {
                for frame in &mut machine.frames {
                    frame.assumed = true;
                }
            }
            Status::of(!wants_text)
        }
        // In a loop: a program that has nothing to print yet; a name of the environment that is set.
        None => {
            machine.note_count(operand);
            machine.note_opaque(operand.printed);
            Status::of((operand.printed && !machine.present) != wants_text)
        }
    }
}

fn compare(machine: &mut Machine<'_>, left: &Token<'_>, operator: &str, right: &Token<'_>) -> Status {
    if matches!(operator, "=" | "==" | "!=" | "-eq" | "-ne") {
        note_codes(machine, &left.value, &right.value);
        if left.value.code
            && let Some(pattern) = right.pattern.as_deref().filter(|pattern| *pattern != "*")
        {
            machine.codes.extend(statuses_of(pattern));
        }
    }
    match operator {
        "=" | "==" | "!=" => {
            let wanted = operator != "!=";
            if let (Some(a), Some(b)) = (left.value.get(), right.value.get()) {
                machine.charge(a.len().min(4096) * b.len().min(512) / 1024);
                let equal = right
                    .pattern
                    .as_ref()
                    .map_or_else(|| a == b, |pattern| pattern::matches(pattern, a));
                Status::of(equal == wanted)
            } else {
                machine.note_count(&left.value);
                machine.note_count(&right.value);
                not_equal_yet(machine, wanted)
            }
        }
        "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
            numbers(machine, &left.value, operator, &right.value)
        }
        "=~" => fits(machine, &left.value, &right.value),
        "<" | ">" => match (left.value.get(), right.value.get()) {
            (Some(a), Some(b)) => Status::of(if operator == "<" { a < b } else { a > b }),
            _ => Status::Open,
        },
        _ => Status::Open,
    }
}

/// `[[ $code =~ ^(200|401)$ ]]`, where the expression is a list of shapes.
fn fits(machine: &mut Machine<'_>, left: &Value, right: &Value) -> Status {
    let shapes = right.get().and_then(pattern::shapes);
    match (left.get(), shapes) {
        (Some(text), Some(shapes)) if text.len() <= 256 => {
            machine.charge(shapes.len());
            if left.code {
                for shape in &shapes {
                    machine.codes.extend(status_code(shape));
                    machine.codes.extend(statuses_of(shape));
                }
            }
            Status::of(shapes.iter().any(|shape| pattern::matches(shape, text)))
        }
        (None, _) => {
            machine.note_count(left);
            not_equal_yet(machine, true)
        }
        _ => Status::Open,
    }
}

/// In a loop a text that is not known is not the one that is waited for.
fn not_equal_yet(machine: &mut Machine<'_>, wanted: bool) -> Status {
    if machine.in_loop() {
        machine.note_opaque(true);
        Status::of(wanted == machine.present)
    } else {
        Status::Open
    }
}

fn numbers(machine: &mut Machine<'_>, left: &Value, operator: &str, right: &Value) -> Status {
    machine.note_count(left);
    machine.note_count(right);
    let (a, b) = match (left.get(), right.get()) {
        (Some(a), Some(b)) => (a, b),
        _ if operator == "-eq" => return not_equal_yet(machine, true),
        _ if operator == "-ne" => return not_equal_yet(machine, false),
        _ if left.printed || right.printed => {
            // How many there are: not enough yet, whichever way the script asks.
            let in_loop = machine.in_loop();
            let program_left = left.printed;
            let asks_for_more = matches!(operator, "-gt" | "-ge") == program_left;
            return if in_loop {
                machine.note_opaque(true);
                Status::of(asks_for_more == machine.present)
            } else {
                Status::Open
            };
        }
        _ => {
            let why = left
                .unknown
                .clone()
                .or_else(|| right.unknown.clone())
                .unwrap_or_default();
            return Status::Hidden(why);
        }
    };
    let (Some(a), Some(b)) = (integer_of(a), integer_of(b)) else {
        return Status::Failure(2);
    };
    let truth = match operator {
        "-eq" => a == b,
        "-ne" => a != b,
        "-lt" => a < b,
        "-le" => a <= b,
        "-gt" => a > b,
        _ => a >= b,
    };
    if left.clock || right.clock {
        machine.note_clock(truth, a.saturating_sub(b), operator);
    }
    if left.assumed || right.assumed {
        for frame in &mut machine.frames {
            frame.assumed = true;
        }
    }
    Status::of(truth)
}

/// Tests read decimal numbers: `08` is eight.
fn integer_of(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| integer(text))
}

fn note_codes(machine: &mut Machine<'_>, left: &Value, right: &Value) {
    for (code, number) in [(left, right), (right, left)] {
        if code.code
            && let Some(status) = number.get().and_then(status_code)
        {
            machine.codes.push(status);
        }
    }
}
