//! How long the thing that a Job waits for may take to come up, and who says so.

use std::fmt;

use super::Seconds;
use super::budget::ContainerReading;
use super::inventory::NeighbourKind;
use super::job::Job;
use super::policy::Policy;
use super::release::Surroundings;
use super::shell::Target;

/// The annotation that states it, on the Job, its namespace, or the dependency.
pub const ANNOTATION: &str = "hookbudget.dev/cold-start";

/// How long a dependency may take to come up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColdStart {
    /// The span, from the Job's start on.
    pub span: Seconds,
    /// Who says it.
    pub source: ColdStartSource,
}

/// Who says how long a cold start may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColdStartSource {
    /// The annotation of the Job or of its Pod template.
    Job,
    /// The annotation of the Service, Deployment or `StatefulSet` that the Job waits for.
    Dependency {
        /// Its kind.
        kind: NeighbourKind,
        /// Its name.
        name: String,
    },
    /// The annotation of the namespace.
    Namespace,
    /// The policy's `coldStart`.
    Policy,
}

impl fmt::Display for ColdStartSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job => write!(f, "annotation {ANNOTATION} of the Job"),
            Self::Dependency { kind, name } => {
                write!(f, "annotation {ANNOTATION} of {} {name}", kind.as_str())
            }
            Self::Namespace => write!(f, "annotation {ANNOTATION} of the namespace"),
            Self::Policy => f.write_str("coldStart of the policy"),
        }
    }
}

impl ColdStart {
    /// True when an annotation states it; false for the policy's general demand.
    #[must_use]
    pub fn is_stated(&self) -> bool {
        self.source != ColdStartSource::Policy
    }

    /// Looks it up: the Job's annotation, the longest one of what the Job waits for or calls, the namespace's,
    /// the policy's. A value that is no duration above zero counts as absent.
    #[must_use]
    pub fn of(
        job: &Job<'_>,
        readings: &[ContainerReading],
        around: Surroundings<'_>,
        policy: &Policy,
    ) -> Self {
        let own = job.annotation(ANNOTATION).and_then(parse);
        let found = own
            .map(|span| (span, ColdStartSource::Job))
            .or_else(|| of_dependency(job, readings, around))
            .or_else(|| Some((around.namespace_cold_start?, ColdStartSource::Namespace)));
        let (span, source) = found.unwrap_or((policy.cold_start, ColdStartSource::Policy));
        Self { span, source }
    }
}

/// Reads the annotation's value.
#[must_use]
pub fn parse(text: &str) -> Option<Seconds> {
    Seconds::parse_go(text).ok().filter(|span| *span > Seconds::ZERO)
}

fn of_dependency(
    job: &Job<'_>,
    readings: &[ContainerReading],
    around: Surroundings<'_>,
) -> Option<(Seconds, ColdStartSource)> {
    const KINDS: [NeighbourKind; 3] = [
        NeighbourKind::Service,
        NeighbourKind::Deployment,
        NeighbourKind::StatefulSet,
    ];
    let inventory = around.inventory?;
    let stated = |target: &Target| {
        let (name, namespace) = target.service()?;
        let namespace = namespace.or(job.namespace.as_deref());
        let of = |kind| {
            let span = inventory
                .find(kind, namespace, name)?
                .annotation(ANNOTATION)
                .and_then(parse)?;
            let name = name.to_owned();
            Some((span, ColdStartSource::Dependency { kind, name }))
        };
        KINDS.into_iter().find_map(of)
    };
    readings
        .iter()
        .filter(|container| !container.sidecar)
        .flat_map(|container| {
            let waits = container.reading.waits.iter();
            let targets = waits.filter_map(|wait| wait.target.as_ref());
            let probes = container
                .reading
                .waits
                .iter()
                .filter_map(|wait| wait.probe.as_ref());
            targets.chain(
                probes
                    .chain(&container.reading.calls)
                    .filter_map(|call| call.target.as_ref()),
            )
        })
        .filter_map(stated)
        .max_by_key(|(span, _)| *span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::assess;
    use crate::engine::inventory::{Inventory, Neighbour};
    use crate::engine::job::{Container, Mount, PodTemplate, Volume, VolumeSource};

    fn cold_start(
        annotation: Option<&'static str>,
        script: &'static str,
        namespace: Option<i64>,
    ) -> ColdStart {
        let mut inventory = Inventory::default();
        for (kind, name, span) in [
            (NeighbourKind::Service, "catalog", "12m"),
            (NeighbourKind::StatefulSet, "db", "20m"),
            (NeighbourKind::Deployment, "web", "soon"),
        ] {
            inventory.add(Neighbour {
                kind,
                namespace: None,
                name: name.into(),
                labels: Vec::new(),
                annotations: vec![(ANNOTATION.into(), span.into())],
                data: Vec::new(),
            });
        }
        let container = Container {
            command: ["sh", "-c", script].map(Into::into).to_vec(),
            ..Container::default()
        };
        let job = Job {
            annotations: annotation
                .map(|span| (ANNOTATION.into(), span.into()))
                .into_iter()
                .collect(),
            pod: PodTemplate {
                containers: vec![container],
                ..PodTemplate::default()
            },
            ..Job::default()
        };
        found(&job, &inventory, namespace)
    }

    /// As a Job is judged: with the scripts that its containers mount.
    fn found(job: &Job<'_>, inventory: &Inventory<'_>, namespace: Option<i64>) -> ColdStart {
        let around = Surroundings {
            namespace_cold_start: namespace.map(Seconds::new),
            inventory: Some(inventory),
            ..Surroundings::default()
        };
        assess(job, around, &Policy::default()).clocks.cold_start
    }

    #[test]
    fn the_script_that_an_init_container_mounts_names_a_dependency_too() {
        let neighbour = |kind, name: &'static str| Neighbour {
            kind,
            namespace: None,
            name: name.into(),
            labels: Vec::new(),
            annotations: Vec::new(),
            data: Vec::new(),
        };
        let mut inventory = Inventory::default();
        inventory.add(Neighbour {
            annotations: vec![(ANNOTATION.into(), "20m".into())],
            ..neighbour(NeighbourKind::StatefulSet, "db")
        });
        inventory.add(Neighbour {
            data: vec![(
                "wait.sh".into(),
                "until nc -z -w 3 db 5432; do sleep 5; done".into(),
            )],
            ..neighbour(NeighbourKind::ConfigMap, "scripts")
        });
        let init = Container {
            name: "prepare".into(),
            command: ["sh", "/scripts/wait.sh"].map(Into::into).to_vec(),
            mounts: vec![Mount {
                volume: "scripts".into(),
                path: "/scripts".into(),
                sub_path: None,
            }],
            ..Container::default()
        };
        let job = Job {
            pod: PodTemplate {
                init_containers: vec![init],
                containers: vec![Container::default()],
                volumes: vec![Volume {
                    name: "scripts".into(),
                    source: VolumeSource::ConfigMap("scripts".into()),
                    items: Vec::new(),
                    mode: None,
                }],
                ..PodTemplate::default()
            },
            ..Job::default()
        };
        let found = found(&job, &inventory, None);
        assert_eq!(found.span.whole(), 1200, "{}", found.source);
    }

    #[test]
    fn the_nearest_statement_wins_and_of_two_dependencies_the_slower() {
        let calls = "curl -f http://catalog:8080/; until nc -z -w 3 db.shop.svc 5432; do sleep 5; done";
        for (annotation, script, namespace, span, source) in [
            (
                Some("15m"),
                calls,
                Some(60),
                900,
                "annotation hookbudget.dev/cold-start of the Job",
            ),
            (
                Some("later"),
                "true",
                Some(60),
                60,
                "annotation hookbudget.dev/cold-start of the namespace",
            ),
            (
                None,
                calls,
                Some(60),
                1200,
                "annotation hookbudget.dev/cold-start of StatefulSet db",
            ),
            (
                None,
                "curl http://catalog",
                None,
                720,
                "annotation hookbudget.dev/cold-start of Service catalog",
            ),
            (None, "curl http://web", None, 600, "coldStart of the policy"),
            (
                None,
                "curl http://example.com/catalog",
                None,
                600,
                "coldStart of the policy",
            ),
        ] {
            let found = cold_start(annotation, script, namespace);
            assert_eq!(
                (found.span.whole(), found.source.to_string().as_str()),
                (span, source),
                "{script}"
            );
        }
    }
}
