//! Runs a script on a virtual clock in a world where the dependency never comes up: probes fail at once,
//! sleeps move the clock, and what a probe may hang adds up beside it. Counters, clocks and exits in the last
//! round then fall out as they would in the real shell.
//!
//! What the manifest does not show is not guessed: a loop whose bound is hidden becomes an
//! [`Unread`](super::Unread). Outside of loops both ways of an open condition are thought possible, and the
//! one that waits is followed.

mod alike;
mod builtins;
mod commands;
mod computed;
mod counter;
mod ending;
mod expand;
mod external;
mod flow;
mod frame;
mod jobs;
mod look;
mod loops;
mod mounted;
mod output;
mod parameters;
mod pattern;
mod pauses;
mod recursion;
mod retold;
mod test;
mod timeout;
mod verdict;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::files::{Files, ScriptFile};
use super::reading::{EnvValue, Place, Probe, ReadConfidence, Reading, Unread, Wait};
use super::syntax::{Command, List};
use super::value::{Status, Value};
use crate::engine::{Limit, Seconds};
use alike::LoopVariable;
use counter::Counter;
pub(super) use ending::{Doom, End};
use external::KnownCall;
pub(super) use external::is_shell;
use frame::Frame;
use jobs::Job;
use recursion::Recursion;

/// The most commands that are run for one container.
const MOST_STEPS: u32 = 200_000;

/// The most commands that are run to learn what one failure does.
const MOST_STEPS_TO_THE_END: u32 = 20_000;

/// The most rounds of one loop that are played, and the most words of a list. A loop that goes on for longer is
/// taken for endless.
pub(super) const MOST_ROUNDS: u64 = 20_000;

/// As many rounds are played in any case; more only while half of the steps are left.
const PLAYED_ROUNDS: u64 = 4_000;

/// The most rounds that are counted where all are alike.
const MOST_COUNTED: u64 = 10_000_000;

/// How deep commands may run inside commands, functions included.
const DEEPEST: u32 = 48;

/// The most waits and calls that are kept.
const MOST_FINDS: usize = 256;

/// How a command hands on to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break(u32),
    Continue(u32),
    Return,
    /// A function that waits by calling itself begins anew, with [`Machine::again`] as its arguments.
    Again,
    /// The shell ends.
    Exit,
    /// The time of an enclosing `timeout` is over.
    Killed,
    /// The limit of steps is reached.
    Spent,
}

/// Bytes between two counts of characters.
const STEP: usize = 1_024;

/// Characters that begin in these bytes.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count()
}

/// Where a script's offsets lie in the manifest.
#[derive(Clone, Debug)]
pub(super) struct Source {
    element: usize,
    /// Offsets of the starts of lines; empty when everything stands at `fixed`.
    lines: Rc<[usize]>,
    /// How many characters stand before every [`STEP`]th byte: a script may be one long line.
    characters: Rc<[usize]>,
    text: Rc<str>,
    fixed: Option<Place>,
}

impl Source {
    /// A script that is one element of `command` or `args`.
    pub(super) fn element(element: usize, text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        let mut sum = 0;
        let sums = text.as_bytes().chunks(STEP).map(|piece| {
            sum += characters(piece);
            sum
        });
        Self {
            element,
            lines,
            characters: std::iter::once(0).chain(sums).collect(),
            text: text.into(),
            fixed: None,
        }
    }

    /// A script that another script makes.
    pub(super) fn fixed(place: Place) -> Self {
        Self {
            element: place.element,
            lines: Rc::new([]),
            characters: Rc::new([]),
            text: "".into(),
            fixed: Some(place),
        }
    }

    pub(super) fn place(&self, at: usize) -> Place {
        if let Some(place) = self.fixed {
            return place;
        }
        let line = self.lines.partition_point(|start| *start <= at).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or_default();
        Place {
            element: self.element,
            line,
            column: self.characters_before(at) - self.characters_before(start),
        }
    }

    fn characters_before(&self, at: usize) -> usize {
        let step = at / STEP;
        let rest = self.text.as_bytes().get(step * STEP..at).unwrap_or_default();
        self.characters.get(step).copied().unwrap_or_default() + characters(rest)
    }
}

/// Where text runs that the manifest does not show: any wait may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HiddenText {
    None,
    /// In a process of its own.
    Elsewhere,
    /// In this shell: it may have set any variable.
    Here,
}

/// The state of the shell and of the world around it.
#[allow(clippy::struct_excessive_bools)] // marks that do not exclude each other
#[derive(Clone)]
pub(super) struct Machine<'e> {
    env: &'e dyn Fn(&str) -> EnvValue<'e>,
    source: Source,
    /// Shared with the shell around, until either sets one: most subshells set none.
    vars: Rc<BTreeMap<String, Value>>,
    /// Bodies, and the scripts that they stand in.
    functions: Rc<BTreeMap<String, (Rc<Command>, Source)>>,
    arguments: Vec<Value>,
    /// The functions around that wait by calling themselves, and how many loops and subshells were around each.
    recursions: Vec<Recursion>,
    /// The arguments of the next round of the innermost of them.
    again: Vec<Value>,
    locals: Vec<Vec<(String, Option<Value>)>>,
    status: Status,
    /// The status at hand is that of `local`, and not of the command inside of it that is not shown.
    masked: bool,
    /// How often such a status was looked at.
    masked_looks: u32,
    /// How many command substitutions have run: the last one gives an assignment its status.
    substitutions: u64,
    exit_code: i32,
    errexit: bool,
    pipefail: bool,
    /// Above zero where a failure decides something instead of ending the shell.
    in_condition: u32,
    /// Time that has passed when probes answer at once.
    now: Seconds,
    /// What probes may add when they hang to their limits.
    surplus: Seconds,
    /// How many probes without a limit have run.
    limitless: u32,
    /// When an enclosing `timeout` ends everything.
    deadline: Option<Seconds>,
    /// The shortest `timeout` around the command at hand: no probe takes longer.
    cap: Option<Seconds>,
    steps: u32,
    depth: u32,
    frames: Vec<Frame>,
    /// What the enclosing substitution collects; `None` where output goes elsewhere.
    output: Option<Value>,
    /// What the command before in a pipe wrote.
    input: Option<Value>,
    /// What ended inside a substitution and has to end what is around it.
    interrupted: Option<Flow>,
    /// HTTP statuses that the condition at hand compares with.
    codes: Vec<u16>,
    /// The last wait, while it is open whether the script ends with it, and the branches around it.
    undecided: Option<(usize, u32)>,
    /// How many conditional branches are around the command at hand.
    branches: u32,
    /// How many subshells are around the command at hand: an exit ends the innermost only.
    subshells: u32,
    /// Exits in the subshell at hand that were read on behind: the first status, and the waits before them.
    left: Option<(i32, Vec<usize>)>,
    /// The waits whose exits have ended the last subshell: what stands around it decides.
    held: Vec<usize>,
    /// What runs in the background until `wait`.
    background: Vec<Job>,
    waits: Vec<Wait>,
    /// A wait was found that is not among them: there are too many.
    overfull: bool,
    calls: Vec<Probe>,
    /// The command lines of tools that were read last.
    known_calls: Vec<Rc<KnownCall>>,
    unread: Vec<Unread>,
    /// A program has run that is not shown: it may be a wait.
    hidden_program: bool,
    /// Set where only the end of the script is asked for: which calls fail. All others work.
    doom: Option<Doom>,
    /// A call has worked where only the end is asked for.
    spared: bool,
    /// What is not shown decides how the script ends.
    open_end: bool,
    /// What is not shown, and what is called, answers: the loop at hand waits for it to go.
    present: bool,
    /// How often something that is not shown has decided inside of loops.
    opaque_decisions: u32,
    /// How many calls have run inside of loops.
    probed: u32,
    /// How often a failure inside of a loop has ended the script.
    given_up: u32,
    /// Whether the shell at hand expands braces; `None` where that is not known.
    braces: Option<bool>,
    /// Whether `sh` does, in this image.
    sh_braces: Option<bool>,
    /// How the script has ended.
    ended: Flow,
    /// Whether text runs that is not shown.
    hidden: HiddenText,
    files: Files<'e>,
    /// How many elements `command` and `args` have; mounted scripts are counted behind them.
    elements: usize,
    script_files: Vec<ScriptFile>,
    /// The first carriage return at the end of a line: no shell reads such a script as it is meant.
    windows: Option<Place>,
    /// Commands were nested too deep to be followed.
    too_deep: bool,
    /// Where `cd` has gone to, if that is known.
    directory: Option<String>,
    /// Of the `for` loops around.
    loop_variables: Vec<LoopVariable>,
    /// Of the `while` loops around whose round is watched.
    counters: Vec<Counter>,
}

impl<'e> Machine<'e> {
    pub(super) fn new(env: &'e dyn Fn(&str) -> EnvValue<'e>, source: Source) -> Self {
        Self {
            env,
            source,
            vars: Rc::default(),
            functions: Rc::default(),
            arguments: Vec::new(),
            recursions: Vec::new(),
            again: Vec::new(),
            locals: Vec::new(),
            status: Status::Success,
            masked: false,
            masked_looks: 0,
            substitutions: 0,
            exit_code: 0,
            errexit: false,
            pipefail: false,
            in_condition: 0,
            now: Seconds::ZERO,
            surplus: Seconds::ZERO,
            limitless: 0,
            deadline: None,
            cap: None,
            steps: 0,
            depth: 0,
            frames: Vec::new(),
            output: None,
            input: None,
            interrupted: None,
            codes: Vec::new(),
            undecided: None,
            branches: 0,
            subshells: 0,
            left: None,
            held: Vec::new(),
            background: Vec::new(),
            waits: Vec::new(),
            overfull: false,
            calls: Vec::new(),
            known_calls: Vec::new(),
            unread: Vec::new(),
            hidden_program: false,
            doom: None,
            spared: false,
            open_end: false,
            present: false,
            opaque_decisions: 0,
            probed: 0,
            given_up: 0,
            braces: None,
            sh_braces: None,
            ended: Flow::Next,
            hidden: HiddenText::None,
            files: Files::default(),
            elements: 0,
            script_files: Vec::new(),
            windows: None,
            too_deep: false,
            directory: None,
            loop_variables: Vec::new(),
            counters: Vec::new(),
        }
    }

    pub(super) fn set_options(&mut self, errexit: bool, arguments: Vec<Value>) {
        self.errexit = errexit;
        self.arguments = arguments;
    }

    /// Says which shell runs the script, and what `sh` is in the image.
    pub(super) fn set_shell(&mut self, name: &str, sh_braces: Option<bool>) {
        self.sh_braces = sh_braces;
        self.braces = self.expands_braces(name);
    }

    /// bash, zsh and ksh expand `{1..9}`; for ash and dash it is one word.
    fn expands_braces(&self, shell: &str) -> Option<bool> {
        match shell.rsplit('/').next().unwrap_or(shell) {
            "bash" | "zsh" | "ksh" | "mksh" => Some(true),
            "ash" | "dash" => Some(false),
            _ => self.sh_braces,
        }
    }

    /// Runs a whole script and ends what is left open.
    pub(super) fn run(&mut self, script: &List) {
        let flow = self.list(script);
        self.finish(flow);
    }

    /// Runs a command line without a shell.
    pub(super) fn run_command(&mut self, words: &[Value]) {
        let flow = self.dispatch(0, words);
        self.finish(flow);
    }

    /// The script is over: a wait that nobody has judged falls through if the script ends well.
    pub(super) fn finish(&mut self, flow: Flow) {
        self.ended = flow;
        let failed = match flow {
            Flow::Exit => self.exit_code != 0,
            Flow::Killed => true,
            _ => matches!(self.status, Status::Failure(_) | Status::Open),
        };
        if failed {
            self.decide_failure();
        }
        self.undecided = None;
        let overfull = self.overfull && self.waits.len() >= MOST_FINDS;
        if overfull {
            self.unread.push(Unread {
                place: self.source.place(0),
                why: format!("there are more than {MOST_FINDS} waits, and no more than that are added up"),
            });
        }
        if flow == Flow::Spent || overfull {
            // What is known by now is the least that the script takes.
            for wait in self.waits.iter_mut().filter(|wait| wait.is_bounded()) {
                wait.confidence = wait.confidence.min(ReadConfidence::Likely);
            }
        }
        if flow == Flow::Spent {
            let why = if self.too_deep {
                "commands are nested too deep to be followed: a function that calls itself?"
            } else {
                "the script takes too many steps to be followed to its end"
            };
            self.unread.push(Unread {
                place: self.source.place(0),
                why: why.to_owned(),
            });
        }
    }

    /// Looks at the line ends of a script.
    pub(super) fn note_line_ends(&mut self, text: &str, source: &Source) {
        if let Some(at) = text.find("\r\n") {
            self.windows.get_or_insert_with(|| source.place(at));
        }
    }

    pub(super) fn into_reading(mut self) -> Reading {
        if let Some(place) = self.windows {
            for wait in &mut self.waits {
                wait.confidence = ReadConfidence::Possible;
            }
            self.unread.push(Unread {
                place,
                why: "the lines end with carriage returns, which a shell takes for parts of words: write LF alone"
                    .to_owned(),
            });
        }
        Reading {
            waits: self.waits,
            calls: self.calls,
            visible: self.hidden == HiddenText::None,
            unread: self.unread,
            files: self.script_files,
            never_fails: false,
            installs: Vec::new(),
        }
    }

    fn place(&self, at: usize) -> Place {
        self.source.place(at)
    }

    /// False when commands are nested as deep as they are followed.
    fn has_room(&mut self) -> bool {
        self.too_deep |= self.depth >= DEEPEST;
        self.depth < DEEPEST
    }

    fn in_loop(&self) -> bool {
        !self.frames.is_empty()
    }

    fn unreadable(&mut self, at: usize, why: impl Into<String>) {
        let unread = Unread {
            place: self.place(at),
            why: why.into(),
        };
        if self.unread.len() < MOST_FINDS && !self.unread.contains(&unread) {
            self.unread.push(unread);
        }
    }

    /// Text runs that is not shown, so that nothing certain can be said of the whole.
    fn hidden_text(&mut self, at: usize, why: impl Into<String>) {
        let why = why.into();
        self.hidden = self.hidden.max(HiddenText::Elsewhere);
        self.may_pause(why.as_str());
        self.unreadable(at, why);
        self.status = Status::Open;
    }

    /// The last wait ends the script with a failure: nothing falls through.
    fn decide_failure(&mut self) {
        for index in std::mem::take(&mut self.held) {
            if let Some(wait) = self.waits.get_mut(index) {
                wait.falls_through = false;
            }
        }
        if let Some(wait) = self
            .undecided
            .take()
            .and_then(|(index, _)| self.waits.get_mut(index))
        {
            wait.falls_through = false;
        }
    }

    /// Lets time pass: `nominal` on the clock, `surplus` for the worst case.
    fn pass(&mut self, nominal: Seconds, worst: Limit) -> Flow {
        match worst {
            Limit::At(worst) => self.surplus = self.surplus + worst.minus_or_zero(nominal),
            Limit::Never => self.limitless += 1,
        }
        let after = self.now + nominal.max(Seconds::ZERO);
        match self.deadline {
            Some(deadline) if after >= deadline => {
                self.now = deadline;
                Flow::Killed
            }
            _ => {
                self.now = after;
                Flow::Next
            }
        }
    }

    /// The variables, for a change of `name`: a copy of them where a subshell or another world looks at the same.
    fn vars_mut(&mut self, name: &str) -> &mut BTreeMap<String, Value> {
        self.note_other(name);
        if Rc::strong_count(&self.vars) > 1 {
            let bulk = self.vars.values().map(|value| 1 + value.text.len() / 64).sum();
            self.charge(bulk);
        }
        Rc::make_mut(&mut self.vars)
    }

    /// Counts a step; false when there are none left.
    fn step(&mut self) -> bool {
        self.steps += 1;
        self.steps <= self.most_steps()
    }

    const fn most_steps(&self) -> u32 {
        if self.doom.is_some() {
            MOST_STEPS_TO_THE_END
        } else {
            MOST_STEPS
        }
    }

    /// Counts work that is not a command: the size of what is copied or looked through.
    fn charge(&mut self, size: usize) {
        self.steps = self.steps.saturating_add(u32::try_from(size).unwrap_or(u32::MAX));
    }
}
