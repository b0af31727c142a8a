//! What the texts of Kubernetes, container runtimes, registries and common tools mean.
//!
//! Reasons are API; messages are not, and differ between versions. They are matched by their stable parts, in
//! an order in which the more telling part wins.

use std::net::Ipv4Addr;

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
        &[
            "is forbidden: user \"system:",
            "is forbidden: user system:",
            // As it stands in the API server's own answer, in JSON.
            "is forbidden: user \\\"system:",
        ],
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
        7 if is_outside(line) => Some(LogSignature::Download),
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

/// True when the line names a host, or a public address, outside the cluster.
#[must_use]
pub fn is_outside(line: &str) -> bool {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '/')))
        .any(|word| {
            let host = word.split_once("://").map_or(word, |(_, rest)| rest);
            let host = host.split(['/', ':']).next().unwrap_or(host).trim_matches('.');
            if let Ok(address) = host.parse::<Ipv4Addr>() {
                return is_public(address);
            }
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

/// False for the ranges that clusters give to Pods, Services and nodes (RFC 1918, RFC 6598), and for addresses
/// that are no other host's.
fn is_public(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    !(shared
        || first == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast())
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
mod tests;
