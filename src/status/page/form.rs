//! The filter: a plain form whose answer is an address to share.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::filter::{Filter, Key, cause};
use super::super::group::Group;
use super::super::html::Escaped;
use crate::engine::diagnosis::Verdict;
use crate::engine::root_cause::Route;
use crate::index::Snapshot;

/// From so many Jobs on the form is open from the start.
const MANY: usize = 30;
/// Namespaces offered while one types.
const OFFERED: usize = 200;

pub(super) fn form(out: &mut String, snapshot: &Snapshot, filter: &Filter) {
    // One Job alone, or few, need no form above them.
    let asked = !filter.is_empty() && filter.get(Key::Job).is_empty();
    let open = if asked || snapshot.jobs.len() > MANY {
        " open=\"\""
    } else {
        ""
    };
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        "<details id=\"filter\" class=\"filter\"{open}><summary>Filter</summary>\
         <form method=\"get\" action=\"./\" role=\"search\" aria-label=\"Filter the Jobs\">"
    );
    let namespaces: BTreeSet<&str> = snapshot.jobs.iter().map(|job| &*job.key.namespace).collect();
    let _ = write!(
        out,
        "<label>Text<input type=\"search\" name=\"text\" value=\"{}\" placeholder=\"name, owner, finding\"></label>\
         <label>Namespace<input name=\"namespace\" list=\"namespaces\" value=\"{}\" autocomplete=\"off\" spellcheck=\"false\"></label>\
         <datalist id=\"namespaces\">",
        Escaped(filter.get(Key::Text)),
        Escaped(filter.get(Key::Namespace)),
    );
    for namespace in namespaces.into_iter().take(OFFERED) {
        let _ = write!(out, "<option value=\"{}\"></option>", Escaped(namespace));
    }
    out.push_str("</datalist>");
    let causes: BTreeSet<&str> = snapshot.jobs.iter().filter_map(|job| cause(job)).collect();
    choice(out, filter, Key::State, "State", &Group::ALL.map(Group::as_str));
    choice(
        out,
        filter,
        Key::Cause,
        "Root cause",
        &causes.into_iter().collect::<Vec<_>>(),
    );
    choice(out, filter, Key::Route, "For", &ROUTES.map(Route::as_str));
    choice(
        out,
        filter,
        Key::Verdict,
        "Verdict",
        &VERDICTS.map(Verdict::as_str),
    );
    out.push_str("<p class=\"buttons\"><button>Filter</button>");
    if !filter.is_empty() {
        out.push_str("<a href=\"./\">Show all</a>");
    }
    out.push_str("</p></form></details>");
    if !filter.is_empty() {
        chips(out, filter);
    }
}

const ROUTES: [Route; 6] = [
    Route::Platform,
    Route::App,
    Route::Security,
    Route::Registry,
    Route::Data,
    Route::Network,
];

const VERDICTS: [Verdict; 5] = [
    Verdict::Real,
    Verdict::Transient,
    Verdict::Cosmetic,
    Verdict::Parked,
    Verdict::Unknown,
];

fn choice(out: &mut String, filter: &Filter, key: Key, label: &str, values: &[&str]) {
    let chosen = filter.get(key);
    let _ = write!(
        out,
        "<label>{label}<select name=\"{}\"><option value=\"\">any</option>",
        key.as_str()
    );
    // A link may name what is not there any more: it stays chosen, and the reader sees why nothing is shown.
    let other = Some(chosen).filter(|value| !value.is_empty() && !values.contains(value));
    for value in values.iter().copied().chain(other) {
        let selected = if value == chosen { " selected=\"\"" } else { "" };
        let _ = write!(out, "<option{selected}>{}</option>", Escaped(value));
    }
    out.push_str("</select></label>");
}

/// What is filtered by, each with a link that removes it.
fn chips(out: &mut String, filter: &Filter) {
    out.push_str("<ul class=\"chips\" aria-label=\"Filtered by\">");
    for key in Key::ALL {
        let value = filter.get(key);
        if !value.is_empty() {
            let _ = write!(
                out,
                "<li><a href=\"{0}\" aria-label=\"Remove the filter {1} {2}\"><span>{1}</span> {2} <span aria-hidden=\"true\">×</span></a></li>",
                filter.with(key, "").href(),
                key.as_str(),
                Escaped(value),
            );
        }
    }
    out.push_str("</ul>");
}
