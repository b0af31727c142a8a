//! A diagnosis as it is kept with its Job.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::packed::{expanded, squeezed};
use crate::engine::diagnosis::{Diagnosis, JobName, JobPhase, Trigger, Verdict};
use crate::engine::root_cause::{RootCause, Route};

/// What a diagnosis says in a word each: all that series and filters ask of it.
#[derive(Clone, Copy, Debug)]
pub struct Gist {
    /// How the Job ended.
    pub trigger: Trigger,
    /// Why, or what holds it up.
    pub root_cause: Option<RootCause>,
    /// Whether anybody has to act.
    pub verdict: Verdict,
    /// Who is told.
    pub route: Option<Route>,
    /// The try that the Job's own progress lines say it is at, and how many there are.
    pub attempts: (Option<u64>, Option<u64>),
}

/// A diagnosis and its gist.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) gist: Gist,
    /// A hash of the other Jobs that it names.
    others: u64,
    text: Text,
}

/// Of Jobs that wait there may be ten thousand, each judged anew every few seconds, and hardly any of it is ever read.
/// What has gone wrong is read by every page, and set side by side.
#[derive(Clone, Debug)]
enum Text {
    Whole(Arc<Diagnosis>),
    Packed(Box<[u8]>),
}

/// How diagnoses of Jobs that wait look, and the words that they use: what a packed one has in common with this is not
/// kept again.
const USUAL: &str = include_str!("usual_diagnosis.txt");

impl Found {
    pub(super) fn of(diagnosis: Diagnosis) -> Self {
        let progress = diagnosis.progress.as_ref();
        let gist = Gist {
            trigger: diagnosis.trigger,
            root_cause: diagnosis.root_cause,
            verdict: diagnosis.verdict,
            route: diagnosis.route,
            attempts: progress.map_or((None, None), |progress| (progress.attempt, progress.attempts)),
        };
        let others = hash(&diagnosis.same_culprit, diagnosis.same_culprit_more);
        let waits = matches!(diagnosis.state, JobPhase::Waiting | JobPhase::Suspended)
            && diagnosis.trigger != Trigger::ReleaseTimeout;
        let packed = waits.then(|| {
            let text = serde_json::to_vec(&diagnosis).ok()?;
            squeezed(&text, USUAL.as_bytes())
        });
        let text = packed.flatten().map_or_else(
            || {
                let mut diagnosis = diagnosis;
                diagnosis.shrink();
                Text::Whole(Arc::new(diagnosis))
            },
            Text::Packed,
        );
        Self { gist, others, text }
    }

    /// True when these are the Jobs with the same culprit that it names, and that many more.
    pub(super) fn names(&self, others: &[JobName], more: u32) -> bool {
        self.others == hash(others, more)
    }

    /// All of it.
    pub(super) fn diagnosis(&self) -> Option<Arc<Diagnosis>> {
        match &self.text {
            Text::Whole(diagnosis) => Some(Arc::clone(diagnosis)),
            Text::Packed(packed) => {
                let text = expanded(packed, USUAL.as_bytes())?;
                serde_json::from_slice(&text).ok().map(Arc::new)
            }
        }
    }
}

fn hash(others: &[JobName], more: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    (others, more).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::diagnose::diagnose;
    use crate::engine::diagnosis::{ChainLink, DiagnosisKnobs};
    use crate::engine::evidence::Evidence;

    /// One of a Job that waits for a Service, as the recorded incident has it.
    fn waits() -> Diagnosis {
        let link = |kind: &str, name: &str, finding: &str| ChainLink {
            kind: kind.to_owned(),
            namespace: "gitea".to_owned(),
            name: name.to_owned(),
            finding: finding.to_owned(),
            ..ChainLink::default()
        };
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/evidence/incident-b-waiting.json"
        );
        let text = std::fs::read_to_string(path).expect("a fixture");
        let evidence: Evidence = serde_json::from_str(&text).expect("evidence");
        let now = "2026-03-05T09:01:05Z".parse().expect("a time");
        let mut diagnosis = diagnose(&evidence, &DiagnosisKnobs::default(), now);
        diagnosis.chain.push(link("Node", "node-1", "is \"full\""));
        diagnosis
    }

    #[test]
    fn what_waits_is_packed_and_comes_back_whole() {
        let diagnosis = waits();
        let found = Found::of(diagnosis.clone());
        assert!(matches!(&found.text, Text::Packed(packed) if packed.len() < 700));
        assert_eq!(found.diagnosis().as_deref(), Some(&diagnosis));
        assert!(found.names(&diagnosis.same_culprit, diagnosis.same_culprit_more));
        assert!(!found.names(&diagnosis.same_culprit, diagnosis.same_culprit_more + 1));
    }

    #[test]
    fn what_has_failed_is_not_packed() {
        let mut diagnosis = waits();
        diagnosis.state = JobPhase::Failed;
        assert!(matches!(Found::of(diagnosis).text, Text::Whole(_)));
        let mut diagnosis = waits();
        diagnosis.trigger = Trigger::ReleaseTimeout;
        assert!(matches!(Found::of(diagnosis).text, Text::Whole(_)));
    }

    #[test]
    fn the_usual_words_are_those_of_diagnoses() {
        let text = serde_json::to_string(&waits()).expect("JSON");
        for key in text
            .split(['{', '[', ','])
            .filter_map(|part| part.split_once("\":"))
        {
            assert!(USUAL.contains(&format!("{}\":", key.0)), "{}", key.0);
        }
    }
}
