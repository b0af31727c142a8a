//! Whom a Job calls, read from what its log complains about.

use crate::engine::shell::Target;

/// Phrases before a host: curl 7 and 28, curl 6, Go's resolver, glibc's callers, `PostgreSQL`.
const BEFORE_HOST: [&str; 6] = [
    "Failed to connect to ",
    "Could not resolve host: ",
    "lookup ",
    "dial tcp: lookup ",
    "could not translate host name \"",
    "waiting for ",
];

/// The host that a line of log names as the one that does not answer.
pub(super) fn target_in(line: &str) -> Option<Target> {
    if let Some(start) = line.find("http://").or_else(|| line.find("https://")) {
        let url = line[start..].split([' ', '"', '\'', ')', ',']).next()?;
        return Some(url_target(url));
    }
    let rest = BEFORE_HOST
        .iter()
        .find_map(|phrase| line.find(phrase).map(|at| &line[at + phrase.len()..]))?;
    let host: &str = rest
        .split(|c: char| !(c.is_ascii_alphanumeric() || "-.".contains(c)))
        .next()?;
    let after = &rest[host.len()..];
    let port = after
        .strip_prefix(" port ")
        .or_else(|| after.strip_prefix(':'))
        .and_then(|text| text.split(|c: char| !c.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok());
    let host = host.trim_end_matches('.');
    // A bare word without a port is as likely prose as a host.
    (!host.is_empty() && (port.is_some() || host.contains('.') || line.contains("host"))).then(|| Target {
        text: port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
        host: Some(host.to_owned()),
        port,
    })
}

fn url_target(url: &str) -> Target {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = authority
        .rsplit_once(':')
        .map_or((authority, None), |(host, port)| (host, port.parse().ok()));
    let default = if scheme == "https" { 443 } else { 80 };
    Target {
        text: format!("{scheme}://{authority}"),
        host: Some(host.to_owned()),
        port: port.or(Some(default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_that_does_not_answer_is_named() {
        let found = |line| target_in(line).map(|target| target.text);
        for (line, target) in [
            (
                "curl: (7) Failed to connect to powerdns port 8081 after 0 ms: Connection refused",
                Some("powerdns:8081"),
            ),
            (
                "curl: (6) Could not resolve host: gitea-http.gitea.svc",
                Some("gitea-http.gitea.svc"),
            ),
            (
                "Get \"http://user:pw@minio.minio:9000/x\": dial tcp: connection refused",
                Some("http://minio.minio:9000"),
            ),
            ("waiting for gitea api (3/12)", None),
            ("all went well", None),
        ] {
            assert_eq!(found(line).as_deref(), target, "{line}");
        }
    }
}
