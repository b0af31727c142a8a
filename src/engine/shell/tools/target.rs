//! Whom a command line calls.

use super::super::reading::Target;
use super::super::value::Value;

impl Target {
    /// Whom an address names: `http://user@host:port/path`, `tcp://host:port`, `host:port`, `host`. A scheme's
    /// own port stands for one that is not written; an object of the cluster (`k8s://`) has neither host nor port.
    #[must_use]
    pub fn of_url(text: &str) -> Self {
        let shown = without_secrets(text);
        let (scheme, rest) = shown.split_once("://").unwrap_or(("", &shown));
        if scheme == "k8s" {
            return Self {
                text: shown,
                host: None,
                port: None,
            };
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = split_port(authority);
        let default = match scheme {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            "postgres" | "postgresql" => Some(5432),
            "redis" | "rediss" => Some(6379),
            _ => None,
        };
        // A port that is there but not known is not the default one.
        let port = match port {
            Some(port) => port.parse().ok(),
            None => default,
        };
        Self {
            host: known_host(host),
            port,
            text: shown,
        }
    }
}

/// Takes user, password, query and fragment out of an address: they may be credentials, and targets are shown.
pub(in crate::engine::shell) fn without_secrets(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    let path = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path);
    // A password that is not escaped may hold a slash, so that its `@` stands behind one.
    let unescaped = (scheme.is_some() && authority.contains(':'))
        .then(|| path.rsplit_once('@'))
        .flatten()
        .filter(|(_, after)| {
            authority
                .rsplit(':')
                .next()
                .is_some_and(|port| port.parse::<u16>().is_err())
                && !after.is_empty()
        });
    let (authority, path) = match unescaped {
        Some((_, after)) => after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len())),
        None => (authority, path),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    match scheme {
        Some(scheme) => format!("{scheme}://{host}{path}"),
        None => format!("{host}{path}"),
    }
}

/// A host and a port that stand in two places.
pub(in crate::engine::shell) fn of_host(host: &str, port: Option<&str>) -> Target {
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let text = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    Target {
        text,
        host: known_host(host),
        port: port.and_then(|port| port.parse().ok()),
    }
}

/// Of two operands or flags.
pub(super) fn of_values(host: Option<&Value>, port: Option<&Value>) -> Option<Target> {
    host.map(|host| of_host(&host.text, port.map(|port| port.text.as_str())))
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    if let Some((host, after)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, after.strip_prefix(':'));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn known_host(host: &str) -> Option<String> {
    let known = !host.is_empty() && !host.contains(['$', ' ', '/']);
    known.then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_from_urls() {
        for (text, host, port) in [
            (
                "http://gitea-http.gitea.svc:3000/api",
                Some("gitea-http.gitea.svc"),
                Some(3000),
            ),
            ("https://vault/v1/sys", Some("vault"), Some(443)),
            ("tcp://$DB_HOST:$DB_PORT", None, None),
            ("http://db:$PORT", Some("db"), None),
            ("db:5432", Some("db"), Some(5432)),
            ("http://[::1]:80/x", Some("::1"), Some(80)),
            ("http://u:p@h/", Some("h"), Some(80)),
            ("postgres://u:p@db/app", Some("db"), Some(5432)),
            ("rediss://cache", Some("cache"), Some(6379)),
            ("k8s://deployments/api", None, None),
            ("", None, None),
        ] {
            let target = Target::of_url(text);
            assert_eq!((target.host.as_deref(), target.port), (host, port), "{text}");
        }
    }
}
