//! Probes of ports and names.

use super::super::duration::seconds;
use super::super::value::Value;
use super::options::Options;
use super::{Call, Prints, target};
use crate::engine::{Limit, Seconds};

/// A resolver asks each server twice and waits 5 s each time (resolv.conf(5): `timeout:5`, `attempts:2`).
const RESOLVER: Seconds = Seconds::new(10);

pub(super) fn read(name: &str, arguments: &[Value]) -> Option<Call> {
    match name {
        "nc" | "ncat" | "netcat" => {
            let options = Options::parse(arguments, "wpsiIOPqTVXx", &["wait", "idle-timeout"], false);
            if options.has(&["l"]) {
                return None;
            }
            let target = target::of_values(
                options.operands.first().copied(),
                options.operands.get(1).copied(),
            );
            let mut call = Call::of(name, target).limited("-w", options.value(&["w", "wait"]), seconds);
            call.connects = options.has(&["z"]);
            Some(call)
        }
        "telnet" => {
            let options = Options::parse(arguments, "", &[], false);
            Some(Call::of(
                name,
                target::of_values(
                    options.operands.first().copied(),
                    options.operands.get(1).copied(),
                ),
            ))
        }
        "nslookup" | "dig" | "host" | "getent" => {
            let options = Options::parse(arguments, "", &[], false);
            let host = match name {
                "getent" => options.operands.iter().skip(1).copied().next(),
                _ => options
                    .operands
                    .iter()
                    .find(|word| !word.text.starts_with(['+', '@']))
                    .copied(),
            };
            if name == "getent"
                && !options
                    .operands
                    .first()
                    .is_some_and(|database| database.text.contains("hosts"))
            {
                return None;
            }
            let mut call = Call::of(name, target::of_values(host, None));
            call.limit = Limit::At(RESOLVER);
            call.assumed = true;
            Some(call)
        }
        "ping" => {
            let options = Options::parse(arguments, "cWwisI", &[], false);
            let target = target::of_values(options.operands.first().copied(), None);
            let mut call = Call::of(name, target).limited("-w", options.value(&["w", "W"]), seconds);
            call.prints = Prints::Unknown;
            Some(call)
        }
        _ => None,
    }
}
