#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    hookbudget_fuzz::targets::patch(data);
});

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    hookbudget_fuzz::driver::main("patch", hookbudget_fuzz::targets::patch)
}
