//! What a root cause is: a pure function from a [`Case`] to a [`Match`] with its proof. It says what it sees and
//! nothing of what others see; [`super::diagnose`] chooses among the matches.

use jiff::Timestamp;

use super::case::{Case, End};
use super::diagnosis::{ChainLink, Confidence, Proof, RetryAdvice, Verdict};
use super::evidence::{ContainerRecord, EventRecord, Lost, ObjectRef, PodRecord, Waiting};
use super::root_cause::{Rank, RootCause, Route, Severity};
use super::told::Hit;

/// What is fixed about a cause.
#[derive(Clone, Copy, Debug)]
pub struct CauseMeta {
    /// The value in the closed set.
    pub cause: RootCause,
    /// The value of the label.
    pub name: &'static str,
    /// How loudly it is reported.
    pub severity: Severity,
    /// Who is told.
    pub route: Route,
    /// The layer it belongs to.
    pub rank: Rank,
    /// The page, as the doc comment has it.
    pub(super) docs: &'static str,
}

/// The headings of every page, in this order.
pub const HEADINGS: [&str; 5] = [
    "What it is",
    "Evidence",
    "Not to be confused with",
    "Repair",
    "Do not",
];

impl CauseMeta {
    /// The documentation page as Markdown, from the cause's doc comment.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = format!(
            "# {}\n\n{}\n\nSeverity: {}. Route: {}.\n\n",
            self.name,
            self.cause.meaning(),
            self.severity.as_str(),
            self.route.as_str()
        );
        for line in self.docs.lines() {
            let line = line.strip_prefix(' ').unwrap_or(line);
            if line.starts_with("# ") {
                page.push('#');
            }
            page.push_str(line);
            page.push('\n');
        }
        page
    }
}

/// One root cause.
pub trait Cause: Sync {
    /// What is fixed about it.
    fn meta(&self) -> &'static CauseMeta;
    /// Looks for it.
    fn find(&self, case: &Case<'_>) -> Option<Match>;
    /// Says how it is known that a failed Job did not die of it, where that is worth saying.
    fn rules_out(&self, _case: &Case<'_>) -> Option<String> {
        None
    }
}

/// A cause that was found, with its proof.
#[derive(Clone, Debug)]
pub struct Match {
    /// Which.
    pub cause: RootCause,
    /// What happened, as a clause without a full stop.
    pub finding: String,
    /// When.
    pub at: Option<Timestamp>,
    /// How sure.
    pub confidence: Confidence,
    /// Whether anybody has to act, as far as this cause can tell.
    pub verdict: Verdict,
    /// When the time is over that it is given to heal by itself: what is real is transient until then.
    pub given_until: Option<Timestamp>,
    /// What proves it.
    pub proofs: Vec<Proof>,
    /// The chain below the Job, ending at the root.
    pub links: Vec<ChainLink>,
    /// What to do, bottom first.
    pub repair: Vec<String>,
    /// What it may have been, where that is not known.
    pub candidates: Vec<RootCause>,
    /// What is missing to know more.
    pub missing: Vec<Lost>,
    /// True when a later run of the same container failed without showing this cause.
    pub older: bool,
    /// True when time alone would have healed it: any clock that ran out weighs more.
    pub soft: bool,
    /// How many links below the Job it lies.
    pub depth: usize,
    /// What the policy says of a cause of its own.
    pub stated: Option<Stated>,
}

/// What the catalogue fixes for its causes, said by the policy for one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// How loudly it is reported when the verdict is that it is real.
    pub severity: Severity,
    /// Who is told.
    pub route: Route,
    /// The layer it belongs to.
    pub rank: Rank,
    /// Whether to run the Job again.
    pub advice: RetryAdvice,
}

impl Match {
    /// A match without proof yet.
    #[must_use]
    pub fn new(cause: RootCause, finding: impl Into<String>) -> Self {
        Self {
            cause,
            finding: finding.into(),
            at: None,
            confidence: Confidence::Certain,
            verdict: Verdict::Real,
            given_until: None,
            proofs: Vec::new(),
            links: Vec::new(),
            repair: Vec::new(),
            candidates: Vec::new(),
            missing: Vec::new(),
            older: false,
            soft: false,
            depth: 0,
            stated: None,
        }
    }

    /// The layer it belongs to.
    #[must_use]
    pub fn rank(&self) -> Rank {
        self.stated.map_or(self.cause.rank(), |stated| stated.rank)
    }

    /// How loudly it is reported when the verdict is that it is real.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.stated
            .map_or(self.cause.severity(), |stated| stated.severity)
    }

    /// Who is told.
    #[must_use]
    pub fn route(&self) -> Route {
        self.stated.map_or(self.cause.route(), |stated| stated.route)
    }

    /// True while it may still heal by itself.
    #[must_use]
    pub fn is_given_time(&self, now: Timestamp) -> bool {
        self.given_until.is_some_and(|until| now < until)
    }

    /// Sets how sure it is.
    #[must_use]
    pub const fn confident(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    /// Adds a proof; the first one gives the match its time.
    #[must_use]
    pub fn proof(
        mut self,
        kind: &str,
        source: impl Into<String>,
        at: Option<Timestamp>,
        text: impl Into<String>,
    ) -> Self {
        self.at = self.at.or(at);
        let (source, text) = (source.into(), text.into());
        self.proofs.push(Proof {
            kind: kind.to_owned(),
            source,
            at,
            text,
        });
        self
    }

    /// Adds a link to the chain below the Job, proven by the proof that was added last.
    #[must_use]
    pub fn link(mut self, kind: &str, namespace: &str, name: &str, relation: &str) -> Self {
        let proof = self
            .proofs
            .last()
            .map_or_else(String::new, |proof| proof.text.clone());
        self.depth += 1;
        self.links.push(ChainLink {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            relation: relation.to_owned(),
            finding: self.finding.clone(),
            proof,
        });
        self
    }

    /// Adds a step of the repair.
    #[must_use]
    pub fn repair(mut self, step: impl Into<String>) -> Self {
        self.repair.push(step.into());
        self
    }

    /// A match that an event proves.
    #[must_use]
    pub fn from_event(cause: RootCause, finding: impl Into<String>, event: &EventRecord) -> Self {
        let object = &event.object;
        let found = Self::new(cause, finding).confident(Confidence::Likely).proof(
            "event",
            format!(
                "{} {}/{} {}",
                object.kind, object.namespace, object.name, event.reason
            ),
            event.last,
            event.message.clone(),
        );
        if object.kind == "Job" {
            found
        } else {
            found.link(&object.kind, &object.namespace, &object.name, "runs as")
        }
    }

    /// A match that a container's waiting state proves.
    #[must_use]
    pub fn from_waiting(
        cause: RootCause,
        finding: impl Into<String>,
        (pod, container, waiting): (&PodRecord, &ContainerRecord, &Waiting),
    ) -> Self {
        Self::new(cause, finding)
            .proof(
                "state",
                format!(
                    "Pod {}/{} container {} waiting {}",
                    pod.namespace, pod.name, container.name, waiting.reason
                ),
                waiting.seen,
                if waiting.message.is_empty() {
                    waiting.reason.clone()
                } else {
                    waiting.message.clone()
                },
            )
            .link("Pod", &pod.namespace, &pod.name, "runs as")
    }

    /// A match that the end of a run proves.
    #[must_use]
    pub fn from_end(cause: RootCause, finding: impl Into<String>, end: &End<'_>) -> Self {
        let text = format!("exit code {}, reason {}", end.end.exit_code, end.end.reason);
        let text = match end.end.message.trim() {
            "" => text,
            message => format!("{text}: {message}"),
        };
        let mut found = Self::new(cause, finding)
            .proof("termination", end.source(), end.end.finished, text)
            .link("Pod", &end.pod.namespace, &end.pod.name, "runs as");
        found.older = !end.last;
        found
    }

    /// A match that a line of log proves.
    #[must_use]
    pub fn from_hit(cause: RootCause, finding: impl Into<String>, hit: &Hit<'_>) -> Self {
        let mut found = Self::new(cause, finding)
            .confident(Confidence::Likely)
            .proof("log", hit.source.clone(), hit.at, hit.line)
            .link("Pod", hit.namespace, hit.pod, "runs as");
        // What the line speaks of lies elsewhere: a cause that is proven there goes deeper.
        found.depth = 0;
        found.older = !hit.last;
        found
    }

    /// A match that a Pod's own status proves.
    #[must_use]
    pub fn from_pod(
        cause: RootCause,
        finding: impl Into<String>,
        pod: &PodRecord,
        at: Option<Timestamp>,
        text: impl Into<String>,
    ) -> Self {
        Self::new(cause, finding)
            .proof(
                "condition",
                format!("Pod {}/{}", pod.namespace, pod.name),
                at,
                text,
            )
            .link("Pod", &pod.namespace, &pod.name, "runs as")
    }
}

/// Names an object in a sentence.
pub(crate) fn named(object: &ObjectRef) -> String {
    if object.namespace.is_empty() {
        format!("{} {}", object.kind, object.name)
    } else {
        format!("{} {}/{}", object.kind, object.namespace, object.name)
    }
}

/// Declares a cause: its doc comment becomes the documentation page.
macro_rules! cause {
    ($(#[doc = $doc:literal])+ $name:ident, $find:expr $(, rules_out: $rules_out:expr)?) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $crate::engine::cause::Cause for $name {
            fn meta(&self) -> &'static $crate::engine::cause::CauseMeta {
                const CAUSE: $crate::engine::root_cause::RootCause = $crate::engine::root_cause::RootCause::$name;
                static META: $crate::engine::cause::CauseMeta = $crate::engine::cause::CauseMeta {
                    cause: CAUSE,
                    name: CAUSE.as_str(),
                    severity: CAUSE.severity(),
                    route: CAUSE.route(),
                    rank: CAUSE.rank(),
                    docs: concat!($($doc, "\n"),+),
                };
                &META
            }

            fn find(&self, case: &$crate::engine::case::Case<'_>) -> Option<$crate::engine::cause::Match> {
                $find(case)
            }
            $(
                fn rules_out(&self, case: &$crate::engine::case::Case<'_>) -> Option<String> {
                    $rules_out(case)
                }
            )?
        }
    };
}
pub(crate) use cause;
