//! The policy document: the margins that clocks need, and what is enforced where. Every value has a default;
//! the empty policy is the default policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Seconds;
use super::backoff::Kubelet;
use super::pattern::{Pattern, ProgressPattern};
use super::signature::Signature;

/// The group and version of the policy document.
pub const API_VERSION: &str = "hookbudget.dev/v1alpha1";
/// The kind of the policy document.
pub const KIND: &str = "Policy";

/// `DefaultTimeout` of Helm's command line (helm/helm `pkg/cmd/install.go`) and of a `HelmRelease`
/// (fluxcd/helm-controller `api/v2`, `GetTimeout`).
pub const HELM_DEFAULT_TIMEOUT: Seconds = Seconds::new(300);

/// What an installation demands of its Jobs.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Policy {
    /// The group and version of this document.
    #[cfg_attr(feature = "cli", schemars(extend("const" = API_VERSION)))]
    pub api_version: String,
    /// The kind of this document.
    #[cfg_attr(feature = "cli", schemars(extend("const" = KIND)))]
    pub kind: String,
    /// What is done about findings where no namespace says otherwise.
    pub default_mode: Mode,
    /// Modes by namespace, with the values of `defaultMode`; the namespace's own label `hookbudget.dev/mode` wins.
    pub namespace_modes: BTreeMap<String, Mode>,
    /// Levels by rule code. A rule is never raised above its own severity.
    pub rules: BTreeMap<String, RuleLevel>,
    /// Time that has to remain between the end of the wait and the deadline.
    #[serde(with = "go")]
    #[cfg_attr(feature = "cli", schemars(with = "GoDuration"))]
    pub headroom: Seconds,
    /// Time that has to remain between the end of the wait and the release's timeout.
    #[serde(with = "go")]
    #[cfg_attr(feature = "cli", schemars(with = "GoDuration"))]
    pub slack: Seconds,
    /// Time to schedule, pull and start a Pod, counted before every wait; the headroom covers it where this is zero.
    #[serde(with = "go")]
    #[cfg_attr(feature = "cli", schemars(with = "GoDuration"))]
    pub startup: Seconds,
    /// How long a dependency may take to come up where no annotation says it.
    #[serde(with = "go")]
    #[cfg_attr(feature = "cli", schemars(with = "GoDuration"))]
    pub cold_start: Seconds,
    /// The release's timeout where no object states it; as it comes, the default of Helm and Flux.
    #[serde(with = "go")]
    #[cfg_attr(feature = "cli", schemars(with = "GoDuration"))]
    pub release_timeout: Seconds,
    /// The shortest `ttlSecondsAfterFinished` that leaves time to look at a failed Job.
    #[serde(with = "go")]
    #[cfg_attr(feature = "cli", schemars(with = "GoDuration"))]
    pub min_ttl: Seconds,
    /// Pause between two probes of an injected wait.
    #[serde(with = "go")]
    #[cfg_attr(feature = "cli", schemars(with = "GoDuration"))]
    pub wait_interval: Seconds,
    /// Limit of one probe of an injected wait.
    #[serde(with = "go")]
    #[cfg_attr(feature = "cli", schemars(with = "GoDuration"))]
    pub probe_timeout: Seconds,
    /// The restart back-off of the nodes.
    pub kubelet: KubeletPolicy,
    /// What the webhook may rewrite where no annotation says it.
    pub rewrite: RewriteLevel,
    /// Image of the init container that `hookbudget.dev/wait-for` adds. Empty: the one of `webhook --wait-image`, which
    /// the chart sets to its own.
    pub wait_image: String,
    /// Causes of the cluster's own: what a text or an object means, each as root cause `custom_NAME`.
    #[cfg_attr(feature = "cli", schemars(with = "Vec<Signature>"))]
    pub signatures: Arc<[Signature]>,
    /// How far a wait has come.
    pub progress: ProgressPolicy,
    /// What is hidden before it is kept or shown.
    pub redact: RedactPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            default_mode: Mode::Warn,
            namespace_modes: BTreeMap::new(),
            rules: BTreeMap::new(),
            headroom: Seconds::new(240),
            slack: Seconds::new(60),
            startup: Seconds::ZERO,
            cold_start: Seconds::new(600),
            release_timeout: HELM_DEFAULT_TIMEOUT,
            min_ttl: Seconds::new(300),
            wait_interval: Seconds::new(5),
            probe_timeout: Seconds::new(3),
            kubelet: KubeletPolicy::default(),
            rewrite: RewriteLevel::default(),
            wait_image: String::new(),
            signatures: Arc::default(),
            progress: ProgressPolicy::default(),
            redact: RedactPolicy::default(),
        }
    }
}

impl Policy {
    /// The back-off that the policy says the nodes have.
    #[must_use]
    pub fn kubelet(&self) -> Kubelet {
        let profile = if self.kubelet.reduced {
            Kubelet::reduced()
        } else {
            Kubelet::default()
        };
        self.kubelet
            .max_container_restart_period
            .map_or(profile, |GoDuration(max)| profile.with_max(max))
    }

    /// The mode of a namespace: its label, else the policy's entry, else the default. A label that is no mode
    /// counts as absent.
    #[must_use]
    pub fn mode(&self, namespace: &str, label: Option<&str>) -> Mode {
        label
            .and_then(Mode::parse)
            .or_else(|| self.namespace_modes.get(namespace).copied())
            .unwrap_or(self.default_mode)
    }
}

/// What is done about findings in a namespace.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing is judged and nothing is rewritten.
    Off,
    /// Findings go to the audit log and the metrics.
    Audit,
    /// Findings are also warnings that `kubectl`, Helm and Flux show.
    #[default]
    Warn,
    /// An error that is certain is denied; the rest warns.
    Enforce,
}

impl Mode {
    /// All modes, from the mildest on.
    pub const ALL: [Self; 4] = [Self::Off, Self::Audit, Self::Warn, Self::Enforce];

    /// Reads the value of the label `hookbudget.dev/mode`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }

    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }
}

/// The level that a policy gives a rule.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleLevel {
    /// The rule does not run.
    Off,
    /// Its findings are information.
    Info,
    /// Its findings are warnings at the most.
    Warning,
    /// Its findings keep their own severity.
    Error,
}

/// What the webhook may rewrite.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RewriteLevel {
    /// Nothing but the injected environment, and the wait that `hookbudget.dev/wait-for` asks for.
    None,
    /// What changes neither what runs nor how often.
    #[default]
    Safe,
    /// Everything that a rule knows to mend.
    All,
}

impl RewriteLevel {
    /// Reads the value of the annotation `hookbudget.dev/rewrite`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "safe" => Some(Self::Safe),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// The restart back-off of the nodes.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct KubeletPolicy {
    /// True where the nodes run with `ReduceDefaultCrashLoopBackOffDecay`.
    pub reduced: bool,
    /// `crashLoopBackOff.maxContainerRestartPeriod` of the nodes.
    pub max_container_restart_period: Option<GoDuration>,
}

/// How far a wait has come.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ProgressPolicy {
    /// Regular expressions for lines of log that tell it, with the named groups `attempt`, `limit` and `seconds` (how
    /// long it has been waiting): `versuch (?P<attempt>[0-9]+) von (?P<limit>[0-9]+)`.
    #[cfg_attr(feature = "cli", schemars(with = "Vec<ProgressPattern>"))]
    pub patterns: Arc<[ProgressPattern]>,
}

/// What is hidden before it is kept or shown.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RedactPolicy {
    /// Regular expressions for texts of the cluster that are no secret by their form: each whole match in a line of log,
    /// a message or an event becomes `[redacted]`.
    #[cfg_attr(feature = "cli", schemars(with = "Vec<Pattern>"))]
    pub patterns: Arc<[Pattern]>,
}

/// A span written as a Go duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoDuration(pub Seconds);

#[cfg(feature = "cli")]
impl schemars::JsonSchema for GoDuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // What Go's time.ParseDuration takes, without a sign.
        schemars::json_schema!({
            "type": "string",
            "description": "A span of zero or more as a Go duration: 90s, 4m, 1h30m.",
            "pattern": "^\\+?(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|\u{b5}s|\u{3bc}s|ms|s|m|h))+)$",
        })
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        go::deserialize(deserializer).map(Self)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        go::serialize(&self.0, serializer)
    }
}

mod go {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::engine::Seconds;

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's `with` hands a reference
    pub(super) fn serialize<S: Serializer>(span: &Seconds, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&span.to_go())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
        let text = String::deserialize(deserializer)?;
        let span = Seconds::parse_go(&text).map_err(Error::custom)?;
        if span < Seconds::ZERO {
            return Err(Error::custom(format!(
                "{text:?} is negative: write a span of zero or more"
            )));
        }
        Ok(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_policy_is_the_default_policy() {
        assert_eq!(
            serde_json::from_str::<Policy>("{}").expect("empty policy"),
            Policy::default()
        );
    }

    #[test]
    fn a_policy_reads_back_as_it_was_written() {
        let text = serde_json::to_string(&Policy::default()).expect("serializes");
        assert_eq!(
            serde_json::from_str::<Policy>(&text).expect("reads back"),
            Policy::default()
        );
    }

    #[test]
    fn a_negative_margin_and_an_unknown_key_are_refused() {
        let refused = |text| serde_json::from_str::<Policy>(text).expect_err(text).to_string();
        assert!(refused(r#"{"headroom": "-1s"}"#).contains("negative"));
        assert!(refused(r#"{"headrom": "4m"}"#).contains("unknown field"));
    }

    #[test]
    fn the_namespace_label_wins_over_the_policy() {
        let mut policy = Policy::default();
        policy.namespace_modes.insert("powerdns".to_owned(), Mode::Audit);
        assert_eq!(policy.mode("powerdns", Some("enforce")), Mode::Enforce);
        assert_eq!(policy.mode("powerdns", Some("nonsense")), Mode::Audit);
        assert_eq!(policy.mode("gitea", None), Mode::Warn);
    }
}
