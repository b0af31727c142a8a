//! Mutual TLS over real sockets: who is served, who is turned away, and a change of the authorities on the way.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use hookbudget::http::{Acceptor, HandshakeFailure, HandshakeObserver, Limits, bind, serve_tls};
use hookbudget::shutdown::{Shutdown, Trigger};
use hookbudget::tls::{
    Authority, ClientAuth, LiveCertificate, Reload, ServingCertificate, install_provider, server_config,
};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What the API server's kubeconfig for webhooks would name.
const CALLER: &str = "kube-apiserver-admission";

/// An authority of clients.
struct Clients {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Clients {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "clients");
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate for a common name or a DNS name, good for `usage`.
    fn issue(&self, common_name: &str, dns: &[&str], usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let names: Vec<String> = dns.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (
            params.signed_by(&key, &self.issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    fn client(&self, common_name: &str) -> (String, String) {
        self.issue(common_name, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }
}

#[derive(Default)]
struct Failures(Mutex<Vec<HandshakeFailure>>);

impl HandshakeObserver for Failures {
    fn failed(&self, why: HandshakeFailure) {
        self.0.lock().unwrap().push(why);
    }
}

struct Server {
    address: SocketAddr,
    authority: Authority,
    clients: Arc<ClientAuth>,
    failures: Arc<Failures>,
    _trigger: Trigger,
}

impl Server {
    fn start(authorities: &Path) -> Self {
        install_provider();
        let authority = Authority::generate("test", Timestamp::now()).unwrap();
        let bundle = authority.issue(&["127.0.0.1"], Timestamp::now()).unwrap();
        let live = LiveCertificate::new(ServingCertificate::try_from(&bundle).unwrap());
        let clients = ClientAuth::start(authorities, &[CALLER.to_owned()]).unwrap();
        let failures = Arc::new(Failures::default());
        let config = server_config(live, Some(Arc::clone(&clients))).unwrap();
        let acceptor = Acceptor::new(config).observed_by(Arc::clone(&failures) as _);
        let listener = bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = Shutdown::manual();
        let router = Router::new().route("/", get(|| async { "served" }));
        tokio::spawn(serve_tls(listener, acceptor, router, shutdown, Limits::default()));
        Self {
            address,
            authority,
            clients,
            failures,
            _trigger: trigger,
        }
    }

    /// Whether a client with this certificate gets an answer.
    async fn serves(&self, client: Option<(String, String)>) -> bool {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.authority.cert_pem().as_bytes()).unwrap())
            .unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match client {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let socket = TcpStream::connect(self.address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        // Under TLS 1.3 the client learns only with the first answer that it was turned away.
        let Ok(stream) = connector.connect(self.address.ip().into(), socket).await else {
            return false;
        };
        let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else {
            return false;
        };
        tokio::spawn(connection);
        let request = hyper::Request::get("/")
            .header("host", "x")
            .body(Full::<Bytes>::default())
            .unwrap();
        let Ok(answer) = sender.send_request(request).await else {
            return false;
        };
        answer
            .into_body()
            .collect()
            .await
            .is_ok_and(|body| body.to_bytes() == "served")
    }
}

#[tokio::test]
async fn only_a_known_authority_and_a_known_name_together_are_served() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.crt");
    let (known, other) = (Clients::new(), Clients::new());
    std::fs::write(&path, &known.pem).unwrap();
    let server = Server::start(&path);

    assert!(server.serves(Some(known.client(CALLER))).await);
    let by_dns = known.issue("anything", &[CALLER], ExtendedKeyUsagePurpose::ClientAuth);
    assert!(server.serves(Some(by_dns)).await);
    assert!(server.failures.0.lock().unwrap().is_empty());

    for (refused, client) in [
        ("no certificate", None),
        (
            "another name of the same authority",
            Some(known.client("system:node:n1")),
        ),
        ("the name from another authority", Some(other.client(CALLER))),
        (
            "a server's certificate",
            Some(known.issue(CALLER, &[], ExtendedKeyUsagePurpose::ServerAuth)),
        ),
    ] {
        assert!(!server.serves(client).await, "{refused} was served");
    }
    assert_eq!(*server.failures.0.lock().unwrap(), [HandshakeFailure::Client; 4]);
}

#[tokio::test]
async fn authorities_of_clients_change_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.crt");
    let (old, new) = (Clients::new(), Clients::new());
    std::fs::write(&path, &old.pem).unwrap();
    let server = Server::start(&path);
    assert_eq!(server.clients.poll().unwrap(), Reload::Unchanged);
    assert!(!server.serves(Some(new.client(CALLER))).await);

    std::fs::write(&path, "nothing").unwrap();
    let error = server.clients.poll().unwrap_err().to_string();
    assert!(
        error.contains("ca.crt") && error.contains("no CERTIFICATE block"),
        "{error}"
    );
    assert!(
        server.serves(Some(old.client(CALLER))).await,
        "a bad file changes nothing"
    );

    std::fs::write(&path, format!("{}{}", old.pem, new.pem)).unwrap();
    assert_eq!(server.clients.poll().unwrap(), Reload::Replaced);
    assert!(server.serves(Some(old.client(CALLER))).await && server.serves(Some(new.client(CALLER))).await);

    std::fs::write(&path, &new.pem).unwrap();
    assert_eq!(server.clients.poll().unwrap(), Reload::Replaced);
    assert!(!server.serves(Some(old.client(CALLER))).await);
}
