//! The `hookbudget` command: dispatch and nothing else.
fn main() {}
