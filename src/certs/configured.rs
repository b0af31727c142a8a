//! Whether the API server has our two configurations and trusts what is served: without that, no Job is judged, and a
//! `failurePolicy` of Ignore lets nobody notice.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::time::sleep;

use super::{Cluster, Configuration, ConfigurationKind};
use crate::tls::{LiveCertificate, accepts};

/// How often it looks: two small objects by name.
const LOOK: Duration = Duration::from_mins(1);
/// How often while it is not so: an installation becomes whole within seconds.
const LOOK_SOON: Duration = Duration::from_secs(5);

/// The gauge, 0 before the first look.
#[must_use]
pub fn gauge(registry: &mut Registry) -> Gauge<i64, AtomicI64> {
    let configured: Gauge<i64, AtomicI64> = Gauge::default();
    registry.register(
        "hookbudget_webhook_configured",
        "1 when both webhook configurations exist and all their webhooks trust, by caBundle, the certificate that this \
         replica serves; 0 when not, or when they may not be read: the log says why",
        configured.clone(),
    );
    configured
}

/// Looks again and again; each change is logged once.
pub async fn watch(cluster: Cluster, live: Arc<LiveCertificate>, configured: Gauge<i64, AtomicI64>) {
    let mut known: Option<Result<(), String>> = None;
    loop {
        let found = match cluster.configurations().await {
            Ok(configurations) => trusts(&configurations, &live.chain(), Timestamp::now()),
            Err(error) => Err(error.to_string()),
        };
        configured.set(found.is_ok().into());
        if known.as_ref() != Some(&found) {
            match &found {
                Ok(()) => tracing::info!(
                    "the API server has both webhook configurations and trusts the certificate"
                ),
                Err(why) => tracing::warn!(
                    why,
                    "Jobs are not judged; `hookbudget check` says what to change, if it does not mend itself within a minute"
                ),
            }
        }
        let pause = if found.is_ok() { LOOK } else { LOOK_SOON };
        known = Some(found);
        sleep(pause).await;
    }
}

/// Whether every webhook of both configurations accepts a certificate chain, and why not.
fn trusts(configurations: &[Configuration], chain: &str, now: Timestamp) -> Result<(), String> {
    for kind in ConfigurationKind::ALL {
        let of_kind = configurations
            .iter()
            .find(|configuration| configuration.kind == kind);
        let Some(configuration) = of_kind.filter(|configuration| !configuration.askers.is_empty()) else {
            return Err(format!(
                "there is no {} of ours with a webhook in it",
                kind.as_str()
            ));
        };
        for asker in &configuration.askers {
            let bundle = String::from_utf8_lossy(&asker.ca_bundle);
            accepts(&bundle, chain, &asker.host, now)
                .map_err(|error| format!("{} of the {}: {error}", asker.name, kind.as_str()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use k8s_openapi::api::admissionregistration::v1::{ServiceReference, WebhookClientConfig};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;
    use crate::tls::Authority;

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().expect("a time")
    }

    fn configuration(kind: ConfigurationKind, bundles: &[&str]) -> Configuration {
        let name = "hooks.hookbudget.dev".to_owned();
        let clients: Vec<_> = bundles
            .iter()
            .map(|bundle| WebhookClientConfig {
                ca_bundle: Some(ByteString(bundle.as_bytes().to_vec())),
                service: Some(ServiceReference {
                    name: "hb-webhook".to_owned(),
                    namespace: "hooks".to_owned(),
                    ..ServiceReference::default()
                }),
                url: None,
            })
            .collect();
        Configuration::new(
            kind,
            &ObjectMeta::default(),
            clients.iter().map(|client| (&name, client)),
        )
    }

    #[test]
    fn both_have_to_be_there_and_to_trust_what_is_served() {
        let authority = Authority::generate("a", now()).expect("an authority");
        let other = Authority::generate("b", now()).expect("an authority");
        let leaf = authority
            .issue(&["hb-webhook.hooks.svc"], now())
            .expect("a certificate");
        let foreign = authority.issue(&["other.svc"], now()).expect("a certificate");
        let (mutating, validating) = (ConfigurationKind::Mutating, ConfigurationKind::Validating);
        let own = authority.cert_pem();
        let both = |bundle: &str| {
            [
                configuration(mutating, &[own]),
                configuration(validating, &[own, bundle]),
            ]
        };
        assert_eq!(trusts(&both(own), &leaf.cert_pem, now()), Ok(()));
        let overlap = format!("{}{own}", other.cert_pem());
        assert_eq!(trusts(&both(&overlap), &leaf.cert_pem, now()), Ok(()));
        for (configurations, chain, why) in [
            (
                &both(own)[..1],
                &leaf.cert_pem,
                "there is no ValidatingWebhookConfiguration",
            ),
            (
                &[configuration(mutating, &[]), configuration(validating, &[own])],
                &leaf.cert_pem,
                "there is no Mutating",
            ),
            (
                &both(other.cert_pem()),
                &leaf.cert_pem,
                "of the ValidatingWebhookConfiguration: ",
            ),
            (
                &both(""),
                &leaf.cert_pem,
                "of the ValidatingWebhookConfiguration: ",
            ),
            (
                &both("no certificate"),
                &leaf.cert_pem,
                "of the ValidatingWebhookConfiguration: ",
            ),
            (
                &both(own),
                &foreign.cert_pem,
                "of the MutatingWebhookConfiguration: ",
            ),
        ] {
            let found = trusts(configurations, chain, now()).expect_err(why);
            assert!(found.contains(why), "{found}");
        }
        let later = now()
            .checked_add(jiff::SignedDuration::from_hours(24 * 400))
            .expect("a time");
        assert!(trusts(&both(own), &leaf.cert_pem, later).is_err());
    }
}
