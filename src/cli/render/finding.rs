//! A finding as text, with carets under the lines of the file that it speaks of.
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level as Title, Origin, Renderer, Snippet, normalize_untrusted_str,
};

use crate::cli::manifest::Source;
use crate::engine::redact::masked;

/// Columns that the renderer cuts long source lines to; its own default is 140.
const WIDTH: usize = 120;

/// Bytes of a line that are handed to the renderer on both sides of the marks: more than it ever shows.
const AROUND: usize = 4 * WIDTH;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A guarantee is broken.
    Error,
    /// Harm is likely.
    Warning,
    /// Worth knowing.
    Info,
}

/// Whether the text carries terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    Plain,
    /// With ANSI escape sequences.
    Coloured,
}

/// A byte range of the source with what to write under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Byte range in the text of [`Rendered::source`].
    pub span: Range<usize>,
    /// What stands beside the carets; may be empty.
    pub label: String,
    /// The place that the finding is about (`^`), as opposed to one that explains it (`-`).
    pub primary: bool,
}

/// Everything that one finding shows.
#[derive(Debug, Clone)]
pub struct Rendered<'a> {
    /// How much it matters.
    pub level: Level,
    /// The rule's code, as `HB101`; empty where there is none.
    pub code: &'a str,
    /// The first line, behind the code.
    pub title: &'a str,
    /// The file.
    pub source: &'a Source,
    /// The places, the primary ones first.
    pub spans: Vec<Mark>,
    /// The arithmetic, one note each.
    pub notes: Vec<String>,
    /// What to write instead, one help each.
    pub help: Vec<String>,
}

impl Rendered<'_> {
    /// The text, without a line feed at its end.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let code = normalize_untrusted_str(self.code);
        let title = normalize_untrusted_str(self.title);
        let level = match self.level {
            Level::Error => Title::ERROR,
            Level::Warning => Title::WARNING,
            Level::Info => Title::INFO,
        };
        let title = level.primary_title(title);
        let title = if code.is_empty() { title } else { title.id(code) };
        let notes = self
            .notes
            .iter()
            .map(|note| Title::NOTE.message(normalize_untrusted_str(note)));
        let help = self
            .help
            .iter()
            .map(|help| Title::HELP.message(normalize_untrusted_str(help)));
        let file = normalize_untrusted_str(self.source.name());
        let mut group = Group::with_title(title);
        group = match self.snippet() {
            Some(Excerpt { snippet, cut: None }) => group.element(snippet.path(file)),
            // The renderer would count the column from the cut.
            Some(Excerpt {
                snippet,
                cut: Some((line, column)),
            }) => group
                .element(Origin::path(file).line(line).char_column(column))
                .element(snippet),
            None => group.element(Origin::path(file)),
        };
        let group = group.elements(notes).elements(help);
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        renderer
            .term_width(WIDTH)
            .decor_style(DecorStyle::Ascii)
            .render(&[group])
    }

    /// The lines from the first mark to the last, and of long lines what is near the marks. Only this is handed
    /// over: the renderer looks at all of its source, and a manifest may be megabytes, in one line at that.
    fn snippet(&self) -> Option<Excerpt<'_>> {
        let text = self.source.text();
        let marks: Vec<(Range<usize>, &Mark)> = self
            .spans
            .iter()
            .filter_map(|mark| Some((one_line(text, &mark.span)?, mark)))
            .collect();
        let first = marks.iter().map(|(span, _)| span.start).min()?;
        let last = marks.iter().map(|(span, _)| span.end).max()?;
        let (line, Range { start: begins, .. }) = self.source.line(first);
        let (_, Range { end: ends, .. }) = self.source.line(last);
        let start = begins.max(text.floor_char_boundary(first.saturating_sub(AROUND)));
        let end = ends.min(text.ceil_char_boundary(last.saturating_add(AROUND)));
        let primary = marks.iter().find(|(_, mark)| mark.primary);
        let cut = primary
            .filter(|_| start > begins)
            .map(|(span, _)| self.source.line_column(span.start));
        let annotations = marks.into_iter().map(|(span, mark)| {
            let kind = if mark.primary {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let annotation = kind.span(span.start - start..span.end - start);
            if mark.label.is_empty() {
                annotation
            } else {
                annotation.label(normalize_untrusted_str(&mark.label))
            }
        });
        let snippet = Snippet::source(masked(text.get(start..end)?))
            .line_start(line)
            .annotations(annotations);
        Some(Excerpt { snippet, cut })
    }
}

/// What of a file is shown.
struct Excerpt<'a> {
    snippet: Snippet<'a, Annotation<'a>>,
    /// Line and column of the finding, where the snippet begins inside of a line.
    cut: Option<(usize, usize)>,
}

/// A span cut at the end of its first line: carets under a whole mapping would say nothing.
fn one_line(source: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let rest = source.get(span.start..)?;
    let line = rest
        .find('\n')
        .map_or(rest, |end| rest.get(..end).unwrap_or_default())
        .trim_end();
    Some(span.start..span.end.clamp(span.start, span.start + line.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(source: &str, text: &str, label: &str, primary: bool) -> Mark {
        let start = source.find(text).unwrap();
        Mark {
            span: start..start + text.len(),
            label: label.to_owned(),
            primary,
        }
    }

    fn file(text: &str) -> Source {
        let origin = crate::cli::manifest::Origin::Stdin;
        Source::new("powerdns/job.yaml", origin, text.to_owned())
    }

    fn sample(source: &Source, spans: Vec<Mark>) -> Rendered<'_> {
        Rendered {
            level: Level::Error,
            code: "HB101",
            title: "retries-end-before-deadline: the deadline can never fire",
            source,
            spans,
            notes: vec!["6 restarts, back-off 10+20+40+80+160 = 310 s, ends 530 s before 840 s".to_owned()],
            help: vec!["wait inside one attempt: restartPolicy: Never, backoffLimit: 1".to_owned()],
        }
    }

    const JOB: &str = "kind: Job\nmetadata:\n  name: powerdns-zone-bootstrap\nspec:\n  backoffLimit: 6\n  \
                       activeDeadlineSeconds: 840\n  template:\n    spec:\n      restartPolicy: OnFailure\n";

    #[test]
    fn a_finding_shows_its_lines_its_arithmetic_and_its_fix() {
        let spans = vec![
            mark(JOB, "840", "never reached", true),
            mark(JOB, "6", "retries end after 310 s", false),
            mark(JOB, "OnFailure", "restarts count as retries", false),
        ];
        insta::assert_snapshot!(sample(&file(JOB), spans).render(Style::Plain), @r"
error[HB101]: retries-end-before-deadline: the deadline can never fire
 --> powerdns/job.yaml:6:26
  |
5 |   backoffLimit: 6
  |                 - retries end after 310 s
6 |   activeDeadlineSeconds: 840
  |                          ^^^ never reached
...
9 |       restartPolicy: OnFailure
  |                      --------- restarts count as retries
  |
  = note: 6 restarts, back-off 10+20+40+80+160 = 310 s, ends 530 s before 840 s
  = help: wait inside one attempt: restartPolicy: Never, backoffLimit: 1
");
    }

    #[test]
    fn colours_come_only_when_asked_for() {
        let spans = vec![mark(JOB, "840", "never reached", true)];
        assert!(
            !sample(&file(JOB), spans.clone())
                .render(Style::Plain)
                .contains('\u{1b}')
        );
        assert!(
            sample(&file(JOB), spans)
                .render(Style::Coloured)
                .contains('\u{1b}')
        );
    }

    #[test]
    fn wide_characters_and_tabs_keep_the_carets_below_their_text() {
        let source = "a: \"待つ 日本\" # x\nb:\t\t840\n";
        let spans = vec![
            mark(source, "日本", "wide", true),
            mark(source, "840", "after tabs", false),
        ];
        insta::assert_snapshot!(sample(&file(source), spans).render(Style::Plain), @r#"
error[HB101]: retries-end-before-deadline: the deadline can never fire
 --> powerdns/job.yaml:1:8
  |
1 | a: "待つ 日本" # x
  |          ^^^^ wide
2 | b:        840
  |           --- after tabs
  |
  = note: 6 restarts, back-off 10+20+40+80+160 = 310 s, ends 530 s before 840 s
  = help: wait inside one attempt: restartPolicy: Never, backoffLimit: 1
"#);
    }

    #[test]
    fn text_from_a_manifest_cannot_steer_the_terminal() {
        let source = "a: \u{1b}[31mred\u{7}\n";
        let file = file(source);
        let mut finding = sample(&file, vec![mark(source, "red", "\u{1b}[0m", true)]);
        finding.title = "\u{1b}]0;title\u{7}";
        assert!(!finding.render(Style::Plain).contains(['\u{1b}', '\u{7}']));
    }

    #[test]
    fn a_finding_without_a_place_and_one_past_the_end_still_render() {
        insta::assert_snapshot!(sample(&file(JOB), Vec::new()).render(Style::Plain), @r"
error[HB101]: retries-end-before-deadline: the deadline can never fire
--> powerdns/job.yaml
 = note: 6 restarts, back-off 10+20+40+80+160 = 310 s, ends 530 s before 840 s
 = help: wait inside one attempt: restartPolicy: Never, backoffLimit: 1
");
        let past = Mark {
            span: 9_999..10_000,
            label: String::new(),
            primary: true,
        };
        assert!(
            sample(&file(JOB), vec![past])
                .render(Style::Plain)
                .contains("HB101")
        );
        let end = Mark {
            span: JOB.len()..JOB.len() + 5,
            label: String::new(),
            primary: true,
        };
        assert!(
            sample(&file(JOB), vec![end])
                .render(Style::Plain)
                .contains("HB101")
        );
    }
}
