//! What programs print that are not run: numbers that can be computed, and where the rest comes from.

use super::super::value::Value;
use super::{Flow, Machine};

/// What stands in a program between its beginning and its end; blanks do not count.
fn inner(program: &Value, begin: &str, end: &str) -> Option<Value> {
    let text = program.get()?;
    let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let inner = squeezed.strip_prefix(begin)?.strip_suffix(end)?;
    let mut value = Value::known(inner);
    value.mark(program);
    Some(value)
}

impl Machine<'_> {
    /// What a program prints that is not shown: of what a service has answered, where that is its input.
    pub(super) fn printed_by(&self, program: &str) -> Value {
        let answered = |input: &Value| input.printed && !input.local;
        if self.input.as_ref().is_some_and(answered) {
            Value::printed(program)
        } else {
            Value::printed_here(program)
        }
    }

    /// A number that a program computes of numbers that are known: `echo $i + 1 | bc`, `awk "BEGIN { print $i + 1 }"`.
    pub(super) fn computed(&mut self, base: &str, arguments: &[Value]) -> Option<Flow> {
        self.output.as_ref()?;
        let text = match (base, arguments) {
            ("bc", _) => self.input.clone()?,
            ("awk" | "gawk" | "mawk", [program]) => inner(program, "BEGIN{print", "}")?,
            ("python" | "python3", [flag, program]) if flag.text == "-c" => inner(program, "print(", ")")?,
            _ => return None,
        };
        let sum = text.get()?.trim().trim_end_matches(';').trim();
        let plain = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '*' | '(' | ')');
        // Only bc divides as a shell does.
        let plain = sum.len() < 128
            && sum
                .chars()
                .all(|c| plain(c) || (base == "bc" && matches!(c, '/' | '%')));
        let octal = sum
            .split(|c: char| !c.is_ascii_digit())
            .any(|number| number.len() > 1 && number.starts_with('0'));
        if !plain || octal || sum.is_empty() || sum.contains("**") || sum.contains("++") || sum.contains("--")
        {
            return None;
        }
        let mut sum = Value::known(sum);
        sum.mark(&text);
        let number = self.arithmetic(&sum).ok()?;
        self.print(&number);
        Some(self.succeed())
    }
}
