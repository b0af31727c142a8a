//! Where on the page a Job stands.

use jiff::Timestamp;

use super::filter::{Filter, blamed};
use crate::engine::diagnosis::{JobPhase, Verdict};
use crate::index::{JobView, Snapshot};

/// A section of the page, in its order: what can still be helped stands above what is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Waiting,
    Failed,
    Suspended,
    Succeeded,
}

impl Group {
    pub(super) const ALL: [Self; 4] = [Self::Waiting, Self::Failed, Self::Suspended, Self::Succeeded];

    /// The value of the filter, and the id of the section.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Suspended => "suspended",
            Self::Succeeded => "succeeded",
        }
    }

    /// The heading.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Failed => "Failed",
            Self::Suspended => "Suspended",
            Self::Succeeded => "Succeeded",
        }
    }

    /// The section of a Job; `None` for one that succeeded and that nobody waited for.
    pub(super) fn of(job: &JobView) -> Option<Self> {
        if job.root_cause().is_some() {
            return Some(Self::Failed);
        }
        match job.phase {
            JobPhase::Waiting => Some(Self::Waiting),
            JobPhase::Suspended => Some(Self::Suspended),
            JobPhase::Succeeded => job.spec.matters.then_some(Self::Succeeded),
            JobPhase::Failed | JobPhase::Missing => Some(Self::Failed),
        }
    }
}

/// The Jobs of one section.
pub(super) struct Members<'s> {
    pub(super) group: Group,
    /// Those that the filter lets through, in the order of the page.
    pub(super) jobs: Vec<&'s JobView>,
    /// How many there are without it.
    pub(super) all: usize,
}

/// The Jobs by section.
pub(super) fn groups<'s>(snapshot: &'s Snapshot, filter: &Filter) -> [Members<'s>; 4] {
    let mut groups = Group::ALL.map(|group| Members {
        group,
        jobs: Vec::new(),
        all: 0,
    });
    for job in &snapshot.jobs {
        let Some(group) = Group::of(job) else { continue };
        let members = &mut groups[group as usize];
        members.all += 1;
        if filter.wants(job, group) {
            members.jobs.push(job);
        }
    }
    for members in &mut groups {
        match members.group {
            // The one that ends first is the one to look at; what nothing ends comes last.
            Group::Waiting => members
                .jobs
                .sort_by_key(|job| job.gives_up().map_or(Timestamp::MAX, |(_, at)| at)),
            // What asks for somebody comes first, then the newest.
            Group::Failed => members.jobs.sort_by_cached_key(|job| {
                (
                    needs_nobody(snapshot, job),
                    std::cmp::Reverse(job.ended().or(job.started())),
                )
            }),
            Group::Suspended | Group::Succeeded => members
                .jobs
                .sort_by_key(|job| std::cmp::Reverse(job.ended().or(job.started()))),
        }
    }
    groups
}

/// True where nobody has to act: the verdict says so, or a later run has succeeded.
pub(super) fn needs_nobody(snapshot: &Snapshot, job: &JobView) -> bool {
    let verdict = blamed(job).map(|found| found.verdict);
    let is_quiet = matches!(
        verdict,
        Some(Verdict::Transient | Verdict::Cosmetic | Verdict::Parked)
    );
    is_quiet || snapshot.later_success(job).is_some()
}
