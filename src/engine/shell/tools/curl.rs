//! `curl`. Limits and retries: curl's manual page (`docs/cmdline-opts` of curl/curl).

use super::super::duration::seconds;
use super::super::reading::Target;
use super::super::value::Value;
use super::options::Options;
use super::{Call, OnError, Prints, Waiting};
use crate::engine::{Limit, Seconds, Span};

/// Short options that take a value.
const SHORT: &str = "AbcCdDeEFhHKmoPQrtTuUwxXyYz";

const LONG: [&str; 47] = [
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
    "write-out",
];

/// The first pause between two tries (`RETRY_SLEEP_DEFAULT`, curl/curl `src/tool_cfgable.h`); it doubles.
const FIRST_RETRY_DELAY: Seconds = Seconds::new(1);

/// The longest pause between two tries (`RETRY_SLEEP_MAX`, curl/curl `src/tool_cfgable.h`).
const LONGEST_RETRY_DELAY: Seconds = Seconds::new(600);

/// More tries than this are multiplied, not counted.
const MOST_COUNTED: u64 = 2_000;

/// curl(1) does not end a transfer by itself; `--connect-timeout` bounds the connection alone.
pub(super) fn read(arguments: &[Value]) -> Option<Call> {
    let options = Options::parse(arguments, SHORT, &LONG, false);
    let url = options
        .value(&["url"])
        .or_else(|| options.operands.first().copied());
    if options.has(&["version", "V", "help"]) && url.is_none() {
        return None;
    }
    let mut call = Call::of("curl", url.map(|url| Target::of_url(&url.text)));
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
    let positive = |flag: &str| {
        let value = options.value(&[flag])?;
        seconds(value.get()?).filter(|span| *span > Seconds::ZERO)
    };
    let retries_of = Retries {
        count,
        fixed: positive("retry-delay"),
        end: positive("retry-max-time"),
    };
    if let Limit::At(limit) = call.limit {
        call.limit = Limit::At(retries_of.at_worst(limit));
    }
    if !options.has(&["retry-connrefused", "retry-all-errors"]) {
        return;
    }
    call.nominal = retries_of.at_best();
    call.assumed |= retries.assumed;
    let arithmetic = match (retries_of.fixed, retries_of.end) {
        (Some(delay), None) => format!("curl --retry {count}: {count} x {delay} = {}", call.nominal),
        (Some(_), Some(end)) => format!("curl --retry {count}, no new try after {end}: {}", call.nominal),
        (None, None) => format!("curl --retry {count}: {} = {}", retries_of.growth(), call.nominal),
        (None, Some(end)) => format!(
            "curl --retry {count}: {}, no new try after {end}: {}",
            retries_of.growth(),
            call.nominal
        ),
    };
    call.waits = Some(Waiting {
        name: "curl --retry".into(),
        span: Span::between(call.nominal, call.limit),
        attempts: retries_of.end.is_none().then_some(count + 1),
        interval: retries_of.fixed,
        arithmetic,
        assumed: false,
    });
}

/// `--retry`, `--retry-delay` and `--retry-max-time`.
struct Retries {
    count: u64,
    /// Every pause, instead of the growing ones.
    fixed: Option<Seconds>,
    /// No try begins later; the one that runs is not cut (`post_per_transfer`, curl/curl
    /// `src/tool_operate.c`).
    end: Option<Seconds>,
}

impl Retries {
    /// How long all tries take when each takes `one`, and the last pause.
    fn run(&self, one: Seconds, end: Option<Seconds>) -> (Seconds, Seconds) {
        let (mut total, mut delay) = (one, self.fixed.unwrap_or(FIRST_RETRY_DELAY));
        let mut last = Seconds::ZERO;
        for done in 0..self.count {
            if end.is_some_and(|end| total >= end) {
                break;
            }
            last = delay;
            if done >= MOST_COUNTED {
                let rest = total + (delay + one).times(self.count - done);
                return (end.map_or(rest, |end| rest.min(end + delay + one)), last);
            }
            total = total + delay + one;
            if self.fixed.is_none() {
                delay = (delay * 2).min(LONGEST_RETRY_DELAY);
            }
        }
        (total, last)
    }

    /// When every try fails at once.
    fn at_best(&self) -> Seconds {
        self.run(Seconds::ZERO, self.end).0
    }

    /// When tries hang for up to `limit`. With an end, the last pause may begin just before it, and the longest
    /// pauses come when the tries before were short.
    fn at_worst(&self, limit: Seconds) -> Seconds {
        let all = self.run(limit, None).0;
        match self.end {
            Some(end) => all.min(end + self.run(Seconds::ZERO, self.end).1 + limit),
            None => all,
        }
    }

    /// `1 s + 2 s + 4 s + ...`
    fn growth(&self) -> &'static str {
        match self.count {
            0 | 1 => "1 s",
            2 => "1 s + 2 s",
            3 => "1 s + 2 s + 4 s",
            _ => "1 s + 2 s + 4 s + ...",
        }
    }
}
