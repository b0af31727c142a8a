//! Serving axum routers over TLS or plain TCP, and a small client for one request.
//!
//! HTTP/1.1 only: see [`crate::tls::server_config`]. What every server here needs and no handler should think
//! of: time limits on handshake, headers and idleness, a limit on connections, and an orderly end.

mod accept;
mod body;
pub mod client;
mod connection;
mod crowd;
mod limits;
mod pace;
mod serve;
mod transport;

pub use body::{BodyError, read_body};
pub use limits::Limits;
pub use serve::{Drained, bind, serve_plain, serve_tls};
pub use transport::{Acceptor, HandshakeFailure, HandshakeObserver};
