//! The second scene: a recording of the incidents through the real index, metrics and status page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::listen;
use crate::cli::render::diagnosis::{self, Detail};
use crate::cli::render::paint::{BOLD, DIM, GREEN, RED, paint};
use crate::cli::terminal::Terminal;
use crate::engine::Seconds;
use crate::engine::diagnosis::JobPhase;
use crate::engine::policy::Policy;
use crate::http::{Limits, serve_plain};
use crate::index::replay::Recording;
use crate::index::{Clock, Handle, JobView, Settings, drive};
use crate::shutdown::Shutdown;
use crate::{metrics, status};

/// What `tests/cluster/record-demo` recorded.
const RECORDING: &str = include_str!("recording.jsonl");
/// Changes that wait for the index.
const QUEUE: usize = 512;
/// The pause between two looks at the state, and between two ticks of the index.
const LOOK: Duration = Duration::from_millis(50);
/// Recorded time between two lines about the Jobs that wait.
const TOLD_EVERY: Seconds = Seconds::new(60);

/// The index, fed by the recording, and where its pages are served.
pub(super) struct Pages {
    pub(super) address: SocketAddr,
    handle: Handle,
    recording: Recording,
    shutdown: Shutdown,
}

impl Pages {
    /// Lets the clock of the recording go on.
    pub(super) async fn keep_time(&self) {
        self.recording.keep_time(1.0, self.handle.clock()).await;
    }
}

/// Reads the recording, moved so that it ends about now, and serves the pages.
pub(super) fn serve(address: SocketAddr, shutdown: Shutdown) -> anyhow::Result<Pages> {
    let length = Recording::read(RECORDING.as_bytes())?
        .steps
        .last()
        .map_or(Duration::ZERO, |(at, _)| *at);
    let start = Timestamp::now() - SignedDuration::try_from(length)?;
    let recording = Recording::read_moved_to(RECORDING.as_bytes(), start)?;
    let settings = Settings {
        policy: Arc::new(Policy::default()),
        retention: Seconds::new(24 * 3600),
        ..Settings::new(start)
    };
    let handle = Handle::new(settings, Clock::standing_at(start));
    let listener = listen(address)?;
    let address = listener.local_addr().context("the address of the pages")?;
    let router =
        metrics::router(handle.clone(), metrics::Selection::default()).merge(status::router(handle.clone()));
    tokio::spawn(serve_plain(listener, router, shutdown.clone(), Limits::default()));
    Ok(Pages {
        address,
        handle,
        recording,
        shutdown,
    })
}

/// Plays the recording and tells what happens, then the diagnoses.
pub(super) async fn show(
    pages: &Pages,
    speed: f64,
    shutdown: &Shutdown,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let style = terminal.style();
    let length = pages.recording.steps.last().map_or(Duration::ZERO, |(at, _)| *at);
    terminal.line(paint("2. While they wait: the exporter", BOLD, style))?;
    terminal.line(format!(
        "   {} recorded on a real Kubernetes, {speed} times as fast; http://{}/ shows the same\n",
        Seconds::new(i64::try_from(length.as_secs())?).to_go(),
        pages.address,
    ))?;
    terminal.flush()?;
    let (changes, incoming) = mpsc::channel(QUEUE);
    let (actions, _wanted) = mpsc::unbounded_channel();
    let writer = tokio::spawn(drive(
        pages.handle.clone(),
        incoming,
        actions,
        LOOK,
        pages.shutdown.clone(),
    ));
    let mut story = Story::new(pages.recording.start);
    {
        let play = pages.recording.play(speed, pages.handle.clock(), &changes);
        tokio::pin!(play);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut play => break,
                () = shutdown.requested() => return Ok(()),
                _ = looks.tick() => story.tell(pages, terminal)?,
            }
        }
    }
    // The index takes in what is still queued, and ends with its last sender.
    drop(changes);
    writer.await.context("the index ended in a panic")?;
    story.tell(pages, terminal)?;
    terminal.line("")?;
    terminal.line(paint(
        "3. When it ends badly: why, and what to repair first",
        BOLD,
        style,
    ))?;
    for job in pages
        .handle
        .snapshot()
        .jobs
        .iter()
        .filter(|job| job.root_cause().is_some())
    {
        if let Some(found) = job.diagnosis() {
            terminal.line("")?;
            terminal.line(diagnosis::draw(&found, Detail::Glance, terminal))?;
        }
    }
    terminal.line("")?;
    Ok(())
}

/// What was told already.
struct Story {
    start: Timestamp,
    told: Vec<(String, JobPhase)>,
    next: Seconds,
}

impl Story {
    fn new(start: Timestamp) -> Self {
        Self {
            start,
            told: Vec::new(),
            next: TOLD_EVERY,
        }
    }

    /// Tells which Jobs have begun or ended, and now and then how far the waiting ones are.
    fn tell(&mut self, pages: &Pages, terminal: &mut Terminal) -> anyhow::Result<()> {
        let snapshot = pages.handle.snapshot();
        let since = Seconds::from_nanos(
            i64::try_from(snapshot.now.duration_since(self.start).as_nanos()).unwrap_or(i64::MAX),
        );
        let style = terminal.style();
        let stamp = format!("{:02}:{:02}", since.whole() / 60, since.whole() % 60);
        let due = since >= self.next;
        if due {
            self.next = Seconds::new((since.whole() / TOLD_EVERY.whole() + 1) * TOLD_EVERY.whole());
        }
        for job in &snapshot.jobs {
            let name = job.key.name.to_string();
            let known = self.told.iter_mut().find(|(told, _)| *told == name);
            let changed = match known {
                Some((_, phase)) if *phase == job.phase => false,
                Some((_, phase)) => {
                    *phase = job.phase;
                    true
                }
                None => {
                    self.told.push((name.clone(), job.phase));
                    true
                }
            };
            let line = match job.phase {
                JobPhase::Failed if changed => {
                    let cause = job.root_cause();
                    let cause = cause.as_ref().map_or("unknown", |cause| cause.as_str());
                    let trigger = job.gist().map_or("", |gist| gist.trigger.as_str());
                    paint(
                        &format!("{name} failed: {trigger}, root cause {cause}"),
                        RED,
                        style,
                    )
                }
                JobPhase::Succeeded if changed => paint(&format!("{name} succeeded"), GREEN, style),
                JobPhase::Waiting if due => waiting(job, &snapshot.now, terminal),
                _ => continue,
            };
            terminal.line(format!("   {} {line}", paint(&stamp, DIM, style)))?;
        }
        terminal.flush()?;
        Ok(())
    }
}

/// `name  [#######      ]  58/168, 9m20s left, ended by its release`.
fn waiting(job: &JobView, now: &Timestamp, terminal: &Terminal) -> String {
    const CELLS: i64 = 24;
    let count = job
        .gist()
        .and_then(|gist| Some(format!("{}/{}, ", gist.attempts.0?, gist.attempts.1?)))
        .unwrap_or_default();
    let (elapsed, left) = (job.elapsed(*now), job.remaining(*now));
    let clock = job.gives_up().map_or("nothing", |(clock, _)| clock.as_str());
    let (Some(elapsed), Some(left)) = (elapsed, left) else {
        return format!("{:<27} {count}nothing ends it", job.key.name);
    };
    let full = elapsed.whole() * CELLS / (elapsed + left).whole().max(1);
    let full = usize::try_from(full.clamp(0, CELLS)).unwrap_or(0);
    let empty = usize::try_from(CELLS).unwrap_or(0) - full;
    let bar = format!(
        "{}{}",
        "\u{2588}".repeat(full),
        paint(&"\u{2591}".repeat(empty), DIM, terminal.style())
    );
    format!(
        "{:<27} {bar} {count}{} left, ended by its {clock}",
        job.key.name,
        Seconds::new(left.whole()).to_go()
    )
}
