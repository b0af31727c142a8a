//! What commands print.

pub mod bars;
pub mod diagnosis;
pub mod finding;
pub mod fixes;
pub mod github;
pub mod json;
pub mod junit;
pub mod lint_text;
pub mod page;
pub mod paint;
pub mod sarif;
pub mod statistics;
pub mod story;
pub mod svg;
pub mod timeline;
