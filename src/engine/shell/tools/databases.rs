//! Clients of databases.

use super::super::duration::seconds;
use super::super::reading::Target;
use super::super::value::Value;
use super::options::Options;
use super::{Call, Prints, target};
use crate::engine::{Limit, Seconds};

/// "The default is 3 seconds" (`pg_isready(1)`, `--timeout`).
const PG_ISREADY: Seconds = Seconds::new(3);

pub(super) fn read(
    name: &str,
    arguments: &[Value],
    variable: &dyn Fn(&str) -> Option<Value>,
) -> Option<Call> {
    let call = match name {
        "pg_isready" => {
            let long = ["host", "port", "username", "dbname", "timeout"];
            let options = Options::parse(arguments, "hpUdt", &long, false);
            let call = Call::of(name, host_flags(&options, &variable, "PGHOST", "PGPORT"));
            let timeout = options.value(&["t", "timeout"]);
            if timeout.is_some() {
                return Some(call.limited("-t", timeout, seconds));
            }
            Call {
                limit: Limit::At(PG_ISREADY),
                assumed: true,
                ..call
            }
        }
        "psql" | "pg_dump" | "pg_restore" | "createdb" => {
            let long = [
                "host", "port", "username", "dbname", "command", "file", "set", "variable",
            ];
            let options = Options::parse(arguments, "hpUdcfvF", &long, false);
            let call = Call::of(name, host_flags(&options, &variable, "PGHOST", "PGPORT"));
            // libpq: "wait indefinitely" without `connect_timeout`.
            let limit = variable("PGCONNECT_TIMEOUT");
            let call = call.limited("PGCONNECT_TIMEOUT", limit.as_ref(), seconds);
            Call {
                prints: Prints::Nothing,
                ..call
            }
        }
        "mysqladmin" | "mariadb-admin" | "mysql" | "mariadb" | "mysqldump" => {
            let long = [
                "host",
                "port",
                "user",
                "password",
                "connect-timeout",
                "connect_timeout",
                "execute",
                "database",
                "wait",
            ];
            let options = Options::parse(arguments, "hPue", &long, false);
            let call = Call::of(name, host_flags(&options, &variable, "MYSQL_HOST", ""));
            call.limited(
                "--connect-timeout",
                options.value(&["connect-timeout", "connect_timeout"]),
                seconds,
            )
        }
        "redis-cli" | "valkey-cli" => {
            let options = Options::parse(arguments, "hpatnu", &["user", "pass"], false);
            let call = Call::of(name, host_flags(&options, &variable, "", ""));
            call.limited("-t", options.value(&["t"]), seconds)
        }
        "mongo" | "mongosh" | "mongodump" | "mongorestore" => {
            let long = [
                "host",
                "port",
                "eval",
                "username",
                "password",
                "authenticationDatabase",
            ];
            let options = Options::parse(arguments, "up", &long, false);
            let host = options.value(&["host"]).or_else(|| {
                options
                    .operands
                    .first()
                    .copied()
                    .filter(|word| word.text.contains([':', '.']))
            });
            Call::of(name, host.map(|host| target::of_url(&host.text)))
        }
        "clickhouse-client" | "cqlsh" | "influx" | "sqlcmd" => {
            let options = Options::parse(
                arguments,
                "hpu",
                &["host", "port", "user", "password", "query"],
                false,
            );
            Call::of(name, host_flags(&options, &variable, "", ""))
        }
        _ => return None,
    };
    Some(call)
}

/// Host and port from flags, else from the variables that the client reads.
fn host_flags(
    options: &Options<'_>,
    variable: &dyn Fn(&str) -> Option<Value>,
    host_name: &str,
    port_name: &str,
) -> Option<Target> {
    let host = options
        .value(&["h", "host"])
        .cloned()
        .or_else(|| variable(host_name));
    let port = options
        .value(&["p", "P", "port"])
        .cloned()
        .or_else(|| variable(port_name));
    target::of_values(host.as_ref(), port.as_ref())
}
