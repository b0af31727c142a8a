//! Objects of the cluster, asked for as the Pod's own ServiceAccount.

use std::env;
use std::fs;
use std::path::PathBuf;

use hyper::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;

use super::http::{body, exchange, judge};
use super::tls::{HTTP, Trust};
use super::{Failure, connect, plain};
use crate::engine::wait_target::{Need, Object, Server};
use crate::wait::options::Http;
use crate::wait::waiter::Answer;

/// Where the kubelet mounts the ServiceAccount (kubernetes/kubernetes,
/// plugin/pkg/admission/serviceaccount `DefaultAPITokenMountPath`).
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Whose ServiceAccount directory it is, where it is mounted elsewhere.
const ACCOUNT_VARIABLE: &str = "HOOKBUDGET_SERVICE_ACCOUNT_DIR";

/// Only what stands in `metadata` is sent: that a Secret exists can be asked without reading it.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const WHOLE: &str = "application/json";

/// The API server, and who asks it.
#[derive(Debug)]
pub(super) struct Cluster {
    server: Server,
    trust: Trust,
    account: PathBuf,
    namespace: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    generation: Option<i64>,
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Option<String>,
    conditions: Vec<Condition>,
    observed_generation: Option<i64>,
    ready_replicas: i64,
    number_ready: i64,
    desired_number_scheduled: Option<i64>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Slices {
    #[serde(default)]
    items: Vec<Slice>,
}

#[derive(Deserialize)]
struct Slice {
    #[serde(default)]
    endpoints: Option<Vec<Endpoint>>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default)]
    conditions: EndpointConditions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EndpointConditions {
    /// Nil counts as ready (discovery/v1 `EndpointConditions`).
    ready: Option<bool>,
}

impl Cluster {
    /// The cluster of this Pod, by what the kubelet gives to every container.
    pub(super) fn of_pod() -> Result<Self, String> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(host), Some(port)) = (
            variable("KUBERNETES_SERVICE_HOST"),
            variable("KUBERNETES_SERVICE_PORT").and_then(|port| port.parse().ok()),
        ) else {
            return Err(
                "k8s:// targets need a Pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set"
                    .to_owned(),
            );
        };
        let account = PathBuf::from(variable(ACCOUNT_VARIABLE).unwrap_or_else(|| ACCOUNT.to_owned()));
        let trust = Trust::of_file(&account.join("ca.crt")).map_err(|why| {
            format!("k8s:// targets need the Pod's ServiceAccount (automountServiceAccountToken): {why}")
        })?;
        let namespace = fs::read_to_string(account.join("namespace")).ok();
        Ok(Self {
            server: Server { host, port },
            trust,
            account,
            namespace: namespace.map(|name| name.trim().to_owned()),
        })
    }

    /// Looks at one object.
    pub(super) async fn ask(
        &self,
        object: &Object,
        http: &Http,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        // The kubelet renews the token while the Pod runs.
        let token = fs::read_to_string(self.account.join("token"))
            .map_err(|error| format!("000 the ServiceAccount's token cannot be read: {error}"))?;
        let bearer = format!("Bearer {}", token.trim());
        let path = self.path(object)?;
        let accept = if object.need == Need::Exists {
            METADATA
        } else {
            WHOLE
        };
        let headers = [("Authorization", bearer.as_str()), ("Accept", accept)];
        let stream = connect(&self.server, deadline).await?;
        let stream = self.trust.open(stream, &self.server.host, HTTP).await?;
        let host = self.server.to_string();
        let response = exchange(stream, "GET", &host, &path, headers.into_iter()).await?;
        match response.status() {
            StatusCode::NOT_FOUND => return Ok(Answer::NotYet("does not exist".to_owned())),
            StatusCode::FORBIDDEN => {
                let denied = judge(http, StatusCode::FORBIDDEN);
                let rights = format!("403, the ServiceAccount may not get {}", rights(object));
                return Ok(match denied {
                    Answer::Fatal(_) => Answer::Fatal(rights),
                    _ => Answer::NotYet(rights),
                });
            }
            status if !status.is_success() => {
                return Ok(match judge(http, status) {
                    Answer::Ready(text) => Answer::NotYet(text),
                    judged => judged,
                });
            }
            _ => {}
        }
        let text = body(response).await?;
        let unread = |error: serde_json::Error| format!("000 the object cannot be read: {error}");
        if object.need == Need::Endpoints {
            return serde_json::from_slice(&text)
                .map(|slices| endpoints(&slices))
                .map_err(unread);
        }
        serde_json::from_slice(&text)
            .map(|found| look(&found, &object.need))
            .map_err(unread)
    }

    fn path(&self, object: &Object) -> Result<String, Failure> {
        let namespace = object.namespace.as_deref().or(self.namespace.as_deref());
        let root = |group: &str, version: &str| match group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        let within = match namespace {
            _ if !object.namespaced => String::new(),
            Some(namespace) => format!("/namespaces/{namespace}"),
            None => {
                return Err("000 the Pod's namespace is unknown: write k8s://NAMESPACE/KIND/NAME".to_owned());
            }
        };
        Ok(if object.need == Need::Endpoints {
            format!(
                "{}{within}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{}",
                root("discovery.k8s.io", "v1"),
                object.name
            )
        } else {
            let root = root(&object.group, &object.version);
            format!("{root}{within}/{}/{}", object.plural, object.name)
        })
    }
}

/// What a Role has to allow.
fn rights(object: &Object) -> String {
    if object.need == Need::Endpoints {
        return "a list of endpointslices.discovery.k8s.io".to_owned();
    }
    if object.group.is_empty() {
        object.plural.clone()
    } else {
        format!("{}.{}", object.plural, object.group)
    }
}

fn endpoints(slices: &Slices) -> Answer {
    let all = slices
        .items
        .iter()
        .flat_map(|slice| slice.endpoints.iter().flatten());
    let ready = all.filter(|one| one.conditions.ready != Some(false)).count();
    match ready {
        0 => Answer::NotYet("no endpoint is ready".to_owned()),
        1 => Answer::Ready("1 endpoint ready".to_owned()),
        ready => Answer::Ready(format!("{ready} endpoints ready")),
    }
}

fn look(found: &Found, need: &Need) -> Answer {
    let Found {
        metadata,
        spec,
        status,
    } = found;
    if metadata.deletion_timestamp.is_some() {
        return Answer::NotYet("is being deleted".to_owned());
    }
    // A status that is about an older spec says nothing about this one.
    let stale = metadata
        .generation
        .zip(status.observed_generation)
        .is_some_and(|(wanted, seen)| seen < wanted);
    if stale {
        return Answer::NotYet("status is older than the spec".to_owned());
    }
    let condition = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
    match need {
        Need::Exists | Need::Endpoints => Answer::Ready("exists".to_owned()),
        Need::Condition { kind, status: wanted } => match condition(kind) {
            Some(found) if found.status == *wanted => Answer::Ready(format!("{kind}={wanted}")),
            Some(found) => Answer::NotYet(said(found)),
            None => Answer::NotYet(format!("no condition {kind}")),
        },
        Need::Phase(wanted) => match status.phase.as_deref() {
            Some(phase) if phase == *wanted => Answer::Ready(phase.to_owned()),
            Some(phase) => Answer::NotYet(format!("phase {}", plain(phase))),
            None => Answer::NotYet("no phase".to_owned()),
        },
        Need::Complete => {
            let holds = |kind| condition(kind).filter(|condition| condition.status == "True");
            if let Some(failed) = holds("Failed") {
                Answer::Fatal(said(failed))
            } else if holds("Complete").is_some() {
                Answer::Ready("Complete".to_owned())
            } else {
                Answer::NotYet("not complete".to_owned())
            }
        }
        Need::Replicas => {
            let wanted = status
                .desired_number_scheduled
                .unwrap_or(spec.replicas.unwrap_or(1));
            let ready = status.ready_replicas.max(status.number_ready);
            let text = format!("{ready} of {wanted} ready");
            // None wanted is none that answers.
            if wanted > 0 && ready >= wanted {
                Answer::Ready(text)
            } else {
                Answer::NotYet(text)
            }
        }
    }
}

/// `Ready=False (MinimumReplicasUnavailable)`.
fn said(condition: &Condition) -> String {
    let (kind, status) = (plain(&condition.kind), plain(&condition.status));
    if condition.reason.is_empty() {
        format!("{kind}={status}")
    } else {
        format!("{kind}={status} ({})", plain(&condition.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(object: &str, need: &Need) -> Answer {
        look(&serde_json::from_str(object).expect("an object"), need)
    }

    fn ready(kind: &str) -> Need {
        Need::Condition {
            kind: kind.to_owned(),
            status: "True".to_owned(),
        }
    }

    #[test]
    fn a_condition_of_the_present_spec_counts() {
        let object = |generation| {
            format!(
                r#"{{"metadata": {{"generation": {generation}}}, "status": {{"observedGeneration": 2,
                    "conditions": [{{"type": "Available", "status": "True"}},
                                   {{"type": "Progressing", "status": "False", "reason": "Slow"}}]}}}}"#
            )
        };
        assert_eq!(
            answer(&object(2), &ready("Available")),
            Answer::Ready("Available=True".to_owned())
        );
        assert_eq!(
            answer(&object(2), &ready("Progressing")),
            Answer::NotYet("Progressing=False (Slow)".to_owned())
        );
        assert_eq!(
            answer(&object(3), &ready("Available")),
            Answer::NotYet("status is older than the spec".to_owned())
        );
    }

    #[test]
    fn a_failed_job_will_not_be_complete() {
        let job =
            |kind| format!(r#"{{"status": {{"conditions": [{{"type": "{kind}", "status": "True"}}]}}}}"#);
        assert!(matches!(
            answer(&job("Failed"), &Need::Complete),
            Answer::Fatal(_)
        ));
        assert!(matches!(
            answer(&job("Complete"), &Need::Complete),
            Answer::Ready(_)
        ));
        assert!(matches!(answer("{}", &Need::Complete), Answer::NotYet(_)));
    }

    #[test]
    fn replicas_are_those_that_are_asked_for() {
        let sets = |spec: &str, status: &str| format!(r#"{{"spec": {{{spec}}}, "status": {{{status}}}}}"#);
        let three = r#""replicas": 3"#;
        for (spec, status, is_ready) in [
            (three, r#""readyReplicas": 3"#, true),
            (three, r#""readyReplicas": 2"#, false),
            ("", "", false),
            (r#""replicas": 0"#, "", false),
            ("", r#""desiredNumberScheduled": 2, "numberReady": 2"#, true),
        ] {
            let answer = answer(&sets(spec, status), &Need::Replicas);
            assert_eq!(matches!(answer, Answer::Ready(_)), is_ready, "{spec} {status}");
        }
    }

    #[test]
    fn an_endpoint_that_says_nothing_is_ready() {
        let slices = |conditions: &str| {
            let text =
                format!(r#"{{"items": [{{"endpoints": null}}, {{"endpoints": [{{{conditions}}}]}}]}}"#);
            endpoints(&serde_json::from_str(&text).expect("slices"))
        };
        assert!(matches!(slices(""), Answer::Ready(_)));
        assert!(matches!(
            slices(r#""conditions": {"ready": false}"#),
            Answer::NotYet(_)
        ));
    }
}
