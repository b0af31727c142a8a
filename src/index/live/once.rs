//! Reading once what a diagnosis needs, instead of watching it.

use futures::stream::{self, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use serde_json::value::RawValue;

use super::inspect::Inspector;
use super::pages::Pages;
use super::signed::Signed;
use super::watch::helm_releases;
use crate::engine::evidence::Lost;
use crate::index::change::{Action, Change, LogKey};
use crate::index::kind::Kind;
use crate::index::lines::{LINES, Lines};
use crate::k8s::pod::PodObject;

/// Objects per page, and pages per kind: a namespace with more is read in part.
const PAGE: usize = 500;
const PAGES: usize = 20;
/// Logs read at once.
const LOGS: usize = 8;
/// Bytes read of one log.
const LOG_BYTES: i64 = 64 * 1024;

/// What was read of a namespace.
#[derive(Debug, Default)]
pub struct Read {
    /// The objects and logs, in the order in which the index wants them.
    pub changes: Vec<Change>,
    /// What could not be read.
    pub lost: Vec<Lost>,
}

/// Reads a live cluster. Never a Secret.
pub struct Reader {
    client: Client,
    inspector: Inspector,
    signed: Signed,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader of the cluster behind a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            inspector: Inspector::new(client.clone()),
            signed: Signed::new(client.clone()),
            client,
        }
    }

    /// Reads the Jobs of a namespace, or the one of that name, with all that happened to them.
    ///
    /// # Errors
    /// When the Jobs themselves cannot be read.
    pub async fn namespace(&self, namespace: &str, job: Option<&str>) -> Result<Read, kube::Error> {
        let mut read = Read::default();
        let batch = format!("/apis/batch/v1/namespaces/{namespace}");
        let core = format!("/api/v1/namespaces/{namespace}");
        let named = job.map_or_else(String::new, |job| format!("fieldSelector=metadata.name%3D{job}&"));
        let jobs = self.list(&format!("{batch}/jobs?{named}")).await?;
        let releases = self.releases(namespace, &mut read.lost).await;
        read.add(Kind::HelmRelease, releases);
        let crons = self.list(&format!("{batch}/cronjobs?")).await;
        read.add_or_lose(
            Kind::CronJob,
            crons,
            &format!("CronJobs of namespace {namespace}"),
        );
        let about = |kind: &str| format!("{core}/events?fieldSelector=involvedObject.kind%3D{kind}&");
        for kind in [
            Kind::CronJobEvent,
            Kind::Job,
            Kind::Pod,
            Kind::JobEvent,
            Kind::PodEvent,
        ] {
            let (objects, what) = match kind {
                Kind::Job => (Ok(jobs.clone()), "Jobs"),
                Kind::Pod => {
                    let label = job.map_or_else(String::new, |job| format!("%3D{job}"));
                    let path = format!("{core}/pods?labelSelector=batch.kubernetes.io%2Fjob-name{label}&");
                    (self.list(&path).await, "Pods")
                }
                Kind::CronJobEvent => (self.list(&about("CronJob")).await, "events about CronJobs"),
                Kind::JobEvent => (self.list(&about("Job")).await, "events about Jobs"),
                _ => (self.list(&about("Pod")).await, "events about Pods"),
            };
            read.add_or_lose(kind, objects, &format!("{what} of namespace {namespace}"));
        }
        let logs = stream::iter(runs(&read.changes))
            .map(|(log, previous)| self.log(log, previous))
            .buffered(LOGS)
            .collect::<Vec<_>>()
            .await;
        read.changes.extend(logs);
        Ok(read)
    }

    /// Looks at what a Job waits for, and at the objects of the policy's signatures.
    pub async fn look(&self, action: Action) -> Vec<Change> {
        match action {
            Action::Signatures(ask) => vec![self.signed.look(ask).await],
            // A look at a namespace is a large future, and callers hold several.
            look => Box::pin(self.inspector.look(look)).await,
        }
    }

    /// Releases of other namespaces may release into this one; who may not read those sees its own.
    async fn releases(&self, namespace: &str, lost: &mut Vec<Lost>) -> Vec<Box<RawValue>> {
        let Some(resource) = helm_releases(&self.client).await else {
            return Vec::new();
        };
        let base = format!("/apis/{}", resource.api_version);
        let all = self.list(&format!("{base}/helmreleases?")).await;
        let found = match all {
            Ok(found) => Ok(found),
            Err(_) => {
                self.list(&format!("{base}/namespaces/{namespace}/helmreleases?"))
                    .await
            }
        };
        found.unwrap_or_else(|error| {
            lost.push(not_read("HelmReleases", &error));
            Vec::new()
        })
    }

    async fn log(&self, log: LogKey, previous: bool) -> Change {
        let params = LogParams {
            container: Some(log.container.clone()),
            previous,
            tail_lines: Some(i64::try_from(LINES).unwrap_or(i64::MAX)),
            limit_bytes: Some(LOG_BYTES),
            timestamps: true,
            ..LogParams::default()
        };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &log.namespace);
        match api.logs(&log.pod, &params).await {
            Ok(text) => {
                let mut lines = Lines::default();
                lines.add(text.as_bytes());
                let lines = lines.take(true);
                Change::Log { log, lines }
            }
            Err(error) => Change::LogLost {
                log,
                why: error.to_string(),
            },
        }
    }

    async fn list(&self, path: &str) -> Result<Vec<Box<RawValue>>, kube::Error> {
        let (mut items, mut pages) = (Vec::new(), Pages::of(&self.client, path, PAGE));
        for _ in 0..PAGES {
            match pages.next().await? {
                Some(page) => items.extend(page),
                None => break,
            }
        }
        Ok(items)
    }
}

impl Read {
    fn add(&mut self, kind: Kind, objects: Vec<Box<RawValue>>) {
        let changes = objects.into_iter();
        self.changes
            .extend(changes.map(|object| Change::Apply { kind, object }));
    }

    fn add_or_lose(&mut self, kind: Kind, objects: Result<Vec<Box<RawValue>>, kube::Error>, what: &str) {
        match objects {
            Ok(objects) => self.add(kind, objects),
            Err(error) => self.lost.push(not_read(what, &error)),
        }
    }
}

fn not_read(what: &str, error: &kube::Error) -> Lost {
    Lost {
        what: what.to_owned(),
        why: match error {
            kube::Error::Api(status) if status.code == 403 => "not allowed to read them".to_owned(),
            error => error.to_string(),
        },
    }
}

/// The logs that there are to read: of the present runs (false) and of those before (true). A Pod that has
/// succeeded has nothing to tell.
fn runs(changes: &[Change]) -> Vec<(LogKey, bool)> {
    let mut runs = Vec::new();
    for change in changes {
        let Change::Apply {
            kind: Kind::Pod,
            object,
        } = change
        else {
            continue;
        };
        let Ok(pod) = serde_json::from_str::<PodObject>(object.get()) else {
            continue;
        };
        let pod = pod.into_record(None);
        if pod.phase == "Succeeded" {
            continue;
        }
        for container in &pod.containers {
            let (present, before) = LogKey::runs(&pod, container);
            runs.extend(before.map(|log| (log, true)));
            runs.extend(present.map(|log| (log, false)));
        }
    }
    runs
}
