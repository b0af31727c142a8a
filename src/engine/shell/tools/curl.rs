//! `curl`. Limits and retries: curl's manual page (`docs/cmdline-opts` of curl/curl).

use super::super::duration::seconds;
use super::super::value::Value;
use super::options::Options;
use super::{Call, OnError, Prints, Waiting, target};
use crate::engine::{Limit, Seconds, Span};

/// Short options that take a value.
const SHORT: &str = "AbcCdDeEFhHKmoPQrtTuUwxXyYz";

const LONG: [&str; 46] = [
    "cacert",
    "capath",
    "cert",
    "cert-type",
    "ciphers",
    "config",
    "connect-timeout",
    "connect-to",
    "cookie",
    "cookie-jar",
    "data",
    "data-ascii",
    "data-binary",
    "data-raw",
    "data-urlencode",
    "dump-header",
    "form",
    "header",
    "interface",
    "json",
    "keepalive-time",
    "key",
    "key-type",
    "limit-rate",
    "max-redirs",
    "max-time",
    "noproxy",
    "oauth2-bearer",
    "output",
    "output-dir",
    "pass",
    "proxy",
    "proxy-user",
    "range",
    "request",
    "resolve",
    "retry",
    "retry-delay",
    "retry-max-time",
    "speed-limit",
    "speed-time",
    "unix-socket",
    "upload-file",
    "url",
    "user",
    "user-agent",
];

/// Between retries curl waits 1 s, then twice as long each time, at most 10 min.
const LONGEST_RETRY_DELAY: Seconds = Seconds::new(600);

/// curl(1) does not end a transfer by itself; `--connect-timeout` bounds the connection alone.
pub(super) fn read(arguments: &[Value]) -> Option<Call> {
    let mut long = LONG.to_vec();
    long.push("write-out");
    let options = Options::parse(arguments, SHORT, &long, false);
    let url = options
        .value(&["url"])
        .or_else(|| options.operands.first().copied());
    if options.has(&["version", "V", "help"]) && url.is_none() {
        return None;
    }
    let mut call = Call::of("curl", url.map(|url| target::of_url(&url.text)));
    call = call.limited("--max-time", options.value(&["m", "max-time"]), seconds);
    if call.limit == Limit::Never && call.hidden.is_none() {
        call = call.limited("--connect-timeout", options.value(&["connect-timeout"]), seconds);
    }
    call.prints = prints(&options);
    if !options.has(&["f", "fail", "fail-with-body", "fail-early"]) {
        call.on_error = OnError::Answers;
    }
    if let Some(retries) = options.value(&["retry"]) {
        retry(&mut call, &options, retries);
    }
    Some(call)
}

/// A body that never comes prints nothing; `-w` prints its variables.
fn prints(options: &Options<'_>) -> Prints {
    match options
        .value(&["w", "write-out"])
        .map(|format| format.text.as_str())
    {
        None => Prints::Nothing,
        Some(format)
            if matches!(
                format.trim_end_matches("\\n").trim(),
                "%{http_code}" | "%{response_code}"
            ) =>
        {
            Prints::Code
        }
        Some(_) => Prints::Unknown,
    }
}

/// A refused connection is retried with `--retry-connrefused` or `--retry-all-errors` only; a timeout always.
fn retry(call: &mut Call, options: &Options<'_>, retries: &Value) {
    let Some(count) = retries.get().and_then(|text| text.parse::<u64>().ok()) else {
        let why = retries.unknown.as_deref().unwrap_or("it is no number");
        call.hidden = Some(format!(
            "the number of `curl --retry {}` is not shown: {why}",
            retries.text
        ));
        return;
    };
    let fixed = options
        .value(&["retry-delay"])
        .and_then(|delay| seconds(delay.get()?));
    let fixed = fixed.filter(|delay| *delay > Seconds::ZERO);
    let delays = match fixed {
        Some(delay) => delay.times(count),
        None => doubling(count),
    };
    let end = options
        .value(&["retry-max-time"])
        .and_then(|end| seconds(end.get()?))
        .filter(|end| *end > Seconds::ZERO);
    let cut = |span: Seconds| end.map_or(span, |end| span.min(end));
    if let Limit::At(limit) = call.limit {
        // The last try may begin just before the end.
        call.limit = Limit::At(match end {
            Some(end) => (limit.times(count + 1) + delays).min(end + limit),
            None => limit.times(count + 1) + delays,
        });
    }
    if !options.has(&["retry-connrefused", "retry-all-errors"]) {
        return;
    }
    call.nominal = cut(delays);
    call.assumed |= retries.assumed;
    let arithmetic = match fixed {
        Some(delay) => format!("curl --retry {count}: {count} x {delay} = {}", call.nominal),
        None => format!("curl --retry {count}: {} of growing delays", call.nominal),
    };
    call.waits = Some(Waiting {
        span: Span::between(call.nominal, call.limit),
        attempts: Some(count + 1),
        interval: fixed,
        arithmetic,
        assumed: false,
    });
}

/// `1 + 2 + 4 + ...`, each at most 10 min.
fn doubling(count: u64) -> Seconds {
    let (mut total, mut delay) = (Seconds::ZERO, Seconds::new(1));
    for done in 0..count {
        if delay >= LONGEST_RETRY_DELAY {
            return total + LONGEST_RETRY_DELAY.times(count - done);
        }
        total = total + delay;
        delay = delay * 2;
    }
    total
}
