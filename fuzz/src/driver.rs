//! Runs a target without instrumentation, on any toolchain: inputs from the seeds are changed at random, and those
//! that are answered in a new way are changed further.

use std::collections::HashSet;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::mutate::{Random, mutated};

/// No input may take longer, of a processor's time: on a busy machine every input may take long by the clock.
const SLOWEST: Duration = Duration::from_secs(1);

/// The most memory that the process may have had, in KiB.
const LARGEST: u64 = 512 * 1024;

/// The most inputs that are kept for changing.
const MOST_KEPT: usize = 4_096;

/// The stack of a worker thread (`std::thread`): what the servers give to the engine.
const STACK: usize = 2 * 1024 * 1024;

struct Options {
    seconds: u64,
    seed: u64,
    files: Vec<PathBuf>,
}

/// `TARGET [--seconds N] [--seed N] [FILE..]`: files are run once each, which repeats a failure.
pub fn main(name: &'static str, target: fn(&[u8]) -> u64) -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{name}: {why}\nusage: {name} [--seconds N] [--seed N] [FILE..]");
            return ExitCode::from(2);
        }
    };
    let run = move || {
        if options.files.is_empty() {
            fuzz(name, target, &options)
        } else {
            options.files.iter().all(|file| repeat(target, file))
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(run);
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        seconds: 60,
        seed: 1,
        files: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let text = arguments.next().unwrap_or_default();
            text.parse().map_err(|_| format!("{argument} needs a number"))
        };
        match argument.as_str() {
            "--seconds" => options.seconds = number()?,
            "--seed" => options.seed = number()?,
            flag if flag.starts_with('-') => return Err(format!("{flag} is no flag")),
            file => options.files.push(file.into()),
        }
    }
    Ok(options)
}

fn repeat(target: fn(&[u8]) -> u64, file: &Path) -> bool {
    let Ok(data) = std::fs::read(file) else {
        eprintln!("{} cannot be read", file.display());
        return false;
    };
    let start = Timer::start();
    target(&data);
    let took = start.elapsed();
    println!("{}: {took:?}", file.display());
    took < SLOWEST
}

fn fuzz(name: &str, target: fn(&[u8]) -> u64, options: &Options) -> bool {
    let mut kept = seeds(name);
    let artifacts = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(name);
    // What runs stands here, for the case that the whole process dies.
    let current = artifacts.join("current");
    let opened = std::fs::create_dir_all(&artifacts).and_then(|()| std::fs::File::create(&current));
    let Ok(file) = opened else {
        eprintln!("{} cannot be written", current.display());
        return false;
    };
    let mut random = Random(options.seed);
    let (mut marks, mut runs, mut failures) = (HashSet::new(), 0_u64, 0);
    let mut slowest = Duration::ZERO;
    let start = Instant::now();
    let (mut first, seeds) = (0, kept.len());
    while start.elapsed() < Duration::from_secs(options.seconds) && failures < 10 {
        let data = if first < seeds {
            first += 1;
            kept[first - 1].clone()
        } else {
            let (input, other) = (random.below(kept.len()), random.below(kept.len()));
            mutated(&mut random, &kept[input], &kept[other])
        };
        let _ = file
            .set_len(data.len() as u64)
            .and_then(|()| file.write_all_at(&data, 0));
        let began = Timer::start();
        let result = catch_unwind(AssertUnwindSafe(|| target(&data)));
        let took = began.elapsed();
        slowest = slowest.max(took);
        runs += 1;
        let why = match result {
            Err(_) => Some("crash"),
            Ok(_) if took > SLOWEST => Some("slow"),
            Ok(mark) => {
                if marks.insert(mark) && first == seeds && kept.len() < MOST_KEPT {
                    kept.push(data.clone());
                }
                None
            }
        };
        if let Some(why) = why {
            failures += 1;
            let path = artifacts.join(format!("{why}-{}-{runs}", options.seed));
            let _ = std::fs::write(&path, &data);
            eprintln!("{name}: {why} after {took:?}: {}", path.display());
        }
    }
    let memory = peak_memory();
    println!(
        "{name}: {runs} inputs in {:.0} s ({seeds} seeds, {} ways to be answered), the slowest {slowest:.1?}, at most {} MiB, {failures} failures",
        start.elapsed().as_secs_f64(),
        marks.len(),
        memory / 1024
    );
    if memory > LARGEST {
        eprintln!("{name}: more than {} MiB", LARGEST / 1024);
    }
    let _ = std::fs::remove_file(&current);
    failures == 0 && memory <= LARGEST
}

/// The project's own fixtures, and what was found before.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directories: &[&str] = match name {
        "shell" => &["../tests/fixtures/scripts"],
        "yaml" => &[
            "../tests/fixtures/manifests",
            "../tests/fixtures/rules",
            "../tests/fixtures/mounted",
        ],
        _ => &[],
    };
    let mut seeds = Vec::new();
    for directory in directories {
        collect(&root.join(directory), &mut seeds);
    }
    collect(&root.join("corpus").join(name), &mut seeds);
    if name == "duration" {
        let texts = [
            "15m0s",
            "1h",
            "1.5h",
            "-1.5h",
            "300ms",
            "2h45m30.5s",
            "1us",
            "1\u{b5}s",
            "0",
            "5m",
            "infinity",
            "1e3",
            ".5s",
        ];
        seeds.extend(texts.map(|text| text.as_bytes().to_vec()));
    }
    if seeds.is_empty() {
        seeds.push(b"x".to_vec());
    }
    seeds
}

fn collect(directory: &Path, seeds: &mut Vec<Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, seeds);
        } else if let Ok(data) = std::fs::read(&path) {
            seeds.push(data);
        }
    }
}

/// Takes the time of a processor that this thread has had; the clock's where the system does not tell.
struct Timer {
    clock: Instant,
    processor: Option<Duration>,
}

impl Timer {
    fn start() -> Self {
        Self {
            clock: Instant::now(),
            processor: processor_time(),
        }
    }

    fn elapsed(&self) -> Duration {
        match (self.processor, processor_time()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => self.clock.elapsed(),
        }
    }
}

/// The first number of Linux's `schedstat`: nanoseconds.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// `VmHWM` of this process in KiB; 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
