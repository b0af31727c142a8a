//! Which reviews are judged at all.

use super::review::Request;
use crate::engine::job::JobKind;

/// Namespaces that are never judged: what repairs the cluster runs there.
const EXEMPT: [&str; 2] = ["kube-system", "kube-node-lease"];

/// A review that is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InScope {
    /// Job or `CronJob`.
    pub(super) kind: JobKind,
    /// `CREATE` or `UPDATE`.
    pub(super) operation: &'static str,
}

/// The kind for a counter's label.
pub(super) fn kind_label(request: &Request<'_>) -> &'static str {
    kind(request).map_or("other", JobKind::as_str)
}

/// What is wrong with a version that is not read here. `matchPolicy: Equivalent` has the API server convert what it
/// serves in other versions, so only a configuration without it sends one.
pub(super) fn unknown_version(request: &Request<'_>) -> Option<String> {
    let version = &request.kind.version.0;
    (version != "v1").then(|| {
        format!("it is of batch/{version}, and batch/v1 is what is read: set matchPolicy: Equivalent")
    })
}

fn kind(request: &Request<'_>) -> Option<JobKind> {
    match (request.kind.group.0.as_ref(), request.kind.kind.0.as_ref()) {
        ("batch", "Job") => Some(JobKind::Job),
        ("batch", "CronJob") => Some(JobKind::CronJob),
        _ => None,
    }
}

/// Jobs on CREATE, `CronJob`s on CREATE and UPDATE, outside exempt namespaces. The template of a Job cannot be
/// changed, and an UPDATE may be the removal of a finalizer that nothing should hold up.
pub(super) fn of(request: &Request<'_>, own_namespace: Option<&str>) -> Option<InScope> {
    let kind = kind(request)?;
    let operation = match (request.operation.0.as_ref(), kind) {
        ("CREATE", _) => "CREATE",
        ("UPDATE", JobKind::CronJob) => "UPDATE",
        _ => return None,
    };
    let part = request
        .sub_resource
        .as_ref()
        .is_some_and(|part| !part.0.is_empty());
    let namespace = request.namespace.as_ref().map_or("", |name| name.0.as_ref());
    let exempt = EXEMPT.contains(&namespace) || own_namespace == Some(namespace);
    (!part && !exempt).then_some(InScope { kind, operation })
}
