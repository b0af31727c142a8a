//! Programs that call network services: whom, for how long, and whether they wait by themselves.

mod airflow;
mod clients;
mod curl;
mod databases;
mod kubernetes;
mod options;
mod sockets;
pub(super) mod target;
mod waiters;
mod wget;

use std::borrow::Cow;

use super::reading::Target;
use super::value::Value;
use crate::engine::{Limit, Seconds, Span};

/// What a program prints when nobody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prints {
    Nothing,
    /// `000`, curl's HTTP status without an answer.
    Code,
    Unknown,
}

/// How a call ends in a loop, for `set -e`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnError {
    /// With a failure, whatever is wrong.
    Fails,
    /// With a failure when the connection is refused, well when the service answers with an HTTP error.
    Answers,
    /// Well or not: the API server is there, and what it is asked for may be missing or not ready.
    Open,
}

/// A call of a network service that does not answer.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub tool: String,
    pub target: Option<Target>,
    /// The longest that it takes.
    pub limit: Limit,
    /// It can hang while it connects alone: an unanswered SYN ends it.
    pub connects: bool,
    /// How long it takes when the connection is refused.
    pub nominal: Seconds,
    pub prints: Prints,
    pub on_error: OnError,
    /// Set when the program waits by itself.
    pub waits: Option<Waiting>,
    /// The limit is a documented default.
    pub assumed: bool,
    /// Why the limit is not shown, where the command line has one.
    pub hidden: Option<String>,
    /// What the program runs when it has waited.
    pub then: Option<Then>,
}

/// The command that a waiting program turns into.
#[derive(Clone, Debug)]
pub(super) struct Then {
    pub command: Vec<Value>,
    /// It runs although nothing came up.
    pub always: bool,
}

/// How a program waits by itself.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// As people call it: `kubectl wait`.
    pub name: Cow<'static, str>,
    pub span: Span,
    pub attempts: Option<u64>,
    pub interval: Option<Seconds>,
    pub arithmetic: String,
    /// The span is a documented default.
    pub assumed: bool,
}

impl Call {
    /// A call that nothing limits.
    pub(super) fn of(tool: &str, target: Option<Target>) -> Self {
        Self {
            tool: tool.to_owned(),
            target,
            limit: Limit::Never,
            connects: false,
            nominal: Seconds::ZERO,
            prints: Prints::Nothing,
            on_error: OnError::Fails,
            waits: None,
            assumed: false,
            hidden: None,
            then: None,
        }
    }

    /// A call that waits by itself for as long as `limit`.
    fn waiting(
        mut self,
        name: impl Into<Cow<'static, str>>,
        limit: Limit,
        arithmetic: String,
        assumed: bool,
    ) -> Self {
        self.limit = limit;
        self.nominal = limit.seconds().unwrap_or(Seconds::ZERO);
        self.waits = Some(Waiting {
            name: name.into(),
            span: Span::from(limit),
            attempts: None,
            interval: None,
            arithmetic,
            assumed,
        });
        self
    }

    /// Limits the call by a flag's value, if the flag is there.
    fn limited(mut self, flag: &str, value: Option<&Value>, read: fn(&str) -> Option<Seconds>) -> Self {
        match value.map(|value| (value, value.get().and_then(read))) {
            None => {}
            // Most tools take 0 for "no limit".
            Some((_, Some(Seconds::ZERO))) => self.limit = Limit::Never,
            Some((value, Some(limit))) => {
                self.limit = Limit::At(limit);
                self.assumed |= value.assumed;
            }
            Some((value, None)) => {
                self.hidden = Some(no_limit(&format!("{} {flag}", self.tool), value));
            }
        }
        self
    }
}

/// Why a flag's value says nothing about how long a tool takes.
fn no_limit(flag: &str, value: &Value) -> String {
    let text = value.text.as_str();
    match (&value.unknown, text.parse::<f64>()) {
        (Some(why), _) => format!("the limit of `{flag} {text}` is not shown: {why}"),
        (None, Ok(_)) => format!("`{flag} {text}` has no unit and is refused at once: write {text}s"),
        (None, Err(_)) => format!("the limit of `{flag} {text}` is not shown: it is no span of time"),
    }
}

/// Reads the call that a command line makes; `None` for programs that are not known to call anyone.
/// `variable` gives the environment, for limits such as `PGCONNECT_TIMEOUT`.
pub(super) fn read(
    name: &str,
    arguments: &[Value],
    variable: &dyn Fn(&str) -> Option<Value>,
) -> Option<Call> {
    match name {
        "curl" => curl::read(arguments),
        "wget" => wget::read(arguments),
        "kubectl" | "oc" => kubernetes::kubectl(name, arguments),
        "cmctl" => Some(kubernetes::cmctl(arguments)),
        "helm" => kubernetes::helm(arguments),
        "airflow" => airflow::read(arguments),
        _ => waiters::read(name, arguments, variable)
            .or_else(|| sockets::read(name, arguments))
            .or_else(|| {
                // These clients ask a service that answers: what hangs is the connection.
                let call = databases::read(name, arguments, variable)?;
                Some(Call {
                    connects: true,
                    ..call
                })
            })
            .or_else(|| clients::read(name, arguments)),
    }
}

/// True for the name of a program that calls network services.
pub(super) fn is_tool(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    read(name, &[Value::known("wait"), Value::known("http://a:1")], &|_| {
        None
    })
    .is_some()
}
