//! `wget` of GNU and of busybox.

use super::super::duration::seconds;
use super::super::value::Value;
use super::options::Options;
use super::{Call, Prints, target};
use crate::engine::{Limit, Seconds};

/// "The default value is 900 seconds" (wget(1), `--read-timeout`; busybox `wget -T`: "Network read timeout is
/// SEC seconds", 900 in its source).
const DEFAULT_TIMEOUT: Seconds = Seconds::new(900);

/// The limit holds for each try. GNU's default of 20 tries is not counted: busybox, which most small images
/// have, makes one.
pub(super) fn read(arguments: &[Value]) -> Option<Call> {
    let long = [
        "timeout",
        "tries",
        "connect-timeout",
        "read-timeout",
        "dns-timeout",
        "header",
        "post-data",
        "post-file",
        "method",
        "body-data",
        "output-document",
        "output-file",
        "user",
        "password",
        "user-agent",
        "wait",
        "waitretry",
        "ca-certificate",
        "directory-prefix",
    ];
    let options = Options::parse(arguments, "TtOoUPeAw", &long, false);
    let url = options.operands.first()?;
    let mut call = Call::of("wget", Some(target::of_url(&url.text)));
    let timeout = options.value(&["T", "timeout", "read-timeout"]);
    if timeout.is_some() {
        call = call.limited("-T", timeout, seconds);
    } else {
        call.limit = Limit::At(DEFAULT_TIMEOUT);
        call.assumed = true;
    }
    let tries = options
        .value(&["t", "tries"])
        .and_then(|tries| tries.get()?.parse::<u64>().ok());
    if let (Some(tries), Limit::At(limit)) = (tries, call.limit) {
        call.limit = if tries == 0 {
            Limit::Never
        } else {
            Limit::At(limit.times(tries))
        };
    }
    // The server's headers, where `-S` shows them, are not followed.
    call.prints = if options.has(&["S", "server-response"]) {
        Prints::Unknown
    } else {
        Prints::Nothing
    };
    Some(call)
}
