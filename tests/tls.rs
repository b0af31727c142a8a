//! The serving layer over real sockets on loopback: a client that trusts one authority and nothing else.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use hookbudget::{
    http::{
        Acceptor, BodyError, Drained, HandshakeFailure, HandshakeObserver, Limits, bind, client, read_body,
        serve_plain, serve_tls,
    },
    shutdown::{Shutdown, Trigger},
    tls::{
        Authority, Bundle, CA_LIFETIME, LiveCertificate, ServingCertificate, install_provider, server_config,
    },
};
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1, header::CONNECTION};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const MAX_BODY: usize = 8 * 1024 * 1024;

#[derive(Default)]
struct Handshakes {
    completed: AtomicUsize,
    failed: std::sync::Mutex<Vec<HandshakeFailure>>,
}

impl HandshakeObserver for Handshakes {
    fn completed(&self, _took: Duration) {
        self.completed.fetch_add(1, Ordering::Relaxed);
    }

    fn failed(&self, why: HandshakeFailure) {
        self.failed.lock().unwrap().push(why);
    }
}

/// A gate that `/slow` waits at, and a sign that a request has come to it.
struct Gate {
    arrived: mpsc::UnboundedSender<()>,
    open: Notify,
}

struct Server {
    address: SocketAddr,
    authority: Authority,
    live: Arc<LiveCertificate>,
    handshakes: Arc<Handshakes>,
    gate: Arc<Gate>,
    arrivals: mpsc::UnboundedReceiver<()>,
    trigger: Trigger,
    task: JoinHandle<Drained>,
}

async fn echo(body: Body) -> impl IntoResponse {
    match read_body(body, MAX_BODY).await {
        Ok(body) => (StatusCode::OK, body),
        Err(BodyError::TooLarge { limit }) => (
            StatusCode::OK,
            Bytes::from(format!("allowed: more than {limit} bytes")),
        ),
        Err(error) => (StatusCode::BAD_REQUEST, Bytes::from(error.to_string())),
    }
}

async fn slow(State(gate): State<Arc<Gate>>) -> &'static str {
    gate.arrived.send(()).unwrap();
    gate.open.notified().await;
    "finished"
}

async fn panics() -> &'static str {
    panic!("a handler's bug")
}

impl Server {
    fn start(limits: Limits) -> Self {
        install_provider();
        let authority = Authority::generate("test", Timestamp::now()).unwrap();
        let live = LiveCertificate::new(serving(&issue(&authority)));
        let handshakes = Arc::new(Handshakes::default());
        let acceptor = Acceptor::new(server_config(Arc::clone(&live), None).unwrap())
            .observed_by(Arc::clone(&handshakes) as _);
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let gate = Arc::new(Gate {
            arrived,
            open: Notify::new(),
        });
        let router = Router::new()
            .route("/echo", post(echo))
            .route("/slow", post(slow))
            .route("/panic", get(panics))
            .with_state(Arc::clone(&gate));
        let listener = bind(LOOPBACK).unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = Shutdown::manual();
        let task = tokio::spawn(serve_tls(listener, acceptor, router, shutdown, limits));
        Self {
            address,
            authority,
            live,
            handshakes,
            gate,
            arrivals,
            trigger,
            task,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        connect(self.address, self.authority.cert_pem()).await
    }

    /// A connection that several requests can be sent on.
    async fn keep_alive(&self) -> http1::SendRequest<Full<Bytes>> {
        let (sender, connection) = http1::handshake(TokioIo::new(self.connect().await.unwrap()))
            .await
            .unwrap();
        tokio::spawn(connection);
        sender
    }
}

fn issue(authority: &Authority) -> Bundle {
    authority
        .issue(&["127.0.0.1", "localhost"], Timestamp::now())
        .unwrap()
}

fn serving(bundle: &Bundle) -> ServingCertificate {
    ServingCertificate::try_from(bundle).unwrap()
}

async fn connect(address: SocketAddr, ca_pem: &str) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let socket = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(address.ip().into(), socket)
        .await
}

fn to_echo(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("/echo")
        .header("host", "x")
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_is_served() {
    let server = Server::start(Limits::default());
    let stream = server.connect().await.unwrap();
    let (_, session) = stream.get_ref();
    assert_eq!(
        session.alpn_protocol(),
        Some(&b"http/1.1"[..]),
        "h2 was offered first and must not be taken"
    );
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));

    let leaf = &session.peer_certificates().unwrap()[0];
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).unwrap();
    let curve = leaf
        .public_key()
        .algorithm
        .parameters
        .as_ref()
        .unwrap()
        .as_oid()
        .unwrap();
    assert_eq!(curve.to_id_string(), "1.2.840.10045.3.1.7", "prime256v1");

    let answer = client::post(&server.url("/echo"), server.authority.cert_pem(), "review")
        .await
        .unwrap();
    assert_eq!(answer, (StatusCode::OK, Bytes::from("review")));
    assert_eq!(server.handshakes.completed.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn another_authority_is_refused_and_counted() {
    let server = Server::start(Limits::default());
    // Of another name, and of the same name with another key.
    let made = server.authority.not_after() - CA_LIFETIME;
    for name in ["other", "test"] {
        let other = Authority::generate(name, made).unwrap();
        let error = client::post(&server.url("/echo"), other.cert_pem(), "x")
            .await
            .unwrap_err();
        assert!(matches!(error, client::ClientError::Connect { .. }), "{error}");
    }
    // Served again, so the failure before it has been observed.
    client::post(&server.url("/echo"), server.authority.cert_pem(), "x")
        .await
        .unwrap();
    assert_eq!(
        *server.handshakes.failed.lock().unwrap(),
        [HandshakeFailure::Untrusted; 2]
    );
}

#[tokio::test]
async fn what_is_not_tls_is_dropped_and_counted() {
    let server = Server::start(Limits {
        handshake: Duration::from_millis(50),
        ..Limits::default()
    });
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let _ = plain.read_to_end(&mut Vec::new()).await;
    // A probe that connects and hangs up.
    let mut probe = TcpStream::connect(server.address).await.unwrap();
    probe.shutdown().await.unwrap();
    let _ = probe.read_to_end(&mut Vec::new()).await;
    // A peer that says nothing.
    let mut mute = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(mute.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    assert_eq!(
        *server.handshakes.failed.lock().unwrap(),
        [
            HandshakeFailure::Protocol,
            HandshakeFailure::Closed,
            HandshakeFailure::Timeout
        ]
    );
    client::post(&server.url("/echo"), server.authority.cert_pem(), "x")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_replaced_certificate_is_seen_by_the_next_connection_only() {
    let server = Server::start(Limits::default());
    let leaf = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let before = leaf(&server.connect().await.unwrap());
    let mut kept = server.keep_alive().await;
    kept.send_request(to_echo("one")).await.unwrap();

    let next = issue(&server.authority);
    server.live.replace(serving(&next));
    let after = leaf(&server.connect().await.unwrap());
    assert_ne!(before, after);
    assert_eq!(
        after,
        CertificateDer::from_pem_slice(next.cert_pem.as_bytes()).unwrap()
    );
    assert_eq!(server.live.not_after(), next.not_after);

    let response = kept.send_request(to_echo("two")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "two");
}

#[tokio::test]
async fn a_request_in_flight_is_finished_at_shutdown() {
    let mut server = Server::start(Limits::default());
    let mut kept = server.keep_alive().await;
    let url = server.url("/slow");
    let ca = server.authority.cert_pem().to_owned();
    let in_flight = tokio::spawn(async move { client::post(&url, &ca, "").await });
    server.arrivals.recv().await.unwrap();
    kept.send_request(to_echo("x")).await.unwrap();

    server.trigger.request();
    // Idle connections end at once, and nobody new gets in.
    while kept.ready().await.is_ok() {
        tokio::task::yield_now().await;
    }
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.task.is_finished(), "the server left a request behind");
    server.gate.open.notify_one();
    assert_eq!(
        in_flight.await.unwrap().unwrap(),
        (StatusCode::OK, Bytes::from("finished"))
    );
    assert_eq!(server.task.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn what_does_not_finish_is_cut() {
    for (drain, second_signal) in [
        (Duration::from_millis(50), false),
        (Duration::from_mins(10), true),
    ] {
        let mut server = Server::start(Limits {
            drain,
            ..Limits::default()
        });
        let (url, ca) = (server.url("/slow"), server.authority.cert_pem().to_owned());
        let in_flight = tokio::spawn(async move { client::post(&url, &ca, "").await });
        server.arrivals.recv().await.unwrap();
        server.trigger.request();
        if second_signal {
            server.trigger.request();
        }
        assert_eq!(server.task.await.unwrap(), Drained { cut: 1 });
        in_flight.await.unwrap().unwrap_err();
    }
}

#[tokio::test]
async fn while_the_endpoint_is_withdrawn_requests_are_served_and_sent_away() {
    let limits = Limits {
        withdrawal: Duration::from_mins(10),
        ..Limits::default()
    };
    let server = Server::start(limits);
    let mut kept = server.keep_alive().await;
    let response = kept.send_request(to_echo("before")).await.unwrap();
    assert!(response.headers().get(CONNECTION).is_none());
    drop(response.into_body().collect().await.unwrap());
    server.trigger.request();
    let response = kept.send_request(to_echo("after")).await.unwrap();
    assert_eq!(response.headers().get(CONNECTION).unwrap(), "close");
    client::post(&server.url("/echo"), server.authority.cert_pem(), "new")
        .await
        .unwrap();
    server.trigger.request();
    server.task.await.unwrap();
}

#[tokio::test]
async fn an_old_connection_is_closed_with_an_answer() {
    let server = Server::start(Limits {
        max_age: Duration::ZERO,
        ..Limits::default()
    });
    let mut kept = server.keep_alive().await;
    let response = kept.send_request(to_echo("x")).await.unwrap();
    assert_eq!(response.headers().get(CONNECTION).unwrap(), "close");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "x");
    while kept.ready().await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_oversized_body_gets_the_handlers_answer() {
    let server = Server::start(Limits::default());
    for (size, expected) in [
        (MAX_BODY, Bytes::from(vec![b'x'; MAX_BODY])),
        (MAX_BODY + 1, Bytes::from("allowed: more than 8388608 bytes")),
        (3 * MAX_BODY, Bytes::from("allowed: more than 8388608 bytes")),
    ] {
        let body = vec![b'x'; size];
        let answer = client::post(&server.url("/echo"), server.authority.cert_pem(), body)
            .await
            .unwrap();
        assert!(answer == (StatusCode::OK, expected), "{size} bytes");
    }
}

#[tokio::test]
async fn an_oversized_body_reaches_its_answer_even_if_all_is_sent_first() {
    let server = Server::start(Limits::default());
    let mut stream = server.connect().await.unwrap();
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        3 * MAX_BODY
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; 3 * MAX_BODY]).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("allowed: more than 8388608 bytes"), "{answer}");
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_headers_is_cut() {
    let limit = Duration::from_millis(100);
    let server = Server::start(Limits {
        header_read: limit,
        ..Limits::default()
    });
    let mut idle = server.keep_alive().await;
    let mut slow = server.connect().await.unwrap();
    let begun = Instant::now();
    slow.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    slow.flush().await.unwrap();
    let mut answer = Vec::new();
    let _ = slow.read_to_end(&mut answer).await;
    assert!(begun.elapsed() >= limit);
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    // A connection that has sent nothing for longer than that is still there.
    idle.send_request(to_echo("x")).await.unwrap();
}

#[tokio::test]
async fn a_silent_connection_ends_at_the_idle_limit() {
    let server = Server::start(Limits {
        idle: Duration::from_millis(50),
        ..Limits::default()
    });
    let mut kept = server.keep_alive().await;
    kept.send_request(to_echo("x")).await.unwrap();
    while kept.ready().await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_panic_in_a_handler_costs_one_connection() {
    let server = Server::start(Limits::default());
    let mut kept = server.keep_alive().await;
    let request = Request::get("/panic")
        .header("host", "x")
        .body(Full::default())
        .unwrap();
    kept.send_request(request).await.unwrap_err();
    client::post(&server.url("/echo"), server.authority.cert_pem(), "x")
        .await
        .unwrap();
}

#[tokio::test]
async fn the_connection_limit_makes_the_next_one_wait() {
    let server = Server::start(Limits {
        max_connections: 1,
        ..Limits::default()
    });
    let mut first = server.keep_alive().await;
    first.send_request(to_echo("x")).await.unwrap();
    let (url, ca) = (server.url("/echo"), server.authority.cert_pem().to_owned());
    let second = tokio::spawn(async move { client::post(&url, &ca, "second").await });
    for _ in 0..100 {
        first.send_request(to_echo("x")).await.unwrap();
    }
    assert_eq!(server.handshakes.completed.load(Ordering::Relaxed), 1);
    assert!(!second.is_finished());
    drop(first);
    assert_eq!(second.await.unwrap().unwrap().1, "second");
}

#[tokio::test]
async fn a_burst_of_new_connections_is_served_without_an_error() {
    const BURST: usize = 200;
    let server = Server::start(Limits::default());
    let begun = Instant::now();
    let requests: Vec<_> = (0..BURST)
        .map(|n| {
            let (url, ca) = (server.url("/echo"), server.authority.cert_pem().to_owned());
            tokio::spawn(async move { client::post(&url, &ca, n.to_string()).await.map(|(_, body)| body) })
        })
        .collect();
    for (n, request) in requests.into_iter().enumerate() {
        assert_eq!(request.await.unwrap().unwrap(), n.to_string());
    }
    println!(
        "{BURST} new connections, client and server: {:?}",
        begun.elapsed()
    );
    assert_eq!(server.handshakes.completed.load(Ordering::Relaxed), BURST);
    assert!(server.handshakes.failed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_burst_finds_room_while_nobody_accepts() {
    let listener = bind(LOOPBACK).unwrap();
    let address = listener.local_addr().unwrap();
    let burst = async {
        let mut queued = Vec::new();
        for _ in 0..200 {
            queued.push(TcpStream::connect(address).await.unwrap());
        }
        queued
    };
    // With too short a queue this waits for ever: what is queued is never accepted.
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(30), burst)
            .await
            .unwrap()
            .len(),
        200
    );
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = bind(LOOPBACK).unwrap().local_addr().unwrap();
    let holder = bind(taken).unwrap();
    let error = bind(taken).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    drop(holder);
}

#[tokio::test]
async fn plain_http_is_served_by_the_same_layer() {
    let listener = bind(LOOPBACK).unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let (trigger, shutdown) = Shutdown::manual();
    let router = Router::new().route("/metrics", get(async || "up 1\n"));
    let task = tokio::spawn(serve_plain(listener, router, shutdown, Limits::default()));
    assert_eq!(
        client::get(&url).await.unwrap(),
        (StatusCode::OK, Bytes::from("up 1\n"))
    );
    assert_eq!(
        client::get(&url.replace("metrics", "other")).await.unwrap().0,
        StatusCode::NOT_FOUND
    );
    trigger.request();
    assert_eq!(task.await.unwrap(), Drained { cut: 0 });
    assert!(matches!(
        client::get(&url).await,
        Err(client::ClientError::Connect { .. })
    ));
}
