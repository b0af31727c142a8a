//! HB205.

use crate::engine::budget::ContainerReading;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{command_at, container_of};
use crate::engine::rules::folded::Folded;
use crate::engine::shell::{Probe, Wait};

rule! {
    /// The wait retries a 401 or 403 as if the service were not up yet.
    ///
    /// ## What it does
    ///
    /// Reports a loop around `curl` or `wget` that treats the HTTP statuses 401 and 403 as a refused connection:
    /// `curl --fail` and `wget`, which fail by every status of 400 and above, and comparisons that name other
    /// statuses only. A health page that is asked without a password is passed over.
    ///
    /// ## Why is this bad?
    ///
    /// A 401 says that the service is up and the password is wrong. No retry changes that: the loop runs to its
    /// end, the hook fails after ten minutes with "not up", and the one who reads it looks at the service instead
    /// of the Secret.
    ///
    /// ## Severity
    ///
    /// Information: a service may also answer 403 while it starts. More likely where the request carries a
    /// password.
    ///
    /// ## How to fix
    ///
    /// Ask for the status, and end the wait by those that no time changes:
    ///
    /// ```sh
    /// code=$(curl -s -o /dev/null -w '%{http_code}' --max-time 3 -H "X-API-Key: $KEY" "$URL") || true
    /// case "$code" in
    ///   200) break ;;
    ///   401|403) echo "the key is refused ($code)" >&2; exit 1 ;;
    /// esac
    /// ```
    ///
    /// The wait of `hookbudget.dev/wait-for` takes 401 and 403 for fatal.
    ///
    /// ## When to ignore
    ///
    /// When the service answers 401 or 403 until its users are loaded.
    "HB205" "fatal-status-retried" Info check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let retried = |(container, wait): &(&ContainerReading, &Wait)| {
        let probe = wait.probe.as_ref().filter(|probe| probe.is_service_call());
        probe.is_some_and(|probe| retries_refusals(cx, container, wait, probe).is_some())
    };
    let folded = Folded::of(cx.clocks.waits_for_something().filter(retried));
    found.extend(folded.iter().filter_map(|folded| finding(cx, folded)));
}

fn finding(cx: &Context<'_>, folded: &Folded<'_>) -> Option<Finding> {
    let (container, wait) = (folded.container, folded.first());
    let probe = wait.probe.as_ref()?;
    let confidence = retries_refusals(cx, container, wait, probe)?;
    Some(Finding {
        at: cx.at(|| At::script(container.pointer.clone(), probe.place)),
        brief: cx.brief(|_| "401 and 403 are retried like a refused connection".to_owned()),
        message: cx.message(|_| {
            format!(
                "the wait{} of container {} retries 401 and 403 like a refused connection: a wrong password looks as if \
                 the service were not up",
                folded.for_targets(),
                container.name
            )
        }),
        help: cx.help(|_| "ask for the status (curl -w '%{http_code}') and exit with an error on 401 and 403".to_owned()),
        ..RULE.finding(Severity::Info, confidence.min(folded.confidence()))
    })
}

/// Whether 401 and 403 are retried, and how sure that is: likely where the request carries a password.
fn retries_refusals(
    cx: &Context<'_>,
    container: &ContainerReading,
    wait: &Wait,
    probe: &Probe,
) -> Option<Confidence> {
    // `wait-for-it` and the like only connect; other clients know no HTTP statuses.
    if !matches!(probe.tool.as_str(), "curl" | "wget") {
        return None;
    }
    let named = |codes: &[u16]| codes.contains(&401) || codes.contains(&403);
    if named(&wait.fatal_statuses) || named(&wait.ready_statuses) {
        return None;
    }
    let command = command_at(cx, container, probe.place)?;
    let compares = !wait.ready_statuses.is_empty() || !wait.fatal_statuses.is_empty();
    if compares && names_refusals(cx, container) {
        return None;
    }
    let fails = compares || probe.tool == "wget" || fails_by_status(&command);
    let password = carries_a_password(&command);
    if !password && asks_for_health(&command) {
        return None;
    }
    fails.then_some(if password {
        Confidence::Likely
    } else {
        Confidence::Possible
    })
}

/// A pattern such as `4*` or `40[13]` anywhere in the script may stand for them.
fn names_refusals(cx: &Context<'_>, container: &ContainerReading) -> bool {
    const PATTERNS: [&str; 7] = ["401", "403", "4*", "4?", "40[", "[45]", "-ge 400"];
    container_of(cx, container).is_some_and(|found| {
        let mut texts = found.command.iter().chain(&found.args);
        texts.any(|text| PATTERNS.iter().any(|pattern| text.contains(pattern)))
    })
}

/// `-f`, also among other short options, and `--fail` or `--fail-with-body`.
fn fails_by_status(command: &str) -> bool {
    // Short options of curl that take a value: what follows in the same word is the value.
    const VALUED: &str = "AbcCdDeEFhHKmoPQrtTuUwxXyYz";
    command.split_whitespace().any(|word| {
        let short = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        let short = short.is_some_and(|letters| {
            letters
                .chars()
                .take_while(|letter| !VALUED.contains(*letter))
                .any(|letter| letter == 'f')
        });
        short || matches!(word, "--fail" | "--fail-with-body")
    })
}

/// Pages that say how a service is ask for no password: `/healthz`, `/-/ready`, `/livez`.
fn asks_for_health(command: &str) -> bool {
    const PAGES: [&str; 5] = ["health", "/ready", "/live", "/ping", "/status"];
    PAGES.iter().any(|page| command.contains(page))
}

fn carries_a_password(command: &str) -> bool {
    const WORDS: [&str; 6] = [
        "authorization",
        "api-key",
        "apikey",
        "token",
        "--user",
        "--password",
    ];
    let holds = |word: &str| {
        let mut places = command.as_bytes().windows(word.len());
        places.any(|place| place.eq_ignore_ascii_case(word.as_bytes()))
    };
    WORDS.iter().any(|word| holds(word)) || command.split_whitespace().any(|word| word == "-u")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, Hook};

    fn verdict(body: &str) -> Option<(Severity, Confidence)> {
        let script: &'static str = format!("for i in $(seq 9); do\n  {body}\n  sleep 5\ndone\nexit 1").leak();
        Hook { script, ..HOOK }.verdict("HB205")
    }

    #[test]
    fn a_helper_that_is_called_for_each_names_them_all() {
        let script = "up() { until curl -sf -m 3 \"http://$1/\"; do sleep 5; done; }\nup dns:80\nup web:80";
        let found = Hook { script, ..HOOK }.findings("HB205");
        let message = &found[0].message;
        assert!(
            found.len() == 1 && message.contains("for http://dns:80/ and http://web:80/"),
            "{found:?}"
        );
    }

    #[test]
    fn what_the_loop_takes_for_not_up_decides() {
        let possible = Some((Severity::Info, Confidence::Possible));
        let likely = Some((Severity::Info, Confidence::Likely));
        let asked = "code=$(curl -s -m 3 -w '%{http_code}' -o /dev/null -H \"X-API-Key: $K\" http://dns)";
        for (body, expected) in [
            ("curl -sSf -m 3 http://dns && exit 0".to_owned(), possible),
            ("curl --fail -m 3 http://dns && exit 0".to_owned(), possible),
            ("curl -sS -m 3 http://dns && exit 0".to_owned(), None), // a 401 is an answer
            ("curl -so f -m 3 http://dns && exit 0".to_owned(), None),
            ("curl -sf -m 3 -u a:b http://dns && exit 0".to_owned(), likely),
            (
                "curl -sf -m 3 \\\n    -H 'Authorization: Bearer x' http://dns && exit 0".to_owned(),
                likely,
            ),
            ("wget -T 3 -qO- http://dns && exit 0".to_owned(), possible),
            ("nc -z -w 3 dns 53 && exit 0".to_owned(), None),
            ("curl -sf -m 3 http://dns/healthz && exit 0".to_owned(), None),
            (
                "curl -sf -m 3 -u a:b http://dns/status && exit 0".to_owned(),
                likely,
            ),
            (format!("{asked}; [ \"$code\" = 200 ] && exit 0"), likely),
            (
                format!("{asked}; case $code in 200) exit 0 ;; 401|403) exit 1 ;; esac"),
                None,
            ),
            (format!("{asked}; case $code in 200|401) exit 0 ;; esac"), None),
            (
                format!("{asked}; case $code in 200) exit 0 ;; 4*) exit 1 ;; esac"),
                None,
            ),
        ] {
            assert_eq!(verdict(&body), expected, "{body}");
        }
    }
}
