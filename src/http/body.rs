//! Reading a request's body whole, within a limit, so that the handler can still answer.

use std::{pin::Pin, time::Duration};

use axum::BoxError;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

/// How many times the limit is read and thrown away before a peer that sends too much is given up on.
const DISCARD_FACTOR: u64 = 4;

/// How long a body may take. No API server waits longer for a webhook (`timeoutSeconds` is at most 30,
/// `k8s.io/kubernetes/pkg/apis/admissionregistration/validation`), so nobody is there to read an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// More than the limit was sent or announced. What was sent has been read and dropped (up to four times the
    /// limit), so that an answer reaches the peer instead of a reset.
    #[error("the request body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The peer broke off, stalled or did not keep to HTTP.
    #[error("the request body cannot be read: {0}")]
    Unreadable(#[source] BoxError),
}

/// Reads `body` up to `max` bytes. Room is made ahead for the length that the peer announces, never for more
/// than `max`. A peer that stalls is given up on after 30 s; a shorter deadline is the handler's own business.
///
/// # Errors
/// [`BodyError::TooLarge`] or [`BodyError::Unreadable`].
pub async fn read_body<B>(body: B, max: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    within(READ_TIMEOUT, read_whole(body, max)).await
}

async fn within<T>(
    limit: Duration,
    reading: impl Future<Output = Result<T, BodyError>>,
) -> Result<T, BodyError> {
    tokio::time::timeout(limit, reading).await.unwrap_or_else(|_| {
        Err(BodyError::Unreadable(
            format!("not complete within {limit:?}").into(),
        ))
    })
}

async fn read_whole<B>(mut body: B, max: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let announced = body.size_hint().lower();
    if announced > max as u64 {
        return Err(too_large(body, max, 0).await);
    }
    let Some(first) = next_data(&mut body).await? else {
        return Ok(Bytes::new());
    };
    if first.len() > max {
        return Err(too_large(body, max, first.len()).await);
    }
    if body.is_end_stream() {
        // The common case of a small review: one frame, handed on without a copy.
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len().max(usize::try_from(announced).unwrap_or(0)));
    whole.extend_from_slice(&first);
    drop(first);
    while let Some(data) = next_data(&mut body).await? {
        if whole.len() + data.len() > max {
            let read = whole.len() + data.len();
            drop(whole);
            return Err(too_large(body, max, read).await);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

async fn next_data<B>(body: &mut B) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    while let Some(frame) = Pin::new(&mut *body).frame().await {
        let frame = frame.map_err(|error| BodyError::Unreadable(error.into()))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Reads on into nothing: closing a socket with unread data makes the kernel send a reset, which can overtake
/// the answer.
async fn too_large<B>(mut body: B, limit: usize, already_read: usize) -> BodyError
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let allowance = (limit as u64).saturating_mul(DISCARD_FACTOR);
    let mut read = already_read as u64;
    while read <= allowance {
        match next_data(&mut body).await {
            Ok(Some(data)) => read += data.len() as u64,
            Ok(None) | Err(_) => break,
        }
    }
    BodyError::TooLarge { limit }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use futures::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    fn chunks(
        sizes: Vec<usize>,
        seen: &Arc<AtomicUsize>,
    ) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + use<> {
        let seen = Arc::clone(seen);
        StreamBody::new(stream::iter(sizes.into_iter().map(move |size| {
            seen.fetch_add(1, Ordering::Relaxed);
            Ok(Frame::data(Bytes::from(vec![b'x'; size])))
        })))
    }

    #[tokio::test]
    async fn the_limit_is_exact_with_and_without_an_announced_length() {
        for (size, fits) in [
            (0, true),
            (1, true),
            (9, true),
            (10, true),
            (11, false),
            (10_000, false),
        ] {
            let known = Full::new(Bytes::from(vec![b'x'; size]));
            assert_eq!(read_body(known, 10).await.is_ok(), fits, "{size} announced");
            let halves = vec![size / 2, size - size / 2];
            let unknown = chunks(halves, &Arc::default());
            assert_eq!(
                read_body(unknown, 10).await.map(|body| body.len()).ok(),
                fits.then_some(size)
            );
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_read_to_its_end_but_not_for_ever() {
        let seen = Arc::new(AtomicUsize::new(0));
        let error = read_body(chunks(vec![10; 3], &seen), 10).await.unwrap_err();
        assert!(matches!(error, BodyError::TooLarge { limit: 10 }), "{error}");
        assert_eq!(seen.load(Ordering::Relaxed), 3, "the whole body is drained");

        seen.store(0, Ordering::Relaxed);
        read_body(chunks(vec![10; 1000], &seen), 10).await.unwrap_err();
        assert_eq!(
            seen.load(Ordering::Relaxed),
            5,
            "four times the limit, then no more"
        );
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_apart() {
        let frames: Vec<Result<Frame<Bytes>, std::io::Error>> = vec![
            Ok(Frame::data(Bytes::from_static(b"{"))),
            Err(std::io::Error::other("gone")),
        ];
        let error = read_body(StreamBody::new(stream::iter(frames)), 10)
            .await
            .unwrap_err();
        assert!(matches!(error, BodyError::Unreadable(_)), "{error}");
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_given_up_on() {
        let silent = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let error = within(Duration::from_millis(1), read_whole(silent, 10))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("not complete within"), "{error}");
    }
}
