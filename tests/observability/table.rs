//! What was seen, for a person: every cell is what Alertmanager, the receiver and the clock said.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::expected::{EXPECTED, Ended, Expected, NOBODY, Told};
use super::receiver::Notification;
use super::world::World;

/// When what was mended.
pub(crate) struct Times {
    /// The rules.
    pub(crate) first: Instant,
    /// All that is broken in the cluster.
    pub(crate) mended: Instant,
    /// Notifications that had been sent when exporters and webhook went away, and when they were back.
    pub(crate) before: usize,
    pub(crate) back: Instant,
}

/// Prints a row for each incident.
pub(crate) fn print(world: &World, times: &Times) {
    println!(
        "\n| incident | alert | labels | receiver | told | mutes | cleared when | resolved after |\n\
         |---|---|---|---|---|---|---|---|"
    );
    for wanted in EXPECTED {
        let seen = Seen::of(world, wanted, times);
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            wanted.incident,
            wanted.alert,
            seen.labels,
            seen.receiver,
            seen.told,
            seen.mutes,
            seen.cleared,
            seen.after
        );
    }
    let told = world.receiver.told();
    let told = told.iter().filter(|told| told.receiver != NOBODY).count();
    println!(
        "\n{told} notifications in {:.0} s. A minute of the rules is a second here: what is said in minutes was measured in \
         seconds.",
        world.seconds()
    );
}

struct Seen {
    labels: String,
    receiver: String,
    told: usize,
    mutes: String,
    cleared: &'static str,
    after: String,
}

impl Seen {
    fn of(world: &World, wanted: &Expected, times: &Times) -> Self {
        let skip = if wanted.ended_by == Ended::Back {
            times.before
        } else {
            0
        };
        let all: Vec<Notification> = world.receiver.told().into_iter().skip(skip).collect();
        let with = |status: &'static str| {
            let so = all
                .iter()
                .filter(move |told| told.alerts(status).any(|alert| wanted.fits(alert)));
            so.collect::<Vec<_>>()
        };
        let (firing, resolved) = (with("firing"), with("resolved"));
        let labels = firing
            .first()
            .and_then(|told| told.alerts("firing").find(|alert| wanted.fits(alert)))
            .map(|alert| alert["labels"].clone())
            .or_else(|| world.labels_of(wanted));
        let (receivers, told) = receivers(firing.iter().map(|told| told.receiver.as_str()));
        let receiver = match wanted.told {
            Told::MutedBy(other) => format!("none: muted by {other}"),
            Told::To(_) => receivers,
        };
        let (cleared, from) = match wanted.ended_by {
            Ended::By(what) => (what, Some(times.mended)),
            Ended::First(what) => (what, Some(times.first)),
            Ended::Itself(what) => (what, firing.first().map(|told| told.at)),
            Ended::Back => ("it is scraped again", Some(times.back)),
        };
        let after = from
            .and_then(|from| {
                resolved
                    .iter()
                    .find_map(|told| told.at.checked_duration_since(from))
            })
            .map(minutes);
        Self {
            labels: words(labels.as_ref()),
            receiver,
            told,
            mutes: world.mutes(wanted).into_iter().collect::<Vec<_>>().join(", "),
            cleared,
            after: after.unwrap_or_else(|| "nobody was told".to_owned()),
        }
    }
}

/// Who was told, each once, and how often: what `nobody` is sent tells nobody.
fn receivers<'n>(of_each: impl Iterator<Item = &'n str>) -> (String, usize) {
    let all: Vec<_> = of_each.collect();
    let names: BTreeSet<_> = all.iter().copied().collect();
    let told = all.iter().filter(|name| **name != NOBODY).count();
    (names.into_iter().collect::<Vec<_>>().join(", "), told)
}

#[test]
fn each_receiver_is_named_once_and_nobody_was_not_told() {
    let of = |names: &[&str]| receivers(names.iter().copied());
    assert_eq!(of(&[NOBODY, NOBODY]), ("nobody".to_owned(), 0));
    assert_eq!(of(&["app", "platform", "app"]), ("app, platform".to_owned(), 3));
}

/// Seconds of the test as minutes of the rules.
fn minutes(span: Duration) -> String {
    format!("{:.0} min", span.as_secs_f64())
}

/// All labels but the alert's name.
fn words(labels: Option<&Value>) -> String {
    let labels = labels.and_then(Value::as_object);
    let pairs = labels.into_iter().flatten();
    let pairs = pairs
        .filter(|(name, _)| *name != "alertname")
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    pairs.collect::<Vec<_>>().join(", ")
}
