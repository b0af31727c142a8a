//! Following the log of one run of one container.

use std::collections::VecDeque;
use std::time::Duration;

use futures::io::{AsyncBufRead, AsyncBufReadExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout_at};

use crate::index::change::{Change, LogKey, LogLine};

/// Lines asked for when a stream is opened, and kept between two flushes.
const LINES: usize = 40;
/// A line is cut here while it is read: the rest of it is passed over.
const LINE_BYTES: usize = 4096;
/// Lines are passed on this often: a container that writes fast costs no more than one that writes slowly.
const FLUSH: Duration = Duration::from_millis(250);
/// Connections tried for one run.
const TRIES: u32 = 3;

/// Reads a log to its end and passes on its last lines as they come.
pub(super) async fn follow(client: Client, key: LogKey, previous: bool, sink: Sender<Change>) {
    let api: Api<Pod> = Api::namespaced(client, &key.namespace);
    let params = LogParams {
        container: Some(key.container.clone()),
        follow: !previous,
        previous,
        tail_lines: Some(40),
        timestamps: true,
        ..LogParams::default()
    };
    let mut why = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            sleep(Duration::from_secs(1)).await;
        }
        match api.log_stream(&key.pod, &params).await {
            Ok(stream) => match read(stream, &key, &sink).await {
                Ok(()) => {
                    let _ = sink.send(Change::LogEnd(key)).await;
                    return;
                }
                Err(error) => why = error.to_string(),
            },
            Err(error) => {
                why = error.to_string();
                // The Pod, or the run before, is gone: that does not change.
                if matches!(&error, kube::Error::Api(status) if matches!(status.code, 403 | 404)) {
                    break;
                }
            }
        }
    }
    let _ = sink.send(Change::LogLost { log: key, why }).await;
}

async fn read(stream: impl AsyncBufRead, key: &LogKey, sink: &Sender<Change>) -> std::io::Result<()> {
    futures::pin_mut!(stream);
    let mut lines = Lines::default();
    let mut flush = Instant::now() + FLUSH;
    loop {
        let ended = match timeout_at(flush, stream.fill_buf()).await {
            Ok(chunk) => {
                let chunk = chunk?;
                let length = chunk.len();
                lines.add(chunk);
                stream.as_mut().consume(length);
                length == 0
            }
            Err(_) => false,
        };
        if ended || Instant::now() >= flush {
            flush = Instant::now() + FLUSH;
            let ready = lines.take(ended);
            if !ready.is_empty() {
                let change = Change::Log {
                    log: key.clone(),
                    lines: ready,
                };
                if sink.send(change).await.is_err() {
                    return Ok(());
                }
            }
        }
        if ended {
            return Ok(());
        }
    }
}

/// Bytes into lines, within a fixed size.
#[derive(Debug, Default)]
struct Lines {
    partial: Vec<u8>,
    ready: VecDeque<LogLine>,
}

impl Lines {
    fn add(&mut self, chunk: &[u8]) {
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

    fn finish_line(&mut self) {
        let line = parse(&self.partial);
        self.partial.clear();
        self.ready.push_back(line);
        if self.ready.len() > LINES {
            self.ready.pop_front();
        }
    }

    fn take(&mut self, ended: bool) -> Vec<LogLine> {
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
