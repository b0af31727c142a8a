//! One review, judged: from the bytes of the request to the bytes of the answer.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::message;
use super::observer::{Observer, Outcome, Skipped};
use super::review::{self, Answer, Incoming, Request};
use super::scope::{self, InScope};
use super::surroundings::Surroundings;
use super::unjudged::{invalid, not_judged};
use super::update;
use crate::engine::assess::{Assessment, assess_with};
use crate::engine::finding::{Decision, Edit, FixSafety};
use crate::engine::job::Job;
use crate::engine::policy::{Mode, Policy, RewriteLevel};
use crate::engine::release::{Surroundings as EngineSurroundings, TimeoutSource};
use crate::engine::rewrite::{self, Change, Rewrite};
use crate::engine::rule::Told;
use crate::engine::shell::Readings;
use crate::engine::window::Windows;
use crate::k8s::JobObject;
use crate::k8s::json::Whole;
use crate::k8s::namespace::NamespaceFacts;
use crate::k8s::patch::json_patch;

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
    /// The image of the wait that `hookbudget.dev/wait-for` adds, where the policy names none.
    pub wait_image: String,
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
            wait_image: rewrite::WAIT_IMAGE.to_owned(),
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
        let answered = match review::read_as::<Whole<'_, JobObject<'_>>>(body)? {
            Incoming::Review(review) => {
                let (request, object) = review.request.apart();
                let answer = self.guarded(webhook, &request, object);
                answer.write(&review.api_version.0, &request.uid.0)
            }
            Incoming::Other {
                uid,
                api_version,
                why,
            } => {
                self.observer.skipped(webhook, "other", Skipped::OtherReview);
                tracing::warn!(webhook = webhook.as_str(), why = %message::shown(&why), "review not judged");
                // Whose object it is stands in the part that is not understood.
                not_judged(Mode::Warn, &why).write(&api_version, &uid.0)
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
        let (uid, api_version, mode) = match review::read(body)? {
            Incoming::Review(review) => {
                let mode = self.mode(&review.request).1;
                (review.request.uid, review.api_version.0.into_owned().into(), mode)
            }
            Incoming::Other { uid, api_version, .. } => (uid, api_version, Mode::Warn),
        };
        self.observer.skipped(webhook, "other", Skipped::Late);
        tracing::warn!(webhook = webhook.as_str(), uid = %message::shown(&uid.0), "review not judged in time");
        not_judged(mode, "the judgement takes longer than the webhook's timeout")
            .write(&api_version, &uid.0)
            .map_err(|error| format!("the answer cannot be written: {error}"))
    }

    /// A panic in a rule costs its own review the judgement and nobody else anything.
    fn guarded<'a>(&self, webhook: Webhook, request: &Request<'a>, object: Option<Object<'a>>) -> Answer {
        catch_unwind(AssertUnwindSafe(|| self.judge(webhook, request, object))).unwrap_or_else(|_| {
            self.observer
                .skipped(webhook, scope::kind_label(request), Skipped::Panic);
            tracing::error!(
                webhook = webhook.as_str(),
                uid = %message::shown(&request.uid.0),
                "judging a review panicked; it was let through"
            );
            not_judged(self.mode(request).1, "a rule failed; see the webhook's log")
        })
    }

    /// What the namespace of a request says, and the mode that holds in it.
    fn mode(&self, request: &Request<'_>) -> (NamespaceFacts, Mode) {
        let namespace = request.namespace.as_ref().map_or("", |name| name.0.as_ref());
        let facts = self.surroundings.namespace(namespace);
        let mode = self.policy.load().mode(namespace, facts.mode.map(Mode::as_str));
        (facts, mode)
    }

    fn judge<'a>(&self, webhook: Webhook, request: &Request<'a>, object: Option<Object<'a>>) -> Answer {
        let skip = |reason| {
            self.observer.skipped(webhook, scope::kind_label(request), reason);
            Answer::default()
        };
        let Some(scope) = scope::of(request, self.own_namespace.as_deref()) else {
            return skip(Skipped::OutOfScope);
        };
        let namespace = request.namespace.as_ref().map_or("", |name| name.0.as_ref());
        let (facts, mode) = self.mode(request);
        if mode == Mode::Off {
            return skip(Skipped::ModeOff);
        }
        if let Some(why) = scope::unknown_version(request) {
            skip(Skipped::Unreadable);
            return not_judged(mode, &why);
        }
        let update = scope.operation == "UPDATE";
        if update && update::is_being_deleted(request) {
            return skip(Skipped::OutOfScope);
        }
        let policy = self.policy.load();
        let object = object.map_or_else(
            || Err("the review holds no object".to_owned()),
            |object| object.map_err(|why| format!("the object cannot be read: {why}")),
        );
        let (mut job, problems) = match object {
            Ok(object) => object.into_facts(),
            Err(why) => {
                skip(Skipped::Unreadable);
                return not_judged(mode, &why);
            }
        };
        if job.kind != scope.kind {
            skip(Skipped::Unreadable);
            let (asked, sent) = (scope.kind.as_str(), job.kind.as_str());
            return not_judged(
                mode,
                &format!("the request speaks of a {asked}, the object of a {sent}"),
            );
        }
        if !namespace.is_empty() {
            job.namespace = Some(namespace.into());
        }
        if job.is_foreign() {
            return skip(Skipped::OutOfScope);
        }
        if !problems.is_empty() {
            skip(Skipped::Invalid);
            return invalid(mode, &problems);
        }
        let releases = self.surroundings.releases.load();
        let kustomizations = self.surroundings.kustomizations.load();
        let applications = self.surroundings.applications.load();
        let mut around = EngineSurroundings {
            helm_releases: &releases,
            kustomizations: &kustomizations,
            applications: &applications,
            requester: request.user_info.username.as_ref().map(|name| name.0.as_ref()),
            namespace_timeout: facts.release_timeout,
            namespace_cold_start: facts.cold_start,
            now: Some(jiff::Timestamp::now()),
            ..EngineSurroundings::default()
        };
        let windows = Windows::of_one(&job, around);
        around.windows = windows.as_ref();
        // What is said to nobody is not put into words: a rewrite takes the fixes, and a verdict is reached by codes.
        let told = match webhook {
            Webhook::Mutate => Told::Fixes(match rewrite::level(&job, facts.rewrite, &policy) {
                RewriteLevel::All => FixSafety::Unsafe,
                RewriteLevel::Safe | RewriteLevel::None => FixSafety::Safe,
            }),
            Webhook::Validate => Told::Codes,
        };
        let mut assessment = assess_with(&job, around, &policy, told, |container, files| {
            self.readings.of(container, files)
        });
        let decision = match webhook {
            Webhook::Mutate => Decision::Allow,
            Webhook::Validate => decide(&assessment, &job, mode, update.then_some(request)),
        };
        match decision {
            Decision::Allow => {}
            Decision::Warn => assessment.judge(&job, around, &policy, Told::Warnings),
            Decision::Deny => assessment.judge(&job, around, &policy, Told::Denial),
        }
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
            Webhook::Mutate => self.mutate(&case),
            Webhook::Validate => self.validate(&case, decision),
        }
    }

    fn mutate(&self, case: &Case<'_>) -> Answer {
        let update = case.scope.operation == "UPDATE";
        if case.mode == Mode::Audit || update && update::changes_nothing(case.request) {
            // Audit changes nothing that anybody could see outside the audit log; and whoever labels a CronJob
            // does not ask for other clocks.
            self.count(case, Webhook::Mutate, &Did::default());
            return Answer::default();
        }
        let level = rewrite::level(case.job, case.namespace.rewrite, case.policy);
        let Rewrite {
            edits,
            changes,
            mut warnings,
        } = rewrite::plan(case.job, case.assessment, case.policy, level, &self.wait_image);
        let object = case.request.object.map_or("", |object| object.0);
        let patch = patch_text(object, &edits).unwrap_or_else(|error| {
            warnings.push(format!("hookbudget rewrites nothing: {error}"));
            Vec::new()
        });
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
            let mut text = String::with_capacity(1_024);
            for change in &changes {
                let before = if text.is_empty() { "" } else { ", " };
                let _ = write!(text, "{before}{change}");
            }
            answer
                .audit
                .push(("rewritten", message::into_audited(text).into()));
        }
        answer.patch = patch;
        let changes = if answer.patch.is_empty() {
            &[][..]
        } else {
            &changes
        };
        let did = Did {
            decision,
            fields: &fields,
            changes,
            denial: None,
        };
        self.count(case, Webhook::Mutate, &did);
        answer
    }

    fn validate(&self, case: &Case<'_>, decision: Decision) -> Answer {
        let mut answer = Answer::default();
        if !case.assessment.findings.is_empty() {
            answer.audit.reserve(3);
            let findings = message::audit(&case.assessment.findings);
            answer.audit.push(("findings", findings.into()));
            let enforced = case.assessment.decision(case.job, Mode::Enforce);
            answer.audit.push((
                "decision",
                if enforced == decision {
                    decision.as_str().into()
                } else {
                    format!("{} (enforce: {})", decision.as_str(), enforced.as_str()).into()
                },
            ));
            let release = &case.assessment.clocks.release.source;
            if *release != TimeoutSource::None {
                answer
                    .audit
                    .push(("release-timeout", message::audited(release).into()));
            }
        }
        match decision {
            Decision::Deny => {
                let denial = message::denial(case.job, case.assessment);
                if case.request.dry_run != Some(true) {
                    tracing::info!(
                        object = %message::shown(&case.job.to_string()),
                        operation = case.scope.operation,
                        mode = case.mode.as_str(),
                        requester = %message::shown(requester(case.request)),
                        findings = %message::audit(&case.assessment.findings),
                        release_timeout = %message::shown(&case.assessment.clocks.release.source.to_string()),
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
        let did = Did {
            decision,
            denial: answer.denial.as_deref(),
            ..Did::default()
        };
        self.count(case, Webhook::Validate, &did);
        answer
    }

    /// Dry runs leave no trace outside their own answer.
    fn count(&self, case: &Case<'_>, webhook: Webhook, did: &Did<'_>) {
        if case.request.dry_run == Some(true) {
            return;
        }
        let all = &case.assessment.findings;
        let mut findings = Vec::new();
        if webhook == Webhook::Validate && !all.is_empty() {
            findings.reserve(all.len());
            let standing = all.iter().filter(|finding| finding.exempted.is_none());
            findings.extend(standing.map(|finding| finding.code));
        }
        self.observer.judged(&Outcome {
            webhook,
            operation: case.scope.operation,
            kind: case.scope.kind.as_str(),
            mode: case.mode,
            decision: did.decision,
            findings: &findings,
            rewrites: did.fields,
            job: case.job,
            judged_by: &case.assessment.findings,
            changes: did.changes,
            denial: did.denial,
            release: &case.assessment.clocks.release,
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

/// The text of the patch; nothing where there is nothing to write.
fn patch_text(object: &str, edits: &[Edit]) -> Result<Vec<u8>, String> {
    if edits.is_empty() {
        return Ok(Vec::new());
    }
    let operations = json_patch(object, edits).map_err(|error| error.to_string())?;
    let mut text = Vec::with_capacity(4_096);
    serde_json::to_writer(&mut text, &operations).map_err(|error| error.to_string())?;
    Ok(text)
}

/// The verdict about a Job, or about the update of one.
fn decide(assessment: &Assessment, job: &Job<'_>, mode: Mode, update: Option<&Request<'_>>) -> Decision {
    let decision = assessment.decision(job, mode);
    match update {
        Some(request) if decision == Decision::Deny && update::starts_nothing_new(request) => Decision::Warn,
        _ => decision,
    }
}

/// What was done about a review.
#[derive(Default)]
struct Did<'a> {
    decision: Decision,
    fields: &'a [&'static str],
    changes: &'a [Change],
    denial: Option<&'a str>,
}

fn requester<'a>(request: &'a Request<'_>) -> &'a str {
    request
        .user_info
        .username
        .as_ref()
        .map_or("", |name| name.0.as_ref())
}

/// What was read out of the object's text, or why there is nothing.
type Object<'a> = Result<JobObject<'a>, String>;
