//! The scripts of `tests/fixtures/scripts`, and short ways to read one.
#![allow(dead_code)] // each test binary uses some of it
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests

use hookbudget::engine::shell::{EnvValue, Reading, Wait, read};
use hookbudget::engine::{Limit, Seconds};

/// The manifest sets nothing.
pub(crate) const NO_ENV: &dyn Fn(&str) -> EnvValue<'static> = &|_| EnvValue::Unset;

/// Reads a script without any environment.
pub(crate) fn script(text: &str) -> Reading {
    read(&["sh", "-c", text], &[], NO_ENV)
}

/// The only wait of a script.
pub(crate) fn only(text: &str) -> Wait {
    let reading = script(text);
    let [wait] = reading.waits.as_slice() else {
        panic!("not one wait but {reading:#?} in {text}");
    };
    wait.clone()
}

/// A script of `tests/fixtures/scripts` with what its first lines say of it.
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Fixture {
    /// What the line `# KEY: VALUE` says.
    pub(crate) fn says(&self, key: &str) -> Option<&str> {
        let lines = self.text.lines().map_while(|line| line.strip_prefix("# "));
        lines
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// The span that the line `# KEY: VALUE` states.
    pub(crate) fn limit(&self, key: &str) -> Limit {
        let value = self
            .says(key)
            .unwrap_or_else(|| panic!("{}: `# {key}: ` is missing", self.name));
        let seconds = value.strip_suffix(" s").map(|number| number.parse().unwrap());
        assert!(
            seconds.is_some() || value == "without end",
            "{}: {value}",
            self.name
        );
        Limit::from(seconds.and_then(Seconds::from_f64))
    }
}

/// All of them, by name.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/scripts");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let fixture = |path: &std::path::PathBuf| Fixture {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        text: std::fs::read_to_string(path).unwrap(),
    };
    files.iter().map(fixture).collect()
}

/// The text of one.
pub(crate) fn fixture(name: &str) -> String {
    fixtures()
        .into_iter()
        .find(|fixture| fixture.name == name)
        .expect(name)
        .text
}
