//! Annotations of GitHub Actions: workflow commands that the runner shows beside the lines of a pull request.
//!
//! The escapes are those of `@actions/core` (actions/toolkit, packages/core/src/command.ts).

use std::fmt::Write as _;
use std::io;

use super::lint_text::{end_column, locate};
use crate::cli::objects::{Judged, Objects};
use crate::cli::terminal::Terminal;
use crate::engine::finding::{Finding, Severity};

/// Prints one annotation for each finding that the text format shows, and one for each input error.
///
/// # Errors
/// When the output is closed or full.
pub fn print(objects: &Objects<'_>, verbose: bool, terminal: &mut Terminal) -> io::Result<()> {
    for judged in &objects.judged {
        let open = judged
            .assessment
            .findings
            .iter()
            .filter(|finding| finding.exempted.is_none());
        for finding in open.filter(|finding| verbose || finding.severity > Severity::Info) {
            terminal.line(annotation(judged, finding))?;
        }
    }
    for error in &objects.errors {
        let mut place = format!("file={}", property(&error.file));
        if let (Some(line), Some(column)) = (error.line, error.column) {
            let _ = write!(place, ",line={line},col={column}");
        }
        terminal.line(format!(
            "::error {place},title=cannot be read::{}",
            data(&error.message)
        ))?;
    }
    Ok(())
}

fn annotation(judged: &Judged<'_>, finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let at = locate(judged, &finding.at);
    let mut message = format!("{}: {}", judged.job, finding.message);
    for more in finding
        .arithmetic
        .iter()
        .chain([&finding.help])
        .filter(|more| !more.is_empty())
    {
        message.push('\n');
        message.push_str(more);
    }
    let end = end_column(judged, &at).map_or(String::new(), |end| format!(",endColumn={end}"));
    format!(
        "::{level} file={},line={},col={}{end},title={}::{}",
        property(at.file.trim_start_matches("./")),
        at.line,
        at.column,
        property(&format!("{} {}", finding.code, finding.name)),
        data(&message)
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_manifest_ends_no_annotation() {
        assert_eq!(data("a\r\n::error::50 %"), "a%0D%0A::error::50 %25");
        assert_eq!(property("a,b:c\n"), "a%2Cb%3Ac%0A");
    }
}
