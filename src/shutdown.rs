//! One signal that everything in a process can wait for: first to finish, then to stop at once.

use std::{future::pending, io};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    Draining,
    Aborting,
}

/// The receiving end: cheap to clone, one for every task.
#[derive(Clone, Debug)]
pub struct Shutdown {
    stage: watch::Receiver<Stage>,
}

/// The sending end. Dropping it leaves everything running.
#[derive(Debug)]
pub struct Trigger {
    stage: watch::Sender<Stage>,
}

impl Trigger {
    /// Asks for an orderly end; asked a second time, for an end at once.
    pub fn request(&self) {
        self.stage.send_modify(|stage| {
            *stage = match *stage {
                Stage::Running => Stage::Draining,
                Stage::Draining | Stage::Aborting => Stage::Aborting,
            }
        });
    }
}

impl Shutdown {
    /// A shutdown that is triggered by hand.
    #[must_use]
    pub fn manual() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(Stage::Running);
        (Trigger { stage: sender }, Self { stage: receiver })
    }

    /// A shutdown that SIGTERM or SIGINT requests; the second signal makes it an abort. From this call on the
    /// two signals no longer end the process by themselves.
    ///
    /// To be called inside a tokio runtime.
    ///
    /// # Errors
    /// If the handlers cannot be registered.
    pub fn on_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (trigger, shutdown) = Self::manual();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    Some(()) = terminate.recv() => "SIGTERM",
                    Some(()) = interrupt.recv() => "SIGINT",
                    else => return,
                };
                trigger.request();
                tracing::info!(signal = name, "shutdown requested");
            }
        });
        Ok(shutdown)
    }

    /// Whether an end has been asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.stage.borrow() >= Stage::Draining
    }

    /// Waits until an end is asked for.
    pub async fn requested(&self) {
        self.reached(Stage::Draining).await;
    }

    /// Waits until an end at once is asked for.
    pub async fn aborted(&self) {
        self.reached(Stage::Aborting).await;
    }

    async fn reached(&self, wanted: Stage) {
        let mut stage = self.stage.clone();
        if stage.wait_for(|stage| *stage >= wanted).await.is_err() {
            // The trigger is gone without having been used: nobody can ask any more.
            pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_first_request_drains_and_the_second_aborts() {
        let (trigger, shutdown) = Shutdown::manual();
        let late = shutdown.clone();
        assert!(!shutdown.is_requested());
        assert!(shutdown.requested().now_or_never().is_none());
        trigger.request();
        shutdown.requested().await;
        assert!(late.is_requested());
        assert!(shutdown.aborted().now_or_never().is_none());
        trigger.request();
        trigger.request();
        late.aborted().await;
    }

    #[tokio::test]
    async fn a_dropped_trigger_never_fires() {
        let (trigger, shutdown) = Shutdown::manual();
        drop(trigger);
        assert!(shutdown.requested().now_or_never().is_none());
        assert!(!shutdown.is_requested());
    }

    #[tokio::test]
    async fn a_request_outlives_its_trigger() {
        let (trigger, shutdown) = Shutdown::manual();
        trigger.request();
        drop(trigger);
        shutdown.requested().await;
    }

    #[tokio::test]
    async fn signals_drain_and_then_abort() {
        let shutdown = Shutdown::on_signals().unwrap();
        let send = |signal: &str| {
            let command = format!("kill -{signal} {}", std::process::id());
            assert!(
                std::process::Command::new("sh")
                    .arg("-c")
                    .arg(command)
                    .status()
                    .unwrap()
                    .success()
            );
        };
        send("TERM");
        shutdown.requested().await;
        assert!(shutdown.aborted().now_or_never().is_none());
        send("INT");
        shutdown.aborted().await;
    }
}
