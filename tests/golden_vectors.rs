//! The golden vectors of the clocks: what Kubernetes, Helm, Flux and Argo CD do with a Job, number by number.
//! Times are lower bounds in seconds from the Job's start; BLE stands for `BackoffLimitExceeded`.
#![allow(clippy::expect_used)] // the table's own numbers

use hookbudget::engine::backoff::{JobBackoff, Kubelet, Retries, full_attempts};
use hookbudget::engine::formulas::{
    action_bound, argo_retry, break_even_probe, kustomization_timeout, loop_progress, loop_wall,
    needed_deadline, needed_release, scheduled_at,
};
use hookbudget::engine::job::RestartPolicy::{self, Never, OnFailure};
use hookbudget::engine::timeline::Reason::{
    BackoffLimitExceeded as Ble, DeadlineExceeded as Dl, PodFailurePolicy as Pfp, ReleaseTimeout,
};
use hookbudget::engine::timeline::{Outcome, Reason, Scenario, Timeline};
use hookbudget::engine::{Limit, Seconds};

fn s(seconds: i64) -> Seconds {
    Seconds::new(seconds)
}

fn at(seconds: i64) -> Limit {
    Limit::At(s(seconds))
}

/// A Job that fails after `run` seconds, `limit` times.
fn job(policy: RestartPolicy, limit: u32, run: i64) -> Scenario {
    Scenario {
        retries: Retries {
            policy,
            limit,
            run: at(run),
            ..Retries::default()
        },
        ..Scenario::default()
    }
}

fn hanging(policy: RestartPolicy) -> Scenario {
    let mut scenario = job(policy, 6, 0);
    scenario.retries.run = Limit::Never;
    scenario
}

/// A row of the table: the Job, how it ends, when, when that is visible, and how many Pods are kept.
struct Row {
    number: u32,
    scenario: Scenario,
    reason: Option<Reason>,
    ends: Limit,
    visible: Option<i64>,
    pods_kept: Option<u32>,
}

fn row(number: u32, scenario: Scenario, reason: Reason, ends: i64) -> Row {
    Row {
        number,
        scenario,
        reason: Some(reason),
        ends: at(ends),
        visible: None,
        pods_kept: None,
    }
}

impl Row {
    fn visible(self, visible: i64) -> Self {
        Self {
            visible: Some(visible),
            ..self
        }
    }
    fn pods_kept(self, pods: u32) -> Self {
        Self {
            pods_kept: Some(pods),
            ..self
        }
    }
}

fn with(mut scenario: Scenario, change: impl FnOnce(&mut Scenario)) -> Scenario {
    change(&mut scenario);
    scenario
}

fn deadline(seconds: i64, scenario: Scenario) -> Scenario {
    with(scenario, |x| x.deadline = Some(s(seconds)))
}

fn timelines() -> Vec<Row> {
    let not_started = with(job(Never, 6, 0), |x| x.starts = false);
    let parallel = |p, run| with(job(Never, 6, run), |x| x.retries.parallelism = p);
    let mut rows = vec![
        row(1, job(OnFailure, 0, 7), Ble, 7).pods_kept(0),
        row(2, job(OnFailure, 1, 7), Ble, 7).pods_kept(0),
        row(3, job(OnFailure, 2, 7), Ble, 24),
        row(4, job(OnFailure, 6, 0), Ble, 310),
        row(5, job(OnFailure, 6, 30), Ble, 490),
        row(6, job(OnFailure, 7, 0), Ble, 610),
        row(7, job(OnFailure, 10, 0), Ble, 1510),
        row(8, job(OnFailure, 6, 48), Ble, 598),
        row(
            9,
            with(job(OnFailure, 6, 0), |x| x.retries.kubelet = Kubelet::reduced()),
            Ble,
            31,
        ),
        row(
            10,
            with(job(OnFailure, 6, 0), |x| {
                x.retries.kubelet = Kubelet::default().with_max(s(30));
            }),
            Ble,
            120,
        ),
        row(11, deadline(840, job(OnFailure, 6, 0)), Ble, 310).visible(340),
        row(12, deadline(840, job(OnFailure, 6, 88)), Ble, 838),
        row(13, deadline(840, job(OnFailure, 6, 89)), Dl, 840).visible(870),
        row(14, job(OnFailure, 6, 840), Ble, 5040),
        row(
            15,
            with(job(OnFailure, 6, 0), |x| x.retries.containers = 2),
            Ble,
            30,
        ),
        // A native sidecar counts like a second container under OnFailure, and not at all under Never.
        row(
            16,
            with(job(OnFailure, 6, 0), |x| x.retries.containers = 2),
            Ble,
            30,
        ),
        row(17, deadline(840, hanging(Never)), Dl, 840),
        row(18, deadline(840, job(Never, 0, 600)), Ble, 600)
            .visible(600)
            .pods_kept(1),
        row(19, job(Never, 6, 0), Ble, 630).pods_kept(7),
        row(20, deadline(840, job(Never, 6, 30)), Ble, 840),
        row(21, job(Never, 7, 0), Ble, 1230),
        row(22, deadline(840, job(Never, 6, 600)), Dl, 840).pods_kept(1),
        row(23, parallel(3, 0), Ble, 360),
        row(24, parallel(2, 5), Ble, 440),
        row(25, deadline(840, not_started), Dl, 840).pods_kept(0),
        row(
            26,
            with(not_started, |x| x.release = Some(s(300))),
            ReleaseTimeout,
            300,
        ),
        row(
            42,
            with(deadline(840, hanging(Never)), |x| x.resumed_at = Some(s(500))),
            Dl,
            1340,
        ),
        row(43, deadline(0, job(Never, 6, 5)), Dl, 0),
        row(44, with(job(Never, 6, 3), |x| x.fail_job = true), Pfp, 3)
            .visible(3)
            .pods_kept(1),
    ];
    let mut old = job(Never, 7, 0);
    old.retries.job = JobBackoff {
        cap: s(360),
        ..JobBackoff::default()
    };
    rows.push(row(21, old, Ble, 990));
    rows.push(Row {
        reason: None,
        ends: Limit::Never,
        ..row(27, not_started, Ble, 0)
    });
    rows
}

fn closed_forms() -> Vec<(u32, i64, Seconds)> {
    let wall = |probe: f64, last| loop_wall(168, s(5), Seconds::from_f64(probe).expect("in range"), last);
    let (elapsed, remaining) = loop_progress(12, 168, s(5), s(0));
    let argo: Seconds = (0..5).map(argo_retry).sum();
    vec![
        (46, 60, elapsed),
        (46, 780, remaining),
        (28, 840, wall(0.0, true)),
        (29, 924, wall(0.5, true)),
        (30, 2520, wall(10.0, true)),
        (31, 835, wall(0.0, false)),
        (33, 875, needed_release(s(840), s(30))),
        (34, 905, needed_release(s(840), s(60))),
        (35, 840, needed_deadline(s(600), s(0), s(240))),
        (36, 885, needed_deadline(s(600), s(45), s(240))),
        (37, 4500, action_bound(2, s(900))),
        (38, 570, kustomization_timeout(None, s(600))),
        (39, 30, kustomization_timeout(None, s(45))),
        (40, 155, argo),
        (
            41,
            1_773_907_200,
            s(scheduled_at("tf-state-backup-29565120").expect("a CronJob's Job")),
        ),
    ]
}

#[test]
fn every_golden_vector_holds() {
    let mut seen = std::collections::BTreeSet::new();
    for row in timelines() {
        let n = row.number;
        let Timeline {
            reason,
            ends_at_lower,
            visible_at,
            pods_kept,
            ..
        } = row.scenario.play();
        assert_eq!((reason, ends_at_lower), (row.reason, row.ends), "vector {n}");
        if let Some(visible) = row.visible {
            assert_eq!(visible_at, at(visible), "vector {n}: visible");
        }
        if let Some(pods) = row.pods_kept {
            assert_eq!(pods_kept, pods, "vector {n}: Pods kept");
        }
        seen.insert(n);
    }
    for (n, expected, found) in closed_forms() {
        assert_eq!(found, s(expected), "vector {n}");
        seen.insert(n);
    }
    // 32: the average probe that uses 60 s of slack up, and what is left for it when 60 s have to remain.
    let probe = |room| break_even_probe(168, s(5), s(room)).expect("tries");
    assert_eq!(
        (probe(900).to_string().as_str(), probe(840)),
        ("0.357 s", s(0)),
        "vector 32"
    );
    seen.insert(32);
    // 45: an ignored disruption does not end a Job with limit 0, and delays its replacement by 10 s.
    let evicted = Retries {
        limit: 0,
        ignored: 1,
        run: at(50),
        ..Retries::default()
    };
    let rounds: Vec<_> = evicted.rounds().take(2).collect();
    assert_eq!(
        (rounds[0].last, rounds[0].end, rounds[1].start),
        (false, s(50), s(60)),
        "vector 45"
    );
    seen.insert(45);
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        (1..=46).collect::<Vec<u32>>(),
        "every vector is checked"
    );
}

#[test]
fn details_of_the_vectors_hold() {
    assert_eq!(
        (
            full_attempts(OnFailure, 0),
            full_attempts(OnFailure, 1),
            full_attempts(Never, 6)
        ),
        (1, 1, 7)
    );
    let second = deadline(840, job(Never, 6, 600)).play();
    assert_eq!(second.attempts[1].start, s(610), "vector 22: the second attempt");
    assert!(
        second.attempts[0].logs_kept && !second.attempts[1].logs_kept,
        "vector 22: whose logs remain"
    );
    let given_up = with(job(OnFailure, 8, 0), |x| x.release = Some(s(60))).play();
    let after = given_up.after_release.expect("the Job goes on");
    assert_eq!((after.result, after.ends_at), (Outcome::Failed, at(910)));
}
