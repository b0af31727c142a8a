//! The chain of a diagnosis as a picture: the symptom on top, the root at the bottom.

use std::fmt::Write as _;

use super::html::Escaped;
use crate::engine::diagnosis::ChainLink;

/// Height of one box, and of the arrow below it, in units of the picture.
const BOX: usize = 58;
const ARROW: usize = 34;
const WIDTH: usize = 640;
/// Characters of the small type that fit into a box.
const FITS: usize = 88;

/// Draws a chain. The same text stands in the list below the picture, so it is hidden from screen readers.
pub(super) fn draw(out: &mut String, chain: &[ChainLink]) {
    if chain.len() < 2 {
        return;
    }
    let height = chain.len() * (BOX + ARROW) - ARROW + 4;
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<div class=\"picture\"><svg class=\"chain\" viewBox=\"0 0 {WIDTH} {height}\" aria-hidden=\"true\" focusable=\"false\">"
    );
    for (index, link) in chain.iter().enumerate() {
        let top = 2 + index * (BOX + ARROW);
        let class = if index + 1 == chain.len() {
            "root"
        } else if index == 0 {
            "symptom"
        } else {
            "between"
        };
        if index > 0 {
            let (from, to) = (top - ARROW, top - 7);
            let _ = write!(
                out,
                "<path class=\"arrow\" d=\"M40 {from}V{to}\"/><path class=\"head\" d=\"M34 {to}h12l-6 7z\"/>\
                 <text class=\"relation\" x=\"56\" y=\"{}\">{}</text>",
                top - ARROW / 2 + 4,
                Escaped(&shortened(&link.relation)),
            );
        }
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"2\" y=\"{top}\" width=\"{}\" height=\"{BOX}\" rx=\"6\"/>\
             <text class=\"object\" x=\"16\" y=\"{}\">{}</text><text class=\"finding\" x=\"16\" y=\"{}\">{}</text>",
            WIDTH - 4,
            top + 24,
            Escaped(&shortened(&name(link))),
            top + 44,
            Escaped(&shortened(&link.finding)),
        );
    }
    out.push_str("</svg></div>");
}

/// `Service powerdns/powerdns`.
pub(super) fn name(link: &ChainLink) -> String {
    if link.namespace.is_empty() {
        format!("{} {}", link.kind, link.name)
    } else {
        format!("{} {}/{}", link.kind, link.namespace, link.name)
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= FITS {
        return text.to_owned();
    }
    text.chars().take(FITS - 1).chain(['…']).collect()
}
