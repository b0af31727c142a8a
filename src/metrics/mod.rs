//! The exporter's metrics: families as table entries, written from a snapshot of the index at scrape.
//!
//! No family keeps a value of its own, and none does I/O but those of the process, which read `/proc`: what the index
//! does not hold any more is not exported any more, so nothing goes stale after a relist.

mod families;
mod family;
mod http;
mod needed;
pub mod process;
mod selection;
mod text;

pub use families::FAMILIES;
pub use family::{Family, Type};
pub use http::router;
pub use needed::needed;
pub use selection::{Missed, Selection, pattern, unmatched};
pub use text::{Exposition, Format};

/// Every family's name, as a query spells it, and its labels.
#[must_use]
pub fn registry() -> Vec<(&'static str, &'static [&'static str])> {
    FAMILIES
        .iter()
        .map(|family| (family.name, family.labels))
        .collect()
}
