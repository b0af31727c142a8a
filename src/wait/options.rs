//! What the flags and the injected environment ask for.

use std::ffi::OsString;
use std::path::PathBuf;

use regex_lite::Regex;

use super::pace::Pace;
use super::{Statuses, Target};
use crate::engine::Seconds;

/// Without any budget the wait still ends: ten minutes, the cold start that the default policy allows for.
const DEFAULT_TIMEOUT: Seconds = Seconds::new(600);
const DEFAULT_INTERVAL: Seconds = Seconds::new(5);
const DEFAULT_PROBE_TIMEOUT: Seconds = Seconds::new(3);

/// Where the kubelet reads the termination message (`terminationMessagePath`, its default in the Kubernetes
/// API, core/v1 Container).
const TERMINATION_LOG: &str = "/dev/termination-log";

/// The text of `--help`.
pub(super) const HELP: &str = include_str!("help.txt");

/// How long to wait, and how often to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The whole wait, probes included.
    pub timeout: Seconds,
    /// From the start of one probe to the start of the next.
    pub interval: Seconds,
    /// How the interval changes from probe to probe.
    pub pace: Pace,
    /// Limit for one probe.
    pub probe_timeout: Seconds,
    /// The most probes to make; `None`: the time alone decides.
    pub attempts: Option<u64>,
}

/// What has to stand in the body of a ready answer.
#[derive(Clone, Debug)]
pub struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

/// Whose certificates are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// A PEM file of authorities; `None`: those of the system.
    pub authorities: Option<PathBuf>,
    /// Believe any certificate.
    pub unverified: bool,
}

/// What is printed while it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line that people and the exporter read.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How to ask an HTTP server, and how to read its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Request method.
    pub method: String,
    /// Request headers with their values, which are never printed.
    pub headers: Vec<(String, String)>,
    /// Statuses that mean ready; they win over the fatal ones.
    pub ready: Statuses,
    /// Statuses that waiting will not change.
    pub fatal: Statuses,
    /// What the body of a ready answer has to match.
    pub body: Option<Pattern>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            headers: Vec::new(),
            ready: Statuses::of(&[200]),
            fatal: Statuses::of(&[401, 403]),
            body: None,
        }
    }
}

/// One run of the helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What to wait for.
    pub targets: Vec<Target>,
    /// One of the targets is enough.
    pub any: bool,
    /// The clocks.
    pub budget: Budget,
    /// How HTTP targets are asked.
    pub http: Http,
    /// How encrypted targets are believed.
    pub tls: TlsOptions,
    /// How progress is printed.
    pub log_format: LogFormat,
    /// Print the last line alone.
    pub quiet: bool,
    /// The file that takes the last line, written only where it exists.
    pub termination_log: PathBuf,
    /// What to run when everything is there.
    pub then: Vec<OsString>,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Wait.
    Wait(Box<Options>),
    /// Print the help text.
    Help,
    /// Print the version.
    Version,
}

/// The command line or the environment cannot be understood; the text says which part, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Where the values of variables and files come from; tests bring their own.
pub(super) struct Sources<'s> {
    pub(super) variable: &'s dyn Fn(&str) -> Option<String>,
    pub(super) file: &'s dyn Fn(&str) -> Result<String, String>,
}

impl Command {
    /// Reads the arguments (without the program's name) and the environment.
    pub(super) fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        sources: &Sources<'_>,
    ) -> Result<Self, UsageError> {
        Reader::default().read(arguments, sources).map_err(UsageError)
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    targets: Vec<Target>,
    timeout: Option<Seconds>,
    interval: Option<Seconds>,
    probe_timeout: Option<Seconds>,
    attempts: Option<u64>,
    pace: Pace,
    any: bool,
    http: Http,
    http_flag: Option<String>,
    tls: TlsOptions,
    tls_flag: Option<String>,
    log_format: LogFormat,
    quiet: bool,
    termination_log: Option<PathBuf>,
    then: Vec<OsString>,
}

impl Reader {
    fn read(
        mut self,
        arguments: impl IntoIterator<Item = OsString>,
        sources: &Sources<'_>,
    ) -> Result<Command, String> {
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let argument = argument
                .into_string()
                .map_err(|raw| format!("{} is not UTF-8", raw.display()))?;
            match argument.as_str() {
                "-h" | "--help" => return Ok(Command::Help),
                "-V" | "--version" => return Ok(Command::Version),
                "--" => {
                    self.then = arguments.by_ref().collect();
                    if self.then.is_empty() {
                        return Err("nothing follows --: write the command to run when ready".to_owned());
                    }
                }
                flag if flag.starts_with('-') => {
                    if self.switch(flag) {
                        continue;
                    }
                    let (flag, value) = match flag.split_once('=') {
                        Some((flag, value)) => (flag, Some(value.to_owned())),
                        None => (flag, None),
                    };
                    let value = || {
                        value
                            .or_else(|| arguments.next().and_then(|next| next.into_string().ok()))
                            .ok_or_else(|| format!("{flag} needs a value"))
                    };
                    self.flag(flag, value, sources)?;
                }
                address => self.targets.push(Target::parse(address)?),
            }
        }
        self.finish(sources)
            .map(|options| Command::Wait(Box::new(options)))
    }

    /// Flags without a value.
    fn switch(&mut self, flag: &str) -> bool {
        match flag {
            "--any" => self.any = true,
            "--quiet" | "-q" => self.quiet = true,
            "--insecure-skip-tls-verify" => {
                self.tls.unverified = true;
                self.tls_flag = Some(flag.to_owned());
            }
            _ => return false,
        }
        true
    }

    fn flag(
        &mut self,
        flag: &str,
        value: impl FnOnce() -> Result<String, String>,
        sources: &Sources<'_>,
    ) -> Result<(), String> {
        match flag {
            "--timeout" => self.timeout = Some(span(flag, &value()?)?),
            "--interval" => self.interval = Some(span(flag, &value()?)?),
            "--probe-timeout" => self.probe_timeout = Some(span(flag, &value()?)?),
            "--attempts" => self.attempts = Some(count(flag, &value()?)?),
            "--termination-log" => self.termination_log = Some(value()?.into()),
            "--ready" => {
                self.http.ready = Statuses::parse(&value()?).map_err(|why| format!("{flag}: {why}"))?;
            }
            "--fatal" => {
                self.http.fatal = Statuses::parse(&value()?).map_err(|why| format!("{flag}: {why}"))?;
            }
            "--backoff" => {
                self.pace.growth = Pace::growth(&value()?).map_err(|why| format!("{flag}: {why}"))?;
            }
            "--max-interval" => self.pace.most = Some(span(flag, &value()?)?),
            "--jitter" => {
                self.pace.jitter = Pace::jitter(&value()?).map_err(|why| format!("{flag}: {why}"))?;
            }
            "--log-format" => self.log_format = log_format(&value()?)?,
            "--ca-file" => self.tls.authorities = Some(value()?.into()),
            "--expect-body" => self.http.body = Some(pattern(&value()?)?),
            "--method" => self.http.method = method(&value()?)?,
            "--header" => self.http.headers.push(header(&value()?, sources)?),
            _ => return Err(format!("{flag} is not a flag of this program: see --help")),
        }
        match flag {
            "--ready" | "--method" | "--header" | "--expect-body" => self.http_flag = Some(flag.to_owned()),
            "--ca-file" => self.tls_flag = Some(flag.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn finish(self, sources: &Sources<'_>) -> Result<Options, String> {
        if self.targets.is_empty() {
            return Err(
                "nothing to wait for: name a target, such as http://powerdns:8081/api/v1/servers".to_owned(),
            );
        }
        let asks_http = self
            .targets
            .iter()
            .any(|target| matches!(target, Target::Http { .. }));
        if let Some(flag) = self.http_flag.as_ref().filter(|_| !asks_http) {
            return Err(format!(
                "{flag} is for http:// and https:// targets, and none is given"
            ));
        }
        let is_encrypted =
            |target: &Target| target.is_encrypted() && !matches!(target, Target::Kubernetes(_));
        if let Some(flag) = self
            .tls_flag
            .as_ref()
            .filter(|_| !self.targets.iter().any(is_encrypted))
        {
            return Err(format!(
                "{flag} is for https://, grpcs:// and rediss:// targets, and none is given"
            ));
        }
        let from = |flag: Option<Seconds>, name: &str| match flag {
            Some(span) => Ok(Some(span)),
            None => seconds(name, sources),
        };
        let interval = from(self.interval, "HOOKBUDGET_WAIT_INTERVAL_SECONDS")?.unwrap_or(DEFAULT_INTERVAL);
        let probe_timeout =
            from(self.probe_timeout, "HOOKBUDGET_PROBE_TIMEOUT_SECONDS")?.unwrap_or(DEFAULT_PROBE_TIMEOUT);
        let timeout = from(self.timeout, "HOOKBUDGET_WAIT_TIMEOUT_SECONDS")?;
        // HOOKBUDGET_WAIT_ATTEMPTS is made for loops that can only count: it assumes that every probe hangs to
        // its limit. With a clock at hand it would end the wait far too early, so it serves only as a
        // substitute for a missing timeout.
        let counted = match timeout {
            None => (sources.variable)("HOOKBUDGET_WAIT_ATTEMPTS")
                .map(|text| count("HOOKBUDGET_WAIT_ATTEMPTS", &text))
                .transpose()?,
            Some(_) => None,
        };
        let timeout = timeout
            .or_else(|| counted.map(|attempts| (interval + probe_timeout).times(attempts)))
            .unwrap_or(DEFAULT_TIMEOUT);
        Ok(Options {
            targets: self.targets,
            any: self.any,
            budget: Budget {
                timeout,
                interval,
                pace: self.pace,
                probe_timeout,
                attempts: self.attempts,
            },
            http: self.http,
            tls: self.tls,
            log_format: self.log_format,
            quiet: self.quiet,
            termination_log: self.termination_log.unwrap_or_else(|| TERMINATION_LOG.into()),
            then: self.then,
        })
    }
}

fn span(name: &str, text: &str) -> Result<Seconds, String> {
    let span = Seconds::parse_go(text).map_err(|why| format!("{name}: {why}"))?;
    positive(name, text, span)
}

/// A number of seconds in the environment, a fraction allowed; an empty variable counts as absent.
fn seconds(name: &str, sources: &Sources<'_>) -> Result<Option<Seconds>, String> {
    let Some(text) = (sources.variable)(name).filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    let span = text
        .trim()
        .parse()
        .ok()
        .and_then(Seconds::from_f64)
        .ok_or_else(|| {
            format!("the variable {name} holds {text:?}, which is no number of seconds: write 600, say")
        })?;
    positive(name, &text, span).map(Some)
}

fn positive(name: &str, text: &str, span: Seconds) -> Result<Seconds, String> {
    if span > Seconds::ZERO {
        Ok(span)
    } else {
        Err(format!("{name} is {text}: it has to be longer than no time"))
    }
}

fn count(name: &str, text: &str) -> Result<u64, String> {
    text.trim()
        .parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("{name} is {text:?}: write a whole number from 1"))
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("--log-format is {text:?}: write text or json")),
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Regex::new(text)
        .map(Pattern)
        .map_err(|why| format!("--expect-body: {text:?} is no regular expression: {why}"))
}

fn method(text: &str) -> Result<String, String> {
    if !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
    {
        Ok(text.to_owned())
    } else {
        Err(format!("--method: {text:?} is not an HTTP method"))
    }
}

/// `NAME=VALUE`, `NAME=@env:VARIABLE` or `NAME=@file:PATH`. No message ever holds the value.
fn header(text: &str, sources: &Sources<'_>) -> Result<(String, String), String> {
    const SHAPE: &str = "--header: write NAME=VALUE, NAME=@env:VARIABLE or NAME=@file:PATH";
    let (name, value) = text.split_once('=').ok_or(SHAPE)?;
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    {
        return Err(SHAPE.to_owned());
    }
    let value = if let Some(variable) = value.strip_prefix("@env:") {
        let text = (sources.variable)(variable)
            .ok_or_else(|| format!("--header {name}: the environment has no variable {variable}"))?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else if let Some(path) = value.strip_prefix("@file:") {
        let text = (sources.file)(path)
            .map_err(|why| format!("--header {name}: the file {path} cannot be read: {why}"))?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        value.to_owned()
    };
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(format!(
            "--header {name}: the value holds a line break or another control character"
        ));
    }
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests;
