//! Jobs of the shell: what runs in the background until `wait`.

use super::super::reading::Wait;
use super::super::value::Status;
use super::{Flow, Machine};
use crate::engine::Seconds;

/// What one of them takes: the clock behind it, what its probes may add, how many have no limit, its waits.
type Taken = (Seconds, Seconds, u32, Vec<Wait>);

impl Machine<'_> {
    /// `wait`: what runs in the background runs side by side, and the longest of it decides how long that takes.
    pub(super) fn wait_for_jobs(&mut self, named: bool) -> Flow {
        let jobs = std::mem::take(&mut self.background);
        let (start, surplus, limitless) = (self.now, self.surplus, self.limitless);
        let mut longest: Option<Taken> = None;
        self.status = Status::Success;
        for job in &jobs {
            (self.now, self.surplus, self.limitless) = (start, surplus, limitless);
            let known = self.waits.len();
            let flow = self.subshell(|machine| machine.item_now(job));
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
