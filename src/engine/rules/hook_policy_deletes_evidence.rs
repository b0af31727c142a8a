//! HB303.

use crate::engine::finding::{At, Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::job::{Job, JobKind, RestartPolicy, lookup};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::shows_hook_logs;

rule! {
    /// The hook's delete policy removes the failed Job before anybody can look at it.
    ///
    /// ## What it does
    ///
    /// Reports a hook whose annotation `helm.sh/hook-delete-policy` contains `hook-failed`, or whose annotation
    /// `argocd.argoproj.io/hook-delete-policy` contains `HookFailed`.
    ///
    /// ## Why is this bad?
    ///
    /// Helm deletes such a hook in the same step in which it reports `failed post-install: ... BackoffLimitExceeded`
    /// (helm/helm `pkg/action/hooks.go`, `execHook`), Argo CD at the end of the sync. With the Job go its Pods,
    /// their logs and exit codes, also those that `restartPolicy: Never` keeps. What is left is a release that
    /// has failed for a reason which nobody can name.
    ///
    /// ## Severity
    ///
    /// A warning. Information where a deletion is all that the hook belongs to (`pre-delete`, `post-delete`):
    /// after it no release is left that would clean the Job up. Information as well where Helm prints the logs
    /// before it deletes the Job: `restartPolicy: Never` with `helm.sh/hook-output-log-policy: hook-failed`, and
    /// no Flux, which throws that output away (HB306).
    ///
    /// ## How to fix
    ///
    /// Delete the last run's Job before the next one, not this run's after its failure:
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Unsafe: a failed Job stays in the cluster until the next run. The fix takes the policy of failures out,
    /// keeps the others, and adds the one that deletes before the next creation, without which the next run
    /// would meet a Job of the same name.
    ///
    /// ## When to ignore
    ///
    /// When logs and Pod status are collected elsewhere.
    "HB303" "hook-policy-deletes-evidence" Warning check
}

/// An annotation that says when a hook is deleted, and its words.
struct Policies {
    annotation: &'static str,
    pointer: &'static str,
    failed: &'static str,
    before: &'static str,
}

const HELM: Policies = Policies {
    annotation: "helm.sh/hook-delete-policy",
    pointer: "/metadata/annotations/helm.sh~1hook-delete-policy",
    failed: "hook-failed",
    before: "before-hook-creation",
};

const ARGO: Policies = Policies {
    annotation: "argocd.argoproj.io/hook-delete-policy",
    pointer: "/metadata/annotations/argocd.argoproj.io~1hook-delete-policy",
    failed: "HookFailed",
    before: "BeforeHookCreation",
};

impl Policies {
    /// The Job's own list, when it deletes failures.
    fn deleting<'j>(&self, job: &'j Job<'_>) -> Option<Vec<&'j str>> {
        let words: Vec<&str> = lookup(&job.annotations, self.annotation)?
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect();
        words.iter().any(|word| self.deletes(word)).then_some(words)
    }

    /// Helm reads the words in any case (helm/helm `pkg/release/util/manifest_sorter.go`), Argo CD as they are.
    fn deletes(&self, word: &str) -> bool {
        let any_case = self.annotation == HELM.annotation;
        word == self.failed || any_case && word.eq_ignore_ascii_case(self.failed)
    }

    /// The list without the failures, and with the word that makes room for the next run.
    fn mended(&self, words: &[&str]) -> String {
        let mut kept: Vec<&str> = words.iter().copied().filter(|word| !self.deletes(word)).collect();
        if !kept.contains(&self.before) {
            kept.insert(0, self.before);
        }
        kept.join(",")
    }
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    // A CronJob among the hooks is created and never fails.
    if !cx.origin().is_hook() || cx.job.kind == JobKind::CronJob {
        return;
    }
    let at_deletion = cx
        .job
        .each_hook()
        .all(|hook| matches!(hook, "pre-delete" | "post-delete" | "PreDelete" | "PostDelete"));
    let told = shows_hook_logs(cx) && cx.job.pod.restart_policy == RestartPolicy::Never;
    let severity = if at_deletion || told {
        Severity::Info
    } else {
        Severity::Warning
    };
    let list = [&HELM, &ARGO]
        .into_iter()
        .filter_map(|policies| Some((policies, policies.deleting(cx.job)?)));
    found.extend(list.map(|(policies, words)| {
        let mended = policies.mended(&words);
        Finding {
            at: cx.at(|| At::field(policies.pointer)),
            brief: cx.brief(|_| format!("{} deletes the Pods and logs of a failure", policies.failed)),
            message: cx.message(|_| format!(
                "{} contains {}: when the hook has failed, the Job is deleted, with its Pods and their logs",
                policies.annotation, policies.failed
            )),
            help: cx.help(|_| format!("{}: {mended}", policies.annotation)),
            fix: cx.fix(|| Some(Fix {
                safety: FixSafety::Unsafe,
                on: None,
                edits: vec![Edit::Set {
                    pointer: policies.pointer.to_owned(),
                    value: mended.into(),
                }],
            })),
            ..RULE.finding(severity, Confidence::Certain)
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    fn hook(runs: &'static str, key: &'static str, policy: &'static str) -> Job<'static> {
        let mut job = Hook { runs, ..HOOK }.job();
        job.annotations.push((key.into(), policy.into()));
        job
    }

    #[test]
    fn only_the_word_for_failures_counts_and_a_deletion_is_forgiven() {
        use Severity::{Info, Warning};
        const HELM: &str = "helm.sh/hook-delete-policy";
        const ARGO: &str = "argocd.argoproj.io/hook-delete-policy";
        for (runs, key, policy, severity) in [
            ("post-install", HELM, "hook-succeeded", None),
            ("post-install", HELM, "hook-failed", Some(Warning)),
            ("post-install", HELM, "hook-succeeded, hook-failed", Some(Warning)),
            ("pre-delete", HELM, "hook-succeeded,hook-failed", Some(Info)),
            ("pre-delete,post-upgrade", HELM, "hook-failed", Some(Warning)),
            ("Sync", ARGO, "HookSucceeded", None),
            ("Sync", ARGO, "HookFailed", Some(Warning)),
            ("Sync", ARGO, "hook-failed", None),
        ] {
            let findings = found(&hook(runs, key, policy), "HB303");
            assert_eq!(findings.first().map(|f| f.severity), severity, "{runs} {policy}");
        }
    }

    #[test]
    fn logs_that_helm_prints_are_evidence_while_the_pod_is_there() {
        for (policy, severity) in [
            (RestartPolicy::Never, Severity::Info),
            (RestartPolicy::OnFailure, Severity::Warning),
        ] {
            let mut job = hook("post-install", HELM.annotation, "hook-failed");
            job.pod.restart_policy = policy;
            job.annotations
                .push(("helm.sh/hook-output-log-policy".into(), "hook-failed".into()));
            assert_eq!(found(&job, "HB303")[0].severity, severity);
        }
    }

    #[test]
    fn what_is_left_makes_room_for_the_next_run() {
        for (words, mended) in [
            (&["hook-failed"][..], "before-hook-creation"),
            (
                &["hook-succeeded", "hook-failed"],
                "before-hook-creation,hook-succeeded",
            ),
            (&["before-hook-creation", "hook-failed"], "before-hook-creation"),
            (
                &["hook-failed", "hook-succeeded", "before-hook-creation"],
                "hook-succeeded,before-hook-creation",
            ),
        ] {
            assert_eq!(HELM.mended(words), mended);
        }
    }
}
