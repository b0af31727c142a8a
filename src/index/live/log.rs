//! Following the log of one run of one container.

use std::time::Duration;

use futures::io::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout_at};

use crate::index::change::{Change, LogKey};
use crate::index::lines::{LINES, Lines};

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
        tail_lines: Some(i64::try_from(LINES).unwrap_or(i64::MAX)),
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
