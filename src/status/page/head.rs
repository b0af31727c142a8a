//! The top of the page: how many, and as of when.

use std::fmt::Write as _;

use super::super::filter::{Filter, Key};
use super::super::group::{Group, Members, needs_nobody};
use super::super::words::Time;
use crate::index::Snapshot;

pub(super) fn head(out: &mut String, snapshot: &Snapshot, filter: &Filter, groups: &[Members<'_>]) {
    let now = snapshot.now;
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        "<header><div class=\"top\"><h1><a href=\"./\">Hook Jobs</a></h1><p class=\"now\">as of {}</p>\
         <p id=\"live\" data-live=\"\" hidden=\"\"></p><noscript><p><a href=\"{}\">Load again</a></p></noscript></div>",
        Time { at: now, now },
        filter.href(),
    );
    out.push_str("<ul class=\"counts\" role=\"status\" aria-label=\"Jobs by state\">");
    for members in groups {
        let group = members.group;
        if members.all == 0 && matches!(group, Group::Suspended | Group::Succeeded) {
            continue;
        }
        let of = if members.jobs.len() == members.all {
            String::new()
        } else {
            format!(" <span class=\"of\">of {}</span>", members.all)
        };
        let _ = write!(
            out,
            "<li class=\"{0}{1}\"><a href=\"{2}\"><b>{3}</b>{of} {4}</a></li>",
            group.as_str(),
            if members.jobs.is_empty() { " none" } else { "" },
            filter.with(Key::Job, "").with(Key::State, group.as_str()).href(),
            members.jobs.len(),
            note(snapshot, members),
        );
    }
    out.push_str("</ul></header>");
}

/// The word below the number.
fn note(snapshot: &Snapshot, members: &Members<'_>) -> String {
    let harmless = members
        .jobs
        .iter()
        .filter(|job| needs_nobody(snapshot, job))
        .count();
    let word = members.group.as_str();
    if members.group == Group::Failed && harmless > 0 {
        return format!("{word}, {harmless} of them without need to act");
    }
    word.to_owned()
}
