//! PEM blocks (RFC 7468) in texts and over the lines of a log, whole or with their beginning or their end cut off.

use super::redact::HIDDEN;

pub(super) const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
/// Lines that a block may have: an RSA key of 16384 bits has 200.
const LINES: u16 = 256;
/// Characters of a word from which on it may be a line of a block whose beginning is not there.
const LINE: usize = 16;
/// Characters in a row from which on a line holds one of a block, whatever stands around it. RFC 7468 asks for 64.
const WRAPPED: usize = 64;

/// The text without its blocks; `None` where it has none. Of one whose beginning was cut off the lines are the words
/// before its end, of one whose end was cut off all that comes.
pub(super) fn without(text: &str) -> Option<String> {
    let begin = text.find(BEGIN);
    let mut rest = begin.map_or(text, |at| &text[..at]);
    if begin.is_none() && !rest.contains(END) {
        return None;
    }
    let mut out = String::with_capacity(rest.len() + HIDDEN.len());
    while let Some(end) = rest.find(END) {
        out.push_str(&rest[..body_begins(&rest[..end])]);
        out.push_str(HIDDEN);
        let label = &rest[end + END.len()..];
        rest = label.find("-----").map_or("", |at| &label[at + "-----".len()..]);
    }
    out.push_str(rest);
    if begin.is_some() {
        out.push_str(HIDDEN);
    }
    Some(out)
}

/// Where the lines of a block begin that ends at the end of the text.
fn body_begins(text: &str) -> usize {
    let mut begins = text.len();
    loop {
        let rest = text[..begins].trim_end();
        let word = rest.rsplit(char::is_whitespace).next().unwrap_or_default();
        let at = rest.len() - word.len();
        let is_last = begins == text.len();
        if word.is_empty() || !is_base64(word) || (word.len() < LINE && !is_last && at > 0) {
            return begins;
        }
        begins = at;
    }
}

/// Base64; the backslash is that of `\n` in JSON.
fn is_base64(word: &str) -> bool {
    word.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'\\' | b'"'))
}

/// True for a text with so many characters of base64 in a row, whatever a collector of logs wrote around them.
fn has_run(text: &str, long: usize) -> bool {
    runs(text).any(|run| run.len() >= long)
}

/// True for the padded end of a block.
fn has_last_run(text: &str) -> bool {
    runs(text).any(|run| run.len() >= 4 && run.len() % 4 == 0 && run.ends_with('='))
}

fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')))
}

/// Follows the lines of a log through a block.
#[derive(Clone, Copy, Debug, Default)]
pub struct PemBlock {
    /// Where in its line the block began, and how many lines it may still have.
    open: Option<(usize, u16)>,
}

/// What a line is of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemLine {
    /// Nothing: [`super::redact::redact`] says what is shown of it.
    Outside,
    /// A part of it: nothing of it may be shown.
    Inside,
    /// The end of one whose beginning was not there: what stands before may be part of it, by [`is_body`].
    EndAlone,
}

impl PemBlock {
    /// Takes in the next line, as it was written.
    pub fn next(&mut self, line: &str) -> PemLine {
        let begin = line.rfind(BEGIN);
        let ends = line.rfind(END);
        if let Some(at) = begin {
            // A block within one line, or the next one of a chain.
            self.open = ends.is_none_or(|end| end < at).then_some((at, LINES));
            return PemLine::Outside;
        }
        let Some((indent, left)) = self.open else {
            return if ends.is_some() {
                PemLine::EndAlone
            } else {
                PemLine::Outside
            };
        };
        self.open = left
            .checked_sub(1)
            .filter(|_| ends.is_none())
            .map(|left| (indent, left));
        let below = line.get(indent..).unwrap_or_default().trim();
        let is_part =
            |text: &str| is_base64(text) || text.starts_with("Proc-Type:") || text.starts_with("DEK-Info:");
        if ends.is_some()
            || is_part(line.trim())
            || (!below.is_empty() && is_part(below))
            || has_run(line, LINE)
            || has_last_run(line)
        {
            PemLine::Inside
        } else {
            // Another program writes into the same log.
            PemLine::Outside
        }
    }
}

/// True for a line that may belong to a block whose beginning was not there; `last` for the one before its end.
#[must_use]
pub fn is_body(line: &str, last: bool) -> bool {
    let word = line.rsplit(' ').next().unwrap_or_default();
    line == HIDDEN || has_run(line, WRAPPED) || (is_base64(word) && (last || word.len() >= LINE))
}

#[cfg(test)]
mod tests {
    use super::PemLine::{EndAlone, Inside, Outside};
    use super::*;

    #[test]
    fn a_block_in_a_text_goes_whole_or_cut_off() {
        for (text, shown) in [
            ("key -----BEGIN PRIVATE KEY-----\\nMII", Some("key [redacted]")),
            (
                "it failed TtkMkPEPpIVtSDbn0gB/xDzD+nmB8Wb0OUSzTv0J q8w== -----END PRIVATE KEY----- code 1",
                Some("it failed [redacted] code 1"),
            ),
            ("q8w==\\n-----END X-----", Some("[redacted]")),
            (
                "AAAA -----END A----- BBBB -----END B----- then -----BEGIN C-----",
                Some("[redacted] [redacted] then [redacted]"),
            ),
            ("-----END of it all", Some("[redacted]")),
            ("----- no block -----", None),
        ] {
            assert_eq!(without(text).as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn a_block_over_lines_is_hidden_and_other_lines_are_not() {
        let lines = |text: &str| {
            let mut block = PemBlock::default();
            text.lines().map(|line| block.next(line)).collect::<Vec<_>>()
        };
        let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nTtkMkPEP\nq8w==\n-----END RSA PRIVATE KEY-----\ndone";
        assert_eq!(
            lines(key),
            [Outside, Inside, Inside, Inside, Inside, Inside, Outside]
        );
        let prefixed = "10:00 app | -----BEGIN X-----\n10:00 app | q8w=\nconnection refused by db\n10:00 app | -----END X-----\nok";
        assert_eq!(lines(prefixed), [Outside, Inside, Outside, Inside, Outside]);
        assert_eq!(
            lines("q8w==\n-----END X-----\n-----END X-----"),
            [Outside, EndAlone, EndAlone]
        );
        assert_eq!(
            lines("a -----BEGIN X-----\\nq8w==\\n-----END X-----\nword"),
            [Outside, Outside]
        );
        assert!(is_body("q8w==", true) && !is_body("done", false) && is_body(HIDDEN, false));
    }

    #[test]
    fn lines_that_a_collector_wrapped_are_hidden() {
        let line = "MIIEpAIBAAKCAQEA7bq0Ty2Rr5mKq8vJx1zW3nYc4Zs9Lp0aQMIIEpAIBAAKCAQE";
        for (begin, inside) in [
            (
                "{\"log\":\"-----BEGIN X-----\\n\"}",
                format!("{{\"log\":\"{line}\\n\"}}"),
            ),
            (
                "level=info msg=\"-----BEGIN X-----\"",
                format!("level=info msg={line} n=2"),
            ),
            ("10:00 -----BEGIN X-----", format!("10:00:01 [{line}]")),
            (
                "{\"log\":\"-----BEGIN X-----\\n\"}",
                "{\"log\":\"q8w=\\n\"}".to_owned(),
            ),
        ] {
            let mut block = PemBlock::default();
            assert_eq!(block.next(begin), Outside);
            assert_eq!(block.next(&inside), Inside, "{inside}");
            assert_eq!(block.next("dial tcp 10.0.0.7:5432: connection refused"), Outside);
        }
        assert!(is_body(&format!("{{\"log\":\"{line}\\n\"}}"), false));
    }

    #[test]
    fn a_block_that_nobody_ends_does_not_hide_all_that_comes() {
        let mut block = PemBlock::default();
        block.next("-----BEGIN X-----");
        assert_eq!(block.next("word"), PemLine::Inside);
        assert_eq!(block.next("a sentence of words"), PemLine::Outside);
        for _ in 0..LINES {
            block.next("word");
        }
        assert_eq!(block.next("word"), PemLine::Outside);
    }
}
