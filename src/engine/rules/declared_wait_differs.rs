//! HB601.

use crate::engine::annotations::{PREFIX, WAIT, of, pointer};
use crate::engine::budget::WaitSource;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::job::Container;
use crate::engine::rewrite::{Budget, Quantity, recorded_variable};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::confidence_of_waits;
use crate::engine::{Limit, Seconds};

rule! {
    /// What the Job declares about its budget is not what its script and its clocks show.
    ///
    /// ## What it does
    ///
    /// Reports
    ///
    /// - an annotation `hookbudget.dev/wait` beside a script whose wait is another one, by more than one interval;
    /// - a container that sets `HOOKBUDGET_DEADLINE_SECONDS` or `HOOKBUDGET_RELEASE_TIMEOUT_SECONDS` to another value
    ///   than the clock in force, or `HOOKBUDGET_WAIT_TIMEOUT_SECONDS` or `HOOKBUDGET_WAIT_ATTEMPTS` to more than
    ///   fits. A shorter wait, an interval and a probe's limit are the Job's own choice.
    ///
    /// ## Why is this bad?
    ///
    /// Every message, rewrite and dashboard trusts these numbers where nothing else is known. A wait that was
    /// raised in the script and not in the annotation leaves the margin that was checked behind. The webhook does
    /// not replace a variable that the Job sets itself, so a stale one stays.
    ///
    /// ## How to fix
    ///
    /// Remove the annotation where a script shows the wait: it is meant for waits inside an image. Remove the
    /// variable, and the webhook injects the right value; or set it to the value that the message names.
    ///
    /// ## When to ignore
    ///
    /// When the script is not what runs, such as one that the image replaces.
    "HB601" "declared-wait-differs" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    found.extend(annotation(cx));
    let mut budget: Option<Budget> = None;
    for (init, index, container) in cx.job.containers() {
        for (entry, variable) in container.env.iter().enumerate() {
            let Some(value) = variable
                .value
                .as_deref()
                .filter(|_| variable.name.starts_with("HOOKBUDGET_"))
            else {
                continue;
            };
            if recorded_variable(cx.job, &variable.name).as_deref() == Some(value) {
                continue;
            }
            let budget =
                budget.get_or_insert_with(|| Budget::of(cx.job, cx.clocks, cx.policy, cx.clocks.deadline));
            let Some(wrong) = contradiction(cx, budget, container, &variable.name, value) else {
                continue;
            };
            found.push(Finding {
                at: cx.at(|| At::field(format!("{}/env/{entry}", cx.job.container_pointer(init, index)))),
                brief: cx.brief(|_| format!("{} {value}: {}", variable.name, wrong.short)),
                message: cx.message(|_| {
                    format!(
                        "container {} sets {} to {value}: {}",
                        container.name, variable.name, wrong.text
                    )
                }),
                arithmetic: cx.arithmetic(|_| wrong.arithmetic),
                help: cx.help(|_| wrong.help),
                ..RULE.finding(Severity::Warning, Confidence::Certain)
            });
        }
    }
}

/// The annotation beside the script. Where another container cannot be looked into, the annotation may speak of
/// that one.
fn annotation(cx: &Context<'_>) -> Option<Finding> {
    let clocks = cx.clocks;
    let declared = cx.job.duration(WAIT)?;
    let seen = clocks
        .wait
        .filter(|_| clocks.wait_source == WaitSource::Script && clocks.is_visible())?;
    let interval = clocks.waits().filter_map(|(_, wait)| wait.interval).max();
    let tolerance = interval.unwrap_or(Seconds::ZERO).max(Seconds::new(1));
    let within = match seen.nominal {
        Limit::At(nominal) => {
            declared + tolerance >= nominal
                && Limit::At(declared) <= seen.worst.max(Limit::At(nominal + tolerance))
        }
        Limit::Never => false,
    };
    if within {
        return None;
    }
    let nominal = match seen.nominal {
        Limit::At(nominal) => nominal.to_string(),
        Limit::Never => "for ever".to_owned(),
    };
    let sums: Vec<&str> = clocks.waits().map(|(_, wait)| wait.arithmetic.as_str()).collect();
    let map = of(cx.job)
        .find(|(_, key, _)| *key == WAIT)
        .map_or("", |(map, _, _)| map);
    Some(Finding {
        at: cx.at(|| At::field(pointer(map, WAIT))),
        brief: cx.brief(|_| format!("declares a wait of {declared}, the script waits {nominal}")),
        message: cx.message(|_| {
            format!("{WAIT} declares {declared}, and the script waits {nominal}: the script is what runs")
        }),
        arithmetic: cx.arithmetic(|_| Some(sums.join(", then "))),
        help: cx.help(|_| format!("no annotation {PREFIX}wait where a script shows the wait")),
        ..RULE.finding(Severity::Warning, confidence_of_waits(cx))
    })
}

/// What a variable says that the clocks do not.
struct Contradiction {
    short: String,
    text: String,
    arithmetic: Option<String>,
    help: String,
}

fn contradiction(
    cx: &Context<'_>,
    budget: &Budget,
    container: &Container<'_>,
    name: &str,
    value: &str,
) -> Option<Contradiction> {
    let quantity = Quantity::ALL
        .into_iter()
        .find(|quantity| quantity.variable() == name)?;
    if quantity == Quantity::ReleaseTimeoutSource {
        return None;
    }
    let Some(stated) = number(value) else {
        return Some(Contradiction {
            short: "no number of seconds".to_owned(),
            text: "that is no number, and the wait helper refuses it".to_owned(),
            arithmetic: None,
            help: format!("no {name}, or a whole number"),
        });
    };
    let in_force = |quantity| {
        budget
            .value(quantity)
            .ok()
            .and_then(|value| number(&value.to_string()))
    };
    let differs = |clock: &str, there: u64| {
        (stated != there).then(|| Contradiction {
            short: format!("{clock} is {there} s"),
            text: format!("{clock} in force is {there} s"),
            arithmetic: None,
            help: format!("no {name}, or the value {there}"),
        })
    };
    match quantity {
        Quantity::Deadline => differs("activeDeadlineSeconds", in_force(quantity)?),
        Quantity::ReleaseTimeout => differs("the release's timeout", in_force(quantity)?),
        Quantity::WaitTimeout | Quantity::WaitAttempts => {
            // Only a stated clock leaves a longest wait; the assumed one of a release proves nothing.
            let stated_clock = cx.clocks.deadline.is_some() || cx.clocks.release.is_known();
            let room = in_force(Quantity::WaitTimeout).filter(|_| stated_clock)?;
            let own = |quantity: Quantity| {
                let set = container
                    .env
                    .iter()
                    .rev()
                    .find(|variable| variable.name == quantity.variable());
                set.map_or_else(
                    || in_force(quantity),
                    |variable| number(variable.value.as_deref()?),
                )
            };
            let (total, arithmetic) = if quantity == Quantity::WaitTimeout {
                (stated, None)
            } else {
                let (interval, probe) = (own(Quantity::WaitInterval)?, own(Quantity::ProbeTimeout)?);
                let total = stated.saturating_mul(interval.saturating_add(probe));
                (
                    total,
                    Some(format!(
                        "{stated} x ({interval} s + {probe} s) = {total} s > {room} s"
                    )),
                )
            };
            let fits = budget.value(quantity).ok()?;
            (total > room).then(|| Contradiction {
                short: format!("only {room} s are left to wait"),
                text: format!("its deadline and its release leave {room} s to wait"),
                arithmetic,
                help: format!("no {name}, or at most {fits}"),
            })
        }
        _ => None,
    }
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::job::EnvVar;
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    const LOOP: &str = "for i in $(seq 60); do curl -f -m 3 http://web && exit 0; sleep 10; done; exit 1";

    fn declared(script: &'static str, wait: &'static str) -> usize {
        let mut job = Hook { script, ..HOOK }.job();
        job.annotations.push((WAIT.into(), wait.into()));
        found(&job, "HB601").len()
    }

    #[test]
    fn the_annotation_may_differ_by_one_interval() {
        // 60 x 10 s, at worst 60 x 13 s.
        for (wait, findings) in [
            ("589s", 1),
            ("590s", 0),
            ("10m", 0),
            ("780s", 0),
            ("781s", 1),
            ("5m", 1),
        ] {
            assert_eq!(declared(LOOP, wait), findings, "{wait}");
        }
        assert_eq!(declared("until nc -z db 5432; do sleep 1; done", "10m"), 1);
        assert_eq!(
            declared("/opt/seed", "10m"),
            0,
            "what cannot be seen contradicts nothing"
        );
    }

    fn variable(name: &'static str, value: &'static str) -> usize {
        let hook = Hook {
            script: "hookbudget-wait tcp://db:5432",
            deadline: Some(840),
            release: Some("15m"),
            ..HOOK
        };
        let mut job = hook.job();
        job.pod.containers[0].env = vec![EnvVar {
            name: name.into(),
            value: Some(value.into()),
        }];
        found(&job, "HB601").len()
    }

    #[test]
    fn a_variable_has_to_agree_with_its_clock() {
        for (name, value, findings) in [
            ("HOOKBUDGET_DEADLINE_SECONDS", "840", 0),
            ("HOOKBUDGET_DEADLINE_SECONDS", "600", 1),
            ("HOOKBUDGET_RELEASE_TIMEOUT_SECONDS", "900", 0),
            ("HOOKBUDGET_RELEASE_TIMEOUT_SECONDS", "300", 1),
            // 840 - 240 headroom.
            ("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "600", 0),
            ("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "601", 1),
            ("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "60", 0),
            ("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "10m", 1),
            // 75 x (5 + 3) = 600.
            ("HOOKBUDGET_WAIT_ATTEMPTS", "75", 0),
            ("HOOKBUDGET_WAIT_ATTEMPTS", "76", 1),
            ("HOOKBUDGET_WAIT_INTERVAL_SECONDS", "30", 0),
            ("HOOKBUDGET_OTHER", "x", 0),
        ] {
            assert_eq!(variable(name, value), findings, "{name}={value}");
        }
    }
}
