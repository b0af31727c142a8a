//! What goes into the index and what comes out: the one language of live watches and recordings.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::kind::{JobKey, Kind};
use crate::engine::capacity::Capacity;
use crate::engine::evidence::{
    ContainerRecord, ContainerState, Dependency, EventRecord, Lost, ObjectRef, PodRecord, SignatureHit,
};
use crate::engine::signature::Signature;

/// A change of what is known. In JSON: `{"apply": {"kind": "Job", "object": {..}}}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A list of this kind begins: what is not applied before [`Change::End`] is gone.
    Begin(Kind),
    /// An object was listed, added or modified.
    Apply {
        /// Its kind.
        kind: Kind,
        /// The object as the API server sent it.
        object: Box<RawValue>,
    },
    /// An object is gone.
    Delete {
        /// Its kind.
        kind: Kind,
        /// Its last state.
        object: Box<RawValue>,
    },
    /// An object is gone, and nobody saw it go.
    Gone {
        /// Its kind.
        kind: Kind,
        /// Its metadata.
        object: Box<RawValue>,
    },
    /// The list is complete.
    End(Kind),
    /// The cluster does not have this kind.
    Absent(Kind),
    /// A watch does not get through. It goes on by itself, and says so again as long as it does not.
    Interrupted {
        /// Its kind.
        kind: Kind,
        /// True when the API server refuses the permission, rather than not answering.
        forbidden: bool,
    },
    /// A container wrote lines.
    Log {
        /// Which run of which container.
        #[serde(flatten)]
        log: LogKey,
        /// The lines, oldest first.
        lines: Vec<LogLine>,
    },
    /// The log of one run has been read to its end.
    LogEnd(LogKey),
    /// A log could not be read.
    LogLost {
        /// Which run of which container.
        #[serde(flatten)]
        log: LogKey,
        /// Why.
        why: String,
    },
    /// What a Job waits for was looked at.
    Dependency {
        /// The Job.
        job: JobKey,
        /// What was found.
        dependency: Box<Dependency>,
        /// Events about the Pods behind it.
        #[serde(default)]
        events: Vec<EventRecord>,
    },
    /// The objects of the policy's signatures were looked at.
    Signatures {
        /// The Job.
        job: JobKey,
        /// Those that match.
        found: Vec<SignatureHit>,
        /// What could not be looked at.
        #[serde(default)]
        lost: Vec<Lost>,
    },
    /// The room that a Job's Pods, or those of what it waits for, ask for was worked out.
    Capacity {
        /// The Job.
        job: JobKey,
        /// What was found.
        capacity: Box<Capacity>,
    },
}

/// One run of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogKey {
    /// The namespace.
    pub namespace: String,
    /// The Pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Which run: 0 for the first.
    #[serde(default)]
    pub attempt: u32,
}

impl LogKey {
    /// The run of a container that has begun last, where one has, and the one before it.
    pub(crate) fn runs(pod: &PodRecord, container: &ContainerRecord) -> (Option<Self>, Option<Self>) {
        let run = |attempt| Self {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            container: container.name.clone(),
            attempt,
        };
        let has_begun = matches!(
            container.state,
            ContainerState::Running { .. } | ContainerState::Terminated(_)
        );
        let before = container.restarts.checked_sub(1).map(run);
        (has_begun.then(|| run(container.restarts)), before)
    }
}

/// One line of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The text without its line end.
    pub text: String,
}

/// What the index asks of whoever drives it. A recording has nothing to add and passes over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the log of the present run and go on reading until it ends.
    Follow(LogKey),
    /// Read the log of the run before the present one, while the kubelet still has it.
    Previous(LogKey),
    /// Look at what a Job waits for.
    Inspect {
        /// The Job.
        job: JobKey,
        /// The namespace of the Service.
        namespace: String,
        /// The Service.
        service: String,
        /// As the Job names it.
        target: String,
        /// How old the answer may be.
        within: Duration,
    },
    /// Look at the objects of the policy's signatures.
    Signatures(SignatureAsk),
    /// Look at what a release that is not ready has installed.
    InspectRelease {
        /// The Job.
        job: JobKey,
        /// The release.
        release: ObjectRef,
        /// The namespace that it goes into.
        namespace: String,
        /// The name that Helm knows it by.
        helm: String,
    },
    /// Look at what the Kustomization that brings the Job's release waits for.
    InspectKustomization {
        /// The Job.
        job: JobKey,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Work out the room that Pods of the Job ask for in vain.
    InspectRoom {
        /// The Job.
        job: JobKey,
        /// The Pods.
        pods: Vec<ObjectRef>,
    },
}

/// A look at the objects of the policy's signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureAsk {
    /// The Job.
    pub job: JobKey,
    /// The namespaces of the Services that it waits for or calls.
    pub namespaces: Vec<String>,
    /// The signatures.
    pub signatures: Arc<[Signature]>,
    /// How old the answer may be.
    pub within: Duration,
}
