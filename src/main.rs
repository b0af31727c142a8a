//! The `hookbudget` command: dispatch and nothing else.

use std::process::ExitCode;

/// A fifth of the time of `lint` goes with the system's allocator (docs/design/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hookbudget::cli::main()
}
