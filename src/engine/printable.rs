//! Text of programs without what steers a terminal.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

/// Drops ANSI escapes, control characters and marks of direction; tabs and line feeds become spaces.
pub(super) fn printable(line: &str) -> Cow<'_, str> {
    if !line.chars().any(is_unseen) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => escape(&mut chars),
            '\u{9b}' => sequence(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => string(&mut chars),
            '\t' | '\n' => out.push(' '),
            c if is_unseen(c) => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A character that is not seen itself and changes what others look like: controls, and marks of direction (Unicode
/// Standard Annex 9).
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// What follows an escape (ECMA-48, 5.3 to 5.6).
fn escape(chars: &mut Peekable<Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            sequence(chars);
        }
        Some('P' | 'X' | ']' | '^' | '_') => {
            chars.next();
            string(chars);
        }
        // As `ESC ( B`, which `tput sgr0` writes: intermediate characters and a final one.
        Some('\u{20}'..='\u{2f}') => {
            while chars.next_if(|c| ('\u{20}'..='\u{2f}').contains(c)).is_some() {}
            chars.next_if(|c| ('\u{30}'..='\u{7e}').contains(c));
        }
        Some('\u{30}'..='\u{7e}') => {
            chars.next();
        }
        _ => {}
    }
}

/// A control sequence: parameters, and a final character.
fn sequence(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
    chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
}

/// A control string: a title, a link. One that nobody ends goes to the end of the line, so that what it meant to hide is
/// not shown.
fn string(chars: &mut Peekable<Chars<'_>>) {
    while let Some(c) = chars.next() {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' if chars.next_if_eq(&'\\').is_some() => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_what_they_steer_go() {
        for (text, shown) in [
            ("\u{1b}[31mred\u{1b}[0m\ttext\u{7}\r", "red text"),
            ("\u{1b}]0;title\u{7}x", "x"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\ed", "linked"),
            ("\u{1b}(B\u{1b}[mplain", "plain"),
            ("\u{9b}1;31mred\u{9d}0;title\u{9c}!", "red!"),
            ("\u{1b}c\u{1b}[2J\u{1b}[Hcleared", "cleared"),
            ("cut\u{1b}[3", "cut"),
            ("abc\u{202e}gpj.exe\u{2069}\0", "abcgpj.exe"),
            ("one\r\ntwo", "one two"),
        ] {
            assert_eq!(printable(text), shown, "{text:?}");
        }
        assert!(matches!(printable("ünï\u{1f680}"), Cow::Borrowed(_)));
    }
}
