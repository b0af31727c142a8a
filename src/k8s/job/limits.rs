//! What is too large to be a Job that anybody runs.

use std::fmt;

use super::Problems;
use crate::engine::job::Pairs;

/// Bytes of all keys and values of an object's annotations (`TotalAnnotationSizeLimitB`,
/// `k8s.io/apimachinery/pkg/api/validation/objectmeta.go`).
const ANNOTATIONS: usize = 256 * 1024;

/// An object with more of them never comes to be; whatever is read out of annotations is bounded by this.
pub(super) fn annotations(pairs: &Pairs<'_>, metadata: fmt::Arguments<'_>, problems: &mut Problems) {
    let bytes: usize = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ANNOTATIONS {
        problems.add(
            format!("{metadata}/annotations"),
            format!("hold {bytes} bytes: the API server takes at most {ANNOTATIONS}"),
        );
    }
}

/// Containers of a Pod, init containers among them. The API has no limit of its own, and the largest Pods have a few
/// dozen; what is done about each container may look at every other one.
const CONTAINERS: usize = 256;

/// A Pod with more of them is not looked at.
pub(super) fn containers(number: usize, pod: impl fmt::Display, problems: &mut Problems) {
    if number > CONTAINERS {
        problems.add(
            format!("{pod}/containers"),
            format!("and initContainers are {number}: at most {CONTAINERS} are looked at"),
        );
    }
}
