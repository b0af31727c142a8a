//! Clients of databases.

use super::super::duration::seconds;
use super::super::reading::Target;
use super::super::value::Value;
use super::options::Options;
use super::{Call, Prints, Waiting, target};
use crate::engine::{Limit, Seconds, Span};

/// "The default is 3 seconds" (`pg_isready(1)`, `--timeout`).
const PG_ISREADY: Seconds = Seconds::new(3);

/// `sleep(5)` between two tries of `mysqladmin --wait` (mysql/mysql-server `client/mysqladmin.cc`).
const MYSQLADMIN_PAUSE: Seconds = Seconds::new(5);

pub(super) fn read(
    name: &str,
    arguments: &[Value],
    variable: &dyn Fn(&str) -> Option<Value>,
) -> Option<Call> {
    let call = match name {
        "pg_isready" => {
            let long = ["host", "port", "username", "dbname", "timeout"];
            let options = Options::parse(arguments, "hpUdt", &long, false);
            let call = Call::of(name, of_postgres(&options, variable));
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
            let call = Call::of(name, of_postgres(&options, variable));
            // libpq: "wait indefinitely" without `connect_timeout`.
            let limit = variable("PGCONNECT_TIMEOUT");
            let call = call.limited("PGCONNECT_TIMEOUT", limit.as_ref(), seconds);
            Call {
                prints: Prints::Nothing,
                ..call
            }
        }
        "mysqladmin" | "mariadb-admin" | "mysql" | "mariadb" | "mysqldump" => {
            mysql(name, arguments, variable)
        }
        "redis-cli" | "valkey-cli" => {
            let options = Options::parse(arguments, "hpatnu", &["user", "pass"], false);
            let address = options.value(&["u"]).map(|address| Target::of_url(&address.text));
            let call = Call::of(name, address.or_else(|| host_flags(&options, &variable, "", "")));
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
            Call::of(name, host.map(|host| Target::of_url(&host.text)))
        }
        "clickhouse-client" | "influx" => {
            let long = ["host", "port", "user", "username", "password", "query", "execute"];
            let options = Options::parse(arguments, "hu", &long, name == "influx");
            Call::of(name, host_flags(&options, &variable, "", ""))
        }
        "cqlsh" => {
            let long = ["username", "password", "execute", "file", "keyspace"];
            let options = Options::parse(arguments, "upefk", &long, false);
            let mut operands = options.operands.iter().copied();
            Call::of(name, target::of_values(operands.next(), operands.next()))
        }
        "sqlcmd" => {
            // `-S tcp:HOST,PORT`; `-P` is the password.
            let options = Options::parse(arguments, "SUPQqdhiltvWs", &[], false);
            let server = options.value(&["S"]).map(|server| {
                let address = server.text.as_str();
                let address = address.strip_prefix("tcp:").unwrap_or(address);
                match address.split_once(',') {
                    Some((host, port)) => target::of_host(host, Some(port)),
                    None => target::of_host(address, None),
                }
            });
            Call::of(name, server)
        }
        _ => return None,
    };
    Some(call)
}

/// `mysql`, `mysqladmin` and their kin under both names.
fn mysql(name: &str, arguments: &[Value], variable: &dyn Fn(&str) -> Option<Value>) -> Call {
    let long = [
        "host",
        "port",
        "user",
        "password",
        "connect-timeout",
        "connect_timeout",
        "execute",
        "database",
    ];
    // `-w` may have its number behind it in one word, and means `--wait` then too.
    let count = arguments.iter().rev().find_map(|word| {
        let mut count = Value::known(word.text.strip_prefix("-w").filter(|count| !count.is_empty())?);
        count.mark(word);
        Some(count)
    });
    // `-pSECRET` is the password, in one word or none: no letter of it is a flag.
    let is_password = |word: &&Value| word.text.starts_with("-p");
    let shown = arguments.iter().filter(|word| !is_password(word));
    let shown = shown.cloned().collect::<Vec<_>>();
    let options = Options::parse(&shown, "hPue", &long, false);
    let call = Call::of(name, host_flags(&options, &variable, "MYSQL_HOST", ""));
    let call = call.limited(
        "--connect-timeout",
        options.value(&["connect-timeout", "connect_timeout"]),
        seconds,
    );
    if name.ends_with("admin") && options.has(&["w", "wait"]) {
        mysqladmin_wait(call, count.as_ref().or(options.value(&["wait"])))
    } else {
        call
    }
}

/// `mysqladmin --wait[=COUNT]`: tries again after each pause; without a number without end (`sql_connect`).
fn mysqladmin_wait(call: Call, count: Option<&Value>) -> Call {
    let Some(count) = count else {
        let name = format!("{} --wait", call.tool);
        let arithmetic = format!("{name}, without end");
        return call.waiting(name, Limit::Never, arithmetic, true);
    };
    let Some(retries) = count.get().and_then(|text| text.parse::<u64>().ok()) else {
        return call.limited("--wait", Some(count), seconds);
    };
    let (nominal, retries) = (MYSQLADMIN_PAUSE.times(retries.max(1)), retries.max(1));
    let worst = match call.limit {
        Limit::At(limit) => Limit::At(nominal + limit.times(retries + 1)),
        Limit::Never => Limit::Never,
    };
    Call {
        nominal,
        limit: worst,
        waits: Some(Waiting {
            name: format!("{} --wait", call.tool).into(),
            span: Span::between(nominal, worst),
            attempts: Some(retries + 1),
            interval: Some(MYSQLADMIN_PAUSE),
            arithmetic: format!("{} --wait: {retries} x {MYSQLADMIN_PAUSE} = {nominal}", call.tool),
            assumed: count.assumed,
        }),
        ..call
    }
}

/// A connection URI in place of the database's name, else flags and variables.
fn of_postgres(options: &Options<'_>, variable: &dyn Fn(&str) -> Option<Value>) -> Option<Target> {
    let named = options.value(&["d", "dbname"]).into_iter();
    let mut words = named.chain(options.operands.iter().copied());
    let address = words.find(|word| word.text.contains("://"));
    address
        .map(|address| Target::of_url(&address.text))
        .or_else(|| host_flags(options, &variable, "PGHOST", "PGPORT"))
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
