//! The kinds that are watched, and the names of objects.

use serde::{Deserialize, Serialize};

/// What is watched. Events come by the kind that they are about: the API server can select them by that, and
/// the rest of a cluster's events is of no use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// `batch/v1` Job.
    Job,
    /// `v1` Pod with the label of a Job.
    Pod,
    /// `batch/v1` `CronJob`.
    CronJob,
    /// Flux `HelmRelease`, where the cluster has them.
    HelmRelease,
    /// Events about Jobs.
    JobEvent,
    /// Events about Pods.
    PodEvent,
    /// Events about `CronJob`s.
    CronJobEvent,
    /// Flux `Kustomization`, where the cluster has them.
    Kustomization,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Job,
        Self::Pod,
        Self::CronJob,
        Self::HelmRelease,
        Self::JobEvent,
        Self::PodEvent,
        Self::CronJobEvent,
        Self::Kustomization,
    ];

    /// True for a kind of another product, which a cluster need not have.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::HelmRelease | Self::Kustomization)
    }

    /// The value of the label `kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "Job",
            Self::Pod => "Pod",
            Self::CronJob => "CronJob",
            Self::HelmRelease => "HelmRelease",
            Self::JobEvent => "JobEvent",
            Self::PodEvent => "PodEvent",
            Self::CronJobEvent => "CronJobEvent",
            Self::Kustomization => "Kustomization",
        }
    }

    /// Its place in [`Self::ALL`].
    pub(super) const fn slot(self) -> usize {
        self as usize
    }
}

/// Names an object of a kind that is understood from the place.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobKey {
    /// The namespace.
    pub namespace: Box<str>,
    /// The name.
    pub name: Box<str>,
}

impl JobKey {
    /// The object `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}
