//! One Job, judged: what `lint`, the webhook and the exporter all call.

use std::sync::Arc;

use serde::Serialize;

use super::budget::{Clocks, ContainerReading};
use super::cold_start::ColdStart;
use super::exemption::{self, Exemption};
use super::finding::{Decision, Finding, decide};
use super::job::{Container, Job, Origin};
use super::judge::judge;
use super::policy::{Mode, Policy};
use super::release::{Surroundings, release_of};
use super::rule::Context;
use super::shell::{self, Files, Reading};

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
    /// The answer under a mode.
    #[must_use]
    pub fn decision(&self, job: &Job<'_>, mode: Mode) -> Decision {
        let owned_by_cron = job.cron.is_none() && job.origin() == Origin::CronJob;
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

/// Reads the waits of a Job, sets its clocks side by side and judges them.
#[must_use]
pub fn assess(job: &Job<'_>, around: Surroundings<'_>, policy: &Policy) -> Assessment {
    assess_with(job, around, policy, |container, files| {
        shell::read_container(container, files).into()
    })
}

/// As [`assess`], with somebody else who reads the containers: [`shell::Readings`] remembers them.
#[must_use]
pub fn assess_with(
    job: &Job<'_>,
    around: Surroundings<'_>,
    policy: &Policy,
    read: impl Fn(&Container<'_>, Files<'_>) -> Arc<Reading>,
) -> Assessment {
    let files = Files::of(job, around.inventory);
    let readings: Vec<_> = job
        .containers()
        .map(|(init, index, container)| ContainerReading {
            name: container.name.to_string(),
            pointer: job.container_pointer(init, index),
            init,
            sidecar: init && container.is_sidecar(),
            reading: read(container, files),
        })
        .collect();
    let release = release_of(job, around, policy);
    let cold_start = ColdStart::of(job, &readings, around, policy);
    let clocks = Clocks::of(job, readings, release, cold_start, policy);
    let (findings, exemptions) = judge(&Context {
        job,
        clocks: &clocks,
        around,
        policy,
        exemptions: &exemption::of(job, around.now),
    });
    Assessment {
        clocks,
        findings,
        exemptions,
    }
}
