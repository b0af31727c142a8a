//! What is tried: each target takes any bytes, checks what has to hold of the result, and returns a mark of how the
//! input was answered. Inputs with a new mark are worth changing further.

use std::hash::{DefaultHasher, Hash, Hasher};

use hookbudget::cli::manifest::{PathOrStdin, load_with};
use hookbudget::cli::objects::{Options, judge};
use hookbudget::cli::render::json;
use hookbudget::engine::shell::{EnvValue, Reading, read};
use hookbudget::engine::{Limit, Seconds};

/// The reader of scripts.
pub fn shell(data: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(data) else {
        return 0;
    };
    let env = |name: &str| match name.len() % 3 {
        0 => EnvValue::Known("3"),
        1 => EnvValue::Hidden,
        _ => EnvValue::Unset,
    };
    let reading = read(&["sh", "-c", text], &["name", "argument"], &env);
    check(&reading, text);
    mark_of(&reading)
}

/// What holds for every reading.
fn check(reading: &Reading, text: &str) {
    let lines = text.split('\n').count();
    assert!(reading.waits.len() <= 256 && reading.calls.len() <= 256 && reading.unread.len() <= 300);
    for wait in &reading.waits {
        assert!(wait.span.worst >= wait.span.nominal, "{wait:?}");
        assert!(
            wait.span.nominal >= Limit::At(Seconds::ZERO),
            "a negative wait: {wait:?}"
        );
        assert!(wait.place.line < lines, "{wait:?}");
        assert!(!wait.arithmetic.is_empty(), "{wait:?}");
        assert!(wait.is_bounded() || !wait.falls_through, "{wait:?}");
    }
    for unread in &reading.unread {
        assert!(unread.place.line < lines && !unread.why.is_empty(), "{unread:?}");
    }
}

fn mark_of(reading: &Reading) -> u64 {
    let mut hasher = DefaultHasher::new();
    reading.visible.hash(&mut hasher);
    for wait in &reading.waits {
        (
            wait.is_bounded(),
            wait.falls_through,
            wait.confidence,
            wait.attempts.is_some(),
        )
            .hash(&mut hasher);
        let tool = wait.probe.as_ref().map(|probe| probe.tool.as_str());
        (tool, wait.interval.is_some(), wait.span.worst.is_bounded()).hash(&mut hasher);
    }
    for call in reading.calls.iter().take(3) {
        call.tool.hash(&mut hasher);
    }
    for unread in reading.unread.iter().take(3) {
        // The reason without the names in it.
        for word in unread
            .why
            .split(' ')
            .filter(|word| !word.contains(['`', '$', '/']))
        {
            word.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// From the text of a file over YAML or JSON to facts, clocks, findings and the report.
pub fn yaml(data: &[u8]) -> u64 {
    let loaded = load_with(&[PathOrStdin::Stdin], &mut &*data);
    let objects = judge(&loaded, &Options::default());
    let report = serde_json::to_value(json::report(&objects, None)).expect("the report is JSON");
    let mut hasher = DefaultHasher::new();
    (objects.judged.len().min(8), objects.passed_over.min(8)).hash(&mut hasher);
    for error in objects.errors.iter().take(3) {
        for word in error.message.split(' ').take(6) {
            word.hash(&mut hasher);
        }
    }
    for finding in report["findings"].as_array().into_iter().flatten().take(6) {
        (finding["code"].as_str(), finding["severity"].as_str()).hash(&mut hasher);
        let place = (finding["line"].as_u64(), finding["column"].as_u64());
        assert!(place.0 > Some(0) && place.1 > Some(0), "{finding}");
    }
    hasher.finish()
}

/// Go durations, and the pauses that `sleep` takes.
pub fn duration(data: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(data) else {
        return 0;
    };
    let mut hasher = DefaultHasher::new();
    match Seconds::parse_go(text) {
        Ok(span) => {
            let printed = span.to_go();
            assert_eq!(
                Seconds::parse_go(&printed),
                Ok(span),
                "{text} is printed as {printed}"
            );
            printed
                .chars()
                .filter(|c| !c.is_ascii_digit())
                .collect::<String>()
                .hash(&mut hasher);
            printed.len().hash(&mut hasher);
        }
        Err(error) => {
            let words = error.to_string();
            let shown = |word: &&str| !word.contains(['`', '"', '\'']);
            for word in words.split(' ').filter(shown).take(4) {
                word.hash(&mut hasher);
            }
        }
    }
    let reading = read(&["sleep", text], &[], &|_| EnvValue::Unset);
    check(&reading, "");
    reading.waits.len().hash(&mut hasher);
    hasher.finish()
}
