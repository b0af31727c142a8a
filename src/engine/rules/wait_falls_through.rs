//! HB204.

use crate::engine::finding::{At, Finding, Severity};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::folded::Folded;

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

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let falling = cx
        .clocks
        .waits_for_something()
        .filter(|(_, wait)| wait.falls_through && wait.is_bounded());
    found.extend(Folded::of(falling).iter().map(|folded| finding(cx, folded)));
}

fn finding(cx: &Context<'_>, folded: &Folded<'_>) -> Finding {
    let (container, wait) = (&folded.container.name, folded.first());
    let after = wait.span.nominal;
    let brief = |_: &mut String| match &wait.tool {
        Some(tool) => format!("the script goes on when {tool} gives up after {after}"),
        None => format!("the script goes on after {after} without success"),
    };
    let message = |_: &mut String| {
        let what = folded.for_targets();
        match &wait.tool {
            Some(tool) => format!(
                "{tool}{what} in container {container} gives up after {after}, and the script goes on as if it had \
                 succeeded"
            ),
            None => format!(
                "the wait{what} in container {container} goes on with the next step when it has run out after {after}"
            ),
        }
    };
    let help = |_: &mut String| match &wait.tool {
        Some(tool) => format!("`|| exit 1` behind {tool}, or set -e"),
        None => "exit with an error behind the loop unless a probe has succeeded".to_owned(),
    };
    Finding {
        at: cx.at(|| At::script(folded.container.pointer.clone(), wait.place)),
        brief: cx.brief(brief),
        message: cx.message(message),
        arithmetic: cx.arithmetic(|_| folded.arithmetic()),
        help: cx.help(help),
        ..RULE.finding(Severity::Warning, folded.confidence())
    }
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

    #[test]
    fn a_tool_is_called_by_its_name() {
        let hook = Hook {
            script: "kubectl wait --for=condition=Available deploy/catalog --timeout=300s\necho seeded",
            ..HOOK
        };
        let findings = hook.findings("HB204");
        let message = &findings[0].message;
        assert!(message.starts_with("kubectl wait for "), "{message}");
        assert!(
            message.contains(" gives up after 300 s, and the script goes on"),
            "{message}"
        );
        assert_eq!(findings[0].help, "`|| exit 1` behind kubectl wait, or set -e");
    }
}
