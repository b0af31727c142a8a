//! The load: a client that does as little as it can, so that one core of it keeps a server's core busy.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Requests as they go over the wire, sent in turn.
pub(crate) type Requests = Arc<[Vec<u8>]>;

/// One server, as a client sees it.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    connector: TlsConnector,
}

/// What a load has shown.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// How long each answer took.
    pub(crate) took: Vec<Duration>,
    /// Requests without an answer, or with another status than 200.
    pub(crate) failed: usize,
    pub(crate) elapsed: Duration,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        count(self.took.len()) / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The time that this share of the answers stays below.
    pub(crate) fn quantile(&mut self, share: f64) -> Duration {
        self.took.sort_unstable();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length"
        )]
        let at = (count(self.took.len()) * share) as usize;
        let last = self.took.len().saturating_sub(1);
        self.took.get(at.min(last)).copied().unwrap_or_default()
    }

    fn note(&mut self, answer: &io::Result<u16>, took: Duration) {
        if matches!(answer, Ok(200)) {
            self.took.push(took);
        } else {
            self.failed += 1;
        }
    }
}

/// A count as a number to calculate with.
#[allow(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}

/// A POST of a body, for the wire.
pub(crate) fn post(path: &str, body: &[u8], close: bool) -> Vec<u8> {
    let connection = if close { "Connection: close\r\n" } else { "" };
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{connection}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

impl Client {
    /// A client that trusts this authority and offers these protocols. It resumes no session.
    pub(crate) fn new(address: SocketAddr, ca_pem: &str, protocols: &[&str]) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            roots.add(certificate.context("the authority is no PEM")?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Self {
            address,
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        Ok(Connection {
            stream: self.connector.connect(name, socket).await?,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Asks again and again over kept connections.
    pub(crate) async fn keep_asking(&self, requests: &Requests, connections: usize, span: Duration) -> Load {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for first in 0..connections {
            let (client, requests) = (self.clone(), Arc::clone(requests));
            tasks.spawn(async move {
                let mut load = Load::default();
                let Ok(mut connection) = client.connect().await else {
                    load.failed += 1;
                    return load;
                };
                let mut turn = requests.iter().cycle().skip(first * requests.len() / connections);
                while begun.elapsed() < span {
                    let Some(request) = turn.next() else { break };
                    let sent = Instant::now();
                    let answer = connection.ask(request).await;
                    load.note(&answer, sent.elapsed());
                    if answer.is_err() {
                        break;
                    }
                }
                load
            });
        }
        gather(tasks, begun).await
    }

    /// Asks over a new connection each time, `connections` at once.
    pub(crate) async fn connect_and_ask(&self, request: &[u8], connections: usize, span: Duration) -> Load {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (client, request) = (self.clone(), request.to_vec());
            tasks.spawn(async move {
                let mut load = Load::default();
                while begun.elapsed() < span {
                    let sent = Instant::now();
                    let answer = match client.connect().await {
                        Ok(mut connection) => connection.ask(&request).await,
                        Err(error) => Err(error),
                    };
                    load.note(&answer, sent.elapsed());
                }
                load
            });
        }
        gather(tasks, begun).await
    }

    /// Asks at a fixed rate over kept connections, whether answers come or not.
    pub(crate) async fn ask_at(&self, request: &[u8], connections: u32, rate: u32, span: Duration) -> Load {
        let pause = Duration::from_secs(1) * connections / rate;
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(self.connect().await);
        }
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for (number, connection) in (0u32..).zip(open) {
            let request = request.to_vec();
            tasks.spawn(async move {
                let mut load = Load::default();
                let Ok(mut connection) = connection else {
                    load.failed += 1;
                    return load;
                };
                let mut due = begun + pause * number / connections;
                while due < begun + span {
                    tokio::time::sleep_until(due.into()).await;
                    let sent = Instant::now();
                    let answer = connection.ask(&request).await;
                    load.note(&answer, sent.elapsed());
                    if answer.is_err() {
                        break;
                    }
                    due += pause;
                }
                load
            });
        }
        gather(tasks, begun).await
    }
}

async fn gather(mut tasks: JoinSet<Load>, begun: Instant) -> Load {
    let mut all = Load::default();
    while let Some(load) = tasks.join_next().await {
        match load {
            Ok(load) => {
                all.took.extend(load.took);
                all.failed += load.failed;
            }
            Err(_) => all.failed += 1,
        }
    }
    all.elapsed = begun.elapsed();
    all
}

/// A kept connection.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// The protocol that the server has chosen, and its certificate.
    pub(crate) fn agreed(&self) -> (Option<String>, Option<CertificateDer<'static>>) {
        let session = self.stream.get_ref().1;
        let protocol = session
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into_owned());
        let certificates = session.peer_certificates().unwrap_or_default();
        (
            protocol,
            certificates.first().map(|first| first.clone().into_owned()),
        )
    }

    /// Sends a request and reads the whole answer; gives its status.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((status, end)) = head(&self.buffer)
                && self.buffer.len() >= end
            {
                return Ok(status);
            }
        }
    }

    /// The last answer, with its head.
    pub(crate) fn answer(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

/// The status of an answer and the length that it will have, once its head is there.
fn head(bytes: &[u8]) -> Option<(u16, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    Some((status, end + 4 + length.unwrap_or(0)))
}
