//! Every rule: documented, shown failing and passing, its text as a user sees it, and its advice followed.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use hookbudget::engine::rules::ALL;
use serde_json::Value;
use support::{files, findings, lint_json, read, run, run_with};

const HEADINGS: [&str; 4] = ["What it does", "Why is this bad?", "How to fix", "When to ignore"];

fn fixtures(code: &str, kind: &str) -> Vec<String> {
    let prefix = format!("tests/fixtures/rules/{code}/{kind}-");
    files("tests/fixtures/rules", ".yaml")
        .into_iter()
        .filter(|name| name.starts_with(&prefix))
        .collect()
}

fn codes(report: &Value) -> BTreeSet<String> {
    report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| finding["code"].as_str().expect("a code").to_owned())
        .collect()
}

#[test]
fn every_rule_is_documented_named_once_and_sorted() {
    let listed: Vec<&str> = ALL.iter().map(|rule| rule.code).collect();
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(listed, sorted, "sorted by code, each code once");
    let names: BTreeSet<&str> = ALL.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), ALL.len(), "each name once");
    for rule in ALL {
        for heading in HEADINGS {
            let line = format!("## {heading}");
            let found = rule.docs.lines().filter(|l| l.trim() == line).count();
            assert_eq!(found, 1, "{} has {found} headings {heading:?}", rule.code);
        }
        let summary = rule.summary();
        assert!(
            summary.ends_with('.'),
            "{}: {summary:?} is no sentence",
            rule.code
        );
        assert!(rule.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    }
}

#[test]
fn every_rule_has_a_fixture_that_fails_and_one_that_passes() {
    for rule in ALL {
        for kind in ["fails", "passes"] {
            assert!(!fixtures(rule.code, kind).is_empty(), "{} {kind}", rule.code);
        }
    }
    for file in files("tests/fixtures/rules", ".yaml") {
        let mut parts = file.split('/').skip(3);
        let (code, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        assert!(
            ALL.iter().any(|rule| rule.code == code),
            "{file} belongs to no rule"
        );
        let known = name.starts_with("fails-") || name.starts_with("passes-");
        assert!(known, "{file} says neither fails- nor passes-");
    }
}

#[test]
fn a_failing_fixture_fails_by_its_rule_and_a_passing_one_does_not() {
    for rule in ALL {
        for file in fixtures(rule.code, "fails") {
            let report = lint_json(&file);
            assert_eq!(report["errors"], serde_json::json!([]), "{file}");
            assert!(
                codes(&report).contains(rule.code),
                "{file}: {:?}",
                findings(&report)
            );
        }
        for file in fixtures(rule.code, "passes") {
            let report = lint_json(&file);
            assert_eq!(report["errors"], serde_json::json!([]), "{file}");
            assert!(
                !codes(&report).contains(rule.code),
                "{file}: {:?}",
                findings(&report)
            );
        }
    }
}

#[test]
fn a_rule_never_says_more_than_its_own_severity() {
    for rule in ALL {
        for file in files("tests/fixtures/rules", ".yaml") {
            for finding in lint_json(&file)["findings"].as_array().expect("findings") {
                if finding["code"] == rule.code {
                    let worst = rule.severity.as_str();
                    let said = finding["severity"].as_str().expect("a severity");
                    let rank = |text| ["info", "warning", "error"].iter().position(|s| *s == text);
                    assert!(rank(said) <= rank(worst), "{file}: {} says {said}", rule.code);
                }
            }
        }
    }
}

#[test]
fn the_text_of_every_failing_fixture_is_as_recorded() {
    for rule in ALL {
        for file in fixtures(rule.code, "fails") {
            let ran = run(&["lint", "-v", "--select", rule.code, &file]);
            let name = file
                .trim_start_matches("tests/fixtures/rules/")
                .trim_end_matches(".yaml")
                .replace('/', "-");
            insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
                insta::assert_snapshot!(name, ran.out);
            });
        }
    }
}

/// What the help of a failing fixture says to write, as replacements of its text.
struct Followed {
    code: &'static str,
    file: &'static str,
    help: &'static str,
    edits: &'static [(&'static str, &'static str)],
}

const ADVICE: &[Followed] = &[
    Followed {
        code: "HB102",
        file: "HB102/fails-wait-as-long-as-deadline.yaml",
        help: "at most 72 tries of 8 s",
        edits: &[("seq 1 120", "seq 1 72")],
    },
    Followed {
        code: "HB102",
        file: "HB102/fails-wait-as-long-as-deadline.yaml",
        help: "activeDeadlineSeconds: 960",
        edits: &[("activeDeadlineSeconds: 600", "activeDeadlineSeconds: 960")],
    },
    Followed {
        code: "HB102",
        file: "HB102/fails-headroom-missing.yaml",
        help: "activeDeadlineSeconds: 720",
        edits: &[("activeDeadlineSeconds: 600", "activeDeadlineSeconds: 720")],
    },
    Followed {
        code: "HB102",
        file: "HB102/fails-deadline-and-release.yaml",
        help: "activeDeadlineSeconds: 960 with a release timeout of 17m35s",
        edits: &[
            ("activeDeadlineSeconds: 600", "activeDeadlineSeconds: 960"),
            ("timeout: 15m", "timeout: 17m35s"),
        ],
    },
    Followed {
        code: "HB103",
        file: "HB103/fails-deadline-beyond-timeout.yaml",
        help: "activeDeadlineSeconds: 864",
        edits: &[("activeDeadlineSeconds: 1200", "activeDeadlineSeconds: 864")],
    },
    Followed {
        code: "HB103",
        file: "HB103/fails-deadline-beyond-timeout.yaml",
        help: "spec.install.timeout: 21m35s",
        edits: &[("timeout: 15m", "timeout: 21m35s")],
    },
    Followed {
        code: "HB104",
        file: "HB104/fails-hanging-probes.yaml",
        help: "at most 105 tries of 8 s",
        edits: &[("seq 1 168", "seq 1 105")],
    },
    Followed {
        code: "HB104",
        file: "HB104/fails-wait-beyond-timeout.yaml",
        help: "spec.install.timeout: 27m40s",
        edits: &[("timeout: 15m", "timeout: 27m40s")],
    },
    Followed {
        code: "HB106",
        file: "HB106/fails-waits-without-deadline.yaml",
        help: "activeDeadlineSeconds: 810",
        edits: &[("backoffLimit: 0", "backoffLimit: 0\n  activeDeadlineSeconds: 810")],
    },
    Followed {
        code: "HB106",
        file: "HB104/fails-hanging-probes.yaml",
        help: "activeDeadlineSeconds: 810 and at most 101 tries of 8 s",
        edits: &[
            ("backoffLimit: 0", "backoffLimit: 0\n  activeDeadlineSeconds: 810"),
            ("seq 1 168", "seq 1 101"),
        ],
    },
    Followed {
        code: "HB106",
        file: "HB104/fails-hanging-probes.yaml",
        help: "activeDeadlineSeconds: 1344 with a release timeout of 23m59s",
        edits: &[
            (
                "backoffLimit: 0",
                "backoffLimit: 0\n  activeDeadlineSeconds: 1344",
            ),
            ("timeout: 15m", "timeout: 23m59s"),
        ],
    },
    Followed {
        code: "HB105",
        file: "HB105/fails-wait-below-the-policy.yaml",
        help: "one wait of 600 s inside the container, restartPolicy: Never, backoffLimit: 0 and \
               activeDeadlineSeconds: 840",
        edits: &[
            ("seq 1 24", "seq 1 120"),
            ("--max-time 3", "--max-time 2"), // 840 s when every probe hangs
            ("activeDeadlineSeconds: 500", "activeDeadlineSeconds: 840"),
        ],
    },
    Followed {
        code: "HB107",
        file: "HB107/fails-limit-of-20.yaml",
        help: "backoffLimit: 6",
        edits: &[("backoffLimit: 20", "backoffLimit: 6")],
    },
    Followed {
        code: "HB107",
        file: "HB107/fails-limit-of-20.yaml",
        help: "activeDeadlineSeconds: 1110",
        edits: &[(
            "backoffLimit: 20",
            "backoffLimit: 20\n  activeDeadlineSeconds: 1110",
        )],
    },
    Followed {
        code: "HB107",
        file: "HB107/fails-wait-is-repeated.yaml",
        help: "backoffLimit: 0",
        edits: &[
            ("backoffLimit: 3", "backoffLimit: 0"),
            ("--max-time 3", "--max-time 2"),
        ],
    },
    Followed {
        code: "HB108",
        file: "HB108/fails-second-wait-is-cut.yaml",
        help: "backoffLimit: 0",
        edits: &[
            ("backoffLimit: 6", "backoffLimit: 0"),
            ("--max-time 3", "--max-time 2"),
        ],
    },
    Followed {
        code: "HB108",
        file: "HB108/fails-third-wait-is-cut.yaml",
        help: "backoffLimit: 1",
        edits: &[("backoffLimit: 2", "backoffLimit: 1")],
    },
    Followed {
        code: "HB109",
        file: "HB109/fails-in-the-pod-template.yaml",
        help: "spec.jobTemplate.spec.activeDeadlineSeconds: 600",
        edits: &[
            ("          activeDeadlineSeconds: 600\n", ""),
            (
                "backoffLimit: 6",
                "backoffLimit: 6\n      activeDeadlineSeconds: 600",
            ),
        ],
    },
    Followed {
        code: "HB110",
        file: "HB110/fails-two-hooks-twice.yaml",
        help: "spec.timeout: 33m20s",
        edits: &[(
            "interval: 10m\n  path",
            "interval: 10m\n  timeout: 33m20s\n  path",
        )],
    },
    Followed {
        code: "HB111",
        file: "HB111/fails-no-timeout.yaml",
        help: "spec.install.timeout: 15m35s and spec.upgrade.timeout: 15m35s",
        edits: &[(
            "interval: 15m\n",
            "interval: 15m\n  install: {timeout: 15m35s}\n  upgrade: {timeout: 15m35s}\n",
        )],
    },
    Followed {
        code: "HB111",
        file: "HB111/fails-no-slack.yaml",
        help: "spec.install.timeout: 7m40s",
        edits: &[("interval: 15m\n", "interval: 15m\n  install: {timeout: 7m40s}\n")],
    },
    Followed {
        code: "HB112",
        file: "HB112/fails-grace-of-two-minutes.yaml",
        help: "terminationGracePeriodSeconds: 54",
        edits: &[("PeriodSeconds: 120", "PeriodSeconds: 54")],
    },
    Followed {
        code: "HB112",
        file: "HB112/fails-grace-of-two-minutes.yaml",
        help: "a release timeout of 17m5s",
        edits: &[("timeout: 15m", "timeout: 17m5s")],
    },
    Followed {
        code: "HB202",
        file: "HB202/fails-curl-without-limit.yaml",
        help: "--max-time 3",
        edits: &[("curl -sSf", "curl --max-time 3 -sSf")],
    },
    Followed {
        code: "HB203",
        file: "HB203/fails-pod-deadline.yaml",
        help: "at most 50 tries of 8 s",
        edits: &[("seq 1 60", "seq 1 50")],
    },
    Followed {
        code: "HB203",
        file: "HB203/fails-headroom-used-up.yaml",
        help: "at most 45 tries of 8 s",
        edits: &[("seq 1 60", "seq 1 45")],
    },
    Followed {
        code: "HB208",
        file: "HB208/fails-declared-without-init.yaml",
        help: "hookbudget.dev/wait: 7m",
        edits: &[("hookbudget.dev/wait: 5m", "hookbudget.dev/wait: 7m")],
    },
    Followed {
        code: "HB301",
        file: "HB301/fails-on-failure.yaml",
        help: "restartPolicy: Never with backoffLimit: 2",
        edits: &[("OnFailure", "Never"), ("backoffLimit: 3", "backoffLimit: 2")],
    },
    Followed {
        code: "HB405",
        file: "HB405/fails-shipper-restarts.yaml",
        help: "restartPolicy: Never",
        edits: &[("OnFailure", "Never")],
    },
    Followed {
        code: "HB408",
        file: "HB408/fails-restarts-in-place.yaml",
        help: "activeDeadlineSeconds: 210",
        edits: &[("backoffLimit: 2", "backoffLimit: 2\n  activeDeadlineSeconds: 210")],
    },
    Followed {
        code: "HB501",
        file: "HB501/fails-overlap.yaml",
        help: "concurrencyPolicy: Forbid and activeDeadlineSeconds above the longest run that is still good, at most 269",
        edits: &[
            ("  jobTemplate:", "  concurrencyPolicy: Forbid\n  jobTemplate:"),
            ("activeDeadlineSeconds: 600", "activeDeadlineSeconds: 269"),
        ],
    },
    Followed {
        code: "HB502",
        file: "HB502/fails-five-seconds.yaml",
        help: "startingDeadlineSeconds: 200",
        edits: &[("startingDeadlineSeconds: 5", "startingDeadlineSeconds: 200")],
    },
    Followed {
        code: "HB601",
        file: "HB601/fails-stale-variables.yaml",
        help: "or the value 600",
        edits: &[("\"840\"", "\"600\""), ("\"60\"", "\"45\"")],
    },
    Followed {
        code: "HB603",
        file: "HB603/fails-two-slips.yaml",
        help: "hookbudget.dev/cold-start: \"20m\"",
        edits: &[
            (
                "hookbudget.dev/coldstart: 20m",
                "hookbudget.dev/cold-start: \"20m\"",
            ),
            ("15 min", "15m"),
            ("    hookbudget.dev/mode: enforce\n", ""),
        ],
    },
];

#[test]
fn who_follows_the_help_is_done() {
    for Followed {
        code,
        file,
        help,
        edits,
    } in ADVICE
    {
        let file = format!("tests/fixtures/rules/{file}");
        let report = lint_json(&file);
        let said = report["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .find(|finding| finding["code"] == *code)
            .and_then(|finding| finding["help"].as_str())
            .unwrap_or_else(|| panic!("{file} does not fail by {code}"));
        assert!(said.contains(help), "{file}: {said:?} does not say {help:?}");
        let mut text = read(&file);
        for (from, to) in *edits {
            assert!(text.contains(from), "{file} has no {from:?}");
            text = text.replace(from, to);
        }
        let after = run_with(&["lint", "--format", "json", "-"], &text).json();
        // The fixtures of HB104 have no deadline, so that nothing but the release ends their wait. A wait that is
        // cut to fit its deadline may be shorter than the cold start that the policy demands. What is no clock has
        // its own advice.
        let own_advice = ["HB105", "HB106", "HB113"];
        let left: Vec<String> = findings(&after)
            .into_iter()
            .filter(|finding| {
                finding.starts_with(code) || !own_advice.iter().any(|own| finding.starts_with(own))
            })
            .filter(|finding| finding.starts_with("HB1") || finding.starts_with(code))
            .collect();
        assert_eq!(left, [""; 0], "{file} with {help:?}");
    }
}
