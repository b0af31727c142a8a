//! A small certificate authority of one's own: ECDSA P-256, made and kept by the process that serves.

use std::{fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use super::{Bundle, KeyPem, TlsError, pem};

/// How long an authority is valid: ten years, as in cert-controller (`pkg/rotator/rotator.go`).
pub const CA_LIFETIME: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
/// How long a serving certificate is valid: one year, as in cert-controller (`pkg/rotator/rotator.go`).
pub const LEAF_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How far back validity begins, for clients whose clock is behind this one's: two hours. cert-controller
/// (`pkg/rotator/rotator.go`) takes one, which leaves nothing for a clock that is off by a whole hour (a time zone, a
/// change to summer time): such an API server would have to wait for the second in which the certificate was made.
pub const BACKDATE: SignedDuration = SignedDuration::from_hours(2);

/// An authority that issues serving certificates.
pub struct Authority {
    cert_pem: String,
    key: KeyPair,
    not_after: Timestamp,
}

impl Authority {
    /// A new authority, valid for [`CA_LIFETIME`]. `name` and the date become its common name, so that two
    /// authorities that overlap during a rotation can be told apart.
    ///
    /// # Errors
    /// [`TlsError::Clock`] if `now` is outside the dates that a certificate can state.
    pub fn generate(name: &str, now: Timestamp) -> Result<Self, TlsError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::Generate)?;
        let not_after = after(now, CA_LIFETIME)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&format!("{name} CA {}", now.strftime("%Y-%m-%dT%H:%M:%SZ")));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, now, not_after)?;
        let certificate = params.self_signed(&key).map_err(TlsError::Generate)?;
        Ok(Self {
            cert_pem: certificate.pem(),
            key,
            not_after: whole_seconds(not_after),
        })
    }

    /// An authority from stored text. Where `cert_pem` holds several certificates, the first is the one that
    /// signs.
    ///
    /// # Errors
    /// [`TlsError`] naming the part that is missing or damaged, [`TlsError::KeyMismatch`], or
    /// [`TlsError::NotAnAuthority`].
    pub fn from_pem(cert_pem: &str, key_pem: &KeyPem) -> Result<Self, TlsError> {
        let certificates = pem::certificates(cert_pem.as_bytes())?;
        let serving = super::ServingCertificate::from_pem(cert_pem.as_bytes(), key_pem.expose().as_bytes())?;
        let first = certificates.first().ok_or(TlsError::NotAnAuthority)?;
        if !pem::parse(first)?.is_ca() {
            return Err(TlsError::NotAnAuthority);
        }
        let key = KeyPair::from_pem(key_pem.expose())
            .map_err(|error| TlsError::UnsupportedKey(error.to_string()))?;
        Ok(Self {
            cert_pem: cert_pem.to_owned(),
            key,
            not_after: serving.not_after(),
        })
    }

    /// The authority's certificate: what clients trust.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The authority's key, to be stored where only the issuer reads it.
    #[must_use]
    pub fn key_pem(&self) -> KeyPem {
        KeyPem::new(self.key.serialize_pem())
    }

    /// The end of the authority's validity.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether the authority is to be replaced: it would no longer outlive a certificate issued now.
    #[must_use]
    pub fn needs_renewal(&self, now: Timestamp) -> bool {
        self.not_after.duration_since(now) <= LEAF_LIFETIME
    }

    /// A serving certificate for `names` (DNS names and IP addresses), valid for [`LEAF_LIFETIME`] or as long
    /// as the authority, whichever ends first.
    ///
    /// # Errors
    /// [`TlsError::NoNames`], [`TlsError::InvalidName`], [`TlsError::Clock`].
    pub fn issue<N: AsRef<str>>(&self, names: &[N], now: Timestamp) -> Result<Bundle, TlsError> {
        let first = names.first().ok_or(TlsError::NoNames)?.as_ref();
        for name in names.iter().map(AsRef::as_ref) {
            check_name(name)?;
        }
        let sans: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        let mut params = CertificateParams::new(sans).map_err(TlsError::Generate)?;
        // A common name has room for 64 characters (RFC 5280, ub-common-name); clients read the SANs.
        params.distinguished_name = common_name(&first.chars().take(64).collect::<String>());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let not_after = after(now, LEAF_LIFETIME)?.min(self.not_after);
        set_validity(&mut params, now, not_after)?;

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::Generate)?;
        let issuer = Issuer::from_ca_cert_pem(&self.cert_pem, &self.key).map_err(TlsError::Generate)?;
        let certificate = params.signed_by(&key, &issuer).map_err(TlsError::Generate)?;
        Ok(Bundle {
            ca_pem: self.cert_pem.clone(),
            cert_pem: certificate.pem(),
            key_pem: KeyPem::new(key.serialize_pem()),
            not_after: whole_seconds(not_after),
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// The names under which the API server and other clients in the cluster reach a Service. The API server
/// verifies `<service>.<namespace>.svc` (`k8s.io/apiserver/pkg/util/webhook/client.go`).
#[must_use]
pub fn service_names(service: &str, namespace: &str) -> Vec<String> {
    let name = format!("{service}.{namespace}.svc");
    vec![
        name.clone(),
        format!("{name}.cluster.local"),
        format!("{service}.{namespace}"),
    ]
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn check_name(name: &str) -> Result<(), TlsError> {
    // `*.` is the one place where a certificate's name may differ from a host's.
    let host = name.strip_prefix("*.").unwrap_or(name);
    match rustls::pki_types::ServerName::try_from(host) {
        Ok(_) => Ok(()),
        Err(_) => Err(TlsError::InvalidName {
            name: name.to_owned(),
        }),
    }
}

fn after(now: Timestamp, span: SignedDuration) -> Result<Timestamp, TlsError> {
    now.checked_add(span).map_err(|_| TlsError::Clock { now })
}

/// Certificates state whole seconds.
fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn set_validity(
    params: &mut CertificateParams,
    now: Timestamp,
    not_after: Timestamp,
) -> Result<(), TlsError> {
    let not_before = now.checked_sub(BACKDATE).map_err(|_| TlsError::Clock { now })?;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since_epoch = |at: Timestamp| {
        u64::try_from(at.as_second())
            .map(Duration::from_secs)
            .map_err(|_| TlsError::Clock { now })
    };
    params.not_before = epoch + since_epoch(not_before)?;
    params.not_after = epoch + since_epoch(not_after)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use x509_parser::prelude::GeneralName;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T10:00:00.25Z".parse().unwrap()
    }

    #[test]
    fn an_issued_certificate_is_what_a_client_expects() {
        let authority = Authority::generate("hookbudget", now()).unwrap();
        let bundle = authority
            .issue(&["hookbudget.hb-system.svc", "127.0.0.1", "::1"], now())
            .unwrap();
        let leaf = pem::certificates(bundle.cert_pem.as_bytes()).unwrap();
        let leaf = pem::parse(&leaf[0]).unwrap();

        let names = &leaf
            .subject_alternative_name()
            .unwrap()
            .unwrap()
            .value
            .general_names;
        let octets = |ip: &str| match ip.parse().unwrap() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        assert!(names.contains(&GeneralName::DNSName("hookbudget.hb-system.svc")));
        assert!(names.contains(&GeneralName::IPAddress(&octets("127.0.0.1"))));
        assert!(names.contains(&GeneralName::IPAddress(&octets("::1"))));
        let usage = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && !usage.client_auth && !usage.any);
        assert!(!leaf.is_ca());

        // prime256v1, RFC 5480 section 2.1.1.1
        let curve = leaf
            .public_key()
            .algorithm
            .parameters
            .as_ref()
            .unwrap()
            .as_oid()
            .unwrap();
        assert_eq!(curve.to_id_string(), "1.2.840.10045.3.1.7");

        let seconds = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        assert_eq!(
            leaf.validity().not_before.timestamp(),
            seconds("2026-11-21T08:00:00Z")
        );
        assert_eq!(
            leaf.validity().not_after.timestamp(),
            seconds("2027-11-21T10:00:00Z")
        );
        assert_eq!(bundle.not_after.as_second(), seconds("2027-11-21T10:00:00Z"));

        let ca = pem::certificates(bundle.ca_pem.as_bytes()).unwrap();
        let ca = pem::parse(&ca[0]).unwrap();
        assert!(ca.is_ca());
        assert_eq!(
            ca.validity().not_after.timestamp(),
            seconds("2036-11-18T10:00:00Z")
        );
        assert_eq!(leaf.issuer(), ca.subject());
    }

    #[test]
    fn an_authority_survives_being_stored() {
        let made = Authority::generate("hookbudget", now()).unwrap();
        let read = Authority::from_pem(made.cert_pem(), &made.key_pem()).unwrap();
        assert_eq!(read.not_after(), made.not_after());
        let bundle = read.issue(&["localhost"], now()).unwrap();
        let again = Bundle::from_pem(
            bundle.ca_pem.clone(),
            bundle.cert_pem.clone(),
            KeyPem::new(bundle.key_pem.expose()),
        );
        assert_eq!(again.unwrap(), bundle);
    }

    #[test]
    fn what_is_not_an_authority_is_refused() {
        let authority = Authority::generate("hookbudget", now()).unwrap();
        let other = Authority::generate("hookbudget", now()).unwrap();
        let leaf = authority.issue(&["localhost"], now()).unwrap();
        let refused = |cert: &str, key: &KeyPem| Authority::from_pem(cert, key).unwrap_err();
        assert!(matches!(
            refused(&leaf.cert_pem, &leaf.key_pem),
            TlsError::NotAnAuthority
        ));
        assert!(matches!(
            refused(authority.cert_pem(), &other.key_pem()),
            TlsError::KeyMismatch
        ));
        assert!(matches!(
            refused("", &other.key_pem()),
            TlsError::NoCertificate { .. }
        ));
    }

    #[test]
    fn names_are_checked() {
        let authority = Authority::generate("hookbudget", now()).unwrap();
        assert!(matches!(
            authority.issue::<&str>(&[], now()),
            Err(TlsError::NoNames)
        ));
        for name in ["", "a b", "héllo.example", "http://x", "999.1.1.1.", "a..b"] {
            assert!(
                matches!(authority.issue(&[name], now()), Err(TlsError::InvalidName { .. })),
                "{name:?} was accepted"
            );
        }
        for name in ["localhost", "*.hb.svc", "a-b.c", "10.0.0.1", "fd00::1"] {
            authority.issue(&[name], now()).unwrap();
        }
        for name in service_names("hookbudget-webhook", "hb-system") {
            authority.issue(&[name], now()).unwrap();
        }
    }

    #[test]
    fn an_authority_is_replaced_while_it_still_outlives_a_leaf() {
        let authority = Authority::generate("hookbudget", now()).unwrap();
        let end = authority.not_after();
        let second = SignedDuration::from_secs(1);
        for (left, due) in [
            (CA_LIFETIME, false),
            (LEAF_LIFETIME + second, false),
            (LEAF_LIFETIME, true),
            (second, true),
        ] {
            assert_eq!(
                authority.needs_renewal(end.checked_sub(left).unwrap()),
                due,
                "{left:?} left"
            );
        }
        // A leaf issued too late is cut short, never longer than its issuer.
        let late = end.checked_sub(SignedDuration::from_hours(24)).unwrap();
        assert_eq!(authority.issue(&["localhost"], late).unwrap().not_after, end);
    }

    #[test]
    fn a_clock_without_sense_is_an_error() {
        for now in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            assert!(
                matches!(Authority::generate("x", now), Err(TlsError::Clock { .. })),
                "{now}"
            );
        }
    }

    #[test]
    fn debug_output_holds_no_key() {
        let authority = Authority::generate("hookbudget", now()).unwrap();
        assert!(!format!("{authority:?} {:?}", authority.key_pem()).contains("PRIVATE"));
    }
}
