//! Text into HTML: everything on the page that did not come from this program's own source goes through here.

use std::fmt::{self, Write as _};

/// Text that is escaped when it is written: markup stays text, and what would steer a terminal or turn the direction
/// of the text around is shown instead of obeyed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escaped<'a>(pub(super) &'a str);

/// The same, cut after so many characters, with a word on what is missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clipped<'a>(pub(super) &'a str, pub(super) usize);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        while let Some(c) = chars.next() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(c)?,
                '\r' => {}
                // Colours and cursor movements of a terminal (ECMA-48 CSI): nothing to read.
                '\u{1b}' if chars.as_str().starts_with('[') => {
                    chars.next();
                    let end = |c: &char| ('\u{40}'..='\u{7e}').contains(c);
                    let rest = chars.as_str();
                    let length = rest.chars().position(|c| end(&c) || c.is_control());
                    let skip = length.map_or(0, |at| {
                        at + usize::from(rest.chars().nth(at).is_some_and(|c| end(&c)))
                    });
                    for _ in 0..skip {
                        chars.next();
                    }
                }
                '\0'..='\u{1f}' => f.write_char(pictured(c))?,
                '\u{7f}' => f.write_char('\u{2421}')?,
                _ if misleads(c) => write!(f, "[U+{:04X}]", u32::from(c))?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Clipped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, most) = *self;
        match text.char_indices().nth(most) {
            None => Escaped(text).fmt(f),
            Some((at, _)) => {
                let (shown, rest) = text.split_at(at);
                write!(f, "{}… ({} more bytes)", Escaped(shown), rest.len())
            }
        }
    }
}

/// The picture of a control character (Unicode block Control Pictures).
fn pictured(c: char) -> char {
    char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')
}

/// Controls of the second block, directions of text, and what has no width: a name with one of them looks like
/// another name.
const fn misleads(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        Escaped(text).to_string()
    }

    #[test]
    fn markup_in_text_stays_text() {
        assert_eq!(
            escaped("<script>alert('a & \"b\"')</script>é"),
            "&lt;script&gt;alert(&#39;a &amp; &quot;b&quot;&#39;)&lt;/script&gt;é"
        );
    }

    #[test]
    fn colours_of_a_terminal_go_and_other_controls_are_shown() {
        assert_eq!(escaped("\u{1b}[1;31mfailed\u{1b}[0m: x\r\n"), "failed: x\n");
        assert_eq!(escaped("\u{1b}]0;title\u{7}"), "␛]0;title␇");
        assert_eq!(escaped("a\0b\u{7f}\u{9b}31m"), "a␀b␡[U+009B]31m");
        assert_eq!(escaped("\u{1b}["), "");
        assert_eq!(escaped("\u{1b}[31\nnext"), "\nnext");
    }

    #[test]
    fn a_text_cannot_turn_around_or_hide_a_part_of_itself() {
        assert_eq!(escaped("job-\u{202e}dab"), "job-[U+202E]dab");
        assert_eq!(escaped("a\u{200b}b\u{feff}"), "a[U+200B]b[U+FEFF]");
        assert_eq!(escaped("עברית 👩‍🚀"), "עברית 👩‍🚀");
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(Clipped("ééé", 3).to_string(), "ééé");
        assert_eq!(Clipped("ééé<", 2).to_string(), "éé… (3 more bytes)");
    }
}
