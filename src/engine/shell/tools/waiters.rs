//! Tools whose purpose is to wait.

use super::super::duration::{go, go_or_seconds, seconds};
use super::super::reading::Target;
use super::super::value::Value;
use super::options::Options;
use super::{Call, Then, target};
use crate::engine::{Limit, Seconds};

/// `WAITFORIT_TIMEOUT` of vishnubob/wait-for-it and `TIMEOUT` of eficode/wait-for: 15 s, and 0 for no limit.
const WAIT_FOR_IT: Seconds = Seconds::new(15);

/// `--timeout` of bitnami/wait-for-port: 30 s (`main.go`).
const WAIT_FOR_PORT: Seconds = Seconds::new(30);

/// `-timeout` of jwilder/dockerize: 10 s (`main.go`).
const DOCKERIZE: Seconds = Seconds::new(10);

/// `--timeout` of wait4x: 10 s, and 0 for no limit (wait4x/wait4x `waiter/waiter.go`).
const WAIT4X: Seconds = Seconds::new(10);

pub(super) fn read(
    name: &str,
    arguments: &[Value],
    variable: &dyn Fn(&str) -> Option<Value>,
) -> Option<Call> {
    match name {
        "wait-for-it" | "wait-for-it.sh" | "wait-for" | "wait-for.sh" | "wait_for_it.sh" => {
            Some(wait_for_it(name, arguments))
        }
        "wait-for-port" => Some(wait_for_port(arguments)),
        "waitup" => Some(waitup(arguments)),
        "dockerize" => dockerize(arguments),
        "wait4x" => Some(wait4x(arguments)),
        "k8s-wait-for" | "wait_for.sh" | "k8s-wait-for.sh" => {
            // groundnuty/k8s-wait-for has no limit at all (`wait_for_resource` in `wait_for.sh`).
            let words = arguments
                .iter()
                .map(|word| word.text.as_str())
                .collect::<Vec<_>>()
                .join(" ");
            let target = Target {
                text: words,
                host: None,
                port: None,
            };
            Some(waiting(
                name,
                Some(target),
                Limit::Never,
                format!("{name} waits without end"),
                false,
            ))
        }
        "hookbudget-wait" => Some(hookbudget_wait(arguments, variable)),
        _ => None,
    }
}

fn wait_for_it(name: &str, arguments: &[Value]) -> Call {
    let options = Options::parse(arguments, "thp", &["timeout", "host", "port"], false);
    let address = options
        .operands
        .first()
        .map(|address| Target::of_url(&address.text));
    let target =
        address.or_else(|| target::of_values(options.value(&["h", "host"]), options.value(&["p", "port"])));
    let call = match options.value(&["t", "timeout"]) {
        None => waiting(
            name,
            target,
            Limit::At(WAIT_FOR_IT),
            format!("{name}, by default 15s"),
            true,
        ),
        Some(value) => by_flag(name, "-t", target, value, seconds),
    };
    // Without --strict wait-for-it runs the command all the same (`WAITFORIT_STRICT`); eficode/wait-for does not.
    let always =
        matches!(name, "wait-for-it" | "wait-for-it.sh" | "wait_for_it.sh") && !options.has(&["s", "strict"]);
    Call {
        then: then(options.rest, always),
        ..call
    }
}

/// The command behind a wait.
fn then(command: &[Value], always: bool) -> Option<Then> {
    (!command.is_empty()).then(|| Then {
        command: command.to_vec(),
        always,
    })
}

/// `wait-for-port [--host HOST] [--timeout SECONDS] [--state inuse|free] PORT`
fn wait_for_port(arguments: &[Value]) -> Call {
    let options = Options::parse(arguments, "", &["host", "timeout", "state"], false);
    let target = match (options.value(&["host"]), options.operands.first()) {
        (None, Some(port)) => Some(target::of_host("localhost", Some(&port.text))),
        (host, port) => target::of_values(host, port.copied()),
    };
    match options.value(&["timeout"]) {
        None => waiting(
            "wait-for-port",
            target,
            Limit::At(WAIT_FOR_PORT),
            format!("wait-for-port, by default {WAIT_FOR_PORT}"),
            true,
        ),
        Some(value) => by_flag("wait-for-port", "--timeout", target, value, go_or_seconds),
    }
}

/// `waitup TARGET.. [--timeout SPAN]`
fn waitup(arguments: &[Value]) -> Call {
    let options = Options::parse(arguments, "ti", &["timeout", "interval"], false);
    let target = options
        .operands
        .first()
        .map(|address| Target::of_url(&address.text));
    if let Some(value) = options.value(&["t", "timeout"]) {
        return by_flag("waitup", "--timeout", target, value, go_or_seconds);
    }
    let mut call = Call::of("waitup", target);
    call.hidden = Some("how long `waitup` waits without --timeout is not known".to_owned());
    call
}

/// Waits only with `-wait`; else it renders templates and runs a program.
fn dockerize(arguments: &[Value]) -> Option<Call> {
    let long = [
        "wait",
        "timeout",
        "wait-retry-interval",
        "wait-http-header",
        "template",
        "stdout",
        "stderr",
        "env",
    ];
    let options = Options::parse(arguments, "", &long, true);
    let first = options.values("wait").next()?;
    let target = Some(Target::of_url(&first.text));
    let call = match options.value(&["timeout"]) {
        None => waiting(
            "dockerize",
            target,
            Limit::At(DOCKERIZE),
            "dockerize, by default 10s".to_owned(),
            true,
        ),
        // 0 is no switch here: the limit is over at once (`time.After`, `main.go`).
        Some(value) if value.get().and_then(go) == Some(Seconds::ZERO) => {
            let arithmetic = format!("dockerize -timeout {}", value.text);
            waiting("dockerize", target, Limit::ZERO, arithmetic, value.assumed)
        }
        Some(value) => by_flag("dockerize", "-timeout", target, value, go),
    };
    // Go's flags end at the first word that is none.
    let command = options
        .operands
        .first()
        .and_then(|first| arguments.iter().position(|word| std::ptr::eq(word, *first)))
        .and_then(|first| arguments.get(first..));
    Some(Call {
        then: then(command.unwrap_or(options.rest), false),
        ..call
    })
}

fn wait4x(arguments: &[Value]) -> Call {
    let long = [
        "timeout",
        "interval",
        "invert-check",
        "expect-status-code",
        "expect-body-regex",
    ];
    let options = Options::parse(arguments, "ti", &long, false);
    let target = options
        .operands
        .get(1)
        .map(|address| Target::of_url(in_data_source(&address.text)));
    let call = match options.value(&["t", "timeout"]) {
        None => waiting(
            "wait4x",
            target,
            Limit::At(WAIT4X),
            "wait4x, by default 10s".to_owned(),
            true,
        ),
        Some(value) => by_flag("wait4x", "--timeout", target, value, go),
    };
    Call {
        then: then(options.rest, false),
        ..call
    }
}

/// `user:password@tcp(HOST:PORT)/database`, as the Go driver names a `MySQL` server; else the text as it is.
fn in_data_source(text: &str) -> &str {
    let inside = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    let address = inside.strip_prefix("tcp(").and_then(|rest| rest.split_once(')'));
    address.map_or(text, |(address, _)| address)
}

/// This project's own waiter: the flag, else the injected budget.
fn hookbudget_wait(arguments: &[Value], variable: &dyn Fn(&str) -> Option<Value>) -> Call {
    let long = [
        "timeout",
        "interval",
        "probe-timeout",
        "attempts",
        "backoff",
        "max-interval",
        "jitter",
        "ready",
        "fatal",
        "expect-body",
        "method",
        "header",
        "ca-file",
        "log-format",
        "termination-log",
    ];
    let options = Options::parse(arguments, "", &long, false);
    let name = "hookbudget-wait";
    let target = options
        .operands
        .first()
        .map(|address| Target::of_url(&address.text));
    let call = if let Some(value) = options.value(&["timeout"]) {
        by_flag(name, "--timeout", target, value, go_or_seconds)
    } else if let Some(value) = variable("HOOKBUDGET_WAIT_TIMEOUT_SECONDS") {
        by_flag(name, "HOOKBUDGET_WAIT_TIMEOUT_SECONDS", target, &value, seconds)
    } else {
        Call {
            hidden: Some("the budget of `hookbudget-wait` is injected at admission".to_owned()),
            ..Call::of(name, target)
        }
    };
    Call {
        then: then(options.rest, false),
        ..call
    }
}

/// The limit is the value of a flag; 0 switches it off.
fn by_flag(
    name: &str,
    flag: &str,
    target: Option<Target>,
    value: &Value,
    read: fn(&str) -> Option<Seconds>,
) -> Call {
    let arithmetic = format!("{name} {flag} {}", value.text);
    match value.get().and_then(read) {
        Some(Seconds::ZERO) => waiting(name, target, Limit::Never, arithmetic, value.assumed),
        Some(limit) => waiting(name, target, Limit::At(limit), arithmetic, value.assumed),
        None => Call::of(name, target).limited(flag, Some(value), read),
    }
}

fn waiting(name: &str, target: Option<Target>, limit: Limit, arithmetic: String, assumed: bool) -> Call {
    Call::of(name, target).waiting(name.to_owned(), limit, arithmetic, assumed)
}
