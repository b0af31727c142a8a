//! The webhook over real sockets and TLS, before peers that mean no good: each ends in a bounded time, and reviews go
//! on being answered.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use bytes::Bytes;
use hookbudget::admission::{Admission, Silent, router};
use hookbudget::engine::policy::{Mode, Policy};
use hookbudget::http::{Acceptor, HandshakeFailure, HandshakeObserver, Limits, bind, client, serve_tls};
use hookbudget::shutdown::{Shutdown, Trigger};
use hookbudget::tls::{Authority, LiveCertificate, ServingCertificate, install_provider, server_config};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const LIMIT: usize = 8 * 1024 * 1024;

#[derive(Default)]
struct Failures(Mutex<Vec<HandshakeFailure>>);

impl HandshakeObserver for Failures {
    fn failed(&self, why: HandshakeFailure) {
        self.0.lock().unwrap().push(why);
    }
}

/// The webhook with the default limits, in enforce.
struct Webhook {
    address: SocketAddr,
    authority: Authority,
    failures: Arc<Failures>,
    _trigger: Trigger,
}

impl Webhook {
    fn start() -> Self {
        install_provider();
        let authority = Authority::generate("test", Timestamp::now()).unwrap();
        let bundle = authority.issue(&["127.0.0.1"], Timestamp::now()).unwrap();
        let live = LiveCertificate::new(ServingCertificate::try_from(&bundle).unwrap());
        let failures = Arc::new(Failures::default());
        let acceptor =
            Acceptor::new(server_config(live, None).unwrap()).observed_by(Arc::<Failures>::clone(&failures));
        let admission = Admission::new(Arc::new(Silent));
        admission.policy.store(Arc::new(Policy {
            default_mode: Mode::Enforce,
            ..Policy::default()
        }));
        let limits = Limits::default();
        let router = router(Arc::new(admission), Arc::new(|| true), &limits);
        let listener = bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = Shutdown::manual();
        tokio::spawn(serve_tls(listener, acceptor, router, shutdown, limits));
        Self {
            address,
            authority,
            failures,
            _trigger: trigger,
        }
    }

    /// Asks as an API server would, and checks that the unsafe Job is denied.
    async fn still_judges(&self) {
        let (status, body) = self.post("/validate?timeout=3s", review()).await.unwrap();
        assert_eq!(status, StatusCode::OK);
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["response"]["allowed"], false, "{answer}");
    }

    async fn post(
        &self,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<(StatusCode, Bytes), client::ClientError> {
        let url = format!("https://{}{path}", self.address);
        client::post(&url, self.authority.cert_pem(), body).await
    }

    fn config(&self, versions: &[&'static SupportedProtocolVersion], alpn: &[&[u8]]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let pem = self.authority.cert_pem();
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
            .unwrap();
        let mut config = ClientConfig::builder_with_protocol_versions(versions)
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }

    async fn tls(&self, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.address).await?;
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(self.address.ip().into(), socket).await
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        self.tls(self.config(&[&TLS13], &[b"http/1.1"])).await.unwrap()
    }
}

fn review() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    std::fs::read_to_string(format!(
        "{root}/tests/fixtures/reviews/job-create-waits-by-failing.json"
    ))
    .unwrap()
}

/// Sends raw bytes and reads what comes until the end; a peer that closes early is an answer too.
async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let talk = async {
        if stream.write_all(bytes).await.is_ok() {
            let _ = stream.flush().await;
        }
        let _ = stream.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(Duration::from_secs(20), talk)
        .await
        .unwrap_or_else(|_| panic!("the connection is neither answered nor closed"));
    answer
}

fn starts_with(answer: &[u8], status: &str) {
    let text = String::from_utf8_lossy(answer);
    assert!(
        text.starts_with(&format!("HTTP/1.1 {status}")),
        "{status}: {text}"
    );
}

/// A whole `ClientHello` of a version before 1.2: one cipher suite of its time, no extensions (RFC 4346, 7.4.1.2).
fn old_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x00, 0x2f, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    record
}

#[tokio::test]
async fn tls_before_1_2_is_refused() {
    let webhook = Webhook::start();
    for minor in 0..=2 {
        let mut socket = TcpStream::connect(webhook.address).await.unwrap();
        let answer = exchange(&mut socket, &old_hello(minor)).await;
        // A fatal alert (RFC 8446, 6): protocol_version or handshake_failure.
        assert!(
            matches!(answer[..], [0x15, 3, _, 0, 2, 2, 70 | 40]),
            "version 3.{minor}: {answer:?}"
        );
    }
    assert_eq!(
        *webhook.failures.0.lock().unwrap(),
        [HandshakeFailure::Protocol; 3]
    );
    webhook.still_judges().await;
}

#[tokio::test]
async fn http_1_1_is_spoken_over_tls_1_2_and_1_3_and_nothing_else() {
    let webhook = Webhook::start();
    let body = review();
    let request = format!(
        "POST /validate?timeout=3s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for version in [&TLS12, &TLS13] {
        for alpn in [&[&b"h2"[..], b"http/1.1"][..], &[]] {
            let mut stream = webhook.tls(webhook.config(&[version], alpn)).await.unwrap();
            assert_ne!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            starts_with(&exchange(&mut stream, request.as_bytes()).await, "200");
        }
        // Whoever speaks HTTP/2 alone learns it in the handshake.
        let refused = webhook
            .tls(webhook.config(&[version], &[b"h2"]))
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    }
    // And whoever does not ask before gets no further than the preface (RFC 9113, 3.4).
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let answer = exchange(&mut webhook.connect().await, preface).await;
    assert!(
        !answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    webhook.still_judges().await;
}

#[tokio::test]
async fn a_body_of_eight_mebibytes_is_judged_and_one_byte_more_is_refused() {
    let webhook = Webhook::start();
    let mut body = review().into_bytes();
    for (size, status) in [
        (LIMIT, StatusCode::OK),
        (LIMIT + 1, StatusCode::PAYLOAD_TOO_LARGE),
        (3 * LIMIT, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        // White space after a JSON text belongs to it.
        body.resize(size, b' ');
        let (answered, text) = webhook.post("/validate", body.clone()).await.unwrap();
        assert_eq!(answered, status, "{size}: {}", String::from_utf8_lossy(&text));
    }
    // Not announced, but sent.
    let mut stream = webhook.connect().await;
    let head =
        b"POST /validate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [&b"100000\r\n"[..], &vec![b' '; 0x0010_0000], b"\r\n"].concat();
    let bytes = [&head[..], &chunk.repeat(9), b"0\r\n\r\n"].concat();
    starts_with(&exchange(&mut stream, &bytes).await, "413");
    webhook.still_judges().await;
}

#[tokio::test]
async fn what_breaks_off_or_is_compressed_is_refused() {
    let webhook = Webhook::start();
    let body = review();
    let head = |more: &str, length: usize| {
        format!(
            "POST /validate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}Content-Length: {length}\r\n\r\n"
        )
    };
    let half = &body[..body.len() / 2];
    // Half a review that is whole as a body.
    let bytes = head("", half.len()) + half;
    starts_with(
        &exchange(&mut webhook.connect().await, bytes.as_bytes()).await,
        "400",
    );
    // Half a body: the peer closes its side.
    let mut stream = webhook.connect().await;
    stream
        .write_all((head("", body.len()) + half).as_bytes())
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    let answer = exchange(&mut stream, b"").await;
    assert!(
        !answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    // A bomb, and a review that says it is one.
    let bytes = head("Content-Encoding: gzip\r\n", body.len()) + &body;
    starts_with(
        &exchange(&mut webhook.connect().await, bytes.as_bytes()).await,
        "415",
    );
    webhook.still_judges().await;
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let webhook = Webhook::start();
    for headers in [
        format!("X-Long: {}\r\n", "x".repeat(4 * 1024 * 1024)),
        "X-Many: x\r\n".repeat(10_000),
        "Content-Length: 5\r\nContent-Length: 6\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Content-Length: 99999999999999999999999\r\n".to_owned(),
        "Transfer-Encoding: gzip, chunked, gzip\r\n".to_owned(),
        "Bad Header: x\r\n".to_owned(),
    ] {
        let bytes = format!("POST /validate HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let answer = exchange(&mut webhook.connect().await, bytes.as_bytes()).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    webhook.still_judges().await;
}

#[tokio::test]
async fn a_sender_of_single_bytes_is_cut_when_the_timeout_of_the_webhook_is_over() {
    let webhook = Webhook::start();
    let begun = Instant::now();
    let senders: Vec<_> = (0..50)
        .map(|_| async {
            let stream = webhook.connect().await;
            let (mut read, mut write) = tokio::io::split(stream);
            let trickle = tokio::spawn(async move {
                let head = "POST /validate?timeout=1s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9999\r\n\r\n";
                write.write_all(head.as_bytes()).await.unwrap();
                while write.write_all(b" ").await.is_ok() && write.flush().await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
            let mut answer = Vec::new();
            let _ = read.read_to_end(&mut answer).await;
            trickle.abort();
            answer
        })
        .collect();
    let (answers, ()) = tokio::join!(futures::future::join_all(senders), webhook.still_judges());
    for answer in answers {
        starts_with(&answer, "408");
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

/// Resident memory of this process, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_keep_nobody_out() {
    const PEERS: usize = 1_000;
    let webhook = Webhook::start();
    // An API server that has asked before and keeps its connection.
    let mut kept = webhook.connect().await;
    let body = review();
    let request = format!(
        "POST /validate?timeout=3s HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut buffer = vec![0; 16 * 1024];
    let mut ask = async || {
        kept.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 15];
        kept.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        // The rest of the answer, which is read before the next one.
        while kept.read(&mut buffer).await.unwrap() == buffer.len() {}
    };
    ask().await;
    let before = memory();
    let mut silent = Vec::new();
    for _ in 0..PEERS {
        silent.push(TcpStream::connect(webhook.address).await.unwrap());
    }
    // Half of them shake hands and say nothing more, half do not even do that.
    let config = Arc::new(webhook.config(&[&TLS13], &[b"http/1.1"]));
    let idle: Vec<_> = silent
        .drain(..PEERS / 2)
        .map(|socket| {
            let (name, connector) = (
                webhook.address.ip().into(),
                TlsConnector::from(Arc::clone(&config)),
            );
            tokio::spawn(async move { connector.connect(name, socket).await })
        })
        .collect();
    let begun = Instant::now();
    // A new connection stands in line behind all of them.
    webhook.still_judges().await;
    let took = begun.elapsed();
    ask().await;
    let grown = memory().saturating_sub(before);
    println!("{PEERS} idle connections: judged after {took:.0?}, {grown} KiB more for both sides");
    // The API server gives a webhook of the chart three seconds.
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(grown < 192 * 1024, "{grown} KiB");
    drop((silent, idle));
}

#[tokio::test]
async fn large_bodies_in_numbers_neither_fill_the_memory_nor_keep_small_ones_out() {
    let webhook = Webhook::start();
    let mut large = review().into_bytes();
    large.resize(LIMIT - 1024, b' ');
    let large = Bytes::from(large);
    let flood =
        futures::future::join_all((0..24).map(|_| webhook.post("/validate?timeout=3s", large.clone())));
    let (flood, ()) = tokio::join!(flood, webhook.still_judges());
    for answer in flood {
        let (status, _) = answer.unwrap();
        let refused = matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT
        );
        assert!(status == StatusCode::OK || refused, "{status}");
    }
    webhook.still_judges().await;
}
