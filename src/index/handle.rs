//! The index shared between its one writer and its readers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedSender};
use tokio::time::{MissedTickBehavior, interval};

use super::change::{Action, Change};
use super::clock::Clock;
use super::store::{Index, Settings};
use super::view::Snapshot;
use crate::shutdown::Shutdown;

/// Changes that are taken in under one lock.
const BATCH: usize = 256;

/// A shared index and the clock that it goes by.
#[derive(Clone, Debug)]
pub struct Handle {
    index: Arc<Mutex<Index>>,
    clock: Clock,
}

impl Handle {
    /// An empty index.
    #[must_use]
    pub fn new(settings: Settings, clock: Clock) -> Self {
        let index = Index::new(settings);
        let index = match clock {
            Clock::Real => index.timed(),
            Clock::Virtual(_) => index,
        };
        Self {
            index: Arc::new(Mutex::new(index)),
            clock,
        }
    }

    /// The clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The state now. Takes the lock for as long as it takes to count references.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = self.clock.now();
        self.with(|index| index.snapshot(now))
    }

    /// See [`Index::is_synced`].
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.with(|index| index.is_synced())
    }

    /// Does something with the index alone.
    pub fn with<T>(&self, work: impl FnOnce(&mut Index) -> T) -> T {
        // A panic while the lock was held left at worst one entry half renewed.
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut index)
    }

    /// Takes in changes, draws the conclusions, and says what is wanted next.
    #[must_use]
    pub fn take_in(&self, changes: impl IntoIterator<Item = Change>) -> Vec<Action> {
        let now = self.clock.now();
        self.with(|index| {
            for change in changes {
                index.change(change, now);
            }
            index.settle(now);
            index.take_actions()
        })
    }

    /// See [`Index::tick`].
    #[must_use]
    pub fn tick(&self) -> Vec<Action> {
        let now = self.clock.now();
        self.with(|index| {
            index.tick(now);
            index.take_actions()
        })
    }
}

/// Writes changes into the index until their senders are gone or shutdown is requested, and passes on what the
/// index asks for. `every` is the pause between two ticks.
pub async fn drive(
    handle: Handle,
    mut changes: Receiver<Change>,
    actions: UnboundedSender<Action>,
    every: Duration,
    shutdown: Shutdown,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let wanted = tokio::select! {
            () = shutdown.requested() => return,
            count = changes.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return;
                }
                handle.take_in(batch.drain(..))
            }
            _ = ticks.tick() => handle.tick(),
        };
        for action in wanted {
            // Nobody listens where a recording is played.
            let _ = actions.send(action);
        }
    }
}
