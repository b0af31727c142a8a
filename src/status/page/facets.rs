//! Many failures by their cause: the reader picks one instead of scrolling.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::filter::{Filter, Key, cause};
use crate::index::JobView;

/// Fewer Jobs than this are seen at a glance.
const FEW: usize = 6;

pub(super) fn facets(out: &mut String, jobs: &[&JobView], filter: &Filter) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for job in jobs {
        if let Some(cause) = cause(job) {
            *counts.entry(cause).or_default() += 1;
        }
    }
    if counts.len() < 2 || jobs.len() < FEW {
        return;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    out.push_str("<ul class=\"facets\" aria-label=\"By root cause\">");
    for (cause, count) in counts {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "<li><a href=\"{}\"><code>{cause}</code> {count}</a></li>",
            filter.with(Key::Cause, cause).href(),
        );
    }
    out.push_str("</ul>");
}
