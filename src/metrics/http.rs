//! `/metrics`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use futures::stream;

use super::selection::Selection;
use super::text::{Exposition, Format};
use crate::index::Handle;

/// The route `/metrics` over an index.
pub fn router(index: Handle, selection: Selection) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .with_state((index, selection))
}

async fn metrics(
    State((index, selection)): State<(Handle, Selection)>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    let exposition = Exposition::of(Arc::new(index.snapshot()), format, selection);
    let pieces = exposition.map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
    (
        [(CONTENT_TYPE, format.content_type())],
        Body::from_stream(stream::iter(pieces)),
    )
}
