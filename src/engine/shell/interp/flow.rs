//! Lists, `&&` and `||`, pipes, conditions, `case`.

use std::rc::Rc;

use super::super::syntax::{CaseArm, Command, Item, Join, Kind, List, Pipeline, RedirectKind, Word};
use super::super::value::{REFUSED, Status, Value};
use super::{Flow, Machine, look, pattern, test};

/// `set -e` looks at the status of simple commands, subshells and pipes: what fails inside another compound
/// command has been looked at there (POSIX, `set`).
fn reports_failure(pipeline: &Pipeline) -> bool {
    match pipeline.stages.as_slice() {
        [only] => matches!(
            only.kind,
            Kind::Simple { .. } | Kind::Subshell(_) | Kind::Test(_) | Kind::Arith(_)
        ),
        _ => true,
    }
}

/// Waits on the left of `&&` that have run out, and the status that the list has then.
struct RanOut {
    status: Status,
    waits: Vec<usize>,
}

impl Machine<'_> {
    pub(super) fn list(&mut self, list: &List) -> Flow {
        for item in &list.0 {
            let flow = self.item(item);
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    fn item(&mut self, item: &Rc<Item>) -> Flow {
        if !self.step() {
            return Flow::Spent;
        }
        if item.background {
            self.start_job(item);
            return Flow::Next;
        }
        self.item_now(item)
    }

    pub(super) fn item_now(&mut self, item: &Item) -> Flow {
        if item.rest.is_empty() {
            let flow = self.pipeline(&item.first);
            return if item.first.bang {
                flow
            } else {
                self.end_on_error(flow, &item.first)
            };
        }
        let mut waits = self.waits.len();
        let mut ran_out = None;
        let mut flow = self.as_condition(|machine| machine.pipeline(&item.first));
        let last = item.rest.len() - 1;
        let mut skipped_last = false;
        for (index, (join, pipeline)) in item.rest.iter().enumerate() {
            if flow != Flow::Next {
                return flow;
            }
            match (join, ran_out.take()) {
                (Join::Or, Some(failed)) => self.take_up(failed),
                (_, earlier) => ran_out = earlier,
            }
            if *join == Join::And && self.waits.len() > waits && self.ran_out_before(pipeline) {
                self.put_off(&mut ran_out);
            }
            waits = self.waits.len();
            let goes_on = self.goes_on(*join, pipeline);
            skipped_last = index == last && !goes_on;
            if !goes_on {
                continue;
            }
            let before = self.status.clone();
            flow = self.branch(|machine| {
                if index == last {
                    machine.pipeline(pipeline)
                } else {
                    machine.as_condition(|machine| machine.pipeline(pipeline))
                }
            });
            flow = self.absorb(flow, &before);
            // `A || B` ends well when B does, whatever A has done.
            let open = before == Status::Open && (*join == Join::And || self.status != Status::Success);
            if open && !self.in_loop() && flow == Flow::Next {
                self.status = Status::Open;
            }
        }
        let flow = match item.rest.last() {
            Some((_, pipeline)) if !skipped_last => self.end_on_error(flow, pipeline),
            _ => flow,
        };
        if let Some(ran_out) = ran_out.filter(|_| flow == Flow::Next) {
            self.take_up(ran_out);
        }
        flow
    }

    /// True when the wait on the left of `&&` has run out: what stands on the right is read on as if the dependency
    /// had come up in time, because it may be the next wait.
    fn ran_out_before(&mut self, right: &Pipeline) -> bool {
        let failed = matches!(self.status, Status::Failure(_));
        if !failed || self.in_loop() || self.doom.is_some() {
            return false;
        }
        let looks = look::pipeline(right);
        self.charge(looks.size);
        let is_subshell = matches!(right.stages.as_slice(), [only] if matches!(only.kind, Kind::Subshell(_)));
        is_subshell || !looks.leaves
    }

    /// Leaves open what becomes of the waits that have run out, until the whole `&&` list has been read.
    fn put_off(&mut self, ran_out: &mut Option<RanOut>) {
        let status = std::mem::take(&mut self.status);
        let all = ran_out.get_or_insert(RanOut {
            status,
            waits: Vec::new(),
        });
        all.waits.append(&mut self.held);
        all.waits.extend(self.undecided.take().map(|(wait, _)| wait));
    }

    /// The list has failed with them: what follows decides.
    fn take_up(&mut self, mut ran_out: RanOut) {
        self.status = ran_out.status;
        if self.undecided.is_none() {
            self.undecided = ran_out.waits.pop().map(|wait| (wait, self.branches));
        }
        self.held.append(&mut ran_out.waits);
    }

    /// Whether the right side of `&&` or `||` runs after the status at hand.
    fn goes_on(&mut self, join: Join, right: &Pipeline) -> bool {
        match (join, &self.status) {
            (Join::And, Status::Success) | (Join::Or, Status::Failure(_)) => {
                self.classify_codes_of(right);
                true
            }
            (Join::And, Status::Failure(_)) => {
                self.classify_codes_of(right);
                false
            }
            (Join::Or, Status::Success) => false,
            (Join::And, Status::Open) => {
                let runs = !self.in_loop();
                self.leave_the_end_open();
                if runs {
                    // What follows runs only if the wait has ended well.
                    self.decide_failure();
                }
                runs
            }
            (Join::Or, Status::Open) => true,
            (_, Status::Hidden(why)) => {
                self.open_end |= self.doom.is_some();
                let why = why.clone();
                if look::pipeline(right).leaves {
                    self.hide_bound(&why);
                }
                !self.in_loop()
            }
        }
    }

    /// `[ $code = 200 ] && break`: what leaves says what the status means.
    fn classify_codes_of(&mut self, right: &Pipeline) {
        if !self.codes.is_empty() {
            let looks = look::pipeline(right);
            self.charge(looks.size);
            if looks.leaves {
                self.classify_codes(|| looks.fails);
            }
        }
    }

    /// Under `set -e` a failure ends the shell, and with it the loop around it. Outside of loops the script is
    /// read on as if the step had worked.
    fn end_on_error(&mut self, flow: Flow, last: &Pipeline) -> Flow {
        if flow != Flow::Next || !self.errexit || self.in_condition > 0 || !reports_failure(last) {
            return flow;
        }
        match &self.status {
            Status::Success | Status::Hidden(_) => flow,
            Status::Failure(code) if self.doom.is_some() => {
                self.exit_code = *code;
                Flow::Exit
            }
            Status::Failure(code) if self.in_loop() => {
                let code = *code;
                if code == REFUSED
                    && let Some(frame) = self.frames.last_mut()
                {
                    // An HTTP error is no failure for this call: the loop may as well go on.
                    frame.assumed = true;
                    frame.ends_when_refused = true;
                    return flow;
                }
                self.exit_code = code;
                Flow::Exit
            }
            Status::Open if self.in_loop() => flow,
            Status::Failure(_) | Status::Open => {
                self.leave_the_end_open();
                self.decide_failure();
                if self.status != Status::Open {
                    self.status = Status::Success;
                }
                flow
            }
        }
    }

    pub(super) fn as_condition<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        self.in_condition += 1;
        let result = run(self);
        self.in_condition -= 1;
        result
    }

    /// Runs what only a condition reaches.
    fn branch(&mut self, run: impl FnOnce(&mut Self) -> Flow) -> Flow {
        self.branches += 1;
        let flow = run(self);
        self.branches -= 1;
        flow
    }

    /// An exit in a branch outside of loops ends the shell only when nothing waited before it: else the wait
    /// has run out there, and the script is read on as if the dependency had come up in time.
    fn absorb(&mut self, flow: Flow, condition: &Status) -> Flow {
        if flow != Flow::Exit || self.in_loop() {
            return flow;
        }
        let certain = matches!(condition, Status::Success | Status::Failure(_));
        if self.doom.is_some() && certain {
            return flow;
        }
        self.leave_the_end_open();
        if self.exit_code == 0 && certain && self.undecided.is_none() {
            return flow;
        }
        self.leave_on_failure();
        self.status = Status::Success;
        Flow::Next
    }

    /// An exit with a failure: the last wait does not fall through, unless a subshell holds the exit back.
    pub(super) fn leave_on_failure(&mut self) {
        if self.exit_code == 0 {
            return;
        }
        if self.subshells == 0 {
            self.decide_failure();
            return;
        }
        let wait = self.undecided.map(|(index, _)| index);
        let (_, waits) = self.left.get_or_insert_with(|| (self.exit_code, Vec::new()));
        waits.extend(wait);
        waits.append(&mut self.held);
    }

    pub(super) fn pipeline(&mut self, pipeline: &Pipeline) -> Flow {
        let flow = match pipeline.stages.as_slice() {
            [only] => self.command(only),
            stages => self.pipe(stages),
        };
        if pipeline.bang {
            let in_loop = self.in_loop();
            self.status = std::mem::take(&mut self.status).inverted(in_loop);
        }
        flow
    }

    fn pipe(&mut self, stages: &[Command]) -> Flow {
        let outer_input = self.input.take();
        // The last stage prints where the pipe does.
        let mut outer_output = Some(self.output.take());
        let mut failure = None;
        let mut result = Flow::Next;
        for (index, stage) in stages.iter().enumerate() {
            let last = index + 1 == stages.len();
            self.output = if last {
                outer_output.take().flatten()
            } else {
                Some(Value::default())
            };
            let flow = self.subshell(|machine| machine.command(stage));
            if matches!(flow, Flow::Killed | Flow::Spent) {
                result = flow;
                break;
            }
            if !matches!(self.status, Status::Success) && !last {
                failure = Some(self.status.clone());
            }
            if !last {
                self.input = self.output.take();
            }
        }
        self.input = outer_input;
        if let Some(output) = outer_output {
            self.output = output;
        }
        if self.pipefail
            && self.status == Status::Success
            && let Some(failure) = failure
        {
            self.status = failure;
        }
        result
    }

    /// Runs something whose variables and exits stay inside.
    pub(super) fn subshell(&mut self, run: impl FnOnce(&mut Self) -> Flow) -> Flow {
        let vars = Rc::clone(&self.vars);
        let errexit = self.errexit;
        let frames = std::mem::take(&mut self.locals);
        let left = self.left.take();
        self.subshells += 1;
        let flow = run(self);
        self.subshells -= 1;
        self.vars = vars;
        self.errexit = errexit;
        self.locals = frames;
        if let Some((code, waits)) = std::mem::replace(&mut self.left, left) {
            // An exit in here has ended the subshell: what stands around it sees the status.
            self.undecided = waits.last().map(|index| (*index, self.branches));
            self.held = waits;
            self.status = Status::Failure(code);
            if !matches!(flow, Flow::Killed | Flow::Spent) {
                return Flow::Next;
            }
        }
        match flow {
            Flow::Exit => {
                self.status = if self.exit_code == 0 {
                    Status::Success
                } else {
                    Status::Failure(self.exit_code)
                };
                Flow::Next
            }
            Flow::Killed | Flow::Spent => flow,
            _ => Flow::Next,
        }
    }

    pub(super) fn command(&mut self, command: &Command) -> Flow {
        if !self.has_room() || !self.step() {
            return Flow::Spent;
        }
        self.depth += 1;
        let silenced = self.silenced(command);
        let output = if silenced { self.output.take() } else { None };
        let here = command
            .redirects
            .iter()
            .find(|redirect| redirect.kind == RedirectKind::HereString);
        let outer_input = here.map(|redirect| {
            let text = self.word(&redirect.target);
            self.input.replace(text)
        });
        let flow = match self.redirected_probe(command) {
            Some(flow) => flow,
            None => self.kind(command),
        };
        if let Some(input) = outer_input {
            self.input = input;
        }
        if silenced {
            self.output = output;
        }
        self.depth -= 1;
        self.interrupted.take().unwrap_or(flow)
    }

    fn kind(&mut self, command: &Command) -> Flow {
        match &command.kind {
            Kind::Simple { assigns, words } => self.simple(command, assigns, words),
            Kind::Group(list) => self.list(list),
            Kind::Subshell(list) => self.subshell(|machine| machine.list(list)),
            Kind::If { arms, otherwise } => self.condition(arms, otherwise.as_ref()),
            Kind::Loop {
                until,
                condition,
                body,
            } => self.while_loop(command.at, *until, condition, body),
            Kind::For { name, words, body } => self.for_loop(command.at, name, words.as_deref(), body),
            Kind::ForArith { parts, body } => self.for_arithmetic(command.at, parts, body),
            Kind::Case { subject, arms } => self.case(subject, arms),
            Kind::Function { name, body } => {
                let function = (body.clone(), self.source.clone());
                if Rc::strong_count(&self.functions) > 1 {
                    self.charge(self.functions.len() / 4);
                }
                Rc::make_mut(&mut self.functions).insert(name.clone(), function);
                self.status = Status::Success;
                Flow::Next
            }
            Kind::Test(words) => {
                self.status = self.counted_test(words, |machine| test::double_bracket(machine, words));
                Flow::Next
            }
            Kind::Arith(word) => {
                self.status = self.arithmetic_command(word);
                Flow::Next
            }
        }
    }

    fn condition(&mut self, arms: &[(List, List)], otherwise: Option<&List>) -> Flow {
        for (index, (condition, body)) in arms.iter().enumerate() {
            self.codes.clear();
            let waits = self.waits.len();
            let flow = self.as_condition(|machine| machine.list(condition));
            if flow != Flow::Next {
                return flow;
            }
            self.classify_codes(|| look::list(body).fails);
            let status = std::mem::take(&mut self.status);
            match &status {
                Status::Success => {
                    let flow = self.branch(|machine| machine.list(body));
                    return self.absorb(flow, &status);
                }
                Status::Failure(_) if self.waits.len() > waits && arms.len() == 1 => {
                    return self.after_a_wait(body, otherwise);
                }
                Status::Failure(_) => {}
                Status::Open if self.in_loop() => {}
                Status::Hidden(why) if self.in_loop() => {
                    if look::list(body).leaves || otherwise.is_some_and(|list| look::list(list).leaves) {
                        self.hide_bound(why);
                    }
                }
                Status::Open | Status::Hidden(_) => {
                    let rest = arms.get(index + 1..).unwrap_or_default();
                    return self.open_condition(&status, body, rest, otherwise);
                }
            }
        }
        self.status = Status::Success;
        match otherwise {
            Some(list) => {
                let flow = self.branch(|machine| machine.list(list));
                self.absorb(flow, &Status::Success)
            }
            None => Flow::Next,
        }
    }

    /// `if WAIT; then ..; else ..; fi` with a wait that has run out. What is done when the dependency has come up in
    /// time is read as well, where it waits for more.
    fn after_a_wait(&mut self, body: &List, otherwise: Option<&List>) -> Flow {
        self.status = Status::Success;
        if let Some(list) = otherwise {
            let flow = self.branch(|machine| machine.list(list));
            let flow = self.absorb(flow, &Status::Success);
            if flow != Flow::Next {
                return flow;
            }
        }
        if self.in_loop() || self.doom.is_some() || self.weight(body) <= 0 {
            return Flow::Next;
        }
        let flow = self.branch(|machine| machine.list(body));
        self.absorb(flow, &Status::Open)
    }

    /// Outside of loops: follows the way that waits, and forgets what the other would have set.
    fn open_condition(
        &mut self,
        status: &Status,
        body: &List,
        rest: &[(List, List)],
        otherwise: Option<&List>,
    ) -> Flow {
        self.leave_the_end_open();
        let others = rest.iter().map(|(_, list)| list).chain(otherwise);
        let mut taken = Some(body);
        for list in others.clone() {
            if self.weight(list) > taken.map_or(0, |taken| self.weight(taken)) {
                taken = Some(list);
            }
        }
        if otherwise.is_none() && self.weight(body) < 0 && rest.is_empty() {
            taken = None;
        }
        let mut flow = Flow::Next;
        self.status = Status::Success;
        if let Some(list) = taken {
            flow = self.branch(|machine| machine.list(list));
            flow = self.absorb(flow, status);
        }
        for list in std::iter::once(body).chain(others) {
            self.blur(list);
        }
        flow
    }

    pub(super) fn case(&mut self, subject: &Word, arms: &[CaseArm]) -> Flow {
        let subject = self.word(subject);
        self.read_case_codes(arms);
        let Some(text) = subject.get() else {
            return self.open_case(&subject, arms);
        };
        for arm in arms {
            self.charge(arm.patterns.len() / 4);
            for pattern in &arm.patterns {
                let (wanted, _) = self.pattern(pattern);
                self.charge(wanted.len().min(512) * text.len().min(4096) / 1024);
                if pattern::matches(&wanted, text) {
                    self.status = Status::Success;
                    let flow = self.list(&arm.body);
                    return self.absorb(flow, &Status::Success);
                }
            }
        }
        self.status = Status::Success;
        Flow::Next
    }

    fn open_case(&mut self, subject: &Value, arms: &[CaseArm]) -> Flow {
        self.leave_the_end_open();
        let asks = self.in_loop() && subject.printed;
        if asks {
            self.note_count(subject);
            self.note_opaque(true);
        }
        let heaviest = arms.iter().max_by_key(|arm| {
            self.weight(&arm.body) * 2 + i64::from(arm.patterns.iter().any(|p| p.bare() == Some("*")))
        });
        self.status = Status::Success;
        let Some(arm) = heaviest else {
            return Flow::Next;
        };
        // What is printed is not what is waited for: an arm that leaves is not taken.
        let fits_all = arm.patterns.iter().any(|pattern| pattern.bare() == Some("*"));
        if asks && !self.present && !fits_all && self.weight(&arm.body) < 0 {
            for arm in arms {
                self.blur(&arm.body);
            }
            return Flow::Next;
        }
        let flow = self.list(&arm.body);
        let flow = self.absorb(flow, &Status::Open);
        for arm in arms {
            self.blur(&arm.body);
        }
        flow
    }

    /// What the manifest does not decide is not known afterwards.
    fn blur(&mut self, list: &List) {
        let assigned = look::assigned(list);
        self.charge(assigned.len());
        for name in assigned {
            let value = self.vars.get(&name).cloned().unwrap_or_default();
            let why = format!("`${name}` is set under a condition that the manifest does not decide");
            self.vars_mut(&name)
                .insert(name.clone(), Value::unknown(value.text, why));
        }
    }
}
