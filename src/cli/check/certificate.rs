//! What the API server trusts, and what it is shown.

use jiff::Timestamp;

use super::report::Area;
use crate::certs::Configuration;
use crate::tls::kept::Found;
use crate::tls::{CertificateFacts, RENEW_BEFORE, accepts};

/// Below this many days somebody has to act.
const ALARM_DAYS: i64 = 14;

fn days(until: Timestamp, now: Timestamp) -> i64 {
    until.duration_since(now).as_hours().div_euclid(24)
}

/// `caBundle` of one configuration.
pub(super) fn authority(area: &mut Area<'_>, configuration: &Configuration, now: Timestamp) {
    for asker in &configuration.askers {
        let name = &asker.name;
        let remedy = "mode self: see the webhook's log; cert-manager: the annotation cert-manager.io/inject-ca-from and its cainjector; provided: certs.caBundle";
        if asker.ca_bundle.is_empty() {
            area.fail(format!("{name}: caBundle is empty: no answer is trusted"), remedy);
            continue;
        }
        match CertificateFacts::read(&String::from_utf8_lossy(&asker.ca_bundle)) {
            Err(error) => area.fail(format!("{name}: caBundle: {error}"), remedy),
            Ok(authorities) => match authorities
                .iter()
                .filter(|authority| authority.not_after > now)
                .max_by_key(|authority| authority.not_after)
            {
                None => area.fail(format!("{name}: every authority in caBundle has run out"), remedy),
                Some(longest) => {
                    let left = days(longest.not_after, now);
                    let others = if authorities.len() > 1 {
                        format!(", {} authorities in all", authorities.len())
                    } else {
                        String::new()
                    };
                    let message = format!(
                        "{name}: trusts {} until {}{others}",
                        longest.common_name, longest.not_after
                    );
                    if left < ALARM_DAYS {
                        area.warn(format!("{message}: {left} d are left"), remedy);
                    } else {
                        area.ok(message);
                    }
                }
            },
        }
    }
}

/// The certificate in the Secret (`tls.crt`), and whether each webhook of the configurations accepts it.
pub(super) fn serving(
    area: &mut Area<'_>,
    certificate: &str,
    configurations: &[Configuration],
    now: Timestamp,
) {
    let leaf = match CertificateFacts::read(certificate).map(|mut chain| chain.swap_remove(0)) {
        Ok(leaf) => leaf,
        Err(error) => {
            area.fail(
                format!("tls.crt: {error}"),
                "mode self: `hookbudget certs create`; else put the certificate there",
            );
            return;
        }
    };
    let left = days(leaf.not_after, now);
    let message = format!("the certificate ends in {left} d, at {}", leaf.not_after);
    let renew = "mode self: see the webhook's log, or `hookbudget certs rotate`; cert-manager: kubectl describe certificate; provided: replace the Secret";
    if left < ALARM_DAYS {
        area.fail(message, renew);
    } else if leaf.not_after.duration_since(now) < RENEW_BEFORE - jiff::SignedDuration::from_hours(24) {
        area.warn(
            format!("{message}: it should have been renewed 90 days before its end"),
            renew,
        );
    } else {
        area.ok(message);
    }
    for asker in configurations
        .iter()
        .flat_map(|configuration| &configuration.askers)
    {
        let trusted = String::from_utf8_lossy(&asker.ca_bundle);
        if asker.ca_bundle.is_empty() || asker.host.is_empty() {
            continue;
        }
        match accepts(&trusted, certificate, &asker.host, now) {
            Ok(()) => area.ok(format!("{}: accepts it as {}", asker.name, asker.host)),
            Err(error) => area.fail(
                format!(
                    "{}: calls {} and does not accept it: {error}",
                    asker.name, asker.host
                ),
                format!(
                    "it is for {}; mode self: `hookbudget certs create`; else issue one for {}",
                    leaf.names.join(", "),
                    asker.host
                ),
            ),
        }
    }
}

/// A Secret that the webhook keeps: its other entries, and a rotation that is under way.
pub(super) fn kept(area: &mut Area<'_>, found: &Found) {
    for (key, fault) in &found.faults {
        area.fail(
            format!("{key}: {fault}"),
            "`hookbudget certs create` makes it anew",
        );
    }
    if found.next.is_some() {
        area.warn(
            "a rotation of the authority is under way",
            "it ends by itself within a minute; if not, see the webhook's log",
        );
    }
    if !found.previous.is_empty() {
        area.ok(format!(
            "{} previous authority is still trusted, for a day after the rotation",
            found.previous.len()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Level, Report};
    use super::*;
    use crate::tls::Authority;

    const NAME: &str = "hb-webhook.hooks.svc";

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    fn ago(days: i64) -> Timestamp {
        now()
            .checked_sub(jiff::SignedDuration::from_hours(days * 24))
            .unwrap()
    }

    #[test]
    fn days_left_are_told_and_judged() {
        for (issued, level) in [
            (0, Level::Ok),
            (274, Level::Ok),
            (280, Level::Warn),
            (352, Level::Fail),
            (400, Level::Fail),
        ] {
            let authority = Authority::generate("x", ago(issued)).unwrap();
            let leaf = authority.issue(&[NAME], ago(issued)).unwrap();
            let mut report = Report::new();
            serving(&mut report.area("x"), &leaf.cert_pem, &[], now());
            let found = report.found();
            assert_eq!(found[0].0, level, "{issued}: {found:?}");
            assert!(
                found[0].1.contains(&format!("in {} d,", 365 - issued)),
                "{found:?}"
            );
        }
    }

    #[test]
    fn what_is_no_certificate_is_a_failure() {
        let mut report = Report::new();
        serving(&mut report.area("x"), "", &[], now());
        assert_eq!(report.found()[0].0, Level::Fail);
        assert!(report.fails());
    }
}
