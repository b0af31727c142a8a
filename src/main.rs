//! The `hookbudget` command: dispatch and nothing else.

use std::process::ExitCode;

/// Quick for `lint`, and close around what the index holds of very many Jobs (docs/design/performance.md, "Allocators").
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    hookbudget::cli::main()
}
