//! What the texts of Kubernetes, container runtimes, registries and common tools mean.
//!
//! Reasons are API; messages are not, and differ between versions. They are matched by their stable parts, in
//! an order in which the more telling part wins.

/// True when `text` holds `part`, letter case aside. `part` has to be lower case.
#[must_use]
pub fn holds(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    !part.is_empty()
        && text
            .windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part))
}

fn any(text: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| holds(text, part))
}

/// True when `number` stands in the text as a number of its own: `401` in `status: 401,`, not in `1401` or
/// `10.4.0.401`.
#[must_use]
pub fn has_number(text: &str, number: &str) -> bool {
    let bytes = text.as_bytes();
    text.match_indices(number).any(|(at, _)| {
        let before = at.checked_sub(1).map(|i| bytes[i]);
        let after = bytes.get(at + number.len()).copied();
        let joins =
            |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        // A full stop ends a sentence; it joins numbers only when a digit follows.
        let dotted = after == Some(b'.') && !bytes.get(at + number.len() + 1).is_some_and(u8::is_ascii_digit);
        !joins(before) && (dotted || !joins(after))
    })
}

/// Why no Pod could be made, from the message of `FailedCreate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateFailure {
    /// `exceeded quota:`
    Quota,
    /// `failed quota: x: must specify limits.cpu`
    QuotaSpec,
    /// `admission webhook "x" denied the request`
    WebhookDenied,
    /// `failed calling webhook`
    WebhookUnavailable,
    /// `serviceaccount "x" not found`
    ServiceAccount,
    /// `violates PodSecurity`
    Policy,
    /// `because it is being terminated`
    Terminating,
}

/// Reads the message of a `FailedCreate` event.
#[must_use]
pub fn create_failure(message: &str) -> Option<CreateFailure> {
    Some(if any(message, &["exceeded quota:"]) {
        CreateFailure::Quota
    } else if any(message, &["failed quota:"]) {
        CreateFailure::QuotaSpec
    } else if any(message, &["failed calling webhook", "failed to call webhook"]) {
        CreateFailure::WebhookUnavailable
    } else if any(message, &["admission webhook "]) && any(message, &["denied the request"]) {
        CreateFailure::WebhookDenied
    } else if any(message, &["error looking up service account"])
        || (any(message, &["serviceaccount \""]) && any(message, &["not found"]))
    {
        CreateFailure::ServiceAccount
    } else if any(message, &["violates podsecurity"]) {
        CreateFailure::Policy
    } else if any(
        message,
        &["because it is being terminated", "namespaceterminating"],
    ) {
        CreateFailure::Terminating
    } else {
        return None;
    })
}

/// What keeps a Pod from every node, from the message of `PodScheduled=False`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unschedulable {
    /// `Insufficient cpu`, `Too many pods`
    Resources,
    /// `volume node affinity conflict`, an unbound claim
    Volume,
    /// `didn't match Pod's node affinity/selector`
    Affinity,
    /// `untolerated taint`, cordoned nodes
    Taint,
}

/// Reads the scheduler's message. Where it names several reasons for several nodes, the nodes that only lack
/// room decide: the others (control plane nodes, other pools) are never meant for the Pod.
#[must_use]
pub fn unschedulable(message: &str) -> Option<Unschedulable> {
    let message = message.split("preemption:").next().unwrap_or(message);
    Some(if any(message, &["insufficient ", "too many pods"]) {
        Unschedulable::Resources
    } else if any(
        message,
        &[
            "volume node affinity conflict",
            "unbound immediate persistentvolumeclaim",
            "persistentvolumeclaim",
            "available persistent volumes",
            "max volume count",
        ],
    ) {
        Unschedulable::Volume
    } else if any(
        message,
        &[
            "affinity",
            "node selector",
            "didn't match pod topology spread",
            "free ports",
        ],
    ) {
        Unschedulable::Affinity
    } else if any(message, &["untolerated taint", "had taint", "were unschedulable"]) {
        Unschedulable::Taint
    } else {
        return None;
    })
}

/// Why an image cannot be pulled, from the kubelet's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullFailure {
    /// `429`, `toomanyrequests`
    RateLimited,
    /// `i/o timeout`, `no such host`
    Network,
    /// `401`, `403`, `pull access denied`
    Auth,
    /// `not found`, `manifest unknown`
    NotFound,
}

/// Reads the message of `ErrImagePull`. A registry that answers "denied" both for a private and for an absent
/// repository counts as [`PullFailure::Auth`].
#[must_use]
pub fn pull_failure(message: &str) -> Option<PullFailure> {
    Some(
        if any(message, &["toomanyrequests", "too many requests", "rate limit"]) || has_number(message, "429")
        {
            PullFailure::RateLimited
        } else if any(
            message,
            &[
                "i/o timeout",
                "no such host",
                "connection refused",
                "connection reset",
                "handshake timeout",
                "deadline exceeded",
                "network is unreachable",
                "no route to host",
                "server misbehaving",
                "x509:",
                "registryunavailable",
                "unexpected eof",
                "service unavailable",
                "bad gateway",
                "timeout exceeded",
            ],
        ) {
            PullFailure::Network
        } else if any(
            message,
            &[
                "unauthorized",
                "pull access denied",
                "authentication required",
                "denied:",
                "no basic auth",
                "forbidden",
            ],
        ) || has_number(message, "401")
            || has_number(message, "403")
        {
            PullFailure::Auth
        } else if any(
            message,
            &["not found", "manifest unknown", "name unknown", "does not exist"],
        ) {
            PullFailure::NotFound
        } else {
            return None;
        },
    )
}

/// What a line of a log says about why a program failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSignature {
    /// The API server refuses a `ServiceAccount`.
    Rbac,
    /// A service refuses the credentials.
    Auth,
    /// A name cannot be resolved.
    Dns,
    /// A certificate or a handshake is not accepted.
    Tls,
    /// A download failed.
    Download,
    /// Nobody listens.
    Refused,
    /// Nobody answers, or a proxy says that nobody does.
    Timeout,
}

impl LogSignature {
    /// True when the line says that the other side is not there, as against there and unwilling.
    #[must_use]
    pub const fn is_unreachable(self) -> bool {
        matches!(self, Self::Dns | Self::Refused | Self::Timeout)
    }
}

/// The number in curl's `curl: (7) Failed to connect`.
fn curl_code(line: &str) -> Option<u8> {
    let rest = line.split_once("curl: (")?.1;
    rest.split_once(')')?.0.parse().ok()
}

/// Reads a line of log. A line about a package manager or a host outside the cluster is a download.
#[must_use]
pub fn log_signature(line: &str) -> Option<LogSignature> {
    if any(
        line,
        &["is forbidden: user \"system:", "is forbidden: user system:"],
    ) {
        return Some(LogSignature::Rbac);
    }
    let by_code = curl_code(line).and_then(|code| curl_signature(code, line));
    if by_code.is_some() {
        return by_code;
    }
    let status = |number| {
        has_number(line, number)
            && any(
                line,
                &[
                    "http", "status", "code", "error", "returned", "response", "answered",
                ],
            )
    };
    Some(if any(line, DNS) {
        LogSignature::Dns
    } else if any(line, PACKAGES) || (any(line, &["failed to download", "download failed"])) {
        LogSignature::Download
    } else if any(line, AUTH) || status("401") || status("403") {
        LogSignature::Auth
    } else if any(line, TLS) && !holds(line, "handshake timeout") {
        LogSignature::Tls
    } else if any(line, REFUSED) {
        LogSignature::Refused
    } else if any(line, TIMEOUT) || status("502") || status("503") || status("504") {
        if is_outside(line) {
            LogSignature::Download
        } else {
            LogSignature::Timeout
        }
    } else {
        return None;
    })
}

const DNS: &[&str] = &[
    "no such host",
    "could not resolve host",
    "temporary failure in name resolution",
    "name or service not known",
    "bad address '",
    "nxdomain",
    "getaddrinfo",
    "server misbehaving",
    "unable to resolve host",
    "dns lookup error",
    "dns: transient error",
    "enotfound",
];
const PACKAGES: &[&str] = &[
    "unable to select packages",
    "temporary error (try again later)",
    "e: failed to fetch",
    "could not find a version that satisfies the requirement",
    "npm err! network",
    "npm error network",
];
const AUTH: &[&str] = &[
    "unauthorized",
    "password authentication failed",
    "permission denied for",
    "authentication failed",
    "invalid credentials",
    "access denied",
    "accessdenied",
    "invalidaccesskeyid",
    "signaturedoesnotmatch",
    "403 forbidden",
    "login failed",
    "authentication required",
];
const TLS: &[&str] = &[
    "x509:",
    "certificate verify failed",
    "ssl certificate problem",
    "handshake failure",
    "tls: ",
    "certificate has expired",
    "self-signed certificate",
    "self signed certificate",
    "wrong version number",
];
const REFUSED: &[&str] = &[
    "connection refused",
    "econnrefused",
    "could not connect to server",
    "couldn't connect to server",
    "- no response",
    "rejecting connections",
];
const TIMEOUT: &[&str] = &[
    "timed out",
    "i/o timeout",
    "deadline exceeded",
    "no route to host",
    "network is unreachable",
    "connection reset",
    "etimedout",
    "503 service unavailable",
    "502 bad gateway",
    "504 gateway",
    "handshake timeout",
];

/// curl's exit codes (curl/curl `docs/libcurl/libcurl-errors.md`) as its error line shows them.
fn curl_signature(code: u8, line: &str) -> Option<LogSignature> {
    match code {
        6 => Some(LogSignature::Dns),
        7 => Some(LogSignature::Refused),
        22 if has_number(line, "401") || has_number(line, "403") => Some(LogSignature::Auth),
        28 if is_outside(line) || holds(line, "bytes received") => Some(LogSignature::Download),
        22 | 56 if is_outside(line) => Some(LogSignature::Download),
        18 | 23 | 56 => Some(LogSignature::Download),
        35 | 51 | 58 | 60 | 77 => Some(LogSignature::Tls),
        22 | 28 | 52 => Some(LogSignature::Timeout),
        _ => None,
    }
}

/// True when the line names a host outside the cluster.
#[must_use]
pub fn is_outside(line: &str) -> bool {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '/')))
        .any(|word| {
            let host = word.split_once("://").map_or(word, |(_, rest)| rest);
            let host = host.split(['/', ':']).next().unwrap_or(host).trim_matches('.');
            let labels = host.split('.').count();
            let last = host.rsplit('.').next().unwrap_or("");
            labels >= 2
                && last.len() >= 2
                && last.bytes().all(|b| b.is_ascii_alphabetic())
                && !matches!(
                    last,
                    "svc"
                        | "local"
                        | "internal"
                        | "localhost"
                        | "sh"
                        | "go"
                        | "py"
                        | "js"
                        | "gz"
                        | "tgz"
                        | "zip"
                        | "yaml"
                        | "json"
                        | "txt"
                )
                && host.split('.').all(|label| !label.is_empty())
                && (labels >= 3 || word.contains("://"))
                && !host.contains(".svc.")
        })
}

/// The curl exit code that a script under `set -e` passes on, as a signature.
#[must_use]
pub const fn exit_signature(code: i32) -> Option<LogSignature> {
    match code {
        6 => Some(LogSignature::Dns),
        7 => Some(LogSignature::Refused),
        28 => Some(LogSignature::Timeout),
        35 | 60 => Some(LogSignature::Tls),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creation_messages() {
        use CreateFailure as F;
        for (message, kind) in [
            (
                r#"Error creating: pods "x-1" is forbidden: exceeded quota: q, requested: cpu=1, used: cpu=2, limited: cpu=2"#,
                Some(F::Quota),
            ),
            (
                r#"pods "x-1" is forbidden: failed quota: q: must specify limits.cpu"#,
                Some(F::QuotaSpec),
            ),
            (
                r#"admission webhook "v.example" denied the request: no"#,
                Some(F::WebhookDenied),
            ),
            (
                r#"Internal error occurred: failed calling webhook "v.example": connection refused"#,
                Some(F::WebhookUnavailable),
            ),
            (
                r#"Error creating: pods "x-" is forbidden: error looking up service account default/nosuch: serviceaccount "nosuch" not found"#,
                Some(F::ServiceAccount),
            ),
            (
                r#"pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false"#,
                Some(F::Policy),
            ),
            (
                "unable to create new content in namespace x because it is being terminated",
                Some(F::Terminating),
            ),
            ("something else", None),
        ] {
            assert_eq!(create_failure(message), kind, "{message}");
        }
    }

    #[test]
    fn scheduler_messages() {
        use Unschedulable as U;
        for (message, kind) in [
            (
                "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
                Some(U::Resources),
            ),
            (
                "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient memory.",
                Some(U::Resources),
            ),
            (
                "0/3 nodes are available: 3 node(s) had untolerated taint {gpu: true}. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
                Some(U::Taint),
            ),
            (
                "0/2 nodes are available: 1 node(s) had untolerated taint {a: b}, 1 node(s) didn't match Pod's node affinity/selector.",
                Some(U::Affinity),
            ),
            (
                "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
                Some(U::Volume),
            ),
            (
                "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
                Some(U::Volume),
            ),
            ("no nodes available to schedule pods", None),
        ] {
            assert_eq!(unschedulable(message), kind, "{message}");
        }
    }

    #[test]
    fn pull_messages_of_several_runtimes() {
        use PullFailure as P;
        for (message, kind) in [
            (
                r#"failed to resolve reference "registry.example/a:9": registry.example/a:9: not found"#,
                Some(P::NotFound),
            ),
            (
                "manifest for a:9 not found: manifest unknown: manifest unknown",
                Some(P::NotFound),
            ),
            (
                "reading manifest 9 in registry.example/a: manifest unknown",
                Some(P::NotFound),
            ),
            (
                "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
                Some(P::Auth),
            ),
            (
                "pull access denied for a, repository does not exist or may require authorization",
                Some(P::Auth),
            ),
            (
                "toomanyrequests: You have reached your pull rate limit",
                Some(P::RateLimited),
            ),
            (
                "unexpected status code 429 Too Many Requests",
                Some(P::RateLimited),
            ),
            (
                "failed to do request: Head \"https://registry.example/v2/a\": dial tcp: lookup registry.example: no such host",
                Some(P::Network),
            ),
            ("dial tcp 192.0.2.7:443: i/o timeout", Some(P::Network)),
            (r#"Back-off pulling image "a:9""#, None),
        ] {
            assert_eq!(pull_failure(message), kind, "{message}");
        }
    }

    #[test]
    fn log_lines() {
        use LogSignature as L;
        for (line, kind) in [
            (
                "curl: (7) Failed to connect to powerdns port 8081",
                Some(L::Refused),
            ),
            ("curl: (6) Could not resolve host: dl.example.org", Some(L::Dns)),
            ("wget: bad address 'gitea-http.gitea.svc'", Some(L::Dns)),
            (
                "curl: (28) Failed to connect to dl.example.org port 443: Timeout",
                Some(L::Download),
            ),
            (
                "curl: (28) Operation timed out after 120000 milliseconds with 1048576 out of 25165824 bytes received",
                Some(L::Download),
            ),
            (
                "curl: (28) Connection timed out after 3001 milliseconds",
                Some(L::Timeout),
            ),
            (
                "curl: (28) Failed to connect to minio.minio.svc.cluster.local port 9000: timed out",
                Some(L::Timeout),
            ),
            ("curl: (22) The requested URL returned error: 401", Some(L::Auth)),
            (
                "curl: (22) The requested URL returned error: 503",
                Some(L::Timeout),
            ),
            ("curl: (60) SSL certificate problem: unknown CA", Some(L::Tls)),
            ("ERROR: unable to select packages:", Some(L::Download)),
            (
                "WARNING: opening https://dl.example.org/alpine/main: temporary error (try again later)",
                Some(L::Download),
            ),
            (
                "psql: error: FATAL:  password authentication failed for user \"app\"",
                Some(L::Auth),
            ),
            ("server answered with status 403", Some(L::Auth)),
            (
                r#"secrets "x" is forbidden: User "system:serviceaccount:a:b" cannot get resource "secrets""#,
                Some(L::Rbac),
            ),
            (
                "dial tcp 10.0.0.1:8081: connect: connection refused",
                Some(L::Refused),
            ),
            (
                "waiting for powerdns.powerdns.svc:8081 (12/120, 000 connection refused, 58s of 600s)",
                Some(L::Refused),
            ),
            ("db:5432 - no response", Some(L::Refused)),
            ("net/http: TLS handshake timeout", Some(L::Timeout)),
            ("copied 401 rows", None),
            ("listening on 10.4.0.401", None),
            ("all good", None),
        ] {
            assert_eq!(log_signature(line), kind, "{line}");
        }
    }

    #[test]
    fn outside_hosts_have_a_public_name() {
        for line in ["https://dl.example.org/x", "lookup cdn.dl.example.com failed"] {
            assert!(is_outside(line), "{line}");
        }
        for line in [
            "http://powerdns:8081",
            "minio.minio.svc.cluster.local",
            "10.0.0.1:80",
            "run.sh failed",
            "a.b",
        ] {
            assert!(!is_outside(line), "{line}");
        }
    }
}
