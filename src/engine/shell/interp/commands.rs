//! Simple commands: assignments, functions, and who runs a name.

use super::super::syntax::{Assign, Command, ParamOp, Part, Word};
use super::super::value::{Status, Value};
use super::pauses::is_quick;
use super::{Flow, Machine, Source};

/// Programs that run an application's own code: what it waits for can only be declared.
const LAUNCHERS: [&str; 19] = [
    "bundle",
    "deno",
    "django-admin",
    "dotnet",
    "flask",
    "java",
    "manage.py",
    "mix",
    "node",
    "npm",
    "npx",
    "php",
    "pipenv",
    "poetry",
    "python",
    "python3",
    "rails",
    "rake",
    "ruby",
];

/// What `[` or `test` is to compare; nothing of another command.
fn operands(words: &[Word]) -> &[Word] {
    match words {
        [first, test @ .., last] if first.bare() == Some("[") && last.bare() == Some("]") => test,
        [first, test @ ..] if first.bare() == Some("test") => test,
        _ => &[],
    }
}

impl Machine<'_> {
    pub(super) fn simple(&mut self, command: &Command, assigns: &[Assign], words: &[Word]) -> Flow {
        self.charge(assigns.len() / 8);
        if words.is_empty() {
            let before = self.substitutions;
            for assign in assigns {
                self.assignment(assign);
            }
            if self.substitutions == before {
                self.status = Status::Success;
            }
            return Flow::Next;
        }
        if assigns.is_empty() && self.is_idle_talk(words) {
            self.charge(words.iter().map(|word| word.parts.len()).sum::<usize>() / 8);
            self.status = Status::Success;
            return Flow::Next;
        }
        let fields = self.counted_test(operands(words), |machine| machine.fields(words));
        self.masked = false;
        if let Some(flow) = self.interrupted {
            return flow;
        }
        let saved = assigns
            .iter()
            .map(|assign| (assign.name.clone(), self.vars.get(&assign.name).cloned()));
        let saved = saved.collect::<Vec<_>>();
        for assign in assigns {
            self.assignment(assign);
        }
        let flow = self.dispatch(command.at, &fields);
        for (name, value) in saved.into_iter().rev() {
            self.restore(name, value);
        }
        flow
    }

    /// `echo` and `printf` that nobody listens to, of words whose expansion changes nothing.
    fn is_idle_talk(&self, words: &[Word]) -> bool {
        let is_inert = |part: &Part| match part {
            Part::Literal(_) | Part::Quoted(_) => true,
            // A look at the clock or at a status is remembered of a loop.
            Part::Param { param, .. } => {
                matches!(param.op, ParamOp::Plain | ParamOp::Length)
                    && !matches!(param.name.as_str(), "?" | "SECONDS" | "EPOCHSECONDS")
            }
            Part::Command { .. } | Part::Arith(_) => false,
        };
        let name = words.first().and_then(Word::bare);
        let assigns = words.get(1).and_then(Word::bare) == Some("-v");
        self.output.is_none()
            && !assigns
            && name
                .is_some_and(|name| matches!(name, "echo" | "printf") && !self.functions.contains_key(name))
            && words.iter().flat_map(|word| &word.parts).all(is_inert)
    }

    pub(super) fn restore(&mut self, name: String, value: Option<Value>) {
        match value {
            Some(value) => self.vars_mut(&name).insert(name, value),
            None => self.vars_mut(&name).remove(&name),
        };
    }

    fn assignment(&mut self, assign: &Assign) {
        self.counted_assignment(assign, |machine| machine.plain_assignment(assign));
    }

    fn plain_assignment(&mut self, assign: &Assign) {
        let Some(word) = &assign.value else {
            let why = format!("`${}` is an array", assign.name);
            self.assign(&assign.name, Value::unknown(format!("${}", assign.name), why));
            return;
        };
        let mut value = self.word(word);
        if assign.append {
            let mut whole = self.vars.get(&assign.name).cloned().unwrap_or_default();
            self.append(&mut whole, &value);
            value = whole;
        }
        self.assign(&assign.name, value);
    }

    /// Runs the command that `fields` name.
    pub(super) fn dispatch(&mut self, at: usize, fields: &[Value]) -> Flow {
        if !self.step() || !self.has_room() {
            return Flow::Spent;
        }
        let Some((first, arguments)) = fields.split_first() else {
            // Expanded to nothing, such as `$EMPTY`.
            return Flow::Next;
        };
        let Some(name) = first.get() else {
            self.may_pause(format!("the manifest does not show what `{}` does", first.text));
            return self.unknown_program(at, &first.text);
        };
        if self.functions.contains_key(name) {
            return self.function(at, name, arguments);
        }
        if let Some(flow) = self.builtin(at, name, arguments) {
            return flow;
        }
        self.depth += 1;
        let flow = self.external(at, name, arguments);
        self.depth -= 1;
        flow
    }

    fn function(&mut self, at: usize, name: &str, arguments: &[Value]) -> Flow {
        let Some((body, source)) = self.functions.get(name).cloned() else {
            return Flow::Next;
        };
        self.charge(arguments.len() / 4);
        if self.recurs(name) {
            self.again = arguments.to_vec();
            return Flow::Again;
        }
        if let Some(list) = self.waits_by_recursion(name, &body) {
            return self.recursion(at, name, list, &source, arguments);
        }
        self.function_once(&body, source, arguments)
    }

    /// Runs the body of a function.
    pub(super) fn function_once(&mut self, body: &Command, source: Source, arguments: &[Value]) -> Flow {
        let source = std::mem::replace(&mut self.source, source);
        let outer = std::mem::replace(&mut self.arguments, arguments.to_vec());
        self.locals.push(Vec::new());
        self.status = Status::Success;
        let flow = self.command(body);
        for (name, value) in self.locals.pop().unwrap_or_default().into_iter().rev() {
            self.restore(name, value);
        }
        self.arguments = outer;
        self.source = source;
        if flow == Flow::Return { Flow::Next } else { flow }
    }

    /// `local`, `export` and their like.
    pub(super) fn declare(&mut self, local: bool, arguments: &[Value]) -> Flow {
        self.masked = arguments.iter().any(|argument| argument.printed);
        self.status = Status::Success;
        for argument in arguments {
            let (name, value) = match argument.text.split_once('=') {
                Some((name, text)) => {
                    let mut value = Value::known(text);
                    value.mark(argument);
                    (name, Some(value))
                }
                None => (argument.text.as_str(), None),
            };
            if name.starts_with('-') {
                continue;
            }
            if local && !self.locals.is_empty() {
                let old = self.vars.get(name).cloned();
                if let Some(locals) = self.locals.last_mut() {
                    locals.push((name.to_owned(), old));
                }
                if value.is_none() {
                    self.vars_mut(name).insert(name.to_owned(), Value::default());
                }
            }
            if let Some(value) = value {
                self.assign(name, value);
            }
        }
        Flow::Next
    }

    /// A program that is neither shown nor known.
    pub(super) fn unknown_program(&mut self, at: usize, name: &str) -> Flow {
        let printed = self.printed_by(name);
        self.print(&printed);
        self.hidden_program = true;
        if self.in_loop() {
            if self.in_condition > 0
                && let Some(frame) = self.frames.last_mut()
            {
                frame.readiness = true;
            }
            // It may hang as long as it likes.
            self.limitless += u32::from(!is_quick(name));
        } else {
            self.settle();
        }
        if !self.in_loop() || name.to_ascii_lowercase().contains("wait") {
            let base = name.rsplit('/').next().unwrap_or(name);
            if LAUNCHERS.contains(&base) {
                self.unreadable(
                    at,
                    format!(
                        "`{name}` runs the application's own code, which the manifest does not show: declare \
                         what it waits with the annotation hookbudget.dev/wait"
                    ),
                );
            } else {
                self.unreadable(at, format!("the manifest does not show what `{name}` does"));
            }
        }
        self.status = self.undecided_status();
        Flow::Next
    }
}
