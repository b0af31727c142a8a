//! The bytes of a log into its last lines, within a fixed size: from a stream of the API server or from a file.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::change::LogLine;

/// Lines asked for when a stream is opened, and kept until they are taken.
pub(super) const LINES: usize = 40;
/// A line is cut here while it is read: the rest of it is passed over.
const LINE_BYTES: usize = 4096;

/// Bytes into lines, within a fixed size.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
    ready: VecDeque<LogLine>,
}

impl Lines {
    /// Adds bytes as they come.
    pub fn add(&mut self, chunk: &[u8]) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let (text, whole) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = LINE_BYTES.saturating_sub(self.partial.len()).min(text.len());
            self.partial.extend_from_slice(&text[..room]);
            if whole {
                self.finish_line();
            }
        }
    }

    /// The newest line that is whole.
    #[must_use]
    pub fn last(&self) -> Option<&LogLine> {
        self.ready.back()
    }

    fn finish_line(&mut self) {
        let line = parse(&self.partial);
        self.partial.clear();
        self.ready.push_back(line);
        if self.ready.len() > LINES {
            self.ready.pop_front();
        }
    }

    /// Takes the lines that are whole, and at the end of the log the last one too.
    pub fn take(&mut self, ended: bool) -> Vec<LogLine> {
        if ended && !self.partial.is_empty() {
            self.finish_line();
        }
        self.ready.drain(..).collect()
    }
}

/// `2026-11-21T10:00:00.123456789Z text`, as `timestamps=true` gives it.
fn parse(bytes: &[u8]) -> LogLine {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches('\r');
    let stamped = text
        .split_once(' ')
        .and_then(|(at, rest)| Some((at.parse::<Timestamp>().ok()?, rest)));
    match stamped {
        Some((at, rest)) => LogLine {
            at: Some(at),
            text: rest.to_owned(),
        },
        None => LogLine {
            at: None,
            text: text.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_pieces_and_long_ones_are_cut() {
        let mut lines = Lines::default();
        lines.add(b"2026-11-21T10:00:00Z wai");
        lines.add(b"ting\nplain\n");
        lines.add(&[b'x'; 3 * LINE_BYTES]);
        lines.add(b"\n");
        let ready = lines.take(false);
        assert_eq!((ready[0].text.as_str(), ready[0].at.is_some()), ("waiting", true));
        assert_eq!(ready[1].text, "plain");
        assert_eq!(ready[2].text.len(), LINE_BYTES);
    }

    #[test]
    fn only_the_last_lines_wait_for_the_next_flush() {
        let mut lines = Lines::default();
        for i in 0..1000 {
            lines.add(format!("{i}\n").as_bytes());
        }
        let ready = lines.take(true);
        assert_eq!((ready.len(), ready[LINES - 1].text.as_str()), (LINES, "999"));
    }
}
