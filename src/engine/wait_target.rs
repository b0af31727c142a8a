//! What is waited for: the addresses that `hookbudget-wait` and `hookbudget.dev/wait-for` take.

mod object;

use std::fmt;

pub use object::{Need, Object};

/// A server: where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Name or address, an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Something that a hook Job needs before it can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `http://` and `https://`: an HTTP server, asked for one path; the status decides.
    Http {
        /// Where it listens.
        server: Server,
        /// Whether it is asked over TLS.
        tls: bool,
        /// Path and query, as sent.
        path: String,
    },
    /// `tcp://`: a port that accepts connections.
    Tcp(Server),
    /// `dns://`: a name that resolves to at least one address.
    Dns {
        /// The name.
        name: String,
    },
    /// `grpc://` and `grpcs://`: a server that says by `grpc.health.v1.Health` that it serves.
    Grpc {
        /// Where it listens.
        server: Server,
        /// Whether it is asked over TLS.
        tls: bool,
        /// The service whose health is asked for; empty: that of the server as a whole.
        service: String,
    },
    /// `k8s://`: an object of the cluster in a certain state.
    Kubernetes(Object),
    /// `postgres://`: a `PostgreSQL` server that takes connections, as `pg_isready` finds out.
    Postgres(Server),
    /// `redis://` and `rediss://`: a Redis or Valkey server that has loaded its data.
    Redis {
        /// Where it listens.
        server: Server,
        /// Whether it is asked over TLS.
        tls: bool,
    },
}

/// What an address may begin with, for messages.
pub const SCHEMES: &str = "http, https, tcp, dns, grpc, grpcs, k8s, postgres, redis and rediss";

/// The addresses of a `hookbudget.dev/wait-for`: separated by commas, one at the end is no address.
pub fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|address| !address.is_empty())
}

impl Target {
    /// Reads a target address.
    ///
    /// # Errors
    /// Says what is wrong with the address, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!(
                "{text:?} has no scheme: write http://{text}, tcp://{text} or dns://{text}"
            ));
        };
        if rest.chars().any(|c| c.is_control() || c == ' ' || !c.is_ascii()) {
            return Err(format!(
                "{text:?} holds a blank, a control character or one beyond ASCII: percent-encode it"
            ));
        }
        match scheme {
            "http" => http(text, rest, false),
            "https" => http(text, rest, true),
            "tcp" => server(text, rest, None).map(Self::Tcp),
            "dns" => dns(text, rest),
            "grpc" => grpc(text, rest, false),
            "grpcs" => grpc(text, rest, true),
            "k8s" => Object::parse(text, rest).map(Self::Kubernetes),
            // A database in the path is what the clients of these servers write; readiness does not depend on it.
            "postgres" | "postgresql" => database(text, rest, 5432).map(Self::Postgres),
            "redis" | "rediss" => Ok(Self::Redis {
                server: database(text, rest, 6379)?,
                tls: scheme == "rediss",
            }),
            _ => Err(format!(
                "{text:?} has the unknown scheme {scheme:?}: {SCHEMES} are known"
            )),
        }
    }

    /// True when asking for the target takes TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        match self {
            Self::Http { tls, .. } | Self::Grpc { tls, .. } | Self::Redis { tls, .. } => *tls,
            Self::Kubernetes(_) => true,
            Self::Tcp(_) | Self::Dns { .. } | Self::Postgres(_) => false,
        }
    }
}

/// As in a `Host` header: `powerdns.powerdns.svc:8081`, `[::1]:8081`.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// As in progress lines.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grpc { server, service, .. } if !service.is_empty() => write!(f, "{server}/{service}"),
            Self::Http { server, .. }
            | Self::Tcp(server)
            | Self::Grpc { server, .. }
            | Self::Postgres(server)
            | Self::Redis { server, .. } => server.fmt(f),
            Self::Dns { name } => f.write_str(name),
            Self::Kubernetes(object) => object.fmt(f),
        }
    }
}

fn http(text: &str, rest: &str, tls: bool) -> Result<Target, String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (address, tail) = rest.split_at(end);
    let (host, port) = authority(text, address)?;
    let tail = tail.split('#').next().unwrap_or_default();
    let path = if tail.starts_with('/') {
        tail.to_owned()
    } else {
        format!("/{tail}")
    };
    let port = port.unwrap_or(if tls { 443 } else { 80 });
    Ok(Target::Http {
        server: Server { host, port },
        tls,
        path,
    })
}

fn dns(text: &str, rest: &str) -> Result<Target, String> {
    let name = rest.trim_end_matches('/');
    if name.is_empty() || name.contains([':', '/', '@', '?']) {
        return Err(format!(
            "{text:?} is not a name to resolve: write dns://powerdns.powerdns.svc"
        ));
    }
    Ok(Target::Dns {
        name: name.to_owned(),
    })
}

fn grpc(text: &str, rest: &str, tls: bool) -> Result<Target, String> {
    let (address, service) = rest.split_once('/').unwrap_or((rest, ""));
    if service.contains(['/', '?', '#']) {
        return Err(format!(
            "{text:?} has more than a service behind the port: write grpc://HOST:PORT/package.Service"
        ));
    }
    Ok(Target::Grpc {
        server: server(text, address, None)?,
        tls,
        service: service.to_owned(),
    })
}

fn database(text: &str, rest: &str, port: u16) -> Result<Server, String> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    server(text, rest.get(..end).unwrap_or(rest), Some(port))
}

/// A host and a port, which only a scheme with a port of its own may leave out.
fn server(text: &str, address: &str, default: Option<u16>) -> Result<Server, String> {
    let (host, port) = authority(text, address.trim_end_matches('/'))?;
    let scheme = text.split("://").next().unwrap_or_default();
    let port = port
        .or(default)
        .ok_or_else(|| format!("{text:?} has no port: write {scheme}://{host}:PORT"))?;
    Ok(Server { host, port })
}

fn authority(text: &str, server: &str) -> Result<(String, Option<u16>), String> {
    if server.contains('@') {
        return Err(
            "credentials do not belong into an address: HTTP takes --header 'Authorization=@env:VARIABLE', and \
             whether a database is up can be asked without any"
                .to_owned(),
        );
    }
    let (host, port) = if let Some(rest) = server.strip_prefix('[') {
        let (host, after) = rest
            .split_once(']')
            .ok_or_else(|| format!("{text:?} opens a bracket for an IPv6 address and does not close it"))?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => {
                return Err(format!(
                    "{text:?} has {after:?} after the IPv6 address: write [ADDRESS]:PORT"
                ));
            }
        }
    } else {
        match server.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(format!(
                    "{text:?} holds an IPv6 address without brackets: write [ADDRESS]:PORT"
                ));
            }
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        }
    };
    if host.is_empty() || host.contains('/') {
        return Err(format!("{text:?} has no host"));
    }
    let port = port
        .map(|port| {
            port.parse::<u16>()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| format!("{text:?} has the port {port:?}: a port is a number from 1 to 65535"))
        })
        .transpose()?;
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, label, path) in [
            (
                "http://powerdns:8081/api/v1/servers",
                "powerdns:8081",
                "/api/v1/servers",
            ),
            ("http://gitea", "gitea:80", "/"),
            ("https://gitea", "gitea:443", "/"),
            ("http://gitea?ready=1#top", "gitea:80", "/?ready=1"),
            ("http://[::1]:3000/a/b?c", "[::1]:3000", "/a/b?c"),
        ] {
            let target = Target::parse(text).expect(text);
            assert_eq!(target.to_string(), label);
            assert_eq!(target.is_encrypted(), text.starts_with("https"));
            assert!(
                matches!(target, Target::Http { path: found, .. } if found == path),
                "{text}"
            );
        }
        for (text, label, encrypted) in [
            (
                "tcp://pdns-pg-rw.powerdns.svc:5432",
                "pdns-pg-rw.powerdns.svc:5432",
                false,
            ),
            ("dns://powerdns.powerdns.svc", "powerdns.powerdns.svc", false),
            ("grpc://etcd:2379", "etcd:2379", false),
            ("grpcs://shop:443/shop.v1.Orders", "shop:443/shop.v1.Orders", true),
            (
                "postgres://pdns-pg-rw/pdns?sslmode=disable",
                "pdns-pg-rw:5432",
                false,
            ),
            ("postgresql://[::1]:6432", "[::1]:6432", false),
            ("redis://cache/0", "cache:6379", false),
            ("rediss://cache:6380", "cache:6380", true),
        ] {
            let target = Target::parse(text).expect(text);
            assert_eq!(
                (target.to_string().as_str(), target.is_encrypted()),
                (label, encrypted)
            );
        }
    }

    #[test]
    fn a_wrong_address_is_refused_with_a_remedy() {
        for (text, part) in [
            ("powerdns:8081", "http://powerdns:8081"),
            ("ftp://x", "unknown scheme"),
            ("tcp://db", "tcp://db:PORT"),
            ("grpc://db", "grpc://db:PORT"),
            ("grpc://db:1/a/b", "package.Service"),
            ("tcp://db:0", "1 to 65535"),
            ("tcp://db:99999", "1 to 65535"),
            ("tcp://::1:80", "without brackets"),
            ("http://[::1", "does not close"),
            ("http://[::1]80", "[ADDRESS]:PORT"),
            ("https://", "no host"),
            ("http://u:p@host/", "--header"),
            ("postgres://u:p@host/db", "without any"),
            ("http://host/a b", "percent-encode"),
            ("http://host/a\r\nX: y", "percent-encode"),
            ("dns://", "not a name"),
            ("dns://a:53", "not a name"),
        ] {
            let message = Target::parse(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
