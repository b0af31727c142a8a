//! The first scene: the incidents' manifests before the real webhook, over HTTPS on loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::listen;
use crate::admission::{Admission, Silent, Surroundings, router};
use crate::cli::manifest::{self, Document, PathOrStdin};
use crate::cli::render::paint::{BOLD, GREEN, RED, YELLOW, paint};
use crate::cli::terminal::Terminal;
use crate::engine::policy::Mode;
use crate::http::{Acceptor, Limits, client, serve_tls};
use crate::k8s::helm_release::HelmReleaseObject;
use crate::k8s::namespace::NamespaceFacts;
use crate::shutdown::Shutdown;
use crate::tls::{Authority, LiveCertificate, ServingCertificate, server_config};

const A: &str = include_str!("../../../tests/fixtures/incidents/a-powerdns.yaml");
const B: &str = include_str!("../../../tests/fixtures/incidents/b-gitea-token.yaml");
const C: &str = include_str!("../../../tests/fixtures/incidents/c-state-backup.yaml");

/// A webhook that serves.
pub(super) struct Webhook {
    pub(super) address: SocketAddr,
    ca_pem: String,
    surroundings: Surroundings,
}

/// Makes a certificate and serves the webhook.
pub(super) fn serve(address: SocketAddr, shutdown: Shutdown) -> anyhow::Result<Webhook> {
    let names = [
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        address.ip().to_string(),
    ];
    let now = Timestamp::now();
    let bundle = Authority::generate("hookbudget demo", now)?.issue(&names, now)?;
    let serving =
        ServingCertificate::from_pem(bundle.cert_pem.as_bytes(), bundle.key_pem.expose().as_bytes())?;
    let acceptor = Acceptor::new(server_config(LiveCertificate::new(serving), None)?);
    let surroundings = Surroundings::default();
    let admission = Admission {
        surroundings: surroundings.clone(),
        ..Admission::new(Arc::new(Silent))
    };
    let limits = Limits::default();
    let listener = listen(address)?;
    let address = listener.local_addr()?;
    let router = router(Arc::new(admission), Arc::new(|| true), &limits);
    tokio::spawn(serve_tls(listener, acceptor, router, shutdown, limits));
    Ok(Webhook {
        address,
        ca_pem: bundle.ca_pem,
        surroundings,
    })
}

/// Sends the incidents' manifests and prints the answers.
pub(super) async fn show(webhook: &Webhook, terminal: &mut Terminal) -> anyhow::Result<()> {
    let style = terminal.style();
    terminal.line(paint("1. Before they run: the admission webhook", BOLD, style))?;
    terminal.line(format!(
        "   https://{}, its certificate made a moment ago\n",
        webhook.address
    ))?;
    let rewrite = |job: &mut Value| {
        let annotations = &mut job["metadata"]["annotations"];
        annotations["hookbudget.dev/rewrite"] = "all".into();
        annotations["hookbudget.dev/wait-for"] = "http://powerdns:8081/api/v1/servers".into();
    };
    let as_it_is = |_: &mut Value| {};
    webhook
        .scene(A, Mode::Enforce, "A, enforced", as_it_is, terminal)
        .await?;
    webhook
        .scene(
            A,
            Mode::Enforce,
            "A, with hookbudget.dev/rewrite: all and wait-for",
            rewrite,
            terminal,
        )
        .await?;
    webhook
        .scene(B, Mode::Warn, "B, warned", as_it_is, terminal)
        .await?;
    webhook
        .scene(C, Mode::Warn, "C, warned", as_it_is, terminal)
        .await?;
    Ok(())
}

impl Webhook {
    async fn scene(
        &self,
        manifests: &str,
        mode: Mode,
        title: &str,
        change: impl Fn(&mut Value),
        terminal: &mut Terminal,
    ) -> anyhow::Result<()> {
        let loaded = manifest::load_with(&[PathOrStdin::Stdin], &mut manifests.as_bytes());
        let job = loaded
            .documents
            .iter()
            .find(|d| matches!(d.kind(), "Job" | "CronJob"));
        let document = job.context("an incident has a Job")?;
        let mut object = Value::clone(&document.value);
        change(&mut object);
        self.surround(&loaded.documents, &object, mode);
        let style = terminal.style();
        terminal.line(format!("   {}", paint(title, BOLD, style)))?;
        let mutated = self.ask("mutate", &object).await?;
        let changes = changes(&mutated)?;
        for line in told(&changes) {
            terminal.line(format!(
                "     {} {}",
                paint("~", YELLOW, style),
                wrapped(&line, terminal.width().saturating_sub(9))
            ))?;
        }
        if changes.iter().any(|change| {
            change["field"]
                .as_str()
                .is_some_and(|f| f.ends_with("restartPolicy"))
        }) {
            // What is left to judge is the rewritten Job, which the API server sends with the patch applied.
            terminal.line("")?;
            return Ok(());
        }
        let answer = self.ask("validate", &object).await?;
        let response = &answer["response"];
        if response["allowed"] == true {
            terminal.line(format!(
                "     {}",
                paint("allowed, with warnings that kubectl and Helm show", GREEN, style)
            ))?;
        } else {
            let code = response["status"]["code"].as_u64().unwrap_or(0);
            terminal.line(format!("     {}", paint(&format!("denied ({code})"), RED, style)))?;
        }
        let told = response["status"]["message"]
            .as_str()
            .into_iter()
            .flat_map(str::lines)
            .take(1);
        let warned = response["warnings"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        for line in told.chain(warned) {
            terminal.line(format!(
                "     {}",
                wrapped(line, terminal.width().saturating_sub(7))
            ))?;
        }
        terminal.line("")?;
        terminal.flush()?;
        Ok(())
    }

    /// What the watches of a cluster would have told the webhook.
    fn surround(&self, documents: &[Document], object: &Value, mode: Mode) {
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or("default")
            .to_owned();
        let facts = NamespaceFacts {
            mode: Some(mode),
            ..NamespaceFacts::default()
        };
        self.surroundings
            .namespaces
            .store(Arc::new([(namespace, facts)].into()));
        let releases = documents.iter().filter(|d| d.kind() == "HelmRelease");
        let releases = releases.filter_map(|d| manifest::decode::<HelmReleaseObject<'_>>(d).ok());
        self.surroundings
            .releases
            .store(Arc::new(releases.map(|r| r.into_facts().0).collect()));
    }

    /// Sends an `AdmissionReview` as an API server does.
    async fn ask(&self, webhook: &str, object: &Value) -> anyhow::Result<Value> {
        let kind = object["kind"].as_str().unwrap_or("Job");
        let resource = format!("{}s", kind.to_lowercase());
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "7a6a1c9e-6a0e-4b9e-9c1e-2f6f3b0f7d11",
                "kind": {"group": "batch", "version": "v1", "kind": kind},
                "resource": {"group": "batch", "version": "v1", "resource": resource},
                "name": object["metadata"]["name"],
                "namespace": object["metadata"]["namespace"],
                "operation": "CREATE",
                "userInfo": {"username": "system:serviceaccount:flux-system:helm-controller"},
                "object": object,
                "dryRun": false,
            }
        });
        let url = format!("https://{}/{webhook}?timeout=5s", self.address);
        let (_, body) = client::post(&url, &self.ca_pem, serde_json::to_vec(&review)?).await?;
        Ok(serde_json::from_slice(&body)?)
    }
}

/// What the answer's patch says that it changes: the value of the annotation that records it.
fn changes(answer: &Value) -> anyhow::Result<Vec<Value>> {
    let Some(encoded) = answer["response"]["patch"].as_str() else {
        return Ok(Vec::new());
    };
    let text = base64::engine::general_purpose::STANDARD.decode(encoded)?;
    let operations: Vec<Value> = serde_json::from_slice(&text)?;
    let record = operations.iter().find_map(|operation| {
        let value = &operation["value"];
        let whole = value["hookbudget.dev/rewritten"].as_str();
        let own = operation["path"]
            .as_str()
            .filter(|path| path.ends_with("hookbudget.dev~1rewritten"));
        whole.or_else(|| own.and_then(|_| value.as_str()))
    });
    Ok(record.map(serde_json::from_str).transpose()?.unwrap_or_default())
}

/// The changes in a line each; the environment in one.
fn told(changes: &[Value]) -> Vec<String> {
    let field = |change: &Value| change["field"].as_str().unwrap_or_default().to_owned();
    let (environment, fields): (Vec<_>, Vec<_>) = changes.iter().partition(|c| field(c).starts_with("env."));
    let mut lines: Vec<String> = fields
        .into_iter()
        .map(|change| {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let from = if change["from"].is_null() {
                String::new()
            } else {
                text(&change["from"]) + " -> "
            };
            let to = text(&change["to"]);
            let rule = change["rule"].as_str().unwrap_or_default();
            format!("{}: {from}{to} ({rule})", field(change))
        })
        .collect();
    let names = environment.iter().map(|change| {
        let name = field(change).trim_start_matches("env.").to_owned();
        format!("{name}={}", change["to"].as_str().unwrap_or_default())
    });
    let names: Vec<String> = names.collect();
    if !names.is_empty() {
        lines.push(format!("every container gets {}", names.join(", ")));
    }
    lines
}

/// Breaks a long line between words; the lines that follow stand under the first.
fn wrapped(line: &str, width: usize) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            text.push_str("\n       ");
            column = 2;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text
}
