//! `/explain/NAME`: the page of a rule or of a cause, as `hookbudget explain` shows it, for whoever has no
//! terminal at hand.

use std::fmt::Write;

use super::html::Escaped;
use crate::engine::{causes, rules};

/// The page; nothing when there is no such rule or cause.
#[must_use]
pub(super) fn explain(name: &str) -> Option<String> {
    let text = if let Some(rule) = rules::find(name) {
        format!("# {} {}\n\n{}", rule.code, rule.name, rule.docs)
    } else {
        let mut all = causes::registry().iter().map(|cause| cause.meta());
        all.find(|cause| cause.name == name)?.page()
    };
    Some(document(&text))
}

/// Headings become headings; the rest stays the text that it is, which is Markdown and reads as such.
pub(super) fn document(text: &str) -> String {
    let mut title = "hookbudget";
    let mut body = String::with_capacity(text.len() + 256);
    let mut paragraph = String::new();
    let close = |paragraph: &mut String, body: &mut String| {
        if !paragraph.trim().is_empty() {
            let text = Escaped(paragraph.trim_matches('\n'));
            let _ = write!(body, "<pre class=\"page\">{text}</pre>");
        }
        paragraph.clear();
    };
    let mut code = false;
    for line in text.lines() {
        code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        let level = line.len() - heading.len();
        if code || level == 0 || !heading.starts_with(' ') {
            paragraph.push_str(line);
            paragraph.push('\n');
            continue;
        }
        close(&mut paragraph, &mut body);
        if level == 1 && title == "hookbudget" {
            title = heading.trim();
        }
        let tag = if level == 1 { "h1" } else { "h2" };
        let _ = write!(body, "<{tag}>{}</{tag}>", Escaped(heading.trim()));
    }
    close(&mut paragraph, &mut body);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{}</title>\
         <link rel=\"icon\" href=\"data:,\"><style>{}</style></head><body><main>{body}</main>\
         <footer><a href=\"/\">All Jobs</a></footer></body></html>\n",
        Escaped(title),
        include_str!("style.css"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_and_every_rule_that_the_status_page_names_has_a_page() {
        for cause in causes::registry() {
            let name = cause.meta().name;
            assert!(explain(name).is_some(), "{name}");
        }
        for rule in rules::ALL {
            let page = explain(rule.code).unwrap();
            assert!(
                page.contains(&format!("<h1>{} {}</h1>", rule.code, rule.name)),
                "{page}"
            );
        }
        assert_eq!(explain("<script>"), None);
    }
}
