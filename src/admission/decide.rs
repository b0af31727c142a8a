//! One review, judged: from the bytes of the request to the bytes of the answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use serde_json::value::RawValue;

use super::message;
use super::observer::{Observer, Outcome, Skipped};
use super::review::{self, Answer, Incoming, Request};
use super::scope::{self, InScope};
use super::surroundings::Surroundings;
use crate::engine::assess::{Assessment, assess_with};
use crate::engine::finding::Decision;
use crate::engine::job::Job;
use crate::engine::policy::{Mode, Policy};
use crate::engine::release::Surroundings as EngineSurroundings;
use crate::engine::rewrite::{self, Rewrite};
use crate::engine::shell::Readings;
use crate::k8s::namespace::NamespaceFacts;
use crate::k8s::patch::json_patch;
use crate::k8s::{JobObject, Problem};

/// Which of the two webhooks is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Webhook {
    /// `/mutate`: writes, never denies.
    Mutate,
    /// `/validate`: judges, never writes.
    Validate,
}

impl Webhook {
    /// The value of the label `webhook`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

/// All that a review is judged by. Cheap to share; the snapshots are replaced from outside.
pub struct Admission {
    /// The policy in force.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Namespaces and releases.
    pub surroundings: Surroundings,
    /// The namespace of the webhook itself, which it never judges.
    pub own_namespace: Option<String>,
    /// Who counts.
    pub observer: Arc<dyn Observer>,
    /// What has been read out of the containers of Jobs.
    pub readings: Readings,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission")
            .field("own_namespace", &self.own_namespace)
            .finish_non_exhaustive()
    }
}

impl Admission {
    /// Judges by the default policy and knows nothing of the cluster.
    #[must_use]
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            policy: Arc::default(),
            surroundings: Surroundings::default(),
            own_namespace: None,
            observer,
            readings: Readings::default(),
        }
    }

    /// Answers a request's body.
    ///
    /// # Errors
    /// A sentence for the caller where the body holds no uid to answer to.
    pub fn answer(&self, webhook: Webhook, body: &[u8]) -> Result<Vec<u8>, String> {
        let start = Instant::now();
        let answered = match review::read(body)? {
            Incoming::Review(review) => {
                let answer = self.guarded(webhook, &review.request);
                answer.write(&review.api_version.0, &review.request.uid.0)
            }
            Incoming::Other {
                uid,
                api_version,
                why,
            } => {
                self.observer.skipped(webhook, "other", Skipped::OtherReview);
                tracing::warn!(webhook = webhook.as_str(), %why, "review not judged");
                not_judged(&why).write(&api_version, &uid.0)
            }
        };
        self.observer.answered(webhook, start.elapsed());
        answered.map_err(|error| format!("the answer cannot be written: {error}"))
    }

    /// Answers that a review could not be judged in time.
    ///
    /// # Errors
    /// As [`Admission::answer`].
    pub(super) fn answer_late(&self, webhook: Webhook, body: &[u8]) -> Result<Vec<u8>, String> {
        let (uid, api_version) = match review::read(body)? {
            Incoming::Review(review) => (review.request.uid, review.api_version.0.into_owned().into()),
            Incoming::Other { uid, api_version, .. } => (uid, api_version),
        };
        self.observer.skipped(webhook, "other", Skipped::Late);
        tracing::warn!(webhook = webhook.as_str(), uid = %message::one_line(&uid.0), "review not judged in time");
        not_judged("the judgement takes longer than the webhook's timeout")
            .write(&api_version, &uid.0)
            .map_err(|error| format!("the answer cannot be written: {error}"))
    }

    /// A panic in a rule costs its own review the judgement and nobody else anything.
    fn guarded(&self, webhook: Webhook, request: &Request<'_>) -> Answer {
        catch_unwind(AssertUnwindSafe(|| self.judge(webhook, request))).unwrap_or_else(|_| {
            self.observer
                .skipped(webhook, scope::kind_label(request), Skipped::Panic);
            tracing::error!(
                webhook = webhook.as_str(),
                uid = %message::one_line(&request.uid.0),
                "judging a review panicked; it was let through"
            );
            not_judged("a rule failed; see the webhook's log")
        })
    }

    fn judge(&self, webhook: Webhook, request: &Request<'_>) -> Answer {
        let skip = |reason| {
            self.observer.skipped(webhook, scope::kind_label(request), reason);
            Answer::default()
        };
        let Some(scope) = scope::of(request, self.own_namespace.as_deref()) else {
            return skip(Skipped::OutOfScope);
        };
        let namespace = request.namespace.as_ref().map_or("", |name| name.0.as_ref());
        let facts = self.surroundings.namespace(namespace);
        let policy = self.policy.load();
        let mode = policy.mode(namespace, facts.mode.map(Mode::as_str));
        if mode == Mode::Off {
            return skip(Skipped::ModeOff);
        }
        let (object, (mut job, problems)) = match read_object(request) {
            Ok(read) => read,
            Err(why) => {
                skip(Skipped::Unreadable);
                return not_judged(&why);
            }
        };
        if job.kind != scope.kind {
            skip(Skipped::Unreadable);
            return not_judged(&format!(
                "the request speaks of a {}, the object of a {}",
                scope.kind.as_str(),
                job.kind.as_str()
            ));
        }
        if !namespace.is_empty() {
            job.namespace = Some(namespace.into());
        }
        if job.is_foreign() {
            return skip(Skipped::OutOfScope);
        }
        if !problems.is_empty() {
            skip(Skipped::Invalid);
            return invalid(&problems);
        }
        let releases = self.surroundings.releases.load();
        let around = EngineSurroundings {
            helm_releases: &releases,
            flag: None,
            namespace_timeout: facts.release_timeout,
            namespace_cold_start: facts.cold_start,
            inventory: None,
            windows: None,
            now: Some(jiff::Timestamp::now()),
        };
        let assessment = assess_with(&job, around, &policy, |container, files| {
            self.readings.of(container, files)
        });
        let case = Case {
            request,
            scope,
            mode,
            policy: &policy,
            namespace: facts,
            job: &job,
            assessment: &assessment,
        };
        match webhook {
            Webhook::Mutate => self.mutate(&case, object),
            Webhook::Validate => self.validate(&case),
        }
    }

    fn mutate(&self, case: &Case<'_>, object: &RawValue) -> Answer {
        if case.mode == Mode::Audit {
            // Audit changes nothing that anybody could see outside the audit log.
            self.count(case, Webhook::Mutate, Decision::Allow, &[]);
            return Answer::default();
        }
        let level = rewrite::level(case.job, case.namespace.rewrite, case.policy);
        let Rewrite {
            edits,
            changes,
            mut warnings,
        } = rewrite::plan(case.job, case.assessment, case.policy, level);
        let patch = match json_patch(object.get(), &edits) {
            Ok(patch) => patch,
            Err(error) => {
                warnings.push(format!("hookbudget rewrites nothing: {error}"));
                Vec::new()
            }
        };
        let decision = if warnings.is_empty() {
            Decision::Allow
        } else {
            Decision::Warn
        };
        if !patch.is_empty() {
            warnings.extend(message::rewritten(&changes));
        }
        let mut answer = Answer {
            warnings: message::within_limits(warnings),
            ..Answer::default()
        };
        let mut fields = Vec::new();
        if !patch.is_empty() {
            for edit in &edits {
                let field = rewrite::field_label(edit.pointer());
                if field != "annotations" && !fields.contains(&field) {
                    fields.push(field);
                }
            }
            let texts: Vec<String> = changes.iter().map(ToString::to_string).collect();
            answer
                .audit
                .push(("rewritten", message::one_line(&texts.join(", "))));
        }
        answer.patch = patch;
        self.count(case, Webhook::Mutate, decision, &fields);
        answer
    }

    fn validate(&self, case: &Case<'_>) -> Answer {
        let decision = case.assessment.decision(case.job, case.mode);
        self.count(case, Webhook::Validate, decision, &[]);
        let mut answer = Answer::default();
        if !case.assessment.findings.is_empty() {
            answer
                .audit
                .push(("findings", message::audit(&case.assessment.findings)));
            let enforced = case.assessment.decision(case.job, Mode::Enforce);
            answer.audit.push((
                "decision",
                if enforced == decision {
                    decision.as_str().to_owned()
                } else {
                    format!("{} (enforce: {})", decision.as_str(), enforced.as_str())
                },
            ));
        }
        match decision {
            Decision::Deny => {
                let denial = message::denial(case.job, case.assessment);
                if case.request.dry_run != Some(true) {
                    tracing::info!(
                        object = %message::one_line(&case.job.to_string()),
                        operation = case.scope.operation,
                        findings = %message::audit(&case.assessment.findings),
                        why = denial.lines().next().unwrap_or_default(),
                        "denied"
                    );
                }
                answer.denial = Some(denial);
            }
            Decision::Warn => {
                answer.warnings = message::within_limits(message::warnings(case.assessment, case.mode));
            }
            Decision::Allow => {}
        }
        answer
    }

    fn count(&self, case: &Case<'_>, webhook: Webhook, decision: Decision, rewrites: &[&'static str]) {
        if case.request.dry_run == Some(true) {
            return;
        }
        let findings: Vec<&'static str> = if webhook == Webhook::Validate {
            let standing = case.assessment.findings.iter().filter(|f| f.exempted.is_none());
            standing.map(|finding| finding.code).collect()
        } else {
            Vec::new()
        };
        self.observer.judged(&Outcome {
            webhook,
            operation: case.scope.operation,
            kind: case.scope.kind.as_str(),
            mode: case.mode,
            decision,
            findings: &findings,
            rewrites,
        });
    }
}

/// A review that is judged, with all that is known about it.
struct Case<'a> {
    request: &'a Request<'a>,
    scope: InScope,
    mode: Mode,
    policy: &'a Policy,
    namespace: NamespaceFacts,
    job: &'a Job<'a>,
    assessment: &'a Assessment,
}

type Read<'a> = (&'a RawValue, (Job<'a>, Vec<Problem>));

fn read_object<'a>(request: &Request<'a>) -> Result<Read<'a>, String> {
    let object = request.object.ok_or("the review holds no object")?;
    let facts = serde_json::from_str::<JobObject<'a>>(object.get())
        .map_err(|error| format!("the object cannot be read: {error}"))?;
    Ok((object, facts.into_facts()))
}

fn not_judged(why: &str) -> Answer {
    let text = format!("hookbudget did not judge this object: {why}");
    Answer {
        warnings: message::within_limits(vec![text]),
        ..Answer::default()
    }
}

/// The API server refuses such an object with words of its own; this says why there is no judgement.
fn invalid(problems: &[Problem]) -> Answer {
    let texts = problems.iter().map(|problem| {
        let field = crate::engine::finding::At::field(problem.pointer.clone()).dotted();
        format!(
            "hookbudget did not judge this object: {field} {}",
            problem.message
        )
    });
    Answer {
        warnings: message::within_limits(texts.collect()),
        ..Answer::default()
    }
}
