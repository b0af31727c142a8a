//! What is waited for: `http://`, `tcp://` and `dns://` addresses.

use std::fmt;

/// Something that a hook Job needs before it can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An HTTP server, asked for one path; the status decides.
    Http {
        /// Name or address, an IPv6 address without its brackets.
        host: String,
        /// TCP port.
        port: u16,
        /// Path and query, as sent.
        path: String,
    },
    /// A TCP port that accepts connections.
    Tcp {
        /// Name or address, an IPv6 address without its brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// A name that resolves to at least one address.
    Dns {
        /// The name.
        name: String,
    },
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
            "http" => http(text, rest),
            "tcp" => {
                let (host, port) = authority(text, rest.trim_end_matches('/'))?;
                let port = port.ok_or_else(|| format!("{text:?} has no port: write tcp://{host}:PORT"))?;
                Ok(Self::Tcp { host, port })
            }
            "dns" => {
                let name = rest.trim_end_matches('/');
                if name.is_empty() || name.contains([':', '/', '@']) {
                    return Err(format!(
                        "{text:?} is not a name to resolve: write dns://powerdns.powerdns.svc"
                    ));
                }
                Ok(Self::Dns {
                    name: name.to_owned(),
                })
            }
            "https" | "grpc" | "k8s" | "postgres" | "redis" => Err(format!(
                "{scheme}:// is not supported yet: wait for the port with tcp://HOST:PORT"
            )),
            _ => Err(format!(
                "{text:?} has the unknown scheme {scheme:?}: http, tcp and dns are known"
            )),
        }
    }
}

/// As in progress lines: `powerdns.powerdns.svc:8081`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { host, port, .. } | Self::Tcp { host, port } if host.contains(':') => {
                write!(f, "[{host}]:{port}")
            }
            Self::Http { host, port, .. } | Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Dns { name } => f.write_str(name),
        }
    }
}

fn http(text: &str, rest: &str) -> Result<Target, String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (server, tail) = rest.split_at(end);
    let (host, port) = authority(text, server)?;
    let tail = tail.split('#').next().unwrap_or_default();
    let path = if tail.starts_with('/') {
        tail.to_owned()
    } else {
        format!("/{tail}")
    };
    Ok(Target::Http {
        host,
        port: port.unwrap_or(80),
        path,
    })
}

fn authority(text: &str, server: &str) -> Result<(String, Option<u16>), String> {
    if server.contains('@') {
        return Err(
            "credentials do not belong into an address: use --header 'Authorization=@env:VARIABLE'"
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
            ("http://gitea?ready=1#top", "gitea:80", "/?ready=1"),
            ("http://[::1]:3000/a/b?c", "[::1]:3000", "/a/b?c"),
        ] {
            let target = Target::parse(text).expect(text);
            assert_eq!(target.to_string(), label);
            assert!(
                matches!(target, Target::Http { path: found, .. } if found == path),
                "{text}"
            );
        }
        let tcp = Target::parse("tcp://pdns-pg-rw.powerdns.svc:5432").expect("tcp");
        assert_eq!(tcp.to_string(), "pdns-pg-rw.powerdns.svc:5432");
        let dns = Target::parse("dns://powerdns.powerdns.svc").expect("dns");
        assert_eq!(dns.to_string(), "powerdns.powerdns.svc");
    }

    #[test]
    fn a_wrong_address_is_refused_with_a_remedy() {
        for (text, part) in [
            ("powerdns:8081", "http://powerdns:8081"),
            ("https://powerdns", "not supported yet"),
            ("grpc://powerdns:1", "not supported yet"),
            ("k8s://deployment/x", "not supported yet"),
            ("ftp://x", "unknown scheme"),
            ("tcp://db", "no port"),
            ("tcp://db:0", "1 to 65535"),
            ("tcp://db:99999", "1 to 65535"),
            ("tcp://::1:80", "without brackets"),
            ("http://[::1", "does not close"),
            ("http://[::1]80", "[ADDRESS]:PORT"),
            ("http://", "no host"),
            ("http://u:p@host/", "--header"),
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
