//! The Markdown of the project's own pages as HTML: headings, paragraphs, lists, tables, code. What it does not know
//! stays readable text.

use std::fmt::Write as _;

use super::html::Escaped;

/// What a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    None,
    Paragraph,
    List,
    Table,
    Code,
}

impl Block {
    const fn tags(self) -> (&'static str, &'static str) {
        match self {
            Self::None => ("", ""),
            Self::Paragraph => ("<p>", "</p>"),
            Self::List => ("<ul><li>", "</li></ul>"),
            Self::Table => ("<div class=\"wide\"><table>", "</table></div>"),
            Self::Code => ("<pre tabindex=\"0\">", "</pre>"),
        }
    }
}

/// Writes a text. Markup in it stays text.
pub(super) fn write(out: &mut String, text: &str) {
    let mut block = Block::None;
    for line in text.lines() {
        let plain = line.trim();
        let fence = plain.starts_with("```");
        if block == Block::Code && !fence {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(out, "{}", Escaped(line));
            continue;
        }
        let heading = heading(plain);
        let item = plain.strip_prefix("- ");
        let cells = plain.strip_prefix('|');
        let next = match block {
            Block::Code => Block::None,
            _ if fence => Block::Code,
            _ if plain.is_empty() || heading.is_some() => Block::None,
            _ if item.is_some() => Block::List,
            _ if cells.is_some() => Block::Table,
            // A line below an item goes on with it.
            Block::List | Block::Paragraph => block,
            _ => Block::Paragraph,
        };
        let begins = next != block;
        if begins {
            out.push_str(block.tags().1);
            out.push_str(next.tags().0);
            block = next;
        }
        if let Some((level, heading)) = heading {
            let _ = write!(out, "<h{level}>");
            inline(out, heading);
            let _ = write!(out, "</h{level}>");
        } else if let Some(cells) = cells {
            row(out, cells.trim_end_matches('|'));
        } else if !fence && block != Block::None {
            if item.is_some() && !begins {
                out.push_str("</li><li>");
            } else if !begins {
                out.push(' ');
            }
            inline(out, item.unwrap_or(plain));
        }
    }
    out.push_str(block.tags().1);
}

/// `## Text` as level and text. The page has one title; everything else stands below it.
fn heading(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    let text = text.strip_prefix(' ')?;
    (level > 0).then(|| (level.min(3), text.trim()))
}

fn row(out: &mut String, cells: &str) {
    if cells.chars().all(|c| matches!(c, '-' | '|' | ':' | ' ')) {
        return;
    }
    out.push_str("<tr>");
    for cell in cells.split('|') {
        out.push_str("<td>");
        inline(out, cell.trim());
        out.push_str("</td>");
    }
    out.push_str("</tr>");
}

/// Code between backticks; links of the source stay text, as they lead into files that are not served.
fn inline(out: &mut String, text: &str) {
    let pieces: Vec<&str> = text.split('`').collect();
    let whole = pieces.len() % 2 == 1;
    for (number, piece) in pieces.iter().enumerate() {
        let piece = Escaped(piece);
        let _ = match number % 2 {
            1 if whole || number + 1 < pieces.len() => write!(out, "<code>{piece}</code>"),
            1 => write!(out, "`{piece}"),
            _ => write!(out, "{piece}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        let mut out = String::new();
        write(&mut out, text);
        out
    }

    #[test]
    fn blocks_are_opened_and_closed() {
        assert_eq!(
            html("# a `b`\n\none\ntwo\n\n- x\n  more\n- y\n\n```yaml\n# no: heading\n  <b>\n```\nend"),
            "<h1>a <code>b</code></h1><p>one two</p><ul><li>x more</li><li>y</li></ul>\
             <pre tabindex=\"0\"># no: heading\n  &lt;b&gt;\n</pre><p>end</p>"
        );
        assert_eq!(
            html("| a | b |\n|---|---|\n| `c` | d |"),
            "<div class=\"wide\"><table><tr><td>a</td><td>b</td></tr><tr><td><code>c</code></td><td>d</td></tr></table></div>"
        );
        assert_eq!(html("a ` b"), "<p>a ` b</p>");
        assert_eq!(html("text\n# head"), "<p>text</p><h1>head</h1>");
    }
}
