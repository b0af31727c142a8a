//! Functions that wait by calling themselves: each call is a round, and the call a jump to its beginning.

use super::super::syntax::{Command, Kind, List};
use super::super::value::{Status, Value};
use super::{Flow, Machine, Source, look};

/// A function that waits by calling itself, while it runs.
#[derive(Clone, Debug)]
pub(super) struct Recursion {
    name: String,
    /// How many loops and subshells are around its body.
    around: (usize, u32),
}

impl Machine<'_> {
    /// True when the innermost of them calls itself, and the call is its next round: neither in a loop nor in a
    /// subshell inside of it.
    pub(super) fn recurs(&self, name: &str) -> bool {
        let innermost = self.recursions.last();
        innermost.is_some_and(|own| own.name == name && own.around == (self.frames.len(), self.subshells))
    }

    /// The body of a function that pauses and calls itself.
    pub(super) fn waits_by_recursion<'c>(&mut self, name: &str, body: &'c Command) -> Option<&'c List> {
        let Kind::Group(list) = &body.kind else {
            return None;
        };
        let (looks, recurs) = look::function(list, name);
        self.charge(looks.size);
        (looks.sleeps && recurs).then_some(list)
    }

    /// Runs such a function as the loop that it is.
    pub(super) fn recursion(
        &mut self,
        at: usize,
        name: &str,
        body: &List,
        source: &Source,
        arguments: &[Value],
    ) -> Flow {
        self.tell_loop(at, &[body], &|machine| {
            machine.run_recursion(at, name, body, source, arguments)
        })
    }

    fn run_recursion(
        &mut self,
        at: usize,
        name: &str,
        body: &List,
        source: &Source,
        arguments: &[Value],
    ) -> Flow {
        self.open_frame(at);
        self.recursions.push(Recursion {
            name: name.to_owned(),
            around: (self.frames.len(), self.subshells),
        });
        let outer = std::mem::replace(&mut self.source, source.clone());
        let outer_arguments = std::mem::replace(&mut self.arguments, arguments.to_vec());
        let flow = loop {
            let before = self.fingerprint();
            self.locals.push(Vec::new());
            self.status = Status::Success;
            let flow = self.list(body);
            let locals = self.locals.pop().unwrap_or_default();
            for (name, value) in locals.into_iter().rev() {
                self.restore(name, value);
            }
            self.end_round();
            match flow {
                Flow::Again if self.step() => {}
                Flow::Again => break Flow::Spent,
                flow => break flow,
            }
            self.arguments = std::mem::take(&mut self.again);
            if self.goes_on_forever(before) {
                break self.endless();
            }
        };
        self.arguments = outer_arguments;
        self.source = outer;
        self.recursions.pop();
        let flow = if flow == Flow::Return { Flow::Next } else { flow };
        self.close_frame(flow)
    }
}
