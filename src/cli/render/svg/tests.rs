//! No label lies over another or outside of the picture, whatever happens to the Job.

use proptest::prelude::*;

use super::super::story::Story;
use super::{WIDTH, draw, layout};
use crate::cli::manifest::{self, Loaded, PathOrStdin};
use crate::cli::objects::{Options, judge};
use crate::cli::simulate::survival::Survivals;
use crate::engine::backoff::Retries;
use crate::engine::job::RestartPolicy;
use crate::engine::timeline::Scenario;
use crate::engine::{Limit, Seconds};

fn job(name: &str, script: &str) -> Loaded {
    let name = serde_json::to_string(name).expect("JSON");
    let text = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations: {{helm.sh/hook: post-install}}\n\
         spec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n        - name: main\n          \
         command: [sh, -c, {script:?}]\n"
    );
    manifest::load_with(&[PathOrStdin::Stdin], &mut text.as_bytes())
}

/// The drawing of a scenario for a Job of that name.
fn with_story<T>(name: &str, scenario: Scenario, look: impl Fn(&Story<'_>) -> T) -> T {
    let script = "for i in $(seq 60); do curl -sf --max-time 5 http://api/ && break; sleep 10; done";
    let loaded = job(name, script);
    let objects = judge(&loaded, &Options::default());
    let judged = objects.judged.first().expect("one Job");
    let clocks = &judged.assessment.clocks;
    let timeline = scenario.play();
    look(&Story {
        job: &judged.job,
        scenario: &scenario,
        clocks,
        timeline: &timeline,
        survivals: Survivals::of(scenario, clocks),
    })
}

fn labels_are_apart(story: &Story<'_>) -> Result<(), String> {
    let (canvas, height) = layout(story);
    let boxes: Vec<_> = canvas
        .texts
        .iter()
        .map(|text| (text.bounds(), &text.words))
        .collect();
    for (index, ((left, top, right, bottom), text)) in boxes.iter().enumerate() {
        if *left < 0.0 || *top < 0.0 || *right > WIDTH || *bottom > height {
            return Err(format!("{text:?} leaves the picture"));
        }
        for ((other_left, other_top, other_right, other_bottom), other) in &boxes[index + 1..] {
            let beside = right <= other_left || other_right <= left;
            let above = bottom <= other_top || other_bottom <= top;
            if !text.is_empty() && !other.is_empty() && !beside && !above {
                return Err(format!("{text:?} lies over {other:?}"));
            }
        }
    }
    Ok(())
}

fn span(most: i64) -> impl Strategy<Value = Seconds> {
    (0..=most).prop_map(Seconds::new)
}

prop_compose! {
    fn scenarios()(
        never in any::<bool>(),
        limit in prop_oneof![9 => 0_u32..20, 1 => Just(u32::MAX)],
        run in prop_oneof![9 => span(1500).prop_map(Limit::At), 1 => Just(Limit::Never)],
        startup in span(90),
        ready_after in prop::option::of(prop_oneof![9 => span(3000), 1 => span(i64::from(u32::MAX))]),
        deadline in prop::option::of(span(3000)),
        release in prop::option::of(span(3000)),
        starts in prop::bool::weighted(0.9),
    ) -> Scenario {
        let policy = if never { RestartPolicy::Never } else { RestartPolicy::OnFailure };
        Scenario {
            retries: Retries { policy, limit, run, startup, ..Retries::default() },
            patience: run,
            ready_after, deadline, release, starts,
            ..Scenario::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_label_lies_over_another(scenario in scenarios(), name in "[a-zA-Z0-9.-]{1,80}") {
        let apart = with_story(&name, scenario, labels_are_apart);
        prop_assert!(apart.is_ok(), "{:?}", apart);
    }
}

#[test]
fn a_hostile_name_stays_text() {
    let svg = with_story("<script>&\u{1}]]>", Scenario::default(), draw);
    assert!(svg.contains("&lt;script&gt;&amp;\u{fffd}]]&gt;"), "{svg}");
    assert!(!svg.contains("<script") && !svg.contains('\u{1}'), "{svg}");
}
