//! The floor: what the same libraries cost when nothing is judged. `/ack` reads the body and answers always the
//! same; `/typed` decodes the Job into the types of the API, as a handler made with kube does, and looks at one
//! field.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use k8s_openapi::api::authentication::v1::UserInfo;
use k8s_openapi::api::batch::v1::Job;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const ALLOWED: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"7d3c1f5a-0b52-4a36-9a44-000000000000","allowed":true}}"#;

#[derive(Deserialize)]
struct Review {
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "decoding is what is measured")]
struct Request {
    uid: String,
    kind: serde_json::Value,
    resource: serde_json::Value,
    name: Option<String>,
    namespace: Option<String>,
    operation: String,
    user_info: UserInfo,
    object: Option<Job>,
    old_object: Option<Job>,
    dry_run: Option<bool>,
    options: Option<serde_json::Value>,
}

fn json(body: impl Into<axum::body::Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

async fn ack(_body: Bytes) -> Response {
    json(ALLOWED)
}

async fn typed(body: Bytes) -> Response {
    let Ok(review) = serde_json::from_slice::<Review>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let spec = review.request.object.as_ref().and_then(|job| job.spec.as_ref());
    let pod = spec.and_then(|spec| spec.template.spec.as_ref());
    let restarts = pod.and_then(|pod| pod.restart_policy.as_deref()) == Some("OnFailure");
    json(
        serde_json::json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "response": {"uid": review.request.uid, "allowed": !restarts},
        })
        .to_string(),
    )
}

/// Serves until it is killed.
pub(crate) async fn serve(certificate: &Path, key: &Path, address: SocketAddr) -> anyhow::Result<()> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("{} is no certificate", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("{} is no key", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let router = Router::new()
        .route("/ack", post(ack))
        .route("/typed", post(typed))
        .layer(axum::extract::DefaultBodyLimit::disable());
    let listener = tokio::net::TcpSocket::new_v4()?;
    listener.set_reuseaddr(true)?;
    listener.bind(address)?;
    let listener: TcpListener = listener.listen(1024)?;
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let _ = socket.set_nodelay(true);
            if let Ok(stream) = acceptor.accept(socket).await {
                let service = TowerToHyperService::new(router);
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            }
        });
    }
}
