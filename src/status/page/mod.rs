//! The status page: what waits, what has failed and why, how the `CronJob`s went.

mod crons;
mod facets;
mod failed;
mod findings;
mod form;
mod head;
mod notices;
mod waiting;

use std::fmt::Write as _;

use super::filter::{Filter, Key};
use super::group::{Group, Members, groups};
use super::html::Escaped;
use super::layout;
use super::words::{Time, counted, span};
use crate::index::{JobView, Snapshot};

/// Jobs shown per section; the rest is counted. A card is one to ten kilobytes.
const SHOWN: usize = 50;
/// Lines shown per section whose Jobs take one line.
const LINES: usize = 100;
/// Bytes after which no card begins, whatever the cards hold: a browser has to lay the page out every few seconds.
const LARGEST: usize = 2 << 20;

/// The page for a snapshot, or for what a filter lets through of it.
#[must_use]
pub fn page(snapshot: &Snapshot, filter: &Filter) -> String {
    let groups = groups(snapshot, filter);
    let mut out = String::with_capacity(32 * 1024);
    layout::open(&mut out, &title(&groups), "");
    head::head(&mut out, snapshot, filter, &groups);
    form::form(&mut out, snapshot, filter);
    out.push_str("<main id=\"main\" tabindex=\"-1\">");
    notices::notices(&mut out, snapshot);
    let page = Page { snapshot, filter };
    for members in &groups {
        page.section(&mut out, members);
        if members.group == Group::Failed {
            crons::section(&mut out, snapshot, filter);
        }
    }
    page.nothing(&mut out, &groups);
    out.push_str("</main>");
    notices::footer(&mut out, snapshot, filter);
    layout::close(&mut out);
    out
}

/// What a tab shows while one looks elsewhere.
fn title(groups: &[Members<'_>]) -> String {
    let all = |group: Group| groups[group as usize].all;
    format!(
        "{} failed, {} waiting - hookbudget",
        all(Group::Failed),
        all(Group::Waiting)
    )
}

/// What every card needs.
#[derive(Clone, Copy)]
struct Page<'s> {
    snapshot: &'s Snapshot,
    filter: &'s Filter,
}

impl Page<'_> {
    fn section(self, out: &mut String, members: &Members<'_>) {
        let (group, jobs) = (members.group, &members.jobs);
        if jobs.is_empty() {
            return;
        }
        let id = group.as_str();
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            out,
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\"><h2 id=\"{id}-title\">{} <span class=\"count\">{}</span></h2>",
            group.title(),
            jobs.len(),
        );
        if group == Group::Failed {
            facets::facets(out, jobs, self.filter);
        }
        let in_lines = matches!(group, Group::Suspended | Group::Succeeded);
        let most = if in_lines { LINES } else { SHOWN };
        let mut shown = 0;
        // Few are read one after the other, many are looked through.
        let opened = jobs.len() <= 3;
        for job in jobs.iter().take(most) {
            if out.len() > LARGEST {
                break;
            }
            shown += 1;
            match group {
                Group::Waiting => waiting::card(out, self, job),
                Group::Failed => failed::card(out, self, job, opened),
                Group::Suspended | Group::Succeeded => line(out, self, job),
            }
        }
        if shown < jobs.len() {
            let _ = write!(
                out,
                "<p class=\"more\">{} more: <a href=\"#filter\">filter</a> to see them.</p>",
                jobs.len() - shown
            );
        }
        out.push_str("</section>");
    }

    /// What to do where there is nothing to see.
    fn nothing(self, out: &mut String, groups: &[Members<'_>]) {
        let count = |of: fn(&Members<'_>) -> usize| groups.iter().map(of).sum::<usize>();
        if count(|members| members.jobs.len()) > 0 {
            return;
        }
        let job = self.filter.get(Key::Job);
        if !job.is_empty() {
            let namespace = job.split_once('/').map_or("", |(namespace, _)| namespace);
            let _ = write!(
                out,
                "<div class=\"empty\"><p><strong>Nothing is known of the Job {}.</strong></p><p>It is gone longer ago than failures \
                 are kept (<code>--retention</code>), or its name is another one. What was written down about it: \
                 <code>kubectl get jobdiagnoses -n {}</code></p><p><a href=\"./\">All Jobs</a></p></div>",
                Escaped(job),
                Escaped(namespace)
            );
        } else if self.filter.is_empty() {
            out.push_str(
                "<div class=\"empty\"><p><strong>No Job is waiting and none has failed.</strong></p>\
                 <p>There is nothing to do. Each Job appears here while it runs; one that fails stays with its cause, and hooks of \
                 Helm, Argo CD and Flux and the Jobs of CronJobs stay when they have succeeded.</p>\
                 <p>To see what a failure looks like, run <code>hookbudget demo</code> on any machine.</p></div>",
            );
        } else if !out.contains("<section id=\"cronjobs\"") {
            let _ = write!(
                out,
                "<div class=\"empty\"><p><strong>None of {} matches the filter.</strong></p><p><a href=\"./\">Show all</a></p></div>",
                counted(count(|members| members.all), "Job")
            );
        }
    }
}

/// A Job of which there is little to say.
fn line(out: &mut String, page: Page<'_>, job: &JobView) {
    let _ = write!(
        out,
        "<article class=\"job plain {}\" id=\"{}\">",
        match (job.gist(), job.phase) {
            (Some(found), _) => found.verdict.as_str(),
            (None, phase) => phase.as_str(),
        },
        findings::anchor("job", job)
    );
    findings::title(out, job);
    findings::facts(out, job);
    let took = job.elapsed(page.snapshot.now);
    if let (Some(took), Some(ended)) = (took, job.ended()) {
        let ended = Time {
            at: ended,
            now: page.snapshot.now,
        };
        let _ = write!(out, "<p>Took {}, ended {ended}.</p>", span(took));
    }
    if let Some(found) = job.diagnosis() {
        findings::verdict(out, &found, false);
        findings::summary(out, &found);
    }
    out.push_str("</article>");
}
