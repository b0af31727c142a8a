//! What happens to a Job, in words: the same ones below the drawing in a terminal and in the picture.

use anstyle::Style;

use super::paint::{BOLD, GREEN, PLAIN, RED};
use crate::cli::simulate::survival::Survivals;
use crate::engine::Limit;
use crate::engine::Seconds;
use crate::engine::budget::Clocks;
use crate::engine::job::Job;
use crate::engine::timeline::{Outcome, Scenario, Timeline};

/// All that a drawing shows.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    /// The Job.
    pub job: &'a Job<'a>,
    /// What was assumed about it.
    pub scenario: &'a Scenario,
    /// Its clocks.
    pub clocks: &'a Clocks,
    /// What happens.
    pub timeline: &'a Timeline,
    /// What it would survive.
    pub survivals: Survivals,
}

/// What is assumed, in a line.
pub(super) fn setting(story: &Story<'_>) -> String {
    let Story { job, scenario, .. } = *story;
    let run = match scenario.retries.run {
        Limit::At(Seconds::ZERO) => "attempts that fail at once".to_owned(),
        Limit::At(run) => format!("attempts that fail after {run}"),
        Limit::Never => "an attempt that never ends by itself".to_owned(),
    };
    let ready = scenario.ready_after.map_or_else(
        || "a dependency that never comes up".to_owned(),
        |at| format!("a dependency up after {at}"),
    );
    format!(
        "{}, backoffLimit {}, {run}, {ready}",
        job.pod.restart_policy.as_str(),
        scenario.retries.limit
    )
}

/// How it ends, in lines with their colour; the first one is the headline.
pub(super) fn verdict(drawing: &Story<'_>) -> Vec<(String, Style)> {
    let Story {
        scenario,
        clocks,
        timeline: story,
        ..
    } = *drawing;
    let mut lines = Vec::new();
    match (story.result, story.ends_at_lower) {
        (Outcome::Succeeded, Limit::At(at)) => lines.push((format!("Succeeds after {at}."), GREEN)),
        (Outcome::Failed, Limit::At(at)) => {
            let reason = story.reason.map_or("", |reason| reason.as_str());
            let range = match story.ends_at_upper {
                Limit::At(upper) if upper > at => format!("between {at} and {upper}"),
                _ => format!("after {at}"),
            };
            lines.push((format!("Fails {range}: {reason}."), RED));
            if story.visible_at > story.ends_at_lower {
                let visible = story.visible_at;
                let grace = scenario.grace;
                lines.push((
                    format!("Failed=True follows when the Pod is gone: by {visible} with a grace period of {grace}."),
                    PLAIN,
                ));
            }
        }
        _ => lines.push((
            "Hangs: no clock of the Job or its release ends it.".to_owned(),
            RED,
        )),
    }
    let mut job_fails = story.result == Outcome::Failed;
    if let Some(after) = story.after_release {
        job_fails = after.result == Outcome::Failed;
        let goes_on = match (after.result, after.ends_at) {
            (Outcome::Succeeded, Limit::At(at)) => format!("goes on unseen and succeeds at {at}."),
            (Outcome::Failed, Limit::At(at)) => {
                let reason = after.reason.map_or("", |reason| reason.as_str());
                format!("goes on unseen and dies at {at} of {reason}.")
            }
            _ => "goes on for ever.".to_owned(),
        };
        lines.push((format!("The release has given up; the Job {goes_on}"), PLAIN));
    }
    if job_fails {
        let kept = match story.pods_kept {
            0 => "No Pod is left, and no log.".to_owned(),
            1 => "1 Pod is kept with its logs.".to_owned(),
            kept => format!("{kept} Pods are kept with their logs."),
        };
        lines.push((kept, PLAIN));
    }
    lines.push((drawing.survivals.line(), BOLD));
    if let Some(assumed) = clocks.release.timeout.filter(|_| !clocks.release.is_known()) {
        let line = format!(
            "The release timeout of {assumed} is the assumed default: state it by --release-timeout."
        );
        lines.push((line, PLAIN));
    }
    lines
}
