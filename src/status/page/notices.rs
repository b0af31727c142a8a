//! What the page cannot know, told before everything else; and the state of each watch, at the end.

use std::fmt::Write as _;

use super::super::filter::Filter;
use super::super::html::Escaped;
use super::super::words::Time;
use crate::index::watch_metrics::WatchState;
use crate::index::{Kind, KindView, Snapshot};

pub(super) fn notices(out: &mut String, snapshot: &Snapshot) {
    let listing: Vec<_> = in_state(snapshot, WatchState::Listing)
        .map(|watch| plural(watch.kind))
        .collect();
    if !listing.is_empty() {
        let text = format!(
            "Still reading the cluster: what follows is not complete. Not listed yet: {}.",
            listing.join(", ")
        );
        note(out, "", &text);
    }
    for watch in in_state(snapshot, WatchState::Forbidden) {
        let text = format!(
            "The exporter may not read {}: {}. Give its ServiceAccount <code>list</code> and <code>watch</code> on <code>{}</code>; \
             the chart does with <code>exporter.enabled</code>.",
            plural(watch.kind),
            without(watch.kind),
            resource(watch.kind),
        );
        note(out, "bad", &text);
    }
    for watch in in_state(snapshot, WatchState::Interrupted) {
        let heard = watch.last_event.map_or_else(String::new, |at| {
            let at = Time {
                at,
                now: snapshot.now,
            };
            format!("; heard from last at {at}")
        });
        let text = format!(
            "The API server does not answer for {}: what is shown of them may be old{heard}. It is asked again by itself.",
            plural(watch.kind),
        );
        note(out, "bad", &text);
    }
    if snapshot.reports.available == Some(false) {
        note(
            out,
            "bad",
            "Diagnoses cannot be kept: the kind <code>JobDiagnosis</code> or a permission is missing. They are lost when the \
             exporter restarts. The chart installs both; <code>kubectl get crd jobdiagnoses.hookbudget.dev</code> tells whether \
             the kind is there.",
        );
    }
    let skipped: u64 = snapshot.skipped.iter().map(|(_, _, count)| count).sum();
    if skipped > 0 {
        let each: Vec<_> = snapshot
            .skipped
            .iter()
            .map(|(kind, reason, count)| format!("{count} of {} ({})", plural(*kind), Escaped(reason)))
            .collect();
        let text = format!(
            "Objects that could not be read are passed over: {}. The exporter's log names them.",
            each.join(", ")
        );
        note(out, "", &text);
    }
}

fn in_state(snapshot: &Snapshot, state: WatchState) -> impl Iterator<Item = &KindView> {
    snapshot.kinds.iter().filter(move |watch| watch.state == state)
}

fn note(out: &mut String, class: &str, text: &str) {
    // Writing to a String cannot fail, here and below.
    let _ = write!(out, "<p class=\"note {class}\" role=\"status\">{text}</p>");
}

/// The end of the page.
pub(super) fn footer(out: &mut String, snapshot: &Snapshot, filter: &Filter) {
    out.push_str("<footer><details id=\"watches\"><summary>What is watched</summary><ul>");
    for watch in &snapshot.kinds {
        let state = match watch.state {
            WatchState::Listing => "is being listed",
            WatchState::Synced => "up to date",
            WatchState::Interrupted => "interrupted",
            WatchState::Absent => "the cluster has no such kind; it is asked for every minute",
            WatchState::Forbidden => "may not be read",
        };
        let _ = write!(out, "<li>{}: {state}", plural(watch.kind));
        if let Some(at) = watch.last_event {
            let _ = write!(
                out,
                ", last heard from at {}",
                Time {
                    at,
                    now: snapshot.now
                }
            );
        }
        out.push_str("</li>");
    }
    let _ = write!(
        out,
        "</ul></details><p><a href=\"{}\">This view as a link</a> <a href=\"{}\">The diagnoses as JSON</a> \
         <a href=\"metrics\">Metrics</a></p></footer>",
        filter.href(),
        filter.api_href()
    );
}

const fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Job => "Jobs",
        Kind::Pod => "Pods",
        Kind::CronJob => "CronJobs",
        Kind::HelmRelease => "HelmReleases",
        Kind::JobEvent => "events about Jobs",
        Kind::PodEvent => "events about Pods",
        Kind::CronJobEvent => "events about CronJobs",
        Kind::Kustomization => "Kustomizations",
    }
}

/// What is missing without it.
const fn without(kind: Kind) -> &'static str {
    match kind {
        Kind::Job => "nothing can be shown",
        Kind::Pod => "causes inside Pods stay unknown",
        Kind::CronJob => "CronJobs that are gone stay on the page",
        Kind::HelmRelease => "timeouts of releases are assumed",
        Kind::JobEvent | Kind::PodEvent => "causes that only events tell stay unknown",
        Kind::CronJobEvent => "runs that never came are not seen",
        Kind::Kustomization => "timeouts of Kustomizations are not known",
    }
}

/// The resource as a role names it.
const fn resource(kind: Kind) -> &'static str {
    match kind {
        Kind::Job => "jobs.batch",
        Kind::Pod => "pods",
        Kind::CronJob => "cronjobs.batch",
        Kind::HelmRelease => "helmreleases.helm.toolkit.fluxcd.io",
        Kind::Kustomization => "kustomizations.kustomize.toolkit.fluxcd.io",
        Kind::JobEvent | Kind::PodEvent | Kind::CronJobEvent => "events",
    }
}
