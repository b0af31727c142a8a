//! The annotations that a Job or `CronJob` may carry: one table for the rules, the documentation and whoever
//! has to read one.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Seconds;
use super::job::{Job, JobKind, lookup};
use super::nearest::nearest;
use super::policy::RewriteLevel;
use super::rewrite::Quantity;
use super::wait_target;

/// What every name of ours begins with.
pub const PREFIX: &str = "hookbudget.dev/";
/// An exemption from one rule: the rule's code or name follows.
pub const EXEMPT_ONE: &str = "hookbudget.dev/exempt.";
/// An exemption from every rule.
pub const EXEMPT_ALL: &str = "hookbudget.dev/exempt";
/// How long the exemptions of an object hold.
pub const EXEMPT_UNTIL: &str = "hookbudget.dev/exempt-until";
/// Why an object is stopped on purpose.
pub const PARKED: &str = "hookbudget.dev/parked";
/// How long the image waits inside.
pub const WAIT: &str = "hookbudget.dev/wait";

/// How the value of an annotation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A Go duration above zero: `10m`.
    Duration,
    /// Targets to wait for, separated by commas.
    Targets,
    /// `NAME=wait-timeout,NAME=wait-attempts`.
    Variables,
    /// none, safe or all.
    Rewrite,
    /// A reason for people.
    Reason,
    /// A date or a time of RFC 3339.
    Until,
    /// Written by the webhook.
    Record,
}

/// An annotation of a Job or `CronJob`.
#[derive(Clone, Copy, Debug)]
pub struct Annotation {
    /// What follows [`PREFIX`].
    pub name: &'static str,
    /// How its value reads.
    pub form: Form,
    /// What it says.
    pub meaning: &'static str,
}

const fn entry(name: &'static str, form: Form, meaning: &'static str) -> Annotation {
    Annotation { name, form, meaning }
}

/// Every annotation that a Job or `CronJob` may carry, beside `exempt.<rule>`; sorted.
pub const KNOWN: &[Annotation] = &[
    entry(
        "cold-start",
        Form::Duration,
        "how long the dependency may take to come up",
    ),
    entry(
        "env",
        Form::Variables,
        "names under which the container reads the injected numbers",
    ),
    entry("exempt", Form::Reason, "why no rule is to judge this object"),
    entry(
        "exempt-until",
        Form::Until,
        "the last day of the object's exemptions",
    ),
    entry("parked", Form::Reason, "why the object is stopped on purpose"),
    entry(
        "probe-timeout",
        Form::Duration,
        "the limit of one probe of the injected wait",
    ),
    entry(
        "release-timeout",
        Form::Duration,
        "the timeout of the release that waits for this Job",
    ),
    entry("rewrite", Form::Rewrite, "what the webhook may rewrite"),
    entry("rewritten", Form::Record, "what the webhook has rewritten"),
    entry(
        "wait",
        Form::Duration,
        "how long the image waits inside, where no script shows it",
    ),
    entry(
        "wait-for",
        Form::Targets,
        "what an added init container waits for",
    ),
    entry(
        "wait-interval",
        Form::Duration,
        "the pause between two probes of the injected wait",
    ),
];

/// Names that mean something on other objects alone, and where.
const ELSEWHERE: &[(&str, &str)] = &[("mode", "a label of a Namespace")];

/// What is wrong with an annotation, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong, as it goes on behind the annotation's name.
    pub what: String,
    /// What to write.
    pub write: String,
}

/// What is wrong with an annotation of ours; nothing for one that can be read. `name` is what follows
/// [`PREFIX`]. Exemptions from one rule are judged elsewhere ([`super::exemption`]).
#[must_use]
pub fn wrong(name: &str, value: &str) -> Option<Wrong> {
    if let Some((_, place)) = ELSEWHERE.iter().find(|(known, _)| *known == name) {
        return Some(Wrong {
            what: format!("is {place} and says nothing here"),
            write: format!("the annotation away from here, and the name as {place}"),
        });
    }
    if let Some(known) = KNOWN.iter().find(|known| known.name == name) {
        return known.form.wrong(value);
    }
    Some(match nearest(name, KNOWN.iter().map(|known| known.name)) {
        Some(meant) => Wrong {
            what: format!("is not known; the nearest known name is {PREFIX}{meant}"),
            write: format!("{PREFIX}{meant}: {value:?}"),
        },
        None => Wrong {
            what: "is not known".to_owned(),
            write: format!("one of {}", names()),
        },
    })
}

fn names() -> String {
    let names: Vec<&str> = KNOWN
        .iter()
        .filter(|known| known.form != Form::Record)
        .map(|known| known.name)
        .collect();
    names.join(", ")
}

impl Form {
    fn wrong(self, value: &str) -> Option<Wrong> {
        let wrong = |what: String, write: &str| {
            Some(Wrong {
                what,
                write: write.to_owned(),
            })
        };
        match self {
            Self::Duration => match Seconds::parse_go(value) {
                Ok(span) if span > Seconds::ZERO => None,
                Ok(_) => wrong(format!("is {value:?}, no span above zero"), "a span such as 10m"),
                Err(_) => wrong(
                    format!("is {value:?}, no Go duration"),
                    "a span such as 90s, 10m or 1h30m",
                ),
            },
            Self::Rewrite if RewriteLevel::parse(value).is_none() => {
                wrong(format!("is {value:?}, no level"), "none, safe or all")
            }
            Self::Reason if value.trim().is_empty() => {
                wrong("has no reason".to_owned(), "the reason, in a few words")
            }
            Self::Until if until(value).is_none() => wrong(
                format!("is {value:?}, no date of RFC 3339"),
                "a day such as 2030-12-31, or a time such as 2030-12-31T18:00:00Z",
            ),
            Self::Targets => {
                let why =
                    wait_target::listed(value).find_map(|target| wait_target::Target::parse(target).err())?;
                wrong(
                    format!("has what nobody can wait for: {why}"),
                    "http://HOST/PATH, tcp://HOST:PORT, dns://NAME or another target of hookbudget-wait, \
                     separated by commas",
                )
            }
            Self::Variables => {
                let entry = value
                    .split(',')
                    .map(str::trim)
                    .find(|entry| !is_variable(entry))?;
                let words: Vec<&str> = Quantity::ALL.iter().map(|quantity| quantity.word()).collect();
                wrong(
                    format!("has {entry:?}, which names no number"),
                    &format!("NAME= and one of {}", words.join(", ")),
                )
            }
            _ => None,
        }
    }
}

fn is_variable(entry: &str) -> bool {
    let named =
        |(name, word): (&str, &str)| !name.trim().is_empty() && Quantity::parse(word.trim()).is_some();
    entry.is_empty() || entry.split_once('=').is_some_and(named)
}

/// The first moment at which `exempt-until` is over: the end of its day in UTC, or its very time.
#[must_use]
pub fn until(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    // A time without an offset is none of RFC 3339, though a date can be read out of it.
    let date: Date = text.parse().ok().filter(|_| text.len() == "2030-12-31".len())?;
    let end = date.tomorrow().and_then(|next| next.to_zoned(TimeZone::UTC));
    // The last days of the year 9999 have no next one.
    Some(end.map_or(Timestamp::MAX, |end| end.timestamp()))
}

/// The annotations of ours that a Job carries, each once, as the JSON pointer of the map that it stands in, its
/// key and its value. The object's own win over the Pod template's.
pub fn of<'j>(job: &'j Job<'_>) -> impl Iterator<Item = (&'static str, &'j str, &'j str)> {
    let template = match job.kind {
        JobKind::Job => "/spec/template/metadata/annotations",
        JobKind::CronJob => "/spec/jobTemplate/spec/template/metadata/annotations",
    };
    let own = job
        .annotations
        .iter()
        .map(|(key, value)| ("/metadata/annotations", key.as_ref(), value.as_ref()));
    let inner = job
        .template_annotations
        .iter()
        .filter(|(key, _)| lookup(&job.annotations, key).is_none())
        .map(move |(key, value)| (template, key.as_ref(), value.as_ref()));
    own.chain(inner).filter(|(_, key, _)| key.starts_with(PREFIX))
}

/// JSON pointer of an annotation.
#[must_use]
pub fn pointer(map: &str, key: &str) -> String {
    format!("{map}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(KNOWN.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn what_can_be_read_is_not_wrong() {
        for (name, good, bad) in [
            ("cold-start", "10m", "10 minutes"),
            ("wait", "1h30m", "0s"),
            ("release-timeout", "900s", "900"),
            ("wait-interval", "0.5s", "-1s"),
            ("rewrite", "all", "All"),
            ("parked", "until the move", " "),
            ("exempt", "known", ""),
            ("exempt-until", "2030-12-31", "31.12.2030"),
            ("wait-for", "tcp://db:5432, http://api/ready", "db:5432"),
            ("env", "ITERATIONS=wait-attempts", "ITERATIONS=attempts"),
        ] {
            assert_eq!(wrong(name, good), None, "{name} {good}");
            let found = wrong(name, bad).unwrap_or_else(|| panic!("{name} {bad}"));
            assert!(!found.write.is_empty(), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_one() {
        let write = |name| wrong(name, "10m").expect("unknown").write;
        assert_eq!(write("coldstart"), "hookbudget.dev/cold-start: \"10m\"");
        assert_eq!(write("waitfor"), "hookbudget.dev/wait-for: \"10m\"");
        assert!(write("colour").contains("cold-start, env"));
        assert!(
            wrong("mode", "enforce")
                .expect("a label")
                .what
                .contains("Namespace")
        );
    }

    #[test]
    fn a_day_ends_at_midnight_in_utc_and_a_time_is_exact() {
        let at = |text| until(text).map(|time| time.to_string());
        assert_eq!(at("2030-12-31").as_deref(), Some("2031-01-01T00:00:00Z"));
        assert_eq!(
            at("2030-12-31T18:00:00+02:00").as_deref(),
            Some("2030-12-31T16:00:00Z")
        );
        assert_eq!(at("2030-12-31T18:00:00"), None);
        assert_eq!(at("2030-13-01"), None);
        assert_eq!(at("soon"), None);
        assert_eq!(until("9999-12-31"), Some(Timestamp::MAX));
    }
}
