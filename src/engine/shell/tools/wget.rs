//! `wget` of GNU and of busybox.

use super::super::duration::seconds;
use super::super::reading::Target;
use super::super::value::Value;
use super::options::Options;
use super::{Call, Prints, Waiting};
use crate::engine::{Limit, Seconds, Span};

/// `opt.read_timeout` of GNU wget (`src/init.c`) and `G.timeout_seconds` of busybox (`networking/wget.c`).
const DEFAULT_TIMEOUT: Seconds = Seconds::new(900);

/// `opt.ntry` of GNU wget (`src/init.c`): 20 tries. busybox makes one and passes over `-t`.
const DEFAULT_TRIES: u64 = 20;

/// `opt.waitretry` of GNU wget (`src/init.c`): the pause grows by a second to 10 s.
const DEFAULT_WAIT_RETRY: u64 = 10;

/// The limit holds for each try. Without `-t` one try is counted, as in busybox, which most small images have;
/// GNU wget would try a service that hangs 20 times. A refused connection ends GNU wget at once, unless
/// `--retry-connrefused`.
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
    let mut call = Call::of("wget", Some(Target::of_url(&url.text)));
    let timeout = options.value(&["T", "timeout", "read-timeout"]);
    if timeout.is_some() {
        call = call.limited("-T", timeout, seconds);
    } else {
        call.limit = Limit::At(DEFAULT_TIMEOUT);
        call.assumed = true;
    }
    let number = |flags: &[&str]| {
        options
            .value(flags)
            .and_then(|value| value.get()?.parse::<u64>().ok())
    };
    let stated = number(&["t", "tries"]);
    let most = number(&["waitretry"]).unwrap_or(DEFAULT_WAIT_RETRY);
    let persistent = options.has(&["retry-connrefused"]);
    if stated.is_none() && options.value(&["t", "tries"]).is_some() {
        call.hidden = Some("the number of tries of `wget` is not shown".to_owned());
        return Some(call);
    }
    let tries = stated.unwrap_or(if persistent { DEFAULT_TRIES } else { 1 });
    let pauses = growing(tries.saturating_sub(1), most);
    call.assumed |= stated.is_none();
    call.limit = match call.limit {
        Limit::At(limit) if tries > 0 => Limit::At(limit.times(tries) + pauses),
        _ => Limit::Never,
    };
    if persistent && tries != 1 {
        let nominal = if tries == 0 {
            Limit::Never
        } else {
            Limit::At(pauses)
        };
        call.nominal = nominal.seconds().unwrap_or(Seconds::ZERO);
        call.waits = Some(Waiting {
            name: "wget".into(),
            span: Span::between(nominal, call.limit),
            attempts: (tries > 0).then_some(tries),
            interval: None,
            arithmetic: match nominal.seconds() {
                Some(total) => {
                    format!("wget, {tries} tries with pauses of 1 s, 2 s, ... at most {most} s: {total}")
                }
                None => "wget tries without end".to_owned(),
            },
            assumed: call.assumed,
        });
    }
    // The server's headers, where `-S` shows them, are not followed.
    call.prints = if options.has(&["S", "server-response"]) {
        Prints::Unknown
    } else {
        Prints::Nothing
    };
    Some(call)
}

/// `1 + 2 + 3 + ...`, `count` pauses of at most `most` seconds.
fn growing(count: u64, most: u64) -> Seconds {
    let ramp = count.min(most);
    let rest = Seconds::new(i64::try_from(most).unwrap_or(i64::MAX)).times(count - ramp);
    let ramp =
        Seconds::new(i64::try_from(ramp.saturating_mul(ramp.saturating_add(1)) / 2).unwrap_or(i64::MAX));
    ramp + rest
}
