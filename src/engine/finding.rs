//! What a rule has to say about an object.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::policy::Mode;
use super::release::ReleaseObject;
use super::shell::Place;
use super::words::Words;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Harm is likely.
    Warning,
    /// A guarantee is broken, by arithmetic or by form.
    Error,
}

impl Severity {
    /// The value in the JSON output and in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A heuristic.
    Possible,
    /// One number is assumed, and named in the message.
    Likely,
    /// All numbers are known.
    Certain,
}

impl Confidence {
    /// The value in the JSON output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// What a rule has to say about one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// `HB101`.
    pub code: &'static str,
    /// `retries-end-before-deadline`.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Where it stands in the object.
    pub at: At,
    /// The numbers in a few words, for an admission warning: 70 characters at the most.
    pub brief: Words,
    /// What is wrong and what follows from it, in one or two sentences.
    pub message: Words,
    /// The numbers that prove it, in one line.
    pub arithmetic: Option<Words>,
    /// What to write instead.
    pub help: Words,
    /// The edits that mend it, where they can be derived.
    pub fix: Option<Fix>,
    /// The reason of the annotation that exempts the object from this rule.
    pub exempted: Option<String>,
}

/// A place in an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// JSON pointer of the field; of its nearest parent where the field is absent.
    pub pointer: String,
    /// The place inside a script, where `pointer` names a container.
    pub script: Option<Place>,
}

impl At {
    /// A field.
    #[must_use]
    pub fn field(pointer: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            script: None,
        }
    }

    /// A line of a container's script.
    #[must_use]
    pub fn script(container: impl Into<String>, place: Place) -> Self {
        Self {
            pointer: container.into(),
            script: Some(place),
        }
    }

    /// The field as people write it: `spec.backoffLimit`.
    #[must_use]
    pub fn dotted(&self) -> String {
        dotted(&self.pointer)
    }

    /// As [`At::dotted`], behind what a text holds already.
    pub fn write_dotted(&self, text: &mut String) {
        write_dotted(&self.pointer, text);
    }
}

/// A JSON pointer as people write a field: `spec.backoffLimit`.
pub(super) fn dotted(pointer: &str) -> String {
    let mut text = String::with_capacity(pointer.len() + 2);
    write_dotted(pointer, &mut text);
    text
}

fn write_dotted(pointer: &str, text: &mut String) {
    let begun = text.len();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() {
            text.extend(["[", part, "]"]);
        } else {
            if text.len() > begun {
                text.push('.');
            }
            if part.contains('~') {
                text.push_str(&part.replace("~1", "/").replace("~0", "~"));
            } else {
                text.push_str(part);
            }
        }
    }
}

/// Edits that mend a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    /// Whether they change what runs or how often.
    pub safety: FixSafety,
    /// The object to edit, where it is another one than the finding is about.
    pub on: Option<ReleaseObject>,
    /// The edits, in order.
    pub edits: Vec<Edit>,
}

/// Whether a fix changes behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FixSafety {
    /// What runs, and how often, stays as it is.
    Safe,
    /// Behaviour changes: it has to be asked for.
    Unsafe,
}

/// One change of an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "op")]
pub enum Edit {
    /// Writes a value; parents that are absent are made.
    Set {
        /// JSON pointer of the field.
        pointer: String,
        /// The new value.
        value: Value,
    },
    /// Puts a value at the front of an array, which is made when absent.
    Prepend {
        /// JSON pointer of the array.
        pointer: String,
        /// The new first item.
        value: Value,
    },
    /// Puts a value at the end of an array, which is made when absent.
    Append {
        /// JSON pointer of the array.
        pointer: String,
        /// The new last item.
        value: Value,
    },
    /// Puts a variable at the end of a container's environment, which is made when absent.
    Variable {
        /// JSON pointer of the environment, which all variables of a container share.
        pointer: Arc<str>,
        /// Its name.
        name: Cow<'static, str>,
        /// Its value.
        value: Setting,
    },
}

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A whole number.
    Number(i64),
    /// Anything else.
    Text(Arc<str>),
}

impl Setting {
    /// True for the value that a text states.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        match self {
            Self::Number(number) => number.to_string() == text,
            Self::Text(own) => **own == *text,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Edit {
    /// What is written.
    #[must_use]
    pub fn value(&self) -> Cow<'_, Value> {
        match self {
            Self::Set { value, .. } | Self::Prepend { value, .. } | Self::Append { value, .. } => {
                Cow::Borrowed(value)
            }
            Self::Variable { name, value, .. } => {
                Cow::Owned(json!({"name": name, "value": value.to_string()}))
            }
        }
    }

    /// JSON pointer of what is changed.
    #[must_use]
    pub fn pointer(&self) -> &str {
        match self {
            Self::Set { pointer, .. } | Self::Prepend { pointer, .. } | Self::Append { pointer, .. } => {
                pointer
            }
            Self::Variable { pointer, .. } => pointer,
        }
    }
}

/// What admission does with an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It goes through without a word.
    #[default]
    Allow,
    /// It goes through with warnings.
    Warn,
    /// It is refused.
    Deny,
}

impl Decision {
    /// The value in the JSON output and in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

impl Finding {
    /// Its texts.
    pub(super) fn words(&mut self) -> impl Iterator<Item = &mut Words> {
        let texts = [&mut self.brief, &mut self.message, &mut self.help];
        texts.into_iter().chain(&mut self.arithmetic)
    }

    /// What this finding leads to under a mode. Only an error that is certain is ever denied, and information
    /// is no reason to warn.
    #[must_use]
    pub fn decision(&self, mode: Mode) -> Decision {
        if self.exempted.is_some() || matches!(mode, Mode::Off | Mode::Audit) {
            return Decision::Allow;
        }
        match (self.severity, self.confidence) {
            (Severity::Error, Confidence::Certain) if mode == Mode::Enforce => Decision::Deny,
            (Severity::Error | Severity::Warning, _) => Decision::Warn,
            (Severity::Info, _) => Decision::Allow,
        }
    }
}

/// What all findings of an object together lead to. A Job that a `CronJob` owns is never denied: the
/// `CronJob` is.
#[must_use]
pub fn decide<'f>(
    findings: impl IntoIterator<Item = &'f Finding>,
    mode: Mode,
    owned_by_cron: bool,
) -> Decision {
    let worst = findings
        .into_iter()
        .map(|finding| finding.decision(mode))
        .max()
        .unwrap_or(Decision::Allow);
    if owned_by_cron {
        worst.min(Decision::Warn)
    } else {
        worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, confidence: Confidence) -> Finding {
        Finding {
            code: "HB101",
            name: "retries-end-before-deadline",
            severity,
            confidence,
            at: At::default(),
            brief: Words::default(),
            message: Words::default(),
            arithmetic: None,
            help: Words::default(),
            fix: None,
            exempted: None,
        }
    }

    #[test]
    fn only_an_error_that_is_certain_denies_and_only_under_enforce() {
        let certain = finding(Severity::Error, Confidence::Certain);
        for (mode, decision) in [
            (Mode::Off, Decision::Allow),
            (Mode::Audit, Decision::Allow),
            (Mode::Warn, Decision::Warn),
            (Mode::Enforce, Decision::Deny),
        ] {
            assert_eq!(certain.decision(mode), decision);
        }
        assert_eq!(
            finding(Severity::Error, Confidence::Likely).decision(Mode::Enforce),
            Decision::Warn
        );
        assert_eq!(
            finding(Severity::Warning, Confidence::Certain).decision(Mode::Enforce),
            Decision::Warn
        );
        assert_eq!(
            finding(Severity::Info, Confidence::Certain).decision(Mode::Enforce),
            Decision::Allow
        );
        let exempted = Finding {
            exempted: Some("known".into()),
            ..certain.clone()
        };
        assert_eq!(exempted.decision(Mode::Enforce), Decision::Allow);
        assert_eq!(decide([&certain], Mode::Enforce, true), Decision::Warn);
    }

    #[test]
    fn a_pointer_reads_as_people_write_it() {
        let at = At::field("/spec/template/spec/containers/0/env");
        assert_eq!(at.dotted(), "spec.template.spec.containers[0].env");
        assert_eq!(
            At::field("/metadata/annotations/helm.sh~1hook").dotted(),
            "metadata.annotations.helm.sh/hook"
        );
    }
}
