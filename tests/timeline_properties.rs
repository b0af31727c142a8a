//! What holds for every timeline: it never outlives its clock, and a longer clock never shortens a wait.

use hookbudget::engine::backoff::{Kubelet, Retries};
use hookbudget::engine::job::RestartPolicy;
use hookbudget::engine::sweep::Survival;
use hookbudget::engine::timeline::{Outcome, Reason, Scenario};
use hookbudget::engine::{Limit, Seconds};
use proptest::prelude::*;

fn span(most: i64) -> impl Strategy<Value = Seconds> {
    (0..=most).prop_map(Seconds::new)
}

prop_compose! {
    fn scenarios()(
        never in any::<bool>(),
        limit in 0_u32..20,
        run in prop_oneof![9 => span(1500).prop_map(Limit::At), 1 => Just(Limit::Never)],
        startup in span(90),
        parallelism in 1_u32..5,
        containers in 1_u32..4,
        reduced in any::<bool>(),
        waits in any::<bool>(),
        ready_after in prop::option::of(span(3000)),
        deadline in prop::option::of(span(3000)),
        release in prop::option::of(span(3000)),
        starts in prop::bool::weighted(0.9),
        fail_job in prop::bool::weighted(0.1),
    ) -> Scenario {
        let policy = if never { RestartPolicy::Never } else { RestartPolicy::OnFailure };
        let kubelet = if reduced { Kubelet::reduced() } else { Kubelet::default() };
        Scenario {
            retries: Retries { policy, limit, run, startup, parallelism, containers, kubelet, ..Retries::default() },
            patience: if waits { run } else { Limit::ZERO },
            ready_after, deadline, release, starts, fail_job,
            ..Scenario::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_timeline_outlives_its_clock(scenario in scenarios()) {
        let story = scenario.play();
        prop_assert!(story.ends_at_lower <= story.ends_at_upper);
        prop_assert!(story.ends_at_upper <= Limit::from(scenario.release) || story.result == Outcome::Hangs);
        let own_end = story.after_release.map_or(story.ends_at_upper, |after| after.ends_at);
        prop_assert!(own_end <= Limit::from(scenario.deadline));
        for attempt in &story.attempts {
            prop_assert!(Limit::At(attempt.start) <= Limit::from(scenario.deadline));
            if let Some(end) = attempt.end {
                prop_assert!(attempt.start <= end);
                prop_assert!(Limit::At(end) <= Limit::from(scenario.deadline));
            }
        }
        for pair in story.attempts.windows(2) {
            prop_assert!(pair[0].end.is_some_and(|end| end <= pair[1].start));
        }
        prop_assert_eq!(story.result == Outcome::Failed, story.reason.is_some());
    }

    #[test]
    fn a_longer_clock_never_shortens_a_wait(scenario in scenarios(), more in 1_i64..2000, limit_more in 1_u32..5) {
        let ends = |scenario: Scenario| {
            let story = scenario.play();
            // A wait that succeeds has not been cut short by any clock.
            if story.result == Outcome::Succeeded { Limit::Never } else { story.ends_at_lower }
        };
        let before = ends(scenario);
        let longer = |clock: Option<Seconds>| clock.map(|clock| clock + Seconds::new(more));
        let later = ends(Scenario { deadline: longer(scenario.deadline), ..scenario });
        prop_assert!(later >= before);
        let later = ends(Scenario { release: longer(scenario.release), ..scenario });
        prop_assert!(later >= before);
        let limit = scenario.retries.limit + limit_more;
        let later = ends(Scenario { retries: Retries { limit, ..scenario.retries }, ..scenario });
        prop_assert!(later >= before);
    }

    #[test]
    fn a_dependency_that_comes_up_earlier_never_makes_a_job_fail(
        scenario in scenarios(), work in span(300), sooner in 1_i64..600,
    ) {
        let scenario = Scenario { work, ..scenario };
        let Some(ready) = scenario.ready_after else { return Ok(()) };
        if scenario.play().result != Outcome::Succeeded {
            return Ok(());
        }
        let earlier = Scenario { ready_after: Some(ready.minus_or_zero(Seconds::new(sooner))), ..scenario };
        prop_assert_eq!(earlier.play().result, Outcome::Succeeded);
    }

    #[test]
    fn the_longest_cold_start_parts_those_that_are_survived_from_those_that_are_not(
        scenario in scenarios(), other in 0_i64..6000,
    ) {
        let lives = |seconds: i64| {
            let after = Scenario { ready_after: Some(Seconds::new(seconds)), ..scenario };
            after.play().result == Outcome::Succeeded
        };
        match scenario.survives() {
            Survival::Any => prop_assert!(lives(other)),
            Survival::None(_) => prop_assert!(!lives(other)),
            Survival::UpTo(longest, death) => {
                prop_assert!(lives(longest.whole()) && !lives(longest.whole() + 1));
                prop_assert_eq!(lives(other), other <= longest.whole());
                prop_assert!(death.result != Outcome::Succeeded);
            }
        }
    }

    #[test]
    fn a_sweep_has_no_gap_and_tells_what_each_cold_start_does(scenario in scenarios(), to in span(2000)) {
        let sweep = scenario.sweep(Seconds::ZERO, to, 500);
        prop_assert_eq!(sweep.first().map(|s| s.from), Some(Seconds::ZERO));
        prop_assert_eq!(sweep.last().map(|s| s.to), Some(to));
        for pair in sweep.windows(2) {
            prop_assert_eq!(pair[0].to + Seconds::new(1), pair[1].from);
        }
        for stretch in sweep {
            for at in [stretch.from, stretch.to] {
                let story = Scenario { ready_after: Some(at), ..scenario }.play();
                prop_assert_eq!((story.result, story.reason), (stretch.result, stretch.reason));
            }
        }
    }
}

#[test]
fn the_reason_of_a_deadline_is_never_the_limit() {
    let scenario = Scenario {
        deadline: Some(Seconds::new(100)),
        ..Scenario::default()
    };
    assert_eq!(scenario.play().reason, Some(Reason::DeadlineExceeded));
}
