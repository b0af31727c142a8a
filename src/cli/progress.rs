//! A word on standard error, on a terminal alone, while something takes longer than a second.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(1);
const PACE: Duration = Duration::from_millis(200);

/// Shows what is being done until it is dropped, which clears the line.
#[derive(Debug)]
pub(super) struct Progress {
    running: Option<(Sender<&'static str>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins with the first thing that is done: `reading`.
    pub(super) fn start(doing: &'static str) -> Self {
        let running = std::io::stderr().is_terminal().then(|| {
            let (stages, told) = channel();
            let thread = std::thread::spawn(move || show(doing, &told));
            (stages, thread)
        });
        Self { running }
    }

    /// Goes on to the next thing.
    pub(super) fn next(&self, doing: &'static str) {
        if let Some((stages, _)) = &self.running {
            // The thread ends with this handle alone.
            let _ = stages.send(doing);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stages, thread)) = self.running.take() {
            drop(stages);
            let _ = thread.join();
        }
    }
}

fn show(mut doing: &'static str, told: &Receiver<&'static str>) {
    let start = Instant::now();
    let mut shown = false;
    loop {
        let wait = if shown {
            PACE
        } else {
            PATIENCE.saturating_sub(start.elapsed())
        };
        match told.recv_timeout(wait) {
            Ok(next) => doing = next,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                shown = true;
                let _ = write!(
                    std::io::stderr(),
                    "\r{doing} ... {} s\u{1b}[K",
                    start.elapsed().as_secs()
                );
            }
        }
    }
    if shown {
        let _ = write!(std::io::stderr(), "\r\u{1b}[K");
    }
}
