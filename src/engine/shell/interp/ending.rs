//! How a script ends when a call in it fails.
//!
//! The script runs once more on the virtual clock, and this time nobody assumes that the dependency comes up in
//! time: the calls in question fail, all others work, and `set -e`, `||`, pipes and exits do with the status
//! what they do in a shell. What is not shown leaves the end open.

use super::super::reading::{Failure, Place};
use super::super::value::Status;
use super::{Flow, HiddenText, Machine};

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::shell) enum Doom {
    /// All calls of network services.
    All,
    /// The call at this place.
    At(Place),
}

/// How a script has ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine::shell) struct End {
    pub(in crate::engine::shell) outcome: Failure,
    /// Some calls have worked.
    pub(in crate::engine::shell) spared: bool,
}

impl Machine<'_> {
    /// Runs on to the end, as a shell does, with these calls failing.
    pub(in crate::engine::shell) fn fail(&mut self, doom: Doom) {
        self.doom = Some(doom);
    }

    /// What has become of the script.
    pub(in crate::engine::shell) fn end(&self) -> End {
        End {
            outcome: self.outcome(),
            spared: self.spared,
        }
    }

    fn outcome(&self) -> Failure {
        if self.hidden != HiddenText::None || self.open_end {
            return Failure::Unknown;
        }
        match (self.ended, &self.status) {
            (Flow::Spent | Flow::Killed, _) => Failure::Unknown,
            (Flow::Exit, _) if self.exit_code == 0 => Failure::Swallowed,
            (Flow::Exit, _) | (_, Status::Failure(_)) => Failure::Ends,
            (_, Status::Success) => Failure::Swallowed,
            (_, Status::Open | Status::Hidden(_)) => Failure::Unknown,
        }
    }

    /// The status of a call at this place; `None` where the question is not how the script ends.
    pub(super) fn doomed(&mut self, place: Place, failure: Status) -> Option<Status> {
        let fails = match self.doom? {
            Doom::All => true,
            Doom::At(doomed) => doomed == place,
        };
        self.spared |= !fails;
        Some(if fails { failure } else { Status::Success })
    }

    /// Says that what is not shown decides how the script goes on from here.
    pub(super) fn leave_the_end_open(&mut self) {
        self.open_end |= self.doom.is_some();
    }

    /// True where something runs before that could not be read.
    pub(super) fn unread_ahead(&self) -> bool {
        self.hidden != HiddenText::None || self.hidden_program || !self.unread.is_empty()
    }
}
