//! How much a peer may take: time, connections, bytes.

use std::time::Duration;

/// Limits of one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once. Further ones wait in the kernel's queue, and connections that are silent make room for
    /// them. Three API servers keep at most 25
    /// idle connections each (`idleConnsPerHost`, `k8s.io/client-go/transport/cache.go`); bursts need more.
    pub max_connections: usize,
    /// From TCP accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its headers.
    pub header_read: Duration,
    /// Silence between two requests. Longer than the 90 s after which the API server's client gives up an idle
    /// connection (`IdleConnTimeout` of Go's `http.DefaultTransport`, taken over by `SetTransportDefaults`,
    /// `k8s.io/apimachinery/pkg/util/net/http.go`): a server that closes first may cut a POST that is just
    /// being sent, and Go does not repeat those.
    pub idle: Duration,
    /// Age at which a connection's next answer says `Connection: close`, so that long-lived clients come back
    /// to a new certificate and to all replicas.
    pub max_age: Duration,
    /// After shutdown is requested: how long new connections are still served, each answer saying
    /// `Connection: close`, until the endpoint is withdrawn everywhere.
    pub withdrawal: Duration,
    /// After that: how long requests in flight may take before they are cut.
    pub drain: Duration,
    /// Bytes of a request's body, for [`super::read_body`]. The API server takes objects up to 3 MiB
    /// (`MaxRequestBodyBytes`, `k8s.io/apiserver/pkg/server/config.go`) and sends the old and the new one.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 512,
            handshake: Duration::from_secs(5),
            header_read: Duration::from_secs(2),
            idle: Duration::from_mins(2),
            max_age: Duration::from_mins(10),
            withdrawal: Duration::ZERO,
            drain: Duration::from_secs(10),
            body: 8 * 1024 * 1024,
        }
    }
}
