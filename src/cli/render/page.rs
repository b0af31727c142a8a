//! A Markdown page in the terminal: headings stand out, code is indented, the rest reads as it is written.

use super::finding::Style;
use super::paint::{BOLD, CYAN, paint};

/// Renders a page under its title.
#[must_use]
pub fn render(title: &str, markdown: &str, style: Style) -> String {
    let mut lines = vec![paint(title, BOLD, style), String::new()];
    let mut code = false;
    for line in markdown.lines() {
        let line = line.strip_prefix(' ').unwrap_or(line);
        if line.starts_with("```") {
            code = !code;
        } else if code {
            lines.push(format!("    {}", paint(line, CYAN, style)));
        } else if let Some(heading) = line.strip_prefix("## ") {
            lines.push(paint(heading, BOLD, style));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n").trim_end().to_owned()
}
