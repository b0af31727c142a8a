//! The keeper: looks at what is, takes the step that is due, tells the configurations, serves the certificate.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::cluster::Written;
use super::trust::{SETTLE, Trust};
use super::{Cluster, Configuration, ConfigurationKind, KeepError, wake};
use crate::shutdown::Shutdown;
use crate::tls::kept::{Found, Kept, Step, Why, due};
use crate::tls::{Bundle, CertificateFacts, LiveCertificate, ServingCertificate};

/// What authorities are called.
const AUTHORITY: &str = "hookbudget";
/// Steps and lost races that one look may see: a rotation has five steps.
const MOST_STEPS: usize = 12;
/// How often it looks though nothing woke it: dates come near in months, and a watch that may not be opened
/// costs minutes instead of seconds.
const LOOK_AGAIN: Duration = Duration::from_mins(10);
/// The first and the longest pause after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Several objects change together, and our own writes wake us too: one look for all of it.
const GATHER: Duration = Duration::from_millis(50);

/// Something that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The state in the Secret took a step.
    Step(Step),
    /// A configuration was told whom to trust.
    Told(ConfigurationKind),
    /// The certificate is served from the next handshake on.
    Served {
        /// Its end of validity.
        not_after: Timestamp,
        /// The end of validity of the authority that signed it.
        authority_not_after: Timestamp,
    },
}

/// Is told what the keeper does. Called on the serving thread, so it must not wait.
pub trait Observer: Send + Sync + 'static {
    /// Something was done.
    fn did(&self, done: Done) {
        let _ = done;
    }

    /// Something failed; it is tried again.
    fn failed(&self, error: &KeepError) {
        let _ = error;
    }
}

/// Observes nothing.
impl Observer for () {}

/// What somebody asks for by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A new serving certificate from the same authority.
    Renew,
    /// A new authority, with an overlap.
    Rotate,
    /// A new authority that alone is trusted at once: the old key is in wrong hands.
    Replace,
}

/// What one look came to.
#[derive(Debug)]
pub struct Look {
    /// When to look again, if nothing wakes the keeper before.
    pub again: Duration,
    /// The state, if there is one.
    pub kept: Option<Kept>,
    /// Whether every configuration that there is trusts what is served.
    pub told: bool,
    /// What failed. What could be done without it was done.
    pub errors: Vec<KeepError>,
}

/// Keeps the state in the Secret, the two configurations and the served certificate in step.
pub struct Keeper {
    cluster: Cluster,
    live: Option<Arc<LiveCertificate>>,
    observer: Arc<dyn Observer>,
    known: Option<Kept>,
    serving: Option<Bundle>,
    trust: Trust,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

impl Keeper {
    /// A keeper that has seen nothing yet. `live`, where something is served, is replaced once there is a
    /// certificate in the cluster.
    #[must_use]
    pub fn new(cluster: Cluster, live: Option<Arc<LiveCertificate>>, observer: Arc<dyn Observer>) -> Self {
        Self {
            cluster,
            live,
            observer,
            known: None,
            serving: None,
            trust: Trust::default(),
        }
    }

    /// Keeps until shutdown. `ready` becomes true with the first certificate that every configuration trusts.
    pub async fn run(mut self, ready: watch::Sender<bool>, shutdown: Shutdown) {
        let notify = Arc::new(Notify::new());
        let _watches = wake::watch(&self.cluster, &notify);
        let mut pause = BACKOFF.0;
        loop {
            let look = self.look(Timestamp::now()).await;
            for error in &look.errors {
                self.observer.failed(error);
                tracing::error!(%error, "certificates are not all in order; what is in use stays in use");
            }
            if look.told && self.serving.is_some() {
                ready.send_replace(true);
            }
            let failed = !look.errors.is_empty();
            let again = if failed { look.again.min(pause) } else { look.again };
            pause = if failed {
                (pause * 2).min(BACKOFF.1)
            } else {
                BACKOFF.0
            };
            // What failed may be mended by what changes next, but is not tried in a tight circle.
            let gather = if failed { BACKOFF.0 } else { GATHER };
            let woken = async {
                notify.notified().await;
                sleep(gather).await;
            };
            tokio::select! {
                () = shutdown.requested() => return,
                () = sleep(again) => {}
                () = woken => {}
            }
        }
    }

    /// Looks once and does what is due at `now`.
    pub async fn look(&mut self, now: Timestamp) -> Look {
        let mut errors = Vec::new();
        let configurations = match self.cluster.configurations().await {
            Ok(configurations) => {
                self.see(&configurations);
                Some(configurations)
            }
            Err(error) => {
                errors.push(error);
                None
            }
        };
        match self.settle(configurations.as_deref(), now).await {
            Ok(Some(kept)) => self.known = Some(kept),
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
        let mut told = configurations.is_some();
        if let (Some(kept), Some(configurations)) = (self.known.clone(), configurations) {
            let (all, more) = self.tell(configurations, &kept).await;
            told = all;
            errors.extend(more);
        }
        let mut again = LOOK_AGAIN;
        if let Some(kept) = self.known.clone() {
            match self.serve(&kept) {
                Ok(left) => again = again.min(left),
                Err(error) => errors.push(error),
            }
            if let Some(next) = &kept.next {
                again = again.min(self.trust.left(next.cert_pem(), Instant::now()).unwrap_or(SETTLE));
            }
        }
        if !told {
            again = again.min(BACKOFF.0);
        }
        Look {
            again: again.max(GATHER),
            kept: self.known.clone(),
            told,
            errors,
        }
    }

    fn see(&mut self, configurations: &[Configuration]) {
        let trusted = configurations.iter().map(|configuration| {
            configuration
                .trusted()
                .into_iter()
                .map(|certificate| certificate.pem)
                .collect()
        });
        self.trust.saw(&trusted.collect::<Vec<_>>(), Instant::now());
    }

    /// Takes steps until none is due, and gives the state that then stands; none where there is to be none.
    async fn settle(
        &mut self,
        configurations: Option<&[Configuration]>,
        now: Timestamp,
    ) -> Result<Option<Kept>, KeepError> {
        let names = self.names(configurations);
        for _ in 0..MOST_STEPS {
            let secret = self.cluster.secret().await?;
            let found = found(secret.as_ref());
            for (key, fault) in &found.faults {
                tracing::warn!(
                    secret = self.cluster.secret_name(),
                    key,
                    fault,
                    "an entry of the Secret is made anew"
                );
            }
            let next_is_trusted = found
                .next
                .as_ref()
                .is_some_and(|next| self.trust.settled(next.cert_pem(), Instant::now()));
            let Some(step) = due(&found, self.known.is_some(), &names, next_is_trusted, now) else {
                return Ok(found.whole());
            };
            if step == Step::Restore && configurations.is_some_and(<[Configuration]>::is_empty) {
                // Nobody asks us any more: the product is being removed, and its keys with it.
                return Ok(None);
            }
            let Some(kept) = self.take(step, &found, configurations, &names, now)? else {
                return Ok(None);
            };
            self.write(secret, kept, step).await?;
        }
        Err(KeepError::Restless(format!(
            "{}/{}",
            self.cluster.place().namespace,
            self.cluster.place().secret
        )))
    }

    /// The names that the certificate must have: the given ones, and those by which the configurations call.
    fn names(&self, configurations: Option<&[Configuration]>) -> Vec<String> {
        let mut names = self.cluster.place().names.clone();
        let askers = configurations
            .into_iter()
            .flatten()
            .flat_map(|configuration| &configuration.askers);
        for asker in askers.filter(|asker| !asker.host.is_empty()) {
            if !names.contains(&asker.host) {
                names.push(asker.host.clone());
            }
        }
        names
    }

    fn take(
        &self,
        step: Step,
        found: &Found,
        configurations: Option<&[Configuration]>,
        names: &[String],
        now: Timestamp,
    ) -> Result<Option<Kept>, KeepError> {
        Ok(match step {
            Step::Restore => self.known.clone(),
            Step::Create => {
                let all = configurations
                    .into_iter()
                    .flatten()
                    .flat_map(Configuration::trusted);
                let inherited: Vec<CertificateFacts> = all.collect();
                Some(Kept::create(AUTHORITY, names, &inherited, now)?)
            }
            // Replicas that were told different names would else take turns for ever.
            Step::Renew(Why::Names) => found.renew(&with_present_names(found, names), now)?,
            Step::Renew(_) => found.renew(names, now)?,
            Step::Introduce => found
                .whole()
                .map(|kept| kept.introduce(AUTHORITY, now))
                .transpose()?,
            Step::Promote => found.whole().map(|kept| kept.promote(names, now)).transpose()?,
            Step::Forget => found.whole().map(|kept| kept.forget(now)),
        })
    }

    async fn write(&mut self, secret: Option<Secret>, kept: Kept, step: Step) -> Result<Written, KeepError> {
        let written = self.cluster.write(secret, &kept).await?;
        if written == Written::Done {
            tracing::info!(
                secret = self.cluster.secret_name(),
                step = step.as_str(),
                "the Secret took a step"
            );
            self.observer.did(Done::Step(step));
            self.known = Some(kept);
        }
        Ok(written)
    }

    /// Writes what is to be trusted into every configuration that says something else. True when all say it.
    async fn tell(&mut self, mut configurations: Vec<Configuration>, kept: &Kept) -> (bool, Vec<KeepError>) {
        let bundle = kept.trusted();
        // Together: the API server asks both for each object.
        let writes = configurations
            .iter_mut()
            .map(|configuration| self.tell_one(configuration, &bundle));
        let results = join_all(writes).await;
        let all = results.iter().all(|written| matches!(written, Ok(Written::Done)));
        self.see(&configurations);
        (all, results.into_iter().filter_map(Result::err).collect())
    }

    /// Writes `bundle` into a configuration that says something else.
    async fn tell_one(&self, configuration: &mut Configuration, bundle: &str) -> Result<Written, KeepError> {
        if configuration.says(bundle) {
            return Ok(Written::Done);
        }
        let written = self.cluster.tell(configuration, bundle).await?;
        if written == Written::Done {
            tracing::info!(
                kind = configuration.kind.as_str(),
                name = self.cluster.place().configuration,
                "caBundle written"
            );
            self.observer.did(Done::Told(configuration.kind));
            for asker in &mut configuration.askers {
                asker.ca_bundle = bundle.as_bytes().to_vec();
            }
        }
        Ok(written)
    }

    /// Serves the certificate as soon as that is safe; how long until then. The first one is served at once:
    /// nothing better is at hand. So is one that replaces a certificate that nobody trusts any more.
    fn serve(&mut self, kept: &Kept) -> Result<Duration, KeepError> {
        let Some(live) = &self.live else {
            return Ok(LOOK_AGAIN);
        };
        if let Some(serving) = &self.serving {
            if serving.cert_pem == kept.leaf.cert_pem {
                return Ok(LOOK_AGAIN);
            }
            let trusted = kept.trusted().contains(serving.ca_pem.trim());
            let left = self
                .trust
                .left(kept.authority.cert_pem(), Instant::now())
                .unwrap_or(SETTLE);
            if trusted && !left.is_zero() {
                return Ok(left);
            }
        }
        live.replace(ServingCertificate::try_from(&kept.leaf)?);
        let (not_after, authority_not_after) = (kept.leaf.not_after, kept.authority.not_after());
        tracing::info!(%not_after, %authority_not_after, "serving certificate in use");
        self.observer.did(Done::Served {
            not_after,
            authority_not_after,
        });
        self.serving = Some(kept.leaf.clone());
        Ok(LOOK_AGAIN)
    }

    /// Does by hand what would else wait for its date. A rotation is only begun here: looks finish it.
    ///
    /// # Errors
    /// [`KeepError`] if the Secret cannot be read or written.
    pub async fn ask(&mut self, request: Request, now: Timestamp) -> Result<Kept, KeepError> {
        let configurations = self.cluster.configurations().await?;
        let names = self.names(Some(&configurations));
        for _ in 0..MOST_STEPS {
            let secret = self.cluster.secret().await?;
            let kept = match (found(secret.as_ref()).whole(), request) {
                (Some(kept), Request::Renew) => kept.renew(&names, now)?,
                (Some(kept), Request::Rotate) => kept.introduce(AUTHORITY, now)?,
                (None, Request::Renew | Request::Rotate) => {
                    let all: Vec<_> = configurations.iter().flat_map(Configuration::trusted).collect();
                    Kept::create(AUTHORITY, &names, &all, now)?
                }
                (_, Request::Replace) => Kept::create(AUTHORITY, &names, &[], now)?,
            };
            let step = match request {
                Request::Renew => Step::Renew(Why::Asked),
                Request::Rotate => Step::Introduce,
                Request::Replace => Step::Create,
            };
            if self.write(secret, kept.clone(), step).await? == Written::Done {
                return Ok(kept);
            }
        }
        Err(KeepError::Restless(format!(
            "{}/{}",
            self.cluster.place().namespace,
            self.cluster.place().secret
        )))
    }
}

/// The names that are wanted, and those that the certificate has.
fn with_present_names(found: &Found, wanted: &[String]) -> Vec<String> {
    let mut names = wanted.to_vec();
    let facts = found
        .leaf
        .as_ref()
        .and_then(|leaf| CertificateFacts::read(&leaf.cert_pem).ok());
    for name in facts.into_iter().flatten().flat_map(|facts| facts.names) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn found(secret: Option<&Secret>) -> Found {
    let data = secret.and_then(|secret| secret.data.as_ref());
    let data = data
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.0.clone()));
    Found::read(&data.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two replicas that were told different names agree on one certificate.
    #[test]
    fn different_names_meet_in_one_certificate() {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let (one, other) = (vec!["a.svc".to_owned()], vec!["b.svc".to_owned()]);
        let kept = Kept::create(AUTHORITY, &one, &[], now).unwrap();
        let found = |kept: &Kept| Found {
            authority: Some(Arc::clone(&kept.authority)),
            leaf: Some(kept.leaf.clone()),
            ..Found::default()
        };
        let before = found(&kept);
        assert_eq!(
            due(&before, true, &other, false, now),
            Some(Step::Renew(Why::Names))
        );
        let names = with_present_names(&before, &other);
        let after = found(&before.renew(&names, now).unwrap().unwrap());
        for wanted in [one, other] {
            assert_eq!(due(&after, true, &wanted, false, now), None, "{wanted:?}");
        }
    }
}
