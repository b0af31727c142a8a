//! From words to values: parameters, substitutions, braces, splitting.

use std::rc::Rc;

use super::super::arith::{self, Names};
use super::super::syntax::{List, ParamOp, Part, Word};
use super::super::value::{Status, Value};
use super::{Flow, MOST_ROUNDS, Machine, pattern};

/// The clock of the virtual machine starts here, as seconds since the epoch: any date does.
const EPOCH: i64 = 1_700_000_000;

/// The longest text that a variable keeps, in bytes.
const LONGEST: usize = 64 * 1024;

impl Machine<'_> {
    /// The value of a word that is not split.
    pub(super) fn word(&mut self, word: &Word) -> Value {
        if let [Part::Literal(text) | Part::Quoted(text)] = word.parts.as_slice()
            && text.len() <= LONGEST
        {
            return self.written(text);
        }
        let mut value = Value::default();
        self.charge(word.parts.len() / 8);
        for part in &word.parts {
            let piece = self.part(part);
            self.add(&mut value, piece);
        }
        value
    }

    /// As [`Machine::append`]; what comes first is not copied.
    fn add(&mut self, value: &mut Value, piece: Value) {
        if value.text.is_empty() && piece.text.len() <= LONGEST {
            self.charge(piece.text.len() / 64);
            value.mark(&piece);
            value.unset = piece.unset;
            value.text = piece.text;
        } else {
            self.append(value, &piece);
        }
    }

    /// Text that stands in the script as it is.
    fn written(&mut self, text: &Rc<str>) -> Value {
        self.charge(text.len() / 64);
        Value::known(text)
    }

    pub(super) fn append(&mut self, value: &mut Value, piece: &Value) {
        if value.text.len() + piece.text.len() > LONGEST {
            value
                .unknown
                .get_or_insert_with(|| "a text grows too long".into());
            return;
        }
        self.charge(piece.text.len() / 64);
        value.unset = piece.unset && value.text.is_empty() && value.is_known();
        value.push(piece);
    }

    /// The fields that words become: split at blanks where unquoted, braces expanded.
    pub(super) fn fields(&mut self, words: &[Word]) -> Vec<Value> {
        let mut fields = Vec::with_capacity(words.len());
        self.charge(words.len() / 8);
        for word in words {
            match word.parts.as_slice() {
                [Part::Literal(text)] if text.contains('{') && self.braces != Some(false) => {
                    let found = braces(text);
                    self.charge(found.len());
                    let assumed = self.braces.is_none() && found.len() > 1;
                    fields.extend(found.into_iter().map(|text| Value {
                        assumed,
                        ..Value::known(text)
                    }));
                }
                [Part::Literal(text) | Part::Quoted(text)] if text.len() <= LONGEST => {
                    fields.push(self.written(text));
                }
                _ => self.split(word, &mut fields),
            }
            if fields.len() > 2 * usize::try_from(MOST_ROUNDS).unwrap_or(usize::MAX) {
                break;
            }
        }
        fields
    }

    fn split(&mut self, word: &Word, fields: &mut Vec<Value>) {
        let mut field: Option<Value> = None;
        self.charge(word.parts.len() / 8);
        for part in &word.parts {
            if let Part::Param { param, .. } = part
                && matches!(param.name.as_str(), "@" | "*")
                && param.op == ParamOp::Plain
            {
                fields.extend(field.take());
                self.charge(self.arguments.len() / 4);
                fields.extend(self.arguments.iter().cloned());
                continue;
            }
            let piece = self.part(part);
            let splits = matches!(
                part,
                Part::Param { quoted: false, .. } | Part::Command { quoted: false, .. }
            );
            if !splits || !piece.is_known() {
                let mut value = field.take().unwrap_or_default();
                self.add(&mut value, piece);
                field = Some(value);
                continue;
            }
            self.charge(piece.text.len() / 16);
            if let Some(separators) = self.separators() {
                for (index, text) in piece.text.split(|c| separators.text.contains(c)).enumerate() {
                    if index > 0 {
                        fields.extend(field.take());
                    }
                    if text.is_empty() {
                        continue;
                    }
                    let mut next = Value::known(text);
                    next.mark(&piece);
                    next.mark(&separators);
                    let mut value = field.take().unwrap_or_default();
                    self.add(&mut value, next);
                    field = Some(value);
                }
                continue;
            }
            if piece.text.starts_with(char::is_whitespace) {
                fields.extend(field.take());
            }
            for (index, text) in piece.text.split_whitespace().enumerate() {
                if index > 0 {
                    fields.extend(field.take());
                }
                let mut next = Value::known(text);
                next.mark(&piece);
                let mut value = field.take().unwrap_or_default();
                self.add(&mut value, next);
                field = Some(value);
            }
            if piece.text.ends_with(char::is_whitespace) {
                fields.extend(field.take());
            }
        }
        fields.extend(field);
    }

    /// What splits words, where the script has set `IFS`.
    fn separators(&self) -> Option<Value> {
        self.vars.get("IFS").cloned()
    }

    fn part(&mut self, part: &Part) -> Value {
        match part {
            Part::Literal(text) | Part::Quoted(text) => Value::known(text),
            Part::Param { param, .. } => self.parameter(param),
            Part::Command { list, .. } => self.substitute(list),
            Part::Arith(word) => {
                let text = self.word(word);
                match self.arithmetic(&text) {
                    Ok(value) => value,
                    Err(why) => Value::unknown(format!("$(({}))", text.text), why),
                }
            }
        }
    }

    /// The pattern that a word stands for: quoted text matches itself.
    pub(super) fn pattern(&mut self, word: &Word) -> (String, Value) {
        let (mut pattern, mut whole) = (String::new(), Value::default());
        self.charge(word.parts.len() / 8);
        for part in &word.parts {
            let piece = self.part(part);
            let quoted = match part {
                Part::Literal(_) => false,
                Part::Param { quoted, .. } | Part::Command { quoted, .. } => *quoted,
                Part::Quoted(_) | Part::Arith(_) => true,
            };
            if quoted {
                pattern.push_str(&pattern::escaped(&piece.text));
            } else {
                pattern.push_str(&piece.text);
            }
            self.append(&mut whole, &piece);
        }
        (pattern, whole)
    }

    /// Runs a command and takes what it prints.
    pub(super) fn substitute(&mut self, list: &List) -> Value {
        self.substitutions += 1;
        let outer = self.output.replace(Value::default());
        let flow = self.subshell(|machine| machine.list(list));
        if flow != Flow::Next {
            self.interrupted = Some(flow);
        }
        let mut value = std::mem::replace(&mut self.output, outer).unwrap_or_default();
        let length = value.text.trim_end_matches('\n').len();
        value.text.truncate(length);
        value
    }

    pub(super) fn arithmetic(&mut self, text: &Value) -> Result<Value, String> {
        if let Some(why) = &text.unknown {
            return Err(why.to_string());
        }
        self.charge(1 + text.text.len() / 8);
        let plain = !text.text.contains(['/', '%']);
        let mut value = arith::evaluate(&text.text, self)?;
        value.mark(text);
        if value.clock && !plain && self.depends_on_phase(&text.text, &value) {
            value.assumed = true;
            for frame in &mut self.frames {
                frame.assumed = true;
            }
        }
        Ok(value)
    }

    /// True where a clock is divided, so that it matters at which second of a minute the script begins:
    /// `$(($(date +%s) / 60 + 5))`.
    fn depends_on_phase(&mut self, text: &str, value: &Value) -> bool {
        let number = |value: &Value| value.text.parse::<i64>().ok();
        SHIFTS.iter().any(|shift| {
            let text = shifted(text, *shift);
            let mut names = Shifted {
                machine: self,
                shift: *shift,
            };
            let other = arith::evaluate(&text, &mut names).ok();
            let change = other
                .and_then(|other| number(&other))
                .zip(number(value))
                .map(|(other, value)| other.saturating_sub(value));
            !matches!(change, Some(change) if change == 0 || change.abs() == *shift)
        })
    }

    /// `(( ))`: true unless 0.
    pub(super) fn arithmetic_command(&mut self, word: &Word) -> Status {
        let text = self.word(word);
        match self.arithmetic(&text) {
            Ok(value) => {
                let truth = value.text != "0";
                if value.clock && value.assumed {
                    for frame in &mut self.frames {
                        frame.assumed = true;
                    }
                }
                if value.clock {
                    let (gap, operator) = clock_gap(self, &text.text);
                    self.note_clock(truth, gap, operator);
                }
                Status::of(truth)
            }
            Err(why) => Status::Hidden(why.into()),
        }
    }

    /// A comparison with the clock ended so, and its left side is `gap` seconds above its right one.
    pub(super) fn note_clock(&mut self, outcome: bool, gap: i64, operator: &str) {
        let now = self.now;
        // The side that runs is the greater one in the end. `now > end` turns a second after `now >= end`.
        let late = match operator {
            ">" | "<=" | "-gt" | "-le" => gap > 0,
            "<" | ">=" | "-lt" | "-ge" => gap < 0,
            _ => false,
        };
        for frame in &mut self.frames {
            frame.note_clock(outcome, gap, late, now);
        }
    }

    pub(super) fn clock_value(&mut self, from: i64) -> Value {
        for frame in &mut self.frames {
            frame.reads_clock = true;
        }
        let mut value = Value::known(self.now.whole().saturating_add(from).to_string());
        value.clock = true;
        value
    }

    /// `date +%s`, this many seconds from now.
    pub(super) fn date(&mut self, offset: i64) -> Value {
        self.clock_value(EPOCH.saturating_add(offset))
    }

    pub(super) fn assign(&mut self, name: &str, mut value: Value) {
        self.charge(value.text.len() / 64);
        value.text.share();
        if name == "SECONDS" {
            let from = value.get().and_then(arith::integer).unwrap_or(0);
            let offset = from - self.now.whole();
            self.vars_mut(name)
                .insert(name.to_owned(), Value::known(offset.to_string()));
            return;
        }
        let vars = self.vars_mut(name);
        match vars.get_mut(name) {
            Some(known) => *known = value,
            None => _ = vars.insert(name.to_owned(), value),
        }
    }
}

/// By how many seconds the script may begin later: another second of the minute, of the hour, of the day.
const SHIFTS: [i64; 3] = [41, 2_999, 40_009];

/// Seconds since the epoch, `shift` seconds later; any other text stays.
fn shifted(text: &str, shift: i64) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, after) = rest.split_at(start);
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (digits, after) = after.split_at(end);
        result.push_str(before);
        match digits
            .parse::<i64>()
            .ok()
            .filter(|number| (EPOCH..EPOCH * 2).contains(number))
        {
            Some(number) => result.push_str(&(number + shift).to_string()),
            None => result.push_str(digits),
        }
        rest = after;
    }
    result.push_str(rest);
    result
}

/// The names of a script that begins later; nothing is set.
struct Shifted<'m, 'e> {
    machine: &'m mut Machine<'e>,
    shift: i64,
}

impl Names for Shifted<'_, '_> {
    fn get(&mut self, name: &str) -> Value {
        let mut value = Names::get(self.machine, name);
        value.text = shifted(&value.text, self.shift).into();
        value
    }

    fn set(&mut self, _: &str, _: Value) {}
}

impl Names for Machine<'_> {
    fn get(&mut self, name: &str) -> Value {
        let (value, set) = self.look_up(name);
        // An unset name counts as 0. An image may set names of the environment, which are in capitals.
        if set || name.contains(|c: char| c.is_ascii_uppercase()) {
            return value;
        }
        Value {
            assumed: value.assumed,
            ..Value::known("0")
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        self.assign(name, value);
    }
}

/// By how much the sides of a comparison such as `now - start > 60` differ, and its operator.
fn clock_gap<'t>(machine: &mut Machine<'_>, text: &'t str) -> (i64, &'t str) {
    let Some(at) = text.find(['<', '>']) else {
        return (0, "");
    };
    let (left, rest) = text.split_at(at);
    let right = rest.trim_start_matches(['<', '>', '=']);
    let operator = rest.get(..rest.len() - right.len()).unwrap_or_default();
    let mut side = |text: &str| {
        let text = text.trim().trim_matches(['(', ')']);
        arith::evaluate(text, machine)
            .ok()
            .and_then(|value| value.text.parse::<i64>().ok())
    };
    match (side(left), side(right)) {
        (Some(left), Some(right)) => (left.saturating_sub(right), operator),
        _ => (0, operator),
    }
}

/// `{1..5}`, `{a..e}` and `{a,b}`, one after the other; braces inside of braces stay, which few scripts write.
fn braces(text: &str) -> Vec<String> {
    let expanded = || {
        let (before, rest) = text.split_once('{')?;
        let (inner, after) = rest.split_once('}')?;
        let items: Vec<String> = if let Some((first, last)) = inner.split_once("..") {
            range(first, last)?
        } else if inner.contains(',') {
            inner.split(',').map(str::to_owned).collect()
        } else {
            return None;
        };
        let most = usize::try_from(MOST_ROUNDS).unwrap_or(usize::MAX);
        let ends = braces(after);
        let all = items
            .iter()
            .flat_map(|item| ends.iter().map(move |end| format!("{before}{item}{end}")));
        Some(all.take(most + 1).collect())
    };
    expanded().unwrap_or_else(|| vec![text.to_owned()])
}

/// What stands between `first` and `last`, which may carry its step: `1..9..2`.
fn range(first: &str, last: &str) -> Option<Vec<String>> {
    let (last, step) = last.split_once("..").unwrap_or((last, "1"));
    let step = step.parse::<i64>().ok()?.saturating_abs().max(1);
    let letter = |text: &str| match text.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some(i64::from(*letter)),
        _ => None,
    };
    let numbers_between =
        |first: i64, last: i64| numbers(first, if first <= last { step } else { -step }, last);
    if let (Some(first), Some(last)) = (letter(first), letter(last)) {
        let letters = numbers_between(first, last);
        let letters = letters.iter().filter_map(|code| u8::try_from(*code).ok());
        return Some(letters.map(|code| char::from(code).to_string()).collect());
    }
    let numbers = numbers_between(first.parse().ok()?, last.parse().ok()?);
    Some(numbers.iter().map(ToString::to_string).collect())
}

/// The numbers from `first` to `last`; one more than the most that a loop is followed for tells that there
/// are too many.
pub(super) fn numbers(first: i64, step: i64, last: i64) -> Vec<i64> {
    let mut numbers = Vec::new();
    let mut number = first;
    let most = usize::try_from(MOST_ROUNDS).unwrap_or(usize::MAX);
    while step != 0 && (if step > 0 { number <= last } else { number >= last }) && numbers.len() <= most {
        numbers.push(number);
        match number.checked_add(step) {
            Some(next) => number = next,
            None => break,
        }
    }
    numbers
}
