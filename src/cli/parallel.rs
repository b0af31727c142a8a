//! The same work on many things, on all cores, with the results in the order of the things.

use rayon::prelude::*;

/// Fewer things than this are not worth the start of threads: `simulate` of one Job must not pay for them.
const WORTH_IT: usize = 8;

/// What `work` makes of each thing, in their order.
pub(super) fn in_order<T: Send, R: Send>(things: Vec<T>, work: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    if things.len() < WORTH_IT {
        things.into_iter().map(work).collect()
    } else {
        things.into_par_iter().map(work).collect()
    }
}
