//! HB302.

use std::fmt::Write as _;

use crate::engine::finding::{At, Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::rule::{Context, rule};

rule! {
    /// A container that fails leaves no termination message, so its last log lines are lost with its Pod.
    ///
    /// ## What it does
    ///
    /// Reports a Job with a container, init container or sidecar whose `terminationMessagePolicy` is not
    /// `FallbackToLogsOnError`. One finding per Job, however many containers there are.
    ///
    /// ## Why is this bad?
    ///
    /// The kubelet copies a termination message into the Pod's status: what the container wrote to
    /// `/dev/termination-log`, which next to no image does. With `FallbackToLogsOnError` it takes the end of the
    /// log instead, at most 2048 bytes or 80 lines, when the container fails and the file is empty
    /// (kubernetes/api `core/v1/types.go`, `TerminationMessageFallbackToLogsOnError`). That text is in
    /// `lastState.terminated.message` while the Pod is retried under `OnFailure`, and whoever watches Pods has it
    /// even after the Pod is gone.
    ///
    /// ## Severity
    ///
    /// Information: nothing breaks without it, and next to no public chart sets it. It never becomes a warning
    /// at admission.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   template:
    ///     spec:
    ///       containers:
    ///         - name: main
    ///           terminationMessagePolicy: FallbackToLogsOnError
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Safe: what runs, and how often, stays as it is, and a message that the container writes itself still
    /// wins. The webhook writes it into hooks and CronJobs at the rewrite level `safe`, without a warning.
    ///
    /// ## When to ignore
    ///
    /// When a container prints secrets as it fails: the Pod's status is read by more people than its logs.
    "HB302" "termination-message-from-logs" Info check
}

const POLICY: &str = "FallbackToLogsOnError";

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let silent = || {
        let containers = cx.job.containers();
        containers.filter(|(_, _, container)| !container.has_message_from_logs())
    };
    let pointer = |init, index| {
        let mut pointer = cx.job.container_pointer(init, index);
        pointer.push_str("/terminationMessagePolicy");
        pointer
    };
    let Some((init, index, first)) = silent().next() else {
        return;
    };
    let first = &first.name;
    found.push(Finding {
        at: cx.at(|| At::field(pointer(init, index))),
        brief: cx.brief(|_| "a failed container leaves no message".to_owned()),
        message: cx.message(|text| {
            match silent().count() {
                1 => write!(text, "container {first} leaves")?,
                more => write!(text, "{more} containers, {first} the first of them, leave")?,
            }
            write!(
                text,
                " nothing in the Pod's status on failure: terminationMessagePolicy is not {POLICY}"
            )
        }),
        help: cx.help(|text| write!(text, "terminationMessagePolicy: {POLICY}")),
        fix: cx.fix(|| {
            Some(Fix {
                safety: FixSafety::Safe,
                on: None,
                edits: silent()
                    .map(|(init, index, _)| Edit::Set {
                        pointer: pointer(init, index),
                        value: POLICY.into(),
                    })
                    .collect(),
            })
        }),
        ..RULE.finding(Severity::Info, Confidence::Certain)
    });
}

#[cfg(test)]
mod tests {
    use crate::engine::job::{Container, Job};
    use crate::engine::rules::testkit::{HOOK, found};

    fn with(messages: &[bool]) -> Job<'static> {
        let mut job = HOOK.job();
        let container = |message_from_logs: &bool| Container {
            message_policy: message_from_logs.then(|| "FallbackToLogsOnError".into()),
            ..job.pod.containers[0].clone()
        };
        let mut containers: Vec<_> = messages.iter().map(container).collect();
        job.pod.containers = containers.split_off(1);
        job.pod.init_containers = containers;
        job
    }

    #[test]
    fn there_is_one_finding_with_an_edit_for_each_container_that_lacks_it() {
        for (messages, edits) in [
            (&[true, true][..], 0),
            (&[true, false], 1),
            (&[false, true], 1),
            (&[false, false, false], 3),
        ] {
            let findings = found(&with(messages), "HB302");
            assert_eq!(findings.len(), usize::from(edits > 0), "{messages:?}");
            let fixes = findings.iter().filter_map(|finding| finding.fix.as_ref());
            assert_eq!(
                fixes.map(|fix| fix.edits.len()).sum::<usize>(),
                edits,
                "{messages:?}"
            );
        }
    }
}
