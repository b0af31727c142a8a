//! The wait helper that runs inside containers.
fn main() {}
