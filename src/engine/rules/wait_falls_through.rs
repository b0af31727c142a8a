//! HB204.

use crate::engine::finding::{At, Finding, Severity};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{for_target, read_confidence};

rule! {
    /// A wait ends without success, and the script goes on as if it had succeeded.
    ///
    /// ## What it does
    ///
    /// Follows the script behind a loop that has run out of tries, with `set -e` and `||` taken into account,
    /// and reports a loop after which the script goes on.
    ///
    /// ## Why is this bad?
    ///
    /// The failure shows up in the next step, with a message about something else: a token that cannot be
    /// minted instead of an API that was not up. Under `OnFailure` the container then restarts and the whole
    /// wait begins again, up to `backoffLimit` times.
    ///
    /// ## How to fix
    ///
    /// Let the loop fail by itself:
    ///
    /// ```sh
    /// ready=
    /// for i in $(seq 1 105); do
    ///   if curl -sSf --max-time 3 "$URL"; then ready=1; break; fi
    ///   echo "waiting for gitea api ($i/105)"
    ///   sleep 5
    /// done
    /// [ -n "$ready" ] || { echo "gitea api is not up after 840 s" >&2; exit 1; }
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When the step that follows does not need the dependency.
    "HB204" "wait-falls-through" Warning check
}

fn check(cx: &Context<'_>) -> Vec<Finding> {
    let falling = cx
        .clocks
        .waits_for_something()
        .filter(|(_, wait)| wait.falls_through && wait.is_bounded());
    falling
        .map(|(container, wait)| {
            let what = for_target(wait.target.as_ref());
            Finding {
                at: At::script(container.pointer.clone(), wait.place),
                brief: format!("the script goes on after {} without success", wait.span.nominal),
                message: format!(
                    "the wait{what} in container {} goes on with the next step when it has run out after {}",
                    container.name, wait.span.nominal
                ),
                arithmetic: Some(wait.arithmetic.clone()).filter(|text| !text.is_empty()),
                help: "exit with an error behind the loop unless a probe has succeeded".to_owned(),
                ..RULE.finding(Severity::Warning, read_confidence(wait.confidence))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::engine::rules::testkit::{HOOK, Hook};

    #[test]
    fn what_stands_behind_the_loop_decides() {
        let wait = "for i in $(seq 9); do curl -f -m 3 http://catalog && break; sleep 5; done";
        for (behind, fails) in [
            ("curl -f -m 3 -X POST http://catalog/seed", true),
            ("exit 1", false),
            ("[ $i -lt 9 ] || exit 1", false),
        ] {
            let script: &'static str = format!("set -eu\n{wait}\n{behind}").leak();
            assert_eq!(
                Hook { script, ..HOOK }.verdict("HB204").is_some(),
                fails,
                "{behind}"
            );
        }
        let pause = Hook {
            script: "sleep 10; echo done",
            ..HOOK
        };
        assert_eq!(pause.verdict("HB204"), None, "a pause has nothing to fail by");
    }
}
