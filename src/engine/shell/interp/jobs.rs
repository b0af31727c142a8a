//! Jobs of the shell: what runs in the background until `wait`, and what `kill` does to it.

use std::rc::Rc;

use super::super::duration;
use super::super::reading::Wait;
use super::super::syntax::{Item, Kind, List, Word};
use super::super::value::{Status, Value};
use super::{Flow, Machine, look};
use crate::engine::Seconds;

/// The most background jobs that are followed.
const MOST_JOBS: usize = 16;

/// The process ids of jobs begin here: scripts hand them on, and none writes them down.
const FIRST_PID: usize = 4_190_000;

/// A job in the background.
#[derive(Clone, Debug)]
pub(super) struct Job {
    item: Rc<Item>,
    pid: usize,
    /// When it is over, where it does nothing but pause.
    ends: Option<Seconds>,
    /// It kills a process: this shell, perhaps.
    kills: bool,
}

/// How long a list takes that only pauses and writes down that it has.
fn pause_of(list: &List) -> Option<Seconds> {
    let mut sum = Seconds::ZERO;
    for item in &list.0 {
        let pipelines = std::iter::once(&item.first).chain(item.rest.iter().map(|(_, pipeline)| pipeline));
        for pipeline in pipelines {
            let [stage] = pipeline.stages.as_slice() else {
                return None;
            };
            sum = sum + pause_of_stage(&stage.kind)?;
        }
    }
    Some(sum)
}

fn pause_of_stage(kind: &Kind) -> Option<Seconds> {
    match kind {
        Kind::Group(list) | Kind::Subshell(list) => pause_of(list),
        Kind::Simple { words, .. } => {
            let name = words.first().and_then(Word::bare)?;
            match name.rsplit('/').next()? {
                "sleep" => {
                    let spans = words.iter().skip(1).map(|word| duration::seconds(word.bare()?));
                    spans.sum::<Option<Seconds>>()
                }
                "echo" | "printf" | "touch" | "true" | ":" | "exit" | "kill" => Some(Seconds::ZERO),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What one of them takes: the clock behind it, what its probes may add, how many have no limit, its waits.
type Taken = (Seconds, Seconds, u32, Vec<Wait>);

impl Machine<'_> {
    /// `COMMAND &`
    pub(super) fn start_job(&mut self, item: &Rc<Item>) {
        self.status = Status::Success;
        if self.background.len() >= MOST_JOBS {
            return;
        }
        let (mut size, mut kills) = (0, false);
        look::item(item, &mut |name, words| {
            size += 1;
            let probes = words.get(1).and_then(Word::bare) == Some("-0");
            kills |= matches!(name, "kill" | "pkill" | "killall" | "/bin/kill") && !probes;
        });
        self.charge(size);
        let pause = match (item.rest.as_slice(), item.first.stages.as_slice()) {
            ([], [stage]) => self.pause_of_job(&stage.kind),
            _ => None,
        };
        let pid = self.background.last().map_or(FIRST_PID, |job| job.pid + 1);
        self.background.push(Job {
            item: Rc::clone(item),
            pid,
            ends: pause.map(|pause| self.now + pause),
            kills,
        });
    }

    fn pause_of_job(&mut self, kind: &Kind) -> Option<Seconds> {
        if let Kind::Simple { words, .. } = kind
            && words.first().and_then(Word::bare) == Some("sleep")
        {
            // `sleep $LIMIT &`
            let spans = self.fields(words.get(1..)?);
            let spans = spans.iter().map(|span| duration::seconds(span.get()?));
            return spans.sum::<Option<Seconds>>();
        }
        pause_of_stage(kind)
    }

    /// `$!`
    pub(super) fn last_job(&self) -> Option<Value> {
        self.background
            .last()
            .map(|job| Value::known(job.pid.to_string()))
    }

    fn job(&self, pid: &Value) -> Option<usize> {
        let pid = pid.get()?.parse::<usize>().ok()?;
        self.background.iter().position(|job| job.pid == pid)
    }

    /// What may end the shell from outside: a job that kills a process.
    pub(super) fn watchdog(&self) -> Option<&'static str> {
        let kills = self.background.iter().any(|job| job.kills);
        kills.then_some("a job in the background kills a process, and it may be this one")
    }

    /// `kill`: of a job, or `kill -0` to ask whether it still runs.
    pub(super) fn kill(&mut self, arguments: &[Value]) -> Flow {
        let text = |at: usize| arguments.get(at).map(|argument| argument.text.as_str());
        let asks = match text(0) {
            Some("-0") => Some(1),
            Some("-s" | "-n") if text(1) == Some("0") => Some(2),
            _ => None,
        };
        if let Some(first) = asks {
            let pid = arguments.get(first).cloned().unwrap_or_default();
            self.status = self.still_runs(&pid);
            return Flow::Next;
        }
        self.status = Status::Success;
        for pid in arguments {
            if pid.text.starts_with('%') || pid.printed {
                // `kill %1`, `kill $(jobs -p)`
                self.background.clear();
            } else if let Some(at) = self.job(pid) {
                self.background.remove(at);
            }
        }
        Flow::Next
    }

    fn still_runs(&mut self, pid: &Value) -> Status {
        let Some(job) = self.job(pid).and_then(|at| self.background.get(at)) else {
            return self.runs_unseen(&pid.text);
        };
        let Some(ends) = job.ends else {
            return self.runs_unseen(&pid.text);
        };
        let runs = self.now < ends;
        for frame in &mut self.frames {
            frame.reads_clock = true;
        }
        self.note_clock(runs, (self.now - ends).whole(), "-lt");
        Status::of(runs)
    }

    fn runs_unseen(&self, pid: &str) -> Status {
        if self.in_loop() && !self.present {
            Status::Hidden(format!("the manifest does not show how long the process {pid} runs").into())
        } else {
            Status::Success
        }
    }

    /// `wait`: what runs in the background runs side by side, and the longest of it decides how long that takes.
    pub(super) fn wait_for_jobs(&mut self, named: bool) -> Flow {
        let jobs = std::mem::take(&mut self.background);
        let (start, surplus, limitless) = (self.now, self.surplus, self.limitless);
        let mut longest: Option<Taken> = None;
        self.status = Status::Success;
        for job in &jobs {
            (self.now, self.surplus, self.limitless) = (start, surplus, limitless);
            let known = self.waits.len();
            let flow = self.subshell(|machine| machine.item_now(&job.item));
            if flow != Flow::Next {
                return flow;
            }
            let waits = self.waits.split_off(known.min(self.waits.len()));
            let total = |waits: &[Wait]| {
                waits
                    .iter()
                    .map(|wait| wait.span)
                    .reduce(|a, b| a + b)
                    .map(|span| (span.nominal, span.worst))
            };
            let longer = longest
                .as_ref()
                .is_none_or(|(now, _, _, best)| (total(&waits), self.now) > (total(best), *now));
            if longer {
                longest = Some((self.now, self.surplus, self.limitless, waits));
            }
        }
        self.undecided = None;
        if let Some((now, surplus, limitless, mut waits)) = longest {
            (self.now, self.surplus, self.limitless) = (now, surplus, limitless);
            if !waits.is_empty() {
                self.undecided = Some((self.waits.len() + waits.len() - 1, self.branches));
            }
            self.waits.append(&mut waits);
        }
        if !named {
            // Without a number `wait` ends well, whatever its jobs did.
            self.status = Status::Success;
        }
        Flow::Next
    }
}
