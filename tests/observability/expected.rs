//! The incidents: what happens, which alert it raises, who is told, and what ends it.

use serde_json::{Value, json};

use super::cluster::{Job, State};

/// An alert that has to come.
pub(crate) struct Expected {
    pub(crate) incident: &'static str,
    pub(crate) alert: &'static str,
    /// Labels by which it is told from others of its name.
    pub(crate) labels: &'static [(&'static str, &'static str)],
    /// Who is told, and nobody where another alert mutes it.
    pub(crate) told: Told,
    /// What ends it, in words.
    pub(crate) ended_by: Ended,
    /// Alerts that it mutes, each with the Job that it is about.
    pub(crate) mutes: &'static [(&'static str, &'static str)],
}

/// Who is told of an alert.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// A receiver.
    To(&'static str),
    /// Nobody: an alert of this name mutes it.
    MutedBy(&'static str),
}

/// What ends an alert.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Something that the test does when everything was told.
    By(&'static str),
    /// The same, a little earlier: Prometheus sends nothing for five seconds after it has read its rules again.
    First(&'static str),
    /// Time alone: the alert looks back over a span.
    Itself(&'static str),
    /// Those who were missed are back.
    Back,
}

impl Expected {
    /// True of an alert as Alertmanager tells of it.
    pub(crate) fn fits(&self, alert: &Value) -> bool {
        let labels = &alert["labels"];
        labels["alertname"] == self.alert && self.labels.iter().all(|(name, value)| labels[*name] == *value)
    }

    /// The receiver, where somebody is told.
    pub(crate) fn receiver(&self) -> Option<&'static str> {
        match self.told {
            Told::To(receiver) => Some(receiver),
            Told::MutedBy(_) => None,
        }
    }

    const fn mutes(mut self, mutes: &'static [(&'static str, &'static str)]) -> Self {
        self.mutes = mutes;
        self
    }
}

const fn expected(
    incident: &'static str,
    alert: &'static str,
    labels: &'static [(&'static str, &'static str)],
    told: Told,
    ended_by: Ended,
) -> Expected {
    Expected {
        incident,
        alert,
        labels,
        told,
        ended_by,
        mutes: &[],
    }
}

use Ended::{Back, By, First, Itself};
use Told::{MutedBy, To};

/// The receiver of what only mutes others. Its thread may be sent again when another alert joins or leaves it.
pub(crate) const NOBODY: &str = "nobody";

const AGAIN: Ended = By("the hook runs again under its name and succeeds");

pub(crate) const EXPECTED: &[Expected] = &[
    expected(
        "A: no room on the nodes, two hooks",
        "HookJobsShareCulprit",
        &[("severity", "critical"), ("route", "platform")],
        To("platform"),
        AGAIN,
    )
    .mutes(&[
        ("HookJobFailed", "powerdns-zone-bootstrap"),
        ("HookJobFailed", "powerdns-zone-check"),
    ]),
    expected(
        "A: the first of them",
        "HookJobFailed",
        &[("job_name", "powerdns-zone-bootstrap")],
        MutedBy("HookJobsShareCulprit"),
        AGAIN,
    )
    .mutes(&[("KubeJobFailed", "powerdns-zone-bootstrap")]),
    expected(
        "C: fails now and then",
        "HookJobFlapping",
        &[("owner_name", "tf-state-backup")],
        To("app"),
        By("two more runs succeed"),
    ),
    expected(
        "C: an old failure",
        "HookJobSettled",
        &[("job_name", "tf-state-backup-29568000")],
        To(NOBODY),
        By("the Job is deleted, and its retention is over"),
    )
    .mutes(&[("KubeJobFailed", "tf-state-backup-29568000")]),
    expected(
        "killed for memory, of a CronJob",
        "HookJobFailed",
        &[
            ("job_name", "nightly-1"),
            ("root_cause", "oom_killed"),
            ("severity", "critical"),
            ("owner_name", "nightly"),
        ],
        To("app"),
        By("the next run of the CronJob succeeds"),
    ),
    expected(
        "credentials of the registry",
        "HookJobFailed",
        &[("job_name", "pull-secret"), ("root_cause", "image_pull_auth")],
        To("security"),
        AGAIN,
    )
    .mutes(&[("KubeJobFailed", "pull-secret")]),
    expected(
        "rate limit of the registry",
        "HookJobFailed",
        &[
            ("job_name", "pull-limit"),
            ("root_cause", "image_pull_rate_limited"),
        ],
        To("registry"),
        By("the Job is deleted, and its retention is over"),
    ),
    expected(
        "a volume",
        "HookJobFailed",
        &[("job_name", "volume"), ("root_cause", "volume_mount_failed")],
        To("data"),
        AGAIN,
    ),
    expected(
        "a name",
        "HookJobFailed",
        &[("job_name", "resolve"), ("root_cause", "dns_failure")],
        To("network"),
        AGAIN,
    ),
    expected(
        "nothing left to read",
        "HookJobFailed",
        &[("job_name", "lost"), ("root_cause", "evidence_lost")],
        To("platform-daytime"),
        AGAIN,
    ),
    expected(
        "nothing left to read",
        "HookJobEvidenceLost",
        &[("severity", "info")],
        To("platform-daytime"),
        Itself("an hour without a further loss"),
    ),
    expected(
        "budget burns",
        "HookJobBudgetBurning",
        &[("job_name", "burning")],
        To("app"),
        By("the wait ends well"),
    ),
    expected(
        "an outer clock cuts the wait",
        "HookJobWillMissDeadline",
        &[("job_name", "cut")],
        To("app"),
        By("the wait ends well"),
    )
    .mutes(&[("HookJobBudgetBurning", "cut")]),
    expected(
        "only kube-state-metrics knows it",
        "HookJobNotSeen",
        &[("job_name", "unseen")],
        To("platform-daytime"),
        By("the Job is deleted"),
    ),
    expected(
        "certificate not renewed",
        "HookbudgetCertificateExpiring",
        &[],
        To("platform-daytime"),
        By("another certificate is written"),
    ),
    expected(
        "policy refused",
        "HookbudgetPolicyInvalid",
        &[],
        To("platform-daytime"),
        By("a good policy is written"),
    ),
    expected(
        "a watch breaks",
        "HookbudgetWatchStale",
        &[("kind", "HelmRelease")],
        To("platform-daytime"),
        By("the watch gets through"),
    ),
    expected(
        "reviews lost",
        "HookbudgetReviewsLost",
        &[("name", "validate.hookbudget.dev")],
        To("platform-daytime"),
        Itself("ten minutes without a further loss"),
    ),
    expected(
        "webhook configuration gone",
        "HookbudgetWebhookNotConfigured",
        &[],
        To("platform"),
        By("it is there again"),
    ),
    expected(
        "a rule fails",
        "HookbudgetRulesFailing",
        &[],
        To("platform-daytime"),
        First("the rule is taken out"),
    ),
    expected(
        "no replica of the webhook",
        "HookbudgetWebhookDown",
        &[],
        To("platform"),
        Back,
    ),
    expected(
        "no exporter",
        "HookbudgetExporterDown",
        &[],
        To("platform-daytime"),
        Back,
    ),
];

/// What happens besides the recorded incidents.
pub(crate) fn jobs() -> Vec<Job> {
    let mut nightly = Job::new("tofu", "nightly-1", State::Ended("OOMKilled", 137, "fetching"));
    nightly.cron = Some("nightly");
    nightly.annotations = json!({});
    let mut burning = Job::new("shop", "burning", State::Waiting);
    (burning.deadline, burning.age) = (300, 250);
    // It burns its budget too: of both alerts the one that says more is told.
    let mut cut = Job::new("shop", "cut", State::Waiting);
    (cut.deadline, cut.age) = (600, 490);
    cut.annotations = json!({"helm.sh/hook": "post-install", "hookbudget.dev/wait": "20m"});
    vec![
        nightly,
        burning,
        cut,
        Job::new(
            "shop",
            "pull-secret",
            State::Held(
                "ErrImagePull",
                "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
            ),
        ),
        Job::new(
            "shop",
            "pull-limit",
            State::Held(
                "ErrImagePull",
                "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit",
            ),
        ),
        Job::new(
            "shop",
            "volume",
            State::Told(
                "FailedAttachVolume",
                "Multi-Attach error for volume \"pvc-1\" Volume is already used by pod(s) other-0",
            ),
        ),
        Job::new(
            "shop",
            "resolve",
            State::Ended("Error", 6, "curl: (6) Could not resolve host: dl.example.org"),
        ),
        Job::new("lost", "lost", State::Lost),
    ]
}

/// What becomes of them, and of the recorded ones: runs that succeed.
pub(crate) fn better() -> Vec<Job> {
    let run = |namespace, name: &str, cron| {
        let mut run = Job::new(namespace, name, State::Succeeded);
        (run.cron, run.age) = (Some(cron), 5);
        run.annotations = json!({});
        run
    };
    let again = |namespace, name: &str| {
        let mut again = Job::new(namespace, name, State::Succeeded);
        (again.again, again.age) = (true, 5);
        again
    };
    vec![
        run("tofu", "nightly-2", "nightly"),
        run("tofu-state", "tf-state-backup-29570880", "tf-state-backup"),
        run("tofu-state", "tf-state-backup-29572320", "tf-state-backup"),
        again("powerdns", "powerdns-zone-bootstrap"),
        again("powerdns", "powerdns-zone-check"),
        again("shop", "pull-secret"),
        again("shop", "volume"),
        again("shop", "resolve"),
        again("lost", "lost"),
        // The same Jobs, which have waited until now.
        Job::new("shop", "burning", State::Succeeded),
        Job::new("shop", "cut", State::Succeeded),
    ]
}

/// Those that somebody deletes.
pub(crate) const DELETED: [(&str, &str); 2] =
    [("tofu-state", "tf-state-backup-29568000"), ("shop", "pull-limit")];

/// What kube-state-metrics says of the Jobs that its own alert is about.
pub(crate) fn kube_state_metrics(failed: &[(&str, &str)]) -> String {
    let line = |(namespace, job): &(&str, &str)| {
        format!("kube_job_failed{{namespace=\"{namespace}\",job_name=\"{job}\",condition=\"true\"}} 1\n")
    };
    failed.iter().map(line).collect()
}

/// Failed Jobs that kube-state-metrics tells of: three that are diagnosed, one that is not, one of a namespace that
/// nobody watches.
pub(crate) const FAILED: [(&str, &str); 5] = [
    ("powerdns", "powerdns-zone-bootstrap"),
    ("tofu-state", "tf-state-backup-29568000"),
    ("shop", "pull-secret"),
    ("shop", "unseen"),
    ("elsewhere", "other"),
];
