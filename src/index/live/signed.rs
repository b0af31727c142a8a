//! Looking at the objects of the policy's signatures, on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::pages::Pages;
use crate::engine::evidence::{Lost, SignatureHit};
use crate::engine::signature::{Found, Signature};
use crate::index::change::{Change, SignatureAsk};
use crate::k8s::signature::{Compiled, Query};

/// Objects per page.
const PAGE: usize = 250;
/// Pages read per kind and namespace: what is further back is not looked at, and that is said.
const PAGES: usize = 8;
/// Answers remembered.
const ANSWERS: usize = 128;

type Answer = (Vec<SignatureHit>, Vec<Lost>);

/// Reads the objects that signatures name, and serves what it has read for as long as that is fresh enough.
pub(super) struct Signed {
    client: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The policy's signatures, compiled once.
    signatures: Arc<[Signature]>,
    compiled: Arc<Compiled>,
    /// By what was asked for and the namespace, which is empty for all of them.
    answers: BTreeMap<(Query, String), (Instant, Answer)>,
}

impl Signed {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            state: Mutex::default(),
        }
    }

    /// What the signatures find. One look at a time: those who ask meanwhile share its answer.
    pub(super) async fn look(&self, ask: SignatureAsk) -> Change {
        let mut state = self.state.lock().await;
        if !Arc::ptr_eq(&state.signatures, &ask.signatures) {
            *state = State {
                compiled: Arc::new(Compiled::new(&ask.signatures)),
                signatures: Arc::clone(&ask.signatures),
                answers: BTreeMap::new(),
            };
        }
        let compiled = Arc::clone(&state.compiled);
        let (mut found, mut lost): Answer = Default::default();
        for query in compiled.queries() {
            let namespaces = query.namespaces(&ask.job.namespace, &ask.namespaces);
            for namespace in namespaces.unwrap_or_else(|| BTreeSet::from([String::new()])) {
                let key = (query.clone(), namespace.clone());
                let known = state.answers.get(&key);
                let fresh = known.filter(|(at, _)| at.elapsed() < ask.within);
                let answer = if let Some((_, answer)) = fresh {
                    answer.clone()
                } else {
                    let at = Instant::now();
                    let answer = self.answer(&compiled, &query, &namespace, &ask).await;
                    if state.answers.len() >= ANSWERS {
                        state.answers.clear();
                    }
                    state.answers.insert(key, (at, answer.clone()));
                    answer
                };
                found.extend(answer.0);
                lost.extend(answer.1);
            }
        }
        Change::Signatures {
            job: ask.job,
            found,
            lost,
        }
    }

    async fn answer(
        &self,
        compiled: &Arc<Compiled>,
        query: &Query,
        namespace: &str,
        ask: &SignatureAsk,
    ) -> Answer {
        let mut lost = Vec::new();
        let read = match self.list(query, namespace, &mut lost).await {
            // Who may read single namespaces looks at those of the Job and of what it waits for.
            Err(error) if namespace.is_empty() && refused(&error) == Some(403) => {
                self.near(query, ask, &mut lost).await
            }
            read => read,
        };
        let objects = match read {
            Ok(objects) => objects,
            Err(error) => {
                lost.push(gap(query, namespace, &error));
                return (Vec::new(), lost);
            }
        };
        let (compiled, of) = (Arc::clone(compiled), query.clone());
        // The interpreter takes its time and its stack on a thread that serves nobody else.
        let looked = tokio::task::spawn_blocking(move || compiled.look(&of, &objects, Timestamp::now()));
        let (found, too_large) = looked.await.unwrap_or_default();
        lost.extend(too_large);
        (found, lost)
    }

    /// What is near the Job, where the whole cluster may not be read.
    async fn near(
        &self,
        query: &Query,
        ask: &SignatureAsk,
        lost: &mut Vec<Lost>,
    ) -> Result<Vec<Value>, kube::Error> {
        let mut near: BTreeSet<&str> = ask.namespaces.iter().map(String::as_str).collect();
        near.insert(&ask.job.namespace);
        let mut objects = Vec::new();
        for namespace in &near {
            objects.extend(self.list(query, namespace, lost).await?);
        }
        let near: Vec<&str> = near.into_iter().collect();
        lost.push(Lost {
            what: format!(
                "{} of {} outside {}",
                query.kind,
                query.api_version,
                near.join(", ")
            ),
            why: "not allowed to list them in all namespaces".to_owned(),
        });
        Ok(objects)
    }

    async fn list(
        &self,
        query: &Query,
        namespace: &str,
        lost: &mut Vec<Lost>,
    ) -> Result<Vec<Value>, kube::Error> {
        let Some((plural, namespaced)) = self.plural(query).await? else {
            return Err(absent());
        };
        let base = match query.api_version.split_once('/') {
            Some(_) => format!("/apis/{}", query.api_version),
            None => format!("/api/{}", query.api_version),
        };
        let place = if namespaced && !namespace.is_empty() {
            format!("namespaces/{namespace}/{plural}")
        } else {
            plural
        };
        let selector = if query.label_selector.is_empty() {
            String::new()
        } else {
            format!("labelSelector={}&", escaped(&query.label_selector))
        };
        let path = format!("{base}/{place}?{selector}");
        let (mut objects, mut pages) = (Vec::new(), Pages::of(&self.client, &path, PAGE));
        for _ in 0..PAGES {
            let Some(page) = pages.next().await? else {
                return Ok(objects);
            };
            objects.extend(
                page.iter()
                    .filter_map(|item| serde_json::from_str(item.get()).ok()),
            );
        }
        lost.push(Lost {
            what: format!(
                "{} of {} past the first {}",
                query.kind,
                query.api_version,
                PAGE * PAGES
            ),
            why: "too many: narrow the signature by namespace or labelSelector".to_owned(),
        });
        Ok(objects)
    }

    /// The kind's name in paths, and whether it has namespaces; `None` where the cluster does not serve it.
    async fn plural(&self, query: &Query) -> Result<Option<(String, bool)>, kube::Error> {
        let resources: Result<APIResourceList, _> = match query.api_version.split_once('/') {
            Some(_) => self.client.list_api_group_resources(&query.api_version).await,
            None => self.client.list_core_api_resources(&query.api_version).await,
        };
        let resources = match resources {
            Err(error) if refused(&error) == Some(404) => return Ok(None),
            resources => resources?,
        };
        let own = resources.resources.into_iter();
        let mut own = own.filter(|resource| resource.kind == query.kind && !resource.name.contains('/'));
        Ok(own.next().map(|resource| (resource.name, resource.namespaced)))
    }
}

/// What the API server says of a kind that it does not have.
fn absent() -> kube::Error {
    kube::Error::Api(Box::new(kube::core::Status {
        code: 404,
        ..Default::default()
    }))
}

fn refused(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// Why a kind could not be looked at, and what to do about it.
fn gap(query: &Query, namespace: &str, error: &kube::Error) -> Lost {
    let place = match (query.found, namespace) {
        (Found::Anywhere, "") => String::new(),
        (_, namespace) => format!(" in namespace {namespace}"),
    };
    Lost {
        what: format!(
            "{} of {}{place}, for signatures of the policy",
            query.kind, query.api_version
        ),
        why: match refused(error) {
            Some(404) => "the cluster does not have this kind".to_owned(),
            Some(403) => "not allowed to list them: the chart's exporter.signatureKinds grants it".to_owned(),
            _ => error.to_string(),
        },
    }
}

/// A value of a query, percent-encoded.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
