//! The chain of a diagnosis as a picture: the symptom on top, the root at the bottom. It is an ordered list of boxes, so
//! that it wraps on a narrow screen, can be searched and copied, and reads in order to whoever cannot see it.

use std::fmt::Write as _;

use super::html::Clipped;
use crate::engine::diagnosis::ChainLink;

/// Draws a chain, each text of at most so many characters.
pub(super) fn draw(out: &mut String, chain: &[ChainLink], most: usize) {
    out.push_str("<ol class=\"chain\">");
    for (index, link) in chain.iter().enumerate() {
        let (class, tag) = if index + 1 == chain.len() {
            (" class=\"root\"", "root")
        } else if index == 0 {
            (" class=\"symptom\"", "symptom")
        } else {
            ("", "")
        };
        // Writing to a String cannot fail, here and below.
        let _ = write!(out, "<li{class}>");
        if index > 0 {
            let _ = write!(out, "<p class=\"relation\">{}</p>", Clipped(&link.relation, most));
        }
        let _ = write!(
            out,
            "<div class=\"link\"><p class=\"object\"><span class=\"kind\">{}</span> ",
            Clipped(&link.kind, most)
        );
        if !link.namespace.is_empty() {
            let _ = write!(
                out,
                "<span class=\"namespace\">{}/</span>",
                Clipped(&link.namespace, most)
            );
        }
        let _ = write!(out, "<b>{}</b>", Clipped(&link.name, most));
        if !tag.is_empty() {
            let _ = write!(out, " <span class=\"tag\">{tag}</span>");
        }
        let _ = write!(
            out,
            "</p><p class=\"finding\">{}</p>",
            Clipped(&link.finding, most)
        );
        if !link.proof.is_empty() {
            let _ = write!(out, "<p class=\"proof\">{}</p>", Clipped(&link.proof, most));
        }
        out.push_str("</div></li>");
    }
    out.push_str("</ol>");
}
