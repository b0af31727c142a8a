//! `/explain/NAME`: the page of a rule or of a cause, as `hookbudget explain` shows it, for whoever has no
//! terminal at hand.

use super::layout;
use super::markdown;
use crate::engine::{causes, rules};

/// The page; nothing when there is no such rule or cause.
#[must_use]
pub(super) fn explain(name: &str) -> Option<String> {
    let (title, text) = if let Some(rule) = rules::find(name) {
        let title = format!("{} {}", rule.code, rule.name);
        let mut text = format!("# {title}\n\n");
        for line in rule.docs.lines() {
            // As rustdoc has it: the space after `///` is no part of the line.
            text.push_str(line.strip_prefix(' ').unwrap_or(line));
            text.push('\n');
        }
        (title, text)
    } else {
        let mut all = causes::registry().iter().map(|cause| cause.meta());
        let cause = all.find(|cause| cause.name == name)?;
        (cause.name.to_owned(), cause.page())
    };
    Some(markdown_page(&title, &text))
}

/// A page of Markdown.
pub(super) fn markdown_page(title: &str, text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    layout::open(&mut out, title, "../");
    out.push_str("<main id=\"main\" tabindex=\"-1\" class=\"page\">");
    markdown::write(&mut out, text);
    out.push_str("</main><footer><p><a href=\"../\">All Jobs</a></p></footer>");
    layout::close(&mut out);
    out
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
