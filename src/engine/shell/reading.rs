//! What a reading of a script gives.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::files::ScriptFile;
use crate::engine::redact::redact;
use crate::engine::{Limit, Seconds, Span};

/// What the container's environment says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvValue<'a> {
    /// The manifest states the value.
    Known(&'a str),
    /// Set, but not by the manifest: from a Secret, a `ConfigMap` or a field.
    Hidden,
    /// Not set by the manifest. An image may still set it.
    Unset,
}

/// All that was read out of one container's `command` and `args`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The waits, in the order in which they run.
    pub waits: Vec<Wait>,
    /// Calls of network services outside any wait, in the order in which they run.
    pub calls: Vec<Probe>,
    /// True when the container runs a script or a known tool that could be read; false for an image's own
    /// entrypoint or an unknown program.
    pub visible: bool,
    /// What could not be read, and why.
    pub unread: Vec<Unread>,
    /// The scripts from `ConfigMap`s that run: [`Place::element`] counts on through them.
    pub files: Vec<ScriptFile>,
    /// The container ends well even when no service answers: nobody runs it again.
    pub never_fails: bool,
    /// The commands of package managers in `command` and `args`.
    pub installs: Vec<Install>,
}

/// A command of a package manager that fetches: `apk add`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Install {
    /// Where it stands.
    pub place: Place,
    /// `apk`.
    pub program: &'static str,
    /// `add`.
    pub subcommand: &'static str,
}

impl fmt::Display for Install {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.program, self.subcommand)
    }
}

impl Reading {
    /// All waits of the container one after the other; `None` without any wait.
    #[must_use]
    pub fn total(&self) -> Option<Span> {
        self.waits.iter().map(|wait| wait.span).reduce(|a, b| a + b)
    }

    /// True when nothing of the container stays unread: no wait is in it that is not seen.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.visible && self.unread.is_empty()
    }
}

/// One wait: a loop, or a tool that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// Where it starts in the script.
    pub place: Place,
    /// What it waits for, where the script says it.
    pub target: Option<Target>,
    /// The program that waits by itself, as people call it: `kubectl wait`. `None` for a loop and for a pause.
    pub tool: Option<Cow<'static, str>>,
    /// How long it waits when the dependency never comes up: nominal with probes that answer at once, worst
    /// with probes that hang to their limits.
    pub span: Span,
    /// How often it tries, where it counts.
    pub attempts: Option<u64>,
    /// The pause between two tries.
    pub interval: Option<Seconds>,
    /// The limit of one probe.
    pub probe: Option<Probe>,
    /// True when the script goes on as if nothing had happened when the wait has run out.
    pub falls_through: bool,
    /// HTTP statuses that count as ready, where the script names them.
    pub ready_statuses: Vec<u16>,
    /// HTTP statuses that end the wait with a failure.
    pub fatal_statuses: Vec<u16>,
    /// How sure the reading is.
    pub confidence: ReadConfidence,
    /// The arithmetic for a message, such as `168 x 5 s = 840 s, at worst 168 x (5 s + 3 s) = 1344 s`.
    pub arithmetic: String,
}

impl Wait {
    /// True when the nominal wait has an end of its own.
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        self.span.nominal.is_bounded()
    }

    /// True when it waits for another container of its own Pod.
    #[must_use]
    pub fn is_for_own_pod(&self) -> bool {
        let of_probe = || self.probe.as_ref().and_then(|probe| probe.target.as_ref());
        self.target
            .as_ref()
            .or_else(of_probe)
            .is_some_and(Target::is_own_pod)
    }
}

/// How sure a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadConfidence {
    /// A heuristic.
    Possible,
    /// One number is assumed: a tool's default, a name that an image may set.
    Likely,
    /// All numbers stand in the manifest.
    Certain,
}

/// A call of a network service.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Where it stands in the script.
    pub place: Place,
    /// The program: `curl`, `wget`, `nc`, `pg_isready`.
    pub tool: String,
    /// Whom it calls.
    pub target: Option<Target>,
    /// The longest that one call takes (`--max-time`, `timeout N`), [`Limit::Never`] where nothing bounds it.
    pub limit: Limit,
    /// Something runs before it that could not be read and that may be the wait for it.
    pub behind_unread: bool,
    /// What its failure does to the container; told of calls outside any wait alone.
    pub failure: Failure,
}

/// What becomes of a container when one call in it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failure {
    /// The container fails, and the Job runs it again.
    Ends,
    /// The script ends well all the same: `|| true`, a last `echo` without `set -e`, a pipe without `pipefail`.
    Swallowed,
    /// What decides is not shown.
    #[default]
    Unknown,
}

impl Probe {
    /// True for a call of an ordinary service; false for the API server, which is up when a Job runs.
    #[must_use]
    pub fn is_service_call(&self) -> bool {
        let api_server = |target: &Target| {
            matches!(target.service(), Some(("kubernetes", None | Some("default"))))
                || target.text.contains("KUBERNETES_SERVICE_HOST")
        };
        !matches!(
            self.tool.as_str(),
            "kubectl" | "oc" | "helm" | "cmctl" | "flux" | "argocd admin"
        ) && !self.target.as_ref().is_some_and(api_server)
    }
}

/// Whom a wait or a probe calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// As the script writes it, variables replaced where they are known.
    pub text: String,
    /// The host, where it can be told.
    pub host: Option<String>,
    /// The port, where it can be told.
    pub port: Option<u16>,
}

impl Target {
    /// The Service and, where the name says it, the namespace that a cluster-internal host names:
    /// `gitea-http.gitea.svc.cluster.local` gives `("gitea-http", Some("gitea"))`. `None` for an address, for
    /// `localhost` and for a name outside the cluster.
    #[must_use]
    pub fn service(&self) -> Option<(&str, Option<&str>)> {
        let host = self.host.as_deref()?.trim_end_matches('.');
        if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok() || host.contains(['$', '/']) {
            return None;
        }
        let mut labels = host.split('.');
        let service = labels.next().filter(|label| !label.is_empty())?;
        match (labels.next(), labels.next()) {
            (None, _) => Some((service, None)),
            (Some(namespace), None | Some("svc")) => Some((service, Some(namespace))),
            _ => None,
        }
    }
}

impl Target {
    /// True for an address of the Pod itself: another of its containers is called, which nothing outside the Job
    /// holds back.
    #[must_use]
    pub fn is_own_pod(&self) -> bool {
        let Some(host) = self.host.as_deref() else {
            return self.text.contains("POD_IP");
        };
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        matches!(host.trim_end_matches('.'), "localhost" | "localhost.localdomain")
            || address.is_ok_and(|address| address.is_loopback() || address.is_unspecified())
            || host.contains("POD_IP")
    }
}

/// As it may be shown: a URL may hold a password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.text))
    }
}

/// A place in a container's `command` or `args`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// Counts through `command` first, then `args`, then [`Reading::files`].
    pub element: usize,
    /// Line inside that element, from 0.
    pub line: usize,
    /// Column inside that line in characters, from 0.
    pub column: usize,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Where it stands.
    pub place: Place,
    /// Why, for a person: "the image's own entrypoint runs", "the loop's bound `$N` is set by a Secret".
    pub why: String,
}
