//! Writes made-up manifests of about 4 KB each for measurements, the same ones for the same seed:
//!
//! ```text
//! cargo run --release --example manifests -- 1000 7 /tmp/manifests
//! cargo run --release --example manifests -- 100000 7 /tmp/all.yaml
//! ```
//!
//! A last argument that ends in `.yaml` is one file that holds all of them; anything else is a directory.

mod generate;

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [count, seed, target] = arguments.as_slice() else {
        return usage("three arguments are wanted");
    };
    let (Ok(count), Ok(seed)) = (count.parse(), seed.parse()) else {
        return usage("COUNT and SEED are whole numbers");
    };
    match write(count, seed, Path::new(target)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => usage(&format!("{target} cannot be written: {error}")),
    }
}

fn usage(wrong: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "{wrong}: manifests COUNT SEED DIRECTORY|FILE.yaml");
    ExitCode::from(2)
}

fn write(count: u32, seed: u64, target: &Path) -> io::Result<()> {
    if target.extension().is_some_and(|extension| extension == "yaml") {
        let mut out = BufWriter::new(fs::File::create(target)?);
        for number in 0..count {
            write!(out, "---\n{}", generate::manifest(seed, number))?;
        }
        return out.flush();
    }
    fs::create_dir_all(target)?;
    for number in 0..count {
        fs::write(
            target.join(format!("{number:05}.yaml")),
            generate::manifest(seed, number),
        )?;
    }
    Ok(())
}
