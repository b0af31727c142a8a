//! What the API server's refusals say of what is written next.

use kube::Error;

/// What a write that failed says of others. One that stands for itself must not hold them up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The namespace goes or is gone, and takes its diagnoses along.
    Gone,
    /// This object as it is: it would be refused again.
    Object,
    /// What is written into this namespace is likely to fail, elsewhere not.
    Namespace,
    /// Whatever is written next is likely to fail as well.
    All,
}

pub(super) fn refused(error: &Error) -> Refused {
    let Error::Api(status) = error else {
        return Refused::All;
    };
    let of_namespace = || {
        let details = status.details.as_ref();
        details.is_some_and(|details| details.kind == "namespaces")
    };
    match status.code {
        403 if status.message.contains("being terminated") => Refused::Gone,
        404 if of_namespace() => Refused::Gone,
        400 | 413 | 422 => Refused::Object,
        // Nobody in, no such kind, and too much at once.
        401 | 404 | 405 | 429 => Refused::All,
        // A quota, a policy or a missing role; a webhook of somebody's.
        _ => Refused::Namespace,
    }
}

/// The kind is not there, or not allowed: another try will not change that soon.
pub(super) fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Api(status) if matches!(status.code, 401 | 403 | 404 | 405))
}
