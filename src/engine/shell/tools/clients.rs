//! Other clients of network services: no limit of their own is known.

use super::super::reading::Target;
use super::super::value::Value;
use super::options::Options;
use super::{Call, Prints, target};
use crate::engine::{Limit, Seconds};

/// `healthCheckInterval` of `mc ready` (minio/mc `cmd/ready.go`).
const MC_READY: Seconds = Seconds::new(5);

/// Their names.
const CLIENTS: [&str; 26] = [
    "argocd",
    "aws",
    "consul",
    "etcdctl",
    "flux",
    "gitea",
    "grpc_health_probe",
    "grpcurl",
    "http",
    "https",
    "kafka-broker-api-versions",
    "kafka-broker-api-versions.sh",
    "kafka-topics",
    "kafka-topics.sh",
    "kcat",
    "ldapsearch",
    "mc",
    "nats",
    "openstack",
    "rabbitmq-diagnostics",
    "rabbitmqadmin",
    "rabbitmqctl",
    "s3cmd",
    "ssh",
    "temporal",
    "vault",
];

pub(super) fn read(name: &str, arguments: &[Value]) -> Option<Call> {
    if !CLIENTS.contains(&name) {
        return None;
    }
    let long = [
        "endpoints",
        "address",
        "addr",
        "bootstrap-server",
        "endpoint-url",
        "server",
    ];
    let options = Options::parse(arguments, "bH", &long, true);
    let named = long.iter().find_map(|flag| options.value(&[flag]));
    let operand = options
        .operands
        .iter()
        .copied()
        .find(|word| word.text.contains("://"));
    let words = options
        .operands
        .iter()
        .map(|word| word.text.as_str())
        .collect::<Vec<_>>();
    if name == "mc" && matches!(words.first(), Some(&"ready")) {
        // An alias, not a URL. Old versions gave up when nobody answered.
        let target = words.get(1).map(|alias| target::of_host(alias, None));
        return Some(Call::of(name, target).waiting(
            "mc ready",
            Limit::Never,
            format!("mc ready asks every {MC_READY} without end"),
            true,
        ));
    }
    // It talks to the API server alone, and never to the server of Argo CD.
    let name = match (name, words.first()) {
        ("argocd", Some(&"admin")) => "argocd admin",
        _ => name,
    };
    let mut call = Call::of(
        name,
        named.or(operand).map(|address| Target::of_url(&address.text)),
    );
    call.prints = Prints::Nothing;
    Some(call)
}
