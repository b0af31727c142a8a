//! Whom a command line calls.

use super::super::reading::Target;
use super::super::value::Value;

/// `http://user@host:port/path`, `tcp://host:port`, `host:port`, `host`.
pub(in crate::engine::shell) fn of_url(text: &str) -> Target {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = split_port(authority);
    let default = match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    };
    // A port that is there but not known is not the default one.
    let port = match port {
        Some(port) => port.parse().ok(),
        None => default,
    };
    Target {
        text: text.to_owned(),
        host: known_host(host),
        port,
    }
}

/// A host and a port that stand in two places.
pub(in crate::engine::shell) fn of_host(host: &str, port: Option<&str>) -> Target {
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
            ("", None, None),
        ] {
            let target = of_url(text);
            assert_eq!((target.host.as_deref(), target.port), (host, port), "{text}");
        }
    }
}
