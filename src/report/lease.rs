//! Who writes: the holder of a `coordination.k8s.io/v1` Lease.

use std::time::Duration;

use http::{Method, Request};
use jiff::Timestamp;
use kube::{Client, Error};
use serde_json::{Value, json};
use tokio::time::Instant;

/// How long a holder that is not heard of keeps the Lease (client-go's default for leader election).
const DURATION: Duration = Duration::from_secs(15);

/// A Lease, and whether it is ours. Judged by our own clock: a holder is gone when its Lease has not changed for
/// as long as it asked for (as client-go's `tools/leaderelection` does), so clocks need not agree.
pub struct Lease {
    client: Client,
    path: String,
    name: String,
    identity: String,
    /// The Pod that holds it, as an owner reference: what is left of the Lease goes with its last holder.
    owner: Option<Value>,
    /// The Lease as it was seen, and since when it has not changed.
    seen: Option<(String, Instant)>,
    renewed: Option<Instant>,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("path", &self.path)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Lease {
    /// The Lease `name` in `namespace`, to be held as `identity`.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            client,
            path: format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"),
            name: name.to_owned(),
            identity: identity.to_owned(),
            owner: None,
            seen: None,
            renewed: None,
        }
    }

    /// Lets the API server's garbage collector delete the Lease when the Pod that holds it is gone, as after an
    /// uninstall. The Pod has to be in the Lease's namespace: an owner elsewhere counts as gone.
    #[must_use]
    pub fn owned_by(mut self, pod: &str, uid: &str) -> Self {
        self.owner = Some(json!([{"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}]));
        self
    }

    /// Takes the Lease where nobody holds it, or renews it. True when it is ours. To be called more often than a
    /// third of its duration; it asks the API server no more often than that.
    ///
    /// # Errors
    /// When the API server does not answer, or does not allow it.
    pub async fn hold(&mut self, now: Timestamp) -> Result<bool, Error> {
        if self.renewed.is_some_and(|at| at.elapsed() < DURATION / 3) {
            return Ok(true);
        }
        let held = self.take(now).await;
        match &held {
            Ok(true) => self.renewed = Some(Instant::now()),
            // What is ours stays ours until it would have run out.
            Err(_) if self.renewed.is_some_and(|at| at.elapsed() < DURATION * 2 / 3) => return Ok(true),
            Ok(false) | Err(_) => self.renewed = None,
        }
        held
    }

    /// Gives the Lease away, so that the next one need not wait.
    pub async fn release(&mut self, now: Timestamp) {
        if self.renewed.take().is_none() {
            return;
        }
        let given = async {
            let mut lease = self.get().await?;
            if lease["spec"]["holderIdentity"] == self.identity.as_str() {
                lease["spec"] = Self::spec(&lease, "", now);
                self.put(&lease).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = given.await {
            tracing::debug!(%error, "the lease is left to run out");
        }
    }

    async fn take(&mut self, now: Timestamp) -> Result<bool, Error> {
        let mut lease = match self.get().await {
            Ok(lease) => lease,
            Err(Error::Api(status)) if status.code == 404 => {
                let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                    "metadata": {"name": self.name, "ownerReferences": self.owner}, "spec": Self::spec(&Value::Null, &self.identity, now)});
                return race(self.send(Method::POST, &self.path, &lease).await);
            }
            Err(error) => return Err(error),
        };
        let holder = lease["spec"]["holderIdentity"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if !holder.is_empty() && holder != self.identity && !self.has_run_out(&lease) {
            return Ok(false);
        }
        lease["spec"] = Self::spec(&lease, &self.identity, now);
        if let Some(owner) = &self.owner {
            lease["metadata"]["ownerReferences"] = owner.clone();
        }
        race(self.put(&lease).await)
    }

    fn has_run_out(&mut self, lease: &Value) -> bool {
        let version = lease["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        let asked = lease["spec"]["leaseDurationSeconds"]
            .as_u64()
            .map_or(DURATION, Duration::from_secs);
        match &self.seen {
            Some((seen, since)) if seen == version => since.elapsed() > asked,
            _ => {
                self.seen = Some((version.to_owned(), Instant::now()));
                false
            }
        }
    }

    fn spec(before: &Value, holder: &str, now: Timestamp) -> Value {
        // MicroTime asks for six digits.
        let now = format!("{now:.6}");
        let same = before["spec"]["holderIdentity"] == holder;
        let transitions = before["spec"]["leaseTransitions"].as_u64().unwrap_or(0);
        let since = before["spec"]["acquireTime"]
            .as_str()
            .filter(|_| same)
            .unwrap_or(&now);
        json!({"holderIdentity": holder, "leaseDurationSeconds": DURATION.as_secs(), "acquireTime": since,
            "renewTime": now, "leaseTransitions": transitions + u64::from(!same)})
    }

    async fn get(&self) -> Result<Value, Error> {
        let request = Request::get(format!("{}/{}", self.path, self.name)).body(Vec::new());
        self.client.request(request.map_err(Error::HttpError)?).await
    }

    /// With the version that was read: who was quicker wins.
    async fn put(&self, lease: &Value) -> Result<Value, Error> {
        self.send(Method::PUT, &format!("{}/{}", self.path, self.name), lease)
            .await
    }

    async fn send(&self, method: Method, path: &str, lease: &Value) -> Result<Value, Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(lease.to_string().into_bytes());
        self.client.request(request.map_err(Error::HttpError)?).await
    }
}

/// Another one was quicker.
fn race(written: Result<Value, Error>) -> Result<bool, Error> {
    match written {
        Ok(_) => Ok(true),
        Err(Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
