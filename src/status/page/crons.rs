//! How the `CronJob`s went: their last runs as marks, those that need a look first.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::filter::{Filter, Key, cause, only};
use super::super::html::Clipped;
use super::super::words::Time;
use crate::engine::diagnosis::JobPhase;
use crate::engine::root_cause::RootCause;
use crate::index::{JobView, OwnerKey, OwnerView, Run, RunOutcome, Snapshot};

/// `CronJob`s shown; the rest is counted.
const SHOWN: usize = 60;

/// The Jobs of each `CronJob` that are still known, by namespace and name.
type Jobs<'s> = BTreeMap<(&'s str, &'s str), Vec<&'s JobView>>;

pub(super) fn section(out: &mut String, snapshot: &Snapshot, filter: &Filter) {
    if !filter.asks_only_for(&[Key::Namespace, Key::Cause, Key::Text]) {
        return;
    }
    let jobs = jobs(snapshot);
    let mut rows: Vec<Row<'_>> = snapshot
        .owners
        .iter()
        .filter(|(key, owner)| key.kind == "CronJob" && !owner.runs.all().is_empty())
        .map(|(key, owner)| Row::of(key, owner, &jobs))
        .filter(|row| row.is_wanted(filter))
        .collect();
    if rows.is_empty() {
        return;
    }
    rows.sort_by_key(|row| {
        (
            row.health,
            std::cmp::Reverse(row.owner.runs.all().last().map(Run::at)),
        )
    });
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        "<section id=\"cronjobs\" aria-labelledby=\"cronjobs-title\"><h2 id=\"cronjobs-title\">CronJobs <span class=\"count\">{}</span></h2>\
         <p class=\"key\" aria-hidden=\"true\"><span class=\"run good\">✓</span> succeeded <span class=\"run bad\">✗</span> failed \
         <span class=\"run none\">–</span> never came <span class=\"run now\">…</span> running; the newest is on the right</p><ul class=\"crons\">",
        rows.len()
    );
    for row in rows.iter().take(SHOWN) {
        row.draw(out, snapshot);
    }
    out.push_str("</ul>");
    if rows.len() > SHOWN {
        let _ = write!(
            out,
            "<p class=\"more\">{} more: <a href=\"#filter\">filter</a> to see them.</p>",
            rows.len() - SHOWN
        );
    }
    out.push_str("</section>");
}

fn jobs(snapshot: &Snapshot) -> Jobs<'_> {
    let mut jobs = Jobs::new();
    for job in &snapshot.jobs {
        if let Some(owner) = job
            .spec
            .record
            .owner
            .as_ref()
            .filter(|owner| owner.kind == "CronJob")
        {
            let key = (&*owner.namespace, &*owner.name);
            jobs.entry(key).or_default().push(job);
        }
    }
    jobs
}

/// How a `CronJob` does, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Failing,
    Flapping,
    Missing,
    Healthy,
}

struct Row<'s> {
    key: &'s OwnerKey,
    owner: &'s OwnerView,
    jobs: &'s [&'s JobView],
    health: Health,
}

impl<'s> Row<'s> {
    fn of(key: &'s OwnerKey, owner: &'s OwnerView, jobs: &'s Jobs<'s>) -> Self {
        let last = owner.runs.all().last().map(|run| &run.outcome);
        let health = match last {
            _ if owner.runs.flap() => Health::Flapping,
            Some(RunOutcome::Failed(_)) => Health::Failing,
            Some(RunOutcome::Missed(_)) => Health::Missing,
            Some(RunOutcome::Succeeded) | None => Health::Healthy,
        };
        let jobs = jobs.get(&(key.namespace.as_str(), key.name.as_str()));
        Self {
            key,
            owner,
            jobs: jobs.map_or(&[], Vec::as_slice),
            health,
        }
    }

    fn is_wanted(&self, filter: &Filter) -> bool {
        let (namespace, text) = (filter.get(Key::Namespace), filter.get(Key::Text).to_lowercase());
        let cause = filter.get(Key::Cause);
        let names = [&self.key.name, &self.key.namespace];
        (namespace.is_empty() || self.key.namespace == namespace)
            && (text.is_empty() || names.iter().any(|name| name.to_lowercase().contains(&text)))
            && (cause.is_empty() || self.runs().any(|(_, found, _)| found == Some(cause)))
    }

    /// Each run with its cause and its Job, as far as they are known. The Job knows its cause best: late evidence may
    /// have changed it.
    fn runs(&self) -> impl Iterator<Item = (&'s Run, Option<&'s str>, Option<&'s JobView>)> {
        let jobs = self.jobs;
        self.owner.runs.all().iter().map(move |run| {
            let job = jobs.iter().copied().find(|job| job.ended() == Some(run.at()));
            let (kept, is_failure) = match &run.outcome {
                RunOutcome::Failed(cause) => (cause.as_deref(), true),
                RunOutcome::Missed(cause) => (Some(&**cause), false),
                RunOutcome::Succeeded => (None, false),
            };
            let known = job.filter(|_| is_failure).and_then(cause);
            (run, known.or(kept.map(RootCause::as_str)), job)
        })
    }

    fn draw(&self, out: &mut String, snapshot: &Snapshot) {
        let (class, word) = match self.health {
            Health::Failing => ("failing", "fails"),
            Health::Flapping => ("flapping", "flaps: good and bad runs take turns"),
            Health::Missing => ("missing", "does not run"),
            Health::Healthy => ("healthy", "runs well"),
        };
        let here = Filter::default()
            .with(Key::Namespace, &self.key.namespace)
            .with(Key::Text, &self.key.name);
        let _ = write!(
            out,
            "<li class=\"{class}\"><p class=\"cron\"><a href=\"{}\"><span class=\"namespace\">{}/</span>{}</a> <span class=\"word\">{word}</span></p>\
             <ol class=\"runs\" aria-label=\"Last runs, the oldest first\">",
            here.href(),
            Clipped(&self.key.namespace, 80),
            Clipped(&self.key.name, 120),
        );
        let mut last = None;
        for (run, cause, job) in self.runs() {
            let (class, sign, word) = match run.outcome {
                RunOutcome::Succeeded => ("good", "✓", "succeeded"),
                RunOutcome::Failed(_) => ("bad", "✗", "failed"),
                RunOutcome::Missed(_) => ("none", "–", "never came"),
            };
            if let Some(cause) = cause {
                last = Some((cause, word, run.at()));
            }
            let because = cause.map_or_else(String::new, |cause| format!(": {cause}"));
            let tip = format!("{word}, {}{because}", seconds(run.at()));
            mark(out, class, sign, &tip, job);
        }
        for job in self.jobs.iter().filter(|job| job.phase == JobPhase::Waiting) {
            mark(out, "now", "…", "is running", Some(job));
        }
        out.push_str("</ol>");
        if let Some((cause, word, at)) = last {
            let _ = write!(
                out,
                "<p class=\"soft\">Last {word} {}: <a href=\"explain/{cause}\"><code>{cause}</code></a></p>",
                Time {
                    at,
                    now: snapshot.now
                },
            );
        }
        out.push_str("</li>");
    }
}

fn seconds(at: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// A mark that says in words what its sign and colour say; a link while its Job is known.
fn mark(out: &mut String, class: &str, sign: &str, tip: &str, job: Option<&JobView>) {
    let text = format!("<span aria-hidden=\"true\">{sign}</span><span class=\"vh\">{tip}</span>");
    let _ = match job {
        Some(job) => {
            let link = only(&job.key.namespace, &job.key.name).href();
            write!(
                out,
                "<li><a class=\"run {class}\" href=\"{link}\" title=\"{tip}\">{text}</a></li>"
            )
        }
        None => write!(
            out,
            "<li><span class=\"run {class}\" title=\"{tip}\">{text}</span></li>"
        ),
    };
}
