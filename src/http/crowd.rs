//! Who is connected, and who has to make room when nobody else may come in.
//!
//! Silent connections are allowed for long, because a client that is idle may be sending at the very moment at which
//! it is cut. Where they fill the house, though, they would keep the API server out until they time out: then the
//! most useless ones go, those first that have never asked for anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::Id;
use tokio::time::Instant;

use super::pace::Exchange;

/// Time between two looks around a full house.
const LOOK: Duration = Duration::from_millis(500);
/// Looks that a connection may be silent for which has never been answered: a client connects when it has something
/// to ask.
const STRANGER: u32 = 3;
/// Looks that one may be silent for which has been: ten seconds.
const GUEST: u32 = 20;
/// One in so many of those allowed are asked to leave at a time, of those that have been answered: they may be about
/// to ask again. Whoever has never asked leaves at once, so that a caller behind a thousand of them comes in before
/// its three seconds are over.
const SHARE: usize = 8;

/// A connection.
#[derive(Debug)]
struct Member {
    id: Id,
    exchange: Arc<Exchange>,
    leave: Option<oneshot::Sender<()>>,
    /// Where it stood at the last look, and for how many looks.
    last: u64,
    silent: u32,
}

/// The connections of a listener.
#[derive(Debug)]
pub(super) struct Crowd {
    members: Vec<Member>,
    allowed: usize,
    /// When to look around.
    pub(super) look: Instant,
}

impl Crowd {
    /// Nobody yet, and never more than `allowed`.
    pub(super) fn new(allowed: usize) -> Self {
        Self {
            members: Vec::new(),
            allowed,
            look: Instant::now(),
        }
    }

    /// True when nobody else may come in.
    pub(super) fn is_full(&self) -> bool {
        self.members.len() >= self.allowed
    }

    /// A connection was taken; `leave` tells it to end.
    pub(super) fn enter(&mut self, id: Id, exchange: Arc<Exchange>, leave: oneshot::Sender<()>) {
        self.members.push(Member {
            id,
            exchange,
            leave: Some(leave),
            last: 0,
            silent: 0,
        });
    }

    /// A connection has ended.
    pub(super) fn leave(&mut self, id: Id) {
        self.members.retain(|member| member.id != id);
    }

    /// Looks who is silent, and asks some of those to leave that have been so for too long. Gives how many.
    pub(super) fn look_around(&mut self) -> usize {
        self.look = Instant::now() + LOOK;
        for member in &mut self.members {
            let state = member.exchange.state();
            let silent = state == member.last && !member.exchange.is_busy();
            member.silent = if silent {
                member.silent.saturating_add(1)
            } else {
                0
            };
            member.last = state;
        }
        let mut silent: Vec<&mut Member> = self
            .members
            .iter_mut()
            .filter(|member| {
                let patience = if member.exchange.has_answered() {
                    GUEST
                } else {
                    STRANGER
                };
                member.leave.is_some() && member.silent >= patience
            })
            .collect();
        silent.sort_unstable_by_key(|member| (member.exchange.has_answered(), u32::MAX - member.silent));
        let strangers = silent
            .iter()
            .filter(|member| !member.exchange.has_answered())
            .count();
        let leaving = silent
            .into_iter()
            .take(strangers.max(self.allowed / SHARE).max(1));
        leaving
            .filter_map(|member| member.leave.take())
            .flat_map(|leave| leave.send(()))
            .count()
    }
}
