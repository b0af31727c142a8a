//! One Job, judged: what `lint`, the webhook and the exporter all call.

use std::sync::Arc;

use serde::Serialize;

use super::budget::{Clocks, ContainerReading};
use super::cold_start::ColdStart;
use super::exemption::{self, Exemption};
use super::finding::{Decision, Finding, decide};
use super::job::{Container, Job, Owner};
use super::judge::judge;
use super::policy::{Mode, Policy};
use super::release::{Surroundings, release_of};
use super::rule::{Context, Told};
use super::shell::{self, Files, Reading};
use super::words::Page;

/// The clocks of a Job and the findings about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Its clocks, side by side.
    pub clocks: Clocks,
    /// What the rules have to say, the worst first.
    pub findings: Vec<Finding>,
    /// What became of the Job's exemptions.
    pub exemptions: Vec<Exemption>,
}

/// What the webhook answers under each mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Decisions {
    /// Under `audit`.
    pub audit: Decision,
    /// Under `warn`.
    pub warn: Decision,
    /// Under `enforce`.
    pub enforce: Decision,
}

impl Assessment {
    /// Judges the Job once more, to tell more of each finding; by the surroundings and the policy of before.
    pub fn judge(&mut self, job: &Job<'_>, around: Surroundings<'_>, policy: &Policy, told: Told) {
        let page = Page::default();
        let context = Context {
            job,
            clocks: &self.clocks,
            around,
            policy,
            exemptions: &exemption::of(job, around.now),
            told,
            page: &page,
        };
        (self.findings, self.exemptions) = judge(&context, std::mem::take(&mut self.findings));
        page.finish(self.findings.iter_mut().flat_map(Finding::words));
    }

    /// The answer under a mode.
    #[must_use]
    pub fn decision(&self, job: &Job<'_>, mode: Mode) -> Decision {
        // By its owner, not its origin: a CronJob that is a hook itself has Jobs that look like hooks.
        let owned_by_cron = job.cron.is_none() && job.owner.as_ref().is_some_and(Owner::is_cron_job);
        decide(&self.findings, mode, owned_by_cron)
    }

    /// The answers under every mode that judges.
    #[must_use]
    pub fn decisions(&self, job: &Job<'_>) -> Decisions {
        Decisions {
            audit: self.decision(job, Mode::Audit),
            warn: self.decision(job, Mode::Warn),
            enforce: self.decision(job, Mode::Enforce),
        }
    }
}

/// The most waits of one Job that are judged: each may lead to findings, and scripts can hold tens of thousands. The
/// containers after them count as not looked into.
const MOST_WAITS: usize = 1_024;

/// Reads the waits of a Job, sets its clocks side by side and judges them.
#[must_use]
pub fn assess(job: &Job<'_>, around: Surroundings<'_>, policy: &Policy) -> Assessment {
    assess_with(job, around, policy, Told::Everything, |container, files| {
        shell::read_container(container, files).into()
    })
}

/// As [`assess`], with as much of each finding as is wanted, and with somebody else who reads the containers:
/// [`shell::Readings`] remembers them.
#[must_use]
pub fn assess_with(
    job: &Job<'_>,
    around: Surroundings<'_>,
    policy: &Policy,
    told: Told,
    read: impl Fn(&Container<'_>, Files<'_>) -> Arc<Reading>,
) -> Assessment {
    let files = Files::of(job, around.inventory);
    let mut waits = 0;
    let mut read = |container: &Container<'_>| {
        if waits >= MOST_WAITS {
            return Arc::default();
        }
        let reading = read(container, files);
        waits += reading.waits.len();
        reading
    };
    let readings: Vec<_> = job
        .containers()
        .map(|(init, index, container)| ContainerReading {
            name: container.name.to_string(),
            pointer: job.container_pointer(init, index),
            init,
            sidecar: init && container.is_sidecar(),
            reading: read(container),
        })
        .collect();
    let release = release_of(job, around, policy);
    let cold_start = ColdStart::of(job, &readings, around, policy);
    let clocks = Clocks::of(job, readings, release, cold_start, policy);
    let mut assessment = Assessment {
        clocks,
        findings: Vec::new(),
        exemptions: Vec::new(),
    };
    assessment.judge(job, around, policy, told);
    assessment
}
