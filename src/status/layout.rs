//! What every page has: its head, and its end.

use std::fmt::Write as _;

use super::html::Escaped;

/// Opens a page up to its body. `root` is the relative path to the status page.
pub(super) fn open(out: &mut String, title: &str, root: &str) {
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{}</title>\
         <link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"{root}style.css\">\
         <script src=\"{root}live.js\" defer></script></head><body>\
         <a class=\"skip\" href=\"#main\">Skip to the content</a>",
        Escaped(title)
    );
}

/// Closes it.
pub(super) fn close(out: &mut String) {
    out.push_str("</body></html>\n");
}
