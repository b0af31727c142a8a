//! What commands print.

pub mod bars;
pub mod diagnosis;
pub mod finding;
pub mod json;
pub mod lint_text;
pub mod page;
pub mod paint;
pub mod story;
pub mod svg;
pub mod timeline;
