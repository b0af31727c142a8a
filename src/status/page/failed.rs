//! A Job that has failed: why, what to repair first, whether to run it again, and all the proof.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::super::filter::only;
use super::super::html::Clipped;
use super::super::words::{Time, advice, since, span};
use super::{Page, findings};
use crate::engine::diagnosis::Diagnosis;
use crate::engine::root_cause::RootCause;
use crate::index::JobView;

/// Jobs named that have the same root.
const NAMED: usize = 5;

pub(super) fn card(out: &mut String, page: Page<'_>, job: &JobView, opened: bool) {
    let found = job.diagnosis();
    let found = found.as_deref();
    let later = page.snapshot.later_success(job);
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        "<article class=\"job failed {}\" id=\"{}\">",
        match (later, found) {
            (Some(_), _) => "settled",
            (None, found) => found.map_or("unknown", |found| found.verdict.as_str()),
        },
        findings::anchor("job", job)
    );
    findings::title(out, job);
    findings::facts(out, job);
    when(out, page, job, later);
    let Some(found) = found else {
        out.push_str("<p class=\"summary\">Nothing more is known.</p></article>");
        return;
    };
    findings::verdict(out, found, later.is_some());
    findings::summary(out, found);
    out.push_str("<div class=\"sides\"><div>");
    same_root(out, page, job, found);
    findings::repair(out, found);
    // It has been run again.
    if later.is_none() {
        let _ = write!(out, "<p class=\"advice\">{}</p>", advice(found.retry_advice));
    }
    findings::lost(out, found);
    out.push_str("</div>");
    findings::chain(out, job, found, opened);
    out.push_str("</div>");
    findings::evidence(out, job, found);
    // Where no cause is known, the log is what there is to go by.
    findings::tail(out, job, job.root_cause() == Some(RootCause::Unknown));
    out.push_str("</article>");
}

/// When it ended, and when a later run went well; the summary says how.
fn when(out: &mut String, page: Page<'_>, job: &JobView, later: Option<Timestamp>) {
    let now = page.snapshot.now;
    let ended = job.ended().map(|at| {
        let ago = span(since(at, now));
        format!("Ended at {}, {ago} ago.", Time { at, now })
    });
    let owner = job.spec.record.owner.as_ref();
    let later = later.zip(owner).map(|(at, owner)| {
        format!(
            "A later run of {} {} succeeded at {}.",
            Clipped(&owner.kind, 60),
            Clipped(&owner.name, 80),
            Time { at, now }
        )
    });
    let said: Vec<_> = ended.into_iter().chain(later).collect();
    if !said.is_empty() {
        let _ = write!(out, "<p class=\"when\">{}</p>", said.join(" "));
    }
}

/// One culprit may have many victims: whoever repairs it repairs them all.
fn same_root(out: &mut String, page: Page<'_>, job: &JobView, found: &Diagnosis) {
    let Some(root) = found
        .chain
        .last()
        .filter(|root| root.kind != "Job" && root.kind != "Pod")
    else {
        return;
    };
    let is_here = |other: &Diagnosis| {
        let last = other.chain.last();
        last.is_some_and(|last| {
            (&last.kind, &last.namespace, &last.name) == (&root.kind, &root.namespace, &root.name)
        })
    };
    let mut others = page.snapshot.jobs.iter().filter(|other| {
        other.key != job.key
            && other.root_cause().is_some()
            && other.diagnosis().is_some_and(|other| is_here(&other))
    });
    let named: Vec<String> = others
        .by_ref()
        .take(NAMED)
        .map(|other| {
            let (namespace, name) = (&other.key.namespace, &other.key.name);
            format!(
                "<a href=\"{}\">{}</a>",
                only(namespace, name).href(),
                Clipped(name, 80)
            )
        })
        .collect();
    if named.is_empty() {
        return;
    }
    let more = match others.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let _ = write!(
        out,
        "<p class=\"same\">The same {} has failed {}{more}.</p>",
        Clipped(&root.kind, 60),
        named.join(", ")
    );
}
