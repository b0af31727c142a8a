//! Numbers of the budget and edges of the plan. Patches are held to their limits in `tests/rewrite.rs`.

use super::*;
use crate::engine::assess::assess;
use crate::engine::job::{BackoffLimit, Container, EnvVar, PodTemplate, Text};
use crate::engine::release::Surroundings;

fn hook(annotations: &[(&'static str, &'static str)], env: Vec<EnvVar<'static>>) -> Job<'static> {
    let mut all: Vec<(Text<'static>, Text<'static>)> = vec![("helm.sh/hook".into(), "post-install".into())];
    all.extend(
        annotations
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into())),
    );
    Job {
        namespace: Some("powerdns".into()),
        name: "bootstrap".into(),
        annotations: all,
        backoff_limit: BackoffLimit {
            value: 6,
            stated: true,
        },
        parallelism: 1,
        completions: Some(1),
        pod: PodTemplate {
            restart_policy: RestartPolicy::OnFailure,
            containers: vec![Container {
                name: "main".into(),
                env,
                message_policy: Some("FallbackToLogsOnError".into()),
                ..Container::default()
            }],
            ..PodTemplate::default()
        },
        ..Job::default()
    }
}

fn planned(job: &Job<'_>, level: RewriteLevel) -> Rewrite {
    let policy = Policy::default();
    plan(
        job,
        &assess(job, Surroundings::default(), &policy),
        &policy,
        level,
        WAIT_IMAGE,
    )
}

fn variable(rewrite: &Rewrite, name: &str) -> Option<String> {
    rewrite.edits.iter().find_map(|edit| match edit {
        Edit::Variable { name: own, value, .. } if own == name => Some(value.to_string()),
        _ => None,
    })
}

fn wait_of(deadline: Option<i64>, annotations: &[(&'static str, &'static str)]) -> Option<String> {
    let job = Job {
        active_deadline: deadline.map(Seconds::new),
        ..hook(annotations, Vec::new())
    };
    variable(
        &planned(&job, RewriteLevel::None),
        "HOOKBUDGET_WAIT_TIMEOUT_SECONDS",
    )
}

#[test]
fn the_wait_leaves_the_headroom_and_the_release_its_slack() {
    let release = |timeout| [("hookbudget.dev/release-timeout", timeout)];
    for (deadline, annotations, wait) in [
        (Some(840), &[][..], Some("600")),
        (Some(241), &[], Some("1")),
        (Some(240), &[], None),
        (Some(30), &[], None),
        // Without a deadline the release bounds the wait: 300 - 60 - 30, 900 - 60 - 30.
        (None, &[], Some("210")),
        (None, &release("15m"), Some("810")),
        (None, &release("90s"), None),
        // The shorter of the two counts: 840 - 240 against 600 - 60 - 30.
        (Some(840), &release("10m"), Some("510")),
        (Some(840), &release("15m"), Some("600")),
        (None, &release("900.9s"), Some("810")),
    ] {
        assert_eq!(
            wait_of(deadline, annotations).as_deref(),
            wait,
            "{deadline:?} {annotations:?}"
        );
    }
}

#[test]
fn a_cron_job_without_any_clock_may_wait_for_the_cold_start() {
    let asks = [
        ("hookbudget.dev/cold-start", "20m"),
        ("hookbudget.dev/wait-interval", "5s"),
    ];
    let mut job = hook(&asks, Vec::new());
    job.annotations.remove(0);
    job.kind = crate::engine::job::JobKind::CronJob;
    job.cron = Some(crate::engine::job::Cron::default());
    let rewrite = planned(&job, RewriteLevel::None);
    assert_eq!(
        variable(&rewrite, "HOOKBUDGET_WAIT_TIMEOUT_SECONDS").as_deref(),
        Some("1200")
    );
    assert_eq!(variable(&rewrite, "HOOKBUDGET_DEADLINE_SECONDS"), None);
    assert_eq!(variable(&rewrite, "HOOKBUDGET_RELEASE_TIMEOUT_SECONDS"), None);
}

#[test]
fn init_containers_that_wait_use_a_part_of_the_budget_up() {
    let told = |command: &[&'static str], env: &'static str| {
        let mut job = Job {
            active_deadline: Some(Seconds::new(840)),
            ..hook(&[("hookbudget.dev/env", env)], Vec::new())
        };
        job.pod.init_containers.push(Container {
            name: "wait-for-db".into(),
            command: command.iter().map(|word| (*word).into()).collect(),
            env: vec![EnvVar {
                name: "TIMEOUT".into(),
                value: Some("120".into()),
            }],
            ..Container::default()
        });
        variable(
            &planned(&job, RewriteLevel::None),
            "HOOKBUDGET_WAIT_TIMEOUT_SECONDS",
        )
    };
    let waits = ["dockerize", "-wait", "tcp://db:5432", "-timeout", "120s"];
    let reads = ["sh", "-c", "wait-for-it db:5432 -t $TIMEOUT"];
    assert_eq!(told(&waits, "").as_deref(), Some("480"));
    assert_eq!(told(&reads, "").as_deref(), Some("480"));
    // The container that the number is for is told what the others leave, and not what it leaves itself.
    assert_eq!(told(&reads, "TIMEOUT=wait-timeout").as_deref(), Some("600"));
    assert_eq!(
        told(&["kubectl", "apply", "-f", "/crds"], "").as_deref(),
        Some("600")
    );
}

#[test]
fn a_container_is_told_the_names_that_are_mapped_even_where_another_name_comes_from_elsewhere() {
    let attempts = |script: &'static str| {
        let mut job = Job {
            active_deadline: Some(Seconds::new(840)),
            ..hook(&[("hookbudget.dev/env", "WAIT=wait-timeout")], Vec::new())
        };
        job.pod.init_containers.push(Container {
            name: "wait-for-db".into(),
            command: ["sh", "-c", script].map(Into::into).into(),
            env: vec![EnvVar {
                name: "HOOKBUDGET_WAIT_TIMEOUT_SECONDS".into(),
                value: None,
            }],
            ..Container::default()
        });
        variable(&planned(&job, RewriteLevel::None), "HOOKBUDGET_WAIT_ATTEMPTS")
    };
    // 840 - 240 = 600 s, rounds of 8 s.
    assert_eq!(
        attempts("wait-for-it db:5432 -t ${WAIT:-120}").as_deref(),
        Some("75")
    );
    // 120 s of the script's own less.
    assert_eq!(attempts("wait-for-it db:5432 -t 120").as_deref(), Some("60"));
}

#[test]
fn the_added_wait_and_the_scripts_own_fit_into_the_deadline_together() {
    let told = |script: &'static str, target: &'static str| {
        let mut job = Job {
            active_deadline: Some(Seconds::new(840)),
            ..hook(&[("hookbudget.dev/wait-for", target)], Vec::new())
        };
        job.pod.containers[0].command = ["sh", "-ec", script].map(Into::into).into();
        let rewrite = planned(&job, RewriteLevel::None);
        variable(&rewrite, "HOOKBUDGET_WAIT_TIMEOUT_SECONDS")
    };
    let fixed = "for i in $(seq 60); do curl -sf -m 1 http://db:80/ && exit 0; sleep 5; done; exit 1";
    let reads = "for i in $(seq $HOOKBUDGET_WAIT_ATTEMPTS); do curl -sf -m 3 http://db:80/ && exit 0; sleep 5; done; exit 1";
    assert_eq!(told(fixed, "http://cache:80/").as_deref(), Some("300"));
    // It is up when the script asks for it.
    assert_eq!(
        told(fixed, "tcp://cache:6379, http://db:80/").as_deref(),
        Some("600")
    );
    assert_eq!(told(reads, "http://cache:80/").as_deref(), Some("600"));
    assert_eq!(
        told("kubectl apply -f /crds", "http://cache:80/").as_deref(),
        Some("600")
    );
}

#[test]
fn attempts_fit_even_when_every_probe_hangs() {
    let attempts = |interval, probe| {
        let annotations = [
            ("hookbudget.dev/wait-interval", interval),
            ("hookbudget.dev/probe-timeout", probe),
        ];
        let job = Job {
            active_deadline: Some(Seconds::new(840)),
            ..hook(&annotations, Vec::new())
        };
        variable(&planned(&job, RewriteLevel::None), "HOOKBUDGET_WAIT_ATTEMPTS")
    };
    for (interval, probe, expected) in [
        ("5s", "3s", Some("75")),
        ("1s", "6s", Some("85")),
        ("10s", "590s", Some("1")),
        ("10s", "591s", None),
        ("-5s", "5s", None),
    ] {
        assert_eq!(
            attempts(interval, probe).as_deref(),
            expected,
            "{interval} {probe}"
        );
    }
}

#[test]
fn a_value_of_the_containers_own_stays() {
    let own = EnvVar {
        name: "HOOKBUDGET_WAIT_TIMEOUT_SECONDS".into(),
        value: Some("30".into()),
    };
    let job = hook(&[], vec![own]);
    let rewrite = planned(&job, RewriteLevel::All);
    assert_eq!(variable(&rewrite, "HOOKBUDGET_WAIT_TIMEOUT_SECONDS"), None);
    assert!(
        rewrite
            .changes
            .iter()
            .all(|c| c.field != "env.HOOKBUDGET_WAIT_TIMEOUT_SECONDS")
    );
}

#[test]
fn a_value_that_an_earlier_rewrite_wrote_follows_the_clock() {
    let record = r#"[{"field":"env.HOOKBUDGET_DEADLINE_SECONDS","from":null,"to":"600","rule":"budget"}]"#;
    let entry = |value: &'static str| EnvVar {
        name: "HOOKBUDGET_DEADLINE_SECONDS".into(),
        value: Some(value.into()),
    };
    for (value, follows) in [("600", true), ("599", false)] {
        let job = Job {
            active_deadline: Some(Seconds::new(840)),
            ..hook(&[(REWRITTEN, record)], vec![entry(value)])
        };
        let rewrite = planned(&job, RewriteLevel::None);
        let edit = Edit::Set {
            pointer: "/spec/template/spec/containers/0/env/0/value".into(),
            value: "840".into(),
        };
        assert_eq!(rewrite.edits.contains(&edit), follows, "{value}");
    }
}

#[test]
fn what_cannot_be_mapped_is_said() {
    let secret = EnvVar {
        name: "FROM".into(),
        value: None,
    };
    let job = Job {
        active_deadline: Some(Seconds::new(100)),
        ..hook(
            &[(
                "hookbudget.dev/env",
                "A=wait-timeout, B=wait-timeouts, =deadline, FROM=deadline, C, D=deadline",
            )],
            vec![secret],
        )
    };
    let rewrite = planned(&job, RewriteLevel::Safe);
    let said = rewrite.warnings.join("\n");
    for part in [
        "B=wait-timeouts names no number: write one of wait-timeout, wait-interval",
        "no name before =deadline",
        "C= names no number",
        "FROM of container main comes from valueFrom",
        "A=wait-timeout is not injected: deadline 100 s - headroom 240 s - start-up 0 s gives -140 s",
    ] {
        assert!(said.contains(part), "{part} not in {said}");
    }
    assert_eq!(variable(&rewrite, "D").as_deref(), Some("100"));
}

#[test]
fn a_target_that_nobody_can_wait_for_adds_nothing() {
    for target in ["powerdns:8081", "ftp://x", "http://", "http://ok,nope"] {
        let job = hook(&[("hookbudget.dev/wait-for", target)], Vec::new());
        let rewrite = planned(&job, RewriteLevel::All);
        assert!(
            rewrite.warnings.iter().any(|w| w.contains("is no target")),
            "{target}"
        );
        assert!(
            !rewrite.edits.iter().any(|e| matches!(e, Edit::Prepend { .. })),
            "{target}"
        );
    }
}

#[test]
fn a_deadline_that_could_never_fire_is_not_added_on_the_quiet() {
    // OnFailure with a limit of 6 is over after 310 s; a deadline of 810 s would come too late.
    let job = hook(&[("hookbudget.dev/release-timeout", "15m")], Vec::new());
    let set = |level| {
        let rewrite = planned(&job, level);
        rewrite
            .changes
            .into_iter()
            .map(|change| change.to_string())
            .filter(|change| change.starts_with("spec."))
            .collect::<Vec<_>>()
    };
    assert_eq!(set(RewriteLevel::Safe), Vec::<String>::new());
    assert_eq!(
        set(RewriteLevel::All),
        [
            "spec.activeDeadlineSeconds -> 810 (HB106)",
            "spec.template.spec.restartPolicy OnFailure -> Never (HB101)",
            "spec.backoffLimit 6 -> 7 (HB101)",
        ]
    );
}

#[test]
fn a_deadline_that_would_cut_the_stated_cold_start_is_not_added() {
    let deadline = |cold_start, release| {
        let annotations = [
            ("hookbudget.dev/wait-for", "tcp://gitea:3000"),
            ("hookbudget.dev/cold-start", cold_start),
            ("hookbudget.dev/release-timeout", release),
        ];
        let mut job = hook(&annotations, Vec::new());
        job.pod.restart_policy = RestartPolicy::Never;
        job.backoff_limit.value = 0;
        let rewrite = planned(&job, RewriteLevel::All);
        let wait = variable(&rewrite, "HOOKBUDGET_WAIT_TIMEOUT_SECONDS").expect("a budget");
        let set = rewrite
            .changes
            .iter()
            .map(ToString::to_string)
            .find(|change| change.starts_with("spec.activeDeadlineSeconds"));
        (set, wait.parse::<i64>().expect("seconds"))
    };
    // 20 min leave 1110 s to a deadline and 870 s, less the Pod's start, to the wait; 18 min leave 750 s.
    let (set, wait) = deadline("13m", "20m");
    assert_eq!(set.as_deref(), Some("spec.activeDeadlineSeconds -> 1110 (HB106)"));
    assert!(wait >= 780, "{wait}");
    let (set, wait) = deadline("13m", "18m");
    assert_eq!(set, None);
    assert!(wait >= 780, "{wait}");
}

#[test]
fn a_job_that_waits_well_keeps_the_retries_that_can_finish() {
    let mut job = hook(&[("hookbudget.dev/wait", "10m")], Vec::new());
    job.active_deadline = Some(Seconds::new(840));
    job.pod.restart_policy = RestartPolicy::Never;
    // 600 s, 10 s of pause and 230 s that are left: the second attempt would be cut (HB108).
    let spec = |job: &Job<'_>| {
        let changes = planned(job, RewriteLevel::All).changes.into_iter();
        let spec = changes.filter(|change| change.field.starts_with("spec."));
        spec.map(|change| (change.field.into_owned(), change.rule))
            .collect::<Vec<_>>()
    };
    let set = |field: &str, rule: &str| (format!("spec.{field}"), rule.to_owned().into());
    assert_eq!(
        spec(&job),
        [
            set("backoffLimit", "HB108"),
            set("podFailurePolicy", "HB406"),
            set("podReplacementPolicy", "HB406")
        ]
    );
    job.active_deadline = Some(Seconds::new(1210));
    job.backoff_limit.value = 1;
    // Both attempts fit; with so few none may be lost to a drained node.
    assert_eq!(
        spec(&job),
        [
            set("podReplacementPolicy", "HB406"),
            set("podFailurePolicy", "HB406")
        ]
    );
}

#[test]
fn the_limit_under_never_is_the_smallest_that_outlasts_the_deadline() {
    // 10, 20, 40, ... up to 600: sums 0, 10, 30, 70, 150, 310, 630, 1230.
    for (deadline, limit) in [
        (9, 1),
        (10, 2),
        (150, 5),
        (309, 5),
        (310, 6),
        (629, 6),
        (630, 7),
        (840, 7),
    ] {
        let mut job = hook(&[], Vec::new());
        job.active_deadline = Some(Seconds::new(deadline));
        job.pod.restart_policy = RestartPolicy::Never;
        job.backoff_limit.value = 4;
        let rewrite = planned(&job, RewriteLevel::All);
        let set = rewrite.changes.iter().find(|c| c.field == "spec.backoffLimit");
        let expected = (deadline >= 150).then(|| limit.into());
        assert_eq!(set.map(|c| c.to.clone()), expected, "{deadline}");
    }
}

/// What a rewrite of everything writes into the Pod failure policy.
fn policy_of(job: &Job<'_>) -> Vec<(String, Value)> {
    let edits = planned(job, RewriteLevel::All).edits;
    let ours = edits
        .into_iter()
        .filter(|edit| edit.pointer().contains("podFailurePolicy"));
    ours.map(|edit| match edit {
        Edit::Set { pointer, value } | Edit::Append { pointer, value } | Edit::Prepend { pointer, value } => {
            (pointer, value)
        }
        Edit::Variable { .. } => unreachable!("a variable of the policy"),
    })
    .collect()
}

#[test]
fn one_edit_brings_all_that_the_failure_policy_lacks() {
    let mut job = hook(&[], Vec::new());
    job.pod.restart_policy = RestartPolicy::Never;
    job.pod.containers[0].command = ["hookbudget-wait", "tcp://db:5432"].map(Into::into).to_vec();
    let actions = |job: &Job<'_>| -> Vec<String> {
        let written = policy_of(job);
        let [(pointer, value)] = &written[..] else {
            return Vec::new();
        };
        assert_eq!(pointer, "/spec/podFailurePolicy");
        let rules = value["rules"].as_array().expect("rules");
        rules.iter().map(|rule| rule["action"].to_string()).collect()
    };
    job.backoff_limit.value = 0;
    assert_eq!(actions(&job), ["\"Ignore\""], "nothing is retried");
    job.backoff_limit.value = 1;
    assert_eq!(actions(&job), ["\"Ignore\"", "\"FailJob\""]);
    job.backoff_limit.value = 2;
    assert_eq!(
        actions(&job),
        ["\"FailJob\""],
        "an eviction costs one of three attempts"
    );
    job.annotations
        .push(("hookbudget.dev/exempt.HB407".into(), "the key is rotated".into()));
    assert_eq!(actions(&job), [""; 0]);
}

#[test]
fn nothing_is_rewritten_where_the_record_has_no_room() {
    let most = 256 * 1024;
    for (room, rewritten) in [(8 * 1024, true), (100, false)] {
        let mut job = hook(&[], Vec::new());
        let taken: usize = job
            .annotations
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        job.annotations
            .push(("a".into(), "x".repeat(most - taken - room - 1).into()));
        let rewrite = planned(&job, RewriteLevel::All);
        assert_eq!(!rewrite.edits.is_empty(), rewritten, "{room}");
        let said = rewrite
            .warnings
            .iter()
            .any(|text| text.contains("rewrites nothing"));
        assert_eq!(said, !rewritten, "{room}: {:?}", rewrite.warnings);
    }
}

/// A Job as it stands when its plan is carried out: its deadline, and the environment of its container.
fn carried_out(job: &Job<'static>, rewrite: &Rewrite) -> Job<'static> {
    let mut job = job.clone();
    for edit in &rewrite.edits {
        match edit {
            Edit::Set { pointer, value } if pointer == "/spec/activeDeadlineSeconds" => {
                job.active_deadline = value.as_i64().map(Seconds::new);
            }
            Edit::Variable { name, value, .. } => {
                job.pod.containers[0].env.push(EnvVar {
                    name: name.clone(),
                    value: Some(value.to_string().into()),
                });
            }
            _ => {}
        }
    }
    job
}

#[test]
fn a_clock_that_follows_a_wait_is_not_told_to_that_wait_again() {
    for (script, annotations) in [
        // The wait is as long as the deadline: a later one would lengthen it.
        (
            "t=0; until nc -z db 80; do [ $t -ge ${WAIT:-600} ] && exit 1; sleep 5; t=$((t+5)); done",
            &[("hookbudget.dev/env", "WAIT=deadline")][..],
        ),
        // Without the number nothing waits, with it something does.
        (
            "for i in $(seq 1 $TRIES); do curl -m 3 http://db:80 && break; sleep 5; done",
            &[
                ("hookbudget.dev/env", "TRIES=wait-attempts"),
                ("hookbudget.dev/release-timeout", "20m"),
            ],
        ),
        (
            "for i in $(seq 1 $HOOKBUDGET_WAIT_ATTEMPTS); do curl -m 3 http://db:80 && break; sleep 5; done",
            &[("hookbudget.dev/release-timeout", "20m")],
        ),
    ] {
        for deadline in [None, Some(Seconds::new(700))] {
            let mut job = Job {
                active_deadline: deadline,
                ..hook(annotations, Vec::new())
            };
            job.pod.containers[0].command = ["sh", "-c", script].map(Into::into).into();
            let once = carried_out(&job, &planned(&job, RewriteLevel::Safe));
            let twice = carried_out(&once, &planned(&once, RewriteLevel::Safe));
            assert_eq!(once.active_deadline, twice.active_deadline, "{script}");
            assert_eq!(
                once.pod.containers[0].env, twice.pod.containers[0].env,
                "{script}"
            );
        }
    }
}

#[test]
fn how_often_a_job_is_retried_is_decided_by_the_wait_as_it_is_told() {
    // As often as it is told it cannot be followed to its end, and without that it goes on behind its wait.
    let script =
        "for i in $(seq 1 ${ITERATIONS:-168}); do curl --max-time 3 http://db:80 && break; sleep 5; done";
    let annotations = &[
        ("hookbudget.dev/env", "ITERATIONS=wait-attempts"),
        ("hookbudget.dev/wait-interval", "2s"),
    ];
    let mut job = Job {
        active_deadline: Some(Seconds::new(86_400)),
        ..hook(annotations, Vec::new())
    };
    job.pod.restart_policy = RestartPolicy::Never;
    job.pod.containers[0].command = ["sh", "-c", script].map(Into::into).into();
    let once = planned(&job, RewriteLevel::All);
    assert_eq!(variable(&once, "ITERATIONS").as_deref(), Some("17232"));
    let twice = planned(&carried_out(&job, &once), RewriteLevel::All);
    for rewrite in [once, twice] {
        let limit = rewrite
            .changes
            .iter()
            .find(|change| change.field == "spec.backoffLimit");
        assert_eq!(limit, None);
    }
}
