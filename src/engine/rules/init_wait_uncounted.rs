//! HB208.

use crate::engine::annotations::WAIT;
use crate::engine::budget::{ContainerReading, WaitSource};
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{go, read_confidence};
use crate::engine::shell::Wait;
use crate::engine::{Limit, Seconds};

rule! {
    /// An init container waits as well, and the declared budget does not count it.
    ///
    /// ## What it does
    ///
    /// Reports a Job whose annotation `hookbudget.dev/wait` states as much as its main container is seen to wait
    /// while an init container waits before it. Of a main container that cannot be read the annotation is all
    /// that is known: it is added to what the init containers are seen to wait, and nothing is reported. What
    /// `hookbudget.dev/env` hands to a script is less by the waits of the init containers already.
    ///
    /// ## Why is this bad?
    ///
    /// Init containers run before the others, one after the other, and the Job's deadline counts them. A script
    /// that is told to wait for at most 600 s behind an init container that waits for up to 120 s ends after
    /// 720 s, and of the headroom of 240 s a half is left.
    ///
    /// ## Severity
    ///
    /// Information: the clocks that are shown count the init container; the number that somebody wrote
    /// does not.
    ///
    /// ## How to fix
    ///
    /// Declare the sum, or move the init container's wait into the loop of the main container:
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     hookbudget.dev/wait: 12m   # 2m in the init container, 10m in the script
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When both wait for the same thing, so that the second wait is over at once.
    "HB208" "init-wait-uncounted" Info check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let Some((container, wait, init)) = init_wait(cx) else {
        return;
    };
    let Some(gap) = declared_too_short(cx, init) else {
        return;
    };
    found.push(Finding {
        at: cx.at(|| At::script(container.pointer.clone(), wait.place)),
        brief: cx.brief(|_| format!("init container {} waits {init} more", container.name)),
        message: cx.message(|_| {
            format!(
                "init container {} waits {init} before the others, which hookbudget.dev/wait does not count",
                container.name
            )
        }),
        arithmetic: cx.arithmetic(|_| Some(gap.arithmetic)),
        help: cx.help(|_| gap.help),
        ..RULE.finding(
            Severity::Info,
            read_confidence(wait.confidence).min(Confidence::Likely),
        )
    });
}

/// What a declaration leaves out.
struct Gap {
    arithmetic: String,
    help: String,
}

/// The longest wait of the init containers, and the sum of all of them.
fn init_wait<'a>(cx: &Context<'a>) -> Option<(&'a ContainerReading, &'a Wait, Seconds)> {
    let init = || {
        cx.clocks
            .waits_for_something()
            .filter(|(container, _)| container.init)
    };
    let (container, wait) = init().max_by_key(|(_, wait)| wait.span.nominal)?;
    let sum = init()
        .map(|(_, wait)| wait.span.nominal.seconds())
        .sum::<Option<Seconds>>()?;
    (sum > Seconds::ZERO).then_some((container, wait, sum))
}

/// The wait of the main containers, the longest of them.
fn main_wait(cx: &Context<'_>) -> Option<Seconds> {
    let main = cx.clocks.containers.iter().filter(|container| !container.init);
    let waits = main.filter_map(|container| container.reading.total());
    match waits.map(|span| span.nominal).max()? {
        Limit::At(wait) => Some(wait),
        Limit::Never => None,
    }
}

/// `hookbudget.dev/wait` holds the wait of the main containers, and not that of the init containers on top. Any
/// other difference from what the script shows is no matter of init containers.
fn declared_too_short(cx: &Context<'_>, init: Seconds) -> Option<Gap> {
    let declared = cx.job.duration(WAIT)?;
    let main = main_wait(cx).filter(|_| cx.clocks.wait_source == WaitSource::Script)?;
    let sum = init + main;
    (declared >= main && declared < sum).then(|| Gap {
        arithmetic: format!("{init} + {main} = {sum}, declared {declared}"),
        help: format!("hookbudget.dev/wait: {}", go(sum)),
    })
}

#[cfg(test)]
mod tests {
    use crate::engine::job::{Container, Job};
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    /// 300 s in the script behind 120 s in an init container.
    fn job(annotations: &[(&'static str, &'static str)]) -> Job<'static> {
        let script = "for i in $(seq $TRIES); do curl -f -m 3 http://web && exit 0; sleep 5; done; exit 1";
        let mut job = Hook {
            script,
            deadline: Some(840),
            ..HOOK
        }
        .job();
        job.pod.containers[0].env.push(crate::engine::job::EnvVar {
            name: "TRIES".into(),
            value: Some("60".into()),
        });
        job.pod.init_containers.push(Container {
            name: "wait-for-db".into(),
            command: ["dockerize", "-wait", "tcp://db:5432", "-timeout", "120s"]
                .map(Into::into)
                .to_vec(),
            ..Container::default()
        });
        job.annotations
            .extend(annotations.iter().map(|(k, v)| ((*k).into(), (*v).into())));
        job
    }

    #[test]
    fn a_declaration_below_at_and_above_the_sum() {
        for (declared, found_so) in [
            ("299s", false), // differs from the script itself
            ("300s", true),
            ("419s", true),
            ("420s", false),
            ("421s", false),
        ] {
            let findings = found(&job(&[("hookbudget.dev/wait", declared)]), "HB208");
            assert_eq!(!findings.is_empty(), found_so, "{declared}");
            assert!(
                findings.iter().all(|f| f.help == "hookbudget.dev/wait: 7m"),
                "{declared}"
            );
        }
        assert_eq!(found(&job(&[]), "HB208"), [], "nothing is declared");
    }
}
