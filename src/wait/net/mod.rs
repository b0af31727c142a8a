//! Probes over the real network; each comes back within its limit, whatever the other side does.

mod greet;
mod grpc;
mod http;
mod object;
mod tls;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout_at};

use self::object::Cluster;
use self::tls::Trust;
use super::options::{Http, TlsOptions};
use super::waiter::{Answer, Prober};
use crate::engine::Seconds;
use crate::engine::wait_target::{Server, Target};

/// What came in the way of an answer. Like `curl`'s `%{http_code}`, it begins with 000.
type Failure = String;

const SILENT: &str = "000 no answer in time";

/// Bytes in both directions, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The real network.
#[derive(Debug)]
pub struct Network {
    runtime: Runtime,
    asker: Asker,
}

/// How each kind of target is asked.
#[derive(Debug)]
struct Asker {
    http: Http,
    trust: Option<Trust>,
    cluster: Option<Cluster>,
}

impl Network {
    /// A prober that asks these targets.
    ///
    /// # Errors
    /// Says which file or variable is missing or wrong, and what to do about it.
    pub fn new(targets: &[Target], http: Http, tls: &TlsOptions) -> Result<Self, String> {
        let is_object = |target: &&Target| matches!(target, Target::Kubernetes(_));
        let cluster = targets
            .iter()
            .find(is_object)
            .map(|_| Cluster::of_pod())
            .transpose()?;
        let encrypted = targets
            .iter()
            .any(|target| target.is_encrypted() && !is_object(&target));
        let trust = encrypted.then(|| Trust::of(tls)).transpose()?;
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| format!("cannot start: {error}"))?;
        Ok(Self {
            runtime,
            asker: Asker { http, trust, cluster },
        })
    }
}

impl Prober for Network {
    fn probe(&self, targets: &[&Target], any: bool, limit: Seconds) -> Vec<Answer> {
        let deadline = Instant::now() + Duration::from_nanos(limit.nanos().unsigned_abs());
        let mut answers = vec![Answer::NotYet(SILENT.to_owned()); targets.len()];
        self.runtime.block_on(async {
            let ask = |(place, target)| async move { (place, self.asker.ask(target, deadline).await) };
            let mut asking: FuturesUnordered<_> = targets.iter().copied().enumerate().map(ask).collect();
            while let Some((place, answer)) = asking.next().await {
                // Nothing that the silent ones may still say changes the end.
                let is_end = match answer {
                    Answer::Ready(_) => any,
                    Answer::Fatal(_) => !any,
                    Answer::NotYet(_) => false,
                };
                if let Some(slot) = answers.get_mut(place) {
                    *slot = answer;
                }
                if is_end {
                    break;
                }
            }
        });
        answers
    }
}

impl Asker {
    async fn ask(&self, target: &Target, deadline: Instant) -> Answer {
        let answer = async {
            match target {
                Target::Dns { name } => {
                    let found = resolve(name, 0, deadline).await?;
                    let first = found.first().map(|address| address.ip().to_string());
                    Ok(Answer::Ready(first.unwrap_or_default()))
                }
                Target::Tcp(server) => {
                    connect(server, deadline).await?;
                    Ok(Answer::Ready("connected".to_owned()))
                }
                Target::Http { server, tls, path } => {
                    let stream = self.open(server, *tls, tls::HTTP, deadline).await?;
                    http::ask(stream, &self.http, server, path).await
                }
                Target::Grpc { server, tls, service } => {
                    let stream = self.open(server, *tls, tls::GRPC, deadline).await?;
                    grpc::ask(stream, server, *tls, service).await
                }
                Target::Kubernetes(object) => match &self.cluster {
                    Some(cluster) => cluster.ask(object, &self.http, deadline).await,
                    None => Err("000 no cluster is known".to_owned()),
                },
                Target::Postgres(server) => greet::postgres(connect(server, deadline).await?).await,
                Target::Redis { server, tls } => {
                    greet::redis(self.open(server, *tls, tls::ANY, deadline).await?).await
                }
            }
        };
        // One limit for the whole exchange: a server that drips its bytes cannot stretch it.
        timeout_at(deadline, answer)
            .await
            .unwrap_or_else(|_| Err(SILENT.to_owned()))
            .unwrap_or_else(Answer::NotYet)
    }

    async fn open(
        &self,
        server: &Server,
        tls: bool,
        protocol: &[u8],
        deadline: Instant,
    ) -> Result<Box<dyn Stream>, Failure> {
        let stream = connect(server, deadline).await?;
        match &self.trust {
            Some(trust) if tls => trust.open(stream, &server.host, protocol).await,
            _ => Ok(Box::new(stream)),
        }
    }
}

/// Asks the resolver of the system anew. `getaddrinfo` cannot be interrupted: it runs in a thread that is left
/// behind when it takes too long, and ends by the resolver's own limits.
async fn resolve(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    match timeout_at(deadline, lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let found: Vec<_> = found.collect();
            if found.is_empty() {
                return Err("000 name not found".to_owned());
            }
            Ok(found)
        }
        // The reason is a text of the system's resolver, and no kind tells "no such name" from "cannot ask".
        Ok(Err(error)) if error.to_string().contains("Temporary failure") => {
            Err("000 name server gives no answer".to_owned())
        }
        Ok(Err(_)) => Err("000 name not found".to_owned()),
        Err(_) => Err("000 name server silent".to_owned()),
    }
}

/// Tries every address of the host; each gets an equal share of the time that is left.
async fn connect(server: &Server, deadline: Instant) -> Result<TcpStream, Failure> {
    let addresses = resolve(&server.host, server.port, deadline).await?;
    let mut failure = "000 no time left to connect".to_owned();
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = describe(&error),
            Err(_) => SILENT.clone_into(&mut failure),
        }
    }
    Err(failure)
}

fn describe(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionRefused => "000 connection refused".to_owned(),
        ErrorKind::ConnectionReset => "000 connection reset".to_owned(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => SILENT.to_owned(),
        ErrorKind::HostUnreachable => "000 no route to host".to_owned(),
        ErrorKind::NetworkUnreachable => "000 network unreachable".to_owned(),
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => "000 closed without an answer".to_owned(),
        _ => format!("000 {error}"),
    }
}

/// What a server says of itself, as far as it may stand in a log line.
fn plain(text: &str) -> String {
    let words: String = text
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(60)
        .collect();
    words.trim().to_owned()
}
