//! The wait helper that runs inside containers: waits until what a Job needs is there, within its budget.
fn main() -> std::process::ExitCode {
    hookbudget::wait::main()
}
