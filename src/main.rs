//! The `hookbudget` command: dispatch and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    hookbudget::cli::main()
}
