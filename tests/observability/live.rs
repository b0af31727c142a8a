//! Incidents from the first failure to the last notification.

use std::thread::sleep;
use std::time::{Duration, Instant};

use hookbudget::index::{Change, Kind};
use serde_json::Value;

use super::expected::{DELETED, EXPECTED, Ended, Expected, FAILED, NOBODY, Told, better, kube_state_metrics};
use super::history::GOOD_POLICY;
use super::table::{self, Times};
use super::world::World;

/// What is long enough for anything that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);
/// The same for what an alert looks back over, which is an hour at most: a minute here.
const LONG_PATIENCE: Duration = Duration::from_secs(100);
/// What the API server says of calls of the webhook that were lost.
const LOST: &str =
    "apiserver_admission_webhook_fail_open_count{name=\"validate.hookbudget.dev\",type=\"validating\"}";
/// Ten minutes without Prometheus, at the pace of the rules.
const OUTAGE: Duration = Duration::from_secs(10);

/// Those that are told before anything is mended.
fn incidents() -> impl Iterator<Item = &'static Expected> {
    EXPECTED.iter().filter(|wanted| wanted.ended_by != Ended::Back)
}

#[test]
fn incidents_are_told_once_to_the_right_people_and_cleared() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut world = World::new(folder.path());
    world.say("Prometheus, Alertmanager, two exporters and the webhook run; the incidents have happened");
    // Prometheus takes a few seconds before its first scrape.
    until_or(&world, PATIENCE, "everything is scraped", || {
        world.prometheus.query("count(up == 1) == 7").len() == 1
    });
    world
        .webhook
        .policy("apiVersion: hookbudget.dev/v1alpha1\nkind: Policy\nnoSuchKey: 1\n");
    world.receiver.says("api", &format!("{LOST} 3\n"));
    world
        .receiver
        .says("configurations", "hookbudget_webhook_configured 0\n");
    world.cluster.tell(vec![Change::Interrupted {
        kind: Kind::HelmRelease,
        forbidden: false,
    }]);
    for wanted in incidents() {
        let what = format!("{} {:?} of {}", wanted.alert, wanted.labels, wanted.incident);
        until_or(&world, PATIENCE, &what, || match wanted.told {
            Told::To(_) => !world.told(wanted, "firing").is_empty(),
            Told::MutedBy(_) => world.is_held(wanted),
        });
    }
    world.say("every alert has reached its receiver");
    words(&world);
    muting(&world);

    world.cluster.stop();
    sleep(Duration::from_secs(2));
    world.cluster.start();
    sleep(Duration::from_secs(8));
    once(&world, "both exporters were restarted");
    world.prometheus.stop();
    sleep(OUTAGE);
    world.prometheus.resume();
    sleep(Duration::from_secs(14));
    once(
        &world,
        "Prometheus was down for ten minutes of the rules, ten seconds here",
    );
    assert_eq!(
        world.failures(),
        Vec::<Value>::new(),
        "a rule failed: {}",
        world.prometheus.log()
    );

    let (first, mended) = mend(&mut world);
    let (before, back) = downs(&mut world);
    at_the_end(&world);
    let times = Times {
        first,
        mended,
        before,
        back,
    };
    table::print(&world, &times);
}

/// Waits until something is so; with what was told in the message of a test that fails.
fn until_or(world: &World, patience: Duration, what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        world.look();
        if begun.elapsed() > patience {
            let told: Vec<_> = world
                .receiver
                .told()
                .iter()
                .flat_map(|told| {
                    let alerts = told.body["alerts"].as_array().cloned().unwrap_or_default();
                    alerts
                        .into_iter()
                        .map(|alert| format!("{} {} {}", told.receiver, alert["status"], alert["labels"]))
                })
                .collect();
            let firing = world.prometheus.query("ALERTS");
            let firing: Vec<_> = firing.iter().map(|one| one["metric"].to_string()).collect();
            panic!(
                "never: {what}\ntold:\n{}\nALERTS:\n{}",
                told.join("\n"),
                firing.join("\n")
            );
        }
        sleep(Duration::from_millis(200));
    }
}

/// What a person reads.
fn words(world: &World) {
    let shared = &world.told(&EXPECTED[0], "firing")[0];
    let alert = shared
        .alerts("firing")
        .find(|alert| EXPECTED[0].fits(alert))
        .expect("the alert");
    let description = alert["annotations"]["description"]
        .as_str()
        .expect("a description");
    for part in [
        "powerdns/powerdns-zone-bootstrap",
        "powerdns/powerdns-zone-check",
        "repair that",
    ] {
        assert!(description.contains(part), "{description}");
    }
    // That of the Job itself is muted, and whoever looks for it reads the whole chain.
    let alerts = world.alertmanager.alerts();
    let alert = alerts
        .iter()
        .find(|alert| EXPECTED[1].fits(alert))
        .expect("the alert of the Job");
    let description = alert["annotations"]["description"]
        .as_str()
        .expect("a description");
    println!("         {description}");
    let down = description
        .split("from the Job down: ")
        .nth(1)
        .and_then(|rest| rest.split(". Repair from the ground up: ").next());
    let up = description
        .split("from the ground up: ")
        .nth(1)
        .and_then(|rest| rest.split(';').next());
    let mut down: Vec<_> = down.expect("a chain").split(", ").collect();
    let up: Vec<_> = up.expect("an order of repair").split(", then ").collect();
    assert!(
        down.len() > 2 && down[0] == "Service powerdns/powerdns",
        "{description}"
    );
    down.reverse();
    assert_eq!(up, down, "{description}");
    let chat = world.receiver.chat();
    let texts: Vec<String> = chat.iter().map(|one| one["attachments"][0].to_string()).collect();
    let oom = texts
        .iter()
        .find(|text| text.contains("nightly-1"))
        .expect("the chat is told of it");
    for part in [
        "CRITICAL",
        "oom_killed",
        "docs/causes/oom_killed.md",
        "docs/runbooks/HookJobFailed.md",
        "?job=tofu/nightly-1",
    ] {
        assert!(oom.contains(part), "{part} is not in {oom}");
    }
    for text in &texts {
        assert!(!text.contains("<no value>") && !text.contains("%!"), "{text}");
    }
}

/// Who is silent because somebody else says more, as Alertmanager tells.
fn muting(world: &World) {
    for wanted in EXPECTED {
        for (alert, job) in wanted.mutes {
            let what = format!("{} mutes {alert} of {job}", wanted.alert);
            until_or(world, PATIENCE, &what, || {
                world.mutes(wanted).contains(&format!("{alert} {job}"))
            });
        }
    }
    let other = |alert: &&Value| alert["labels"]["job_name"] == "other";
    let alerts = world.alertmanager.alerts();
    let other = alerts.iter().find(other).expect("the generic alert");
    assert_eq!(
        other["status"]["state"], "active",
        "nobody diagnosed that one: {other}"
    );
    world.say(
        "generic alerts of diagnosed Jobs, dependants of one culprit and the weaker of two alerts are muted",
    );
}

/// Each incident was told of exactly once, and nothing was called off: but for those that end by themselves.
fn once(world: &World, after: &str) {
    let told = |wanted: &&Expected| {
        matches!(wanted.ended_by, Ended::By(_) | Ended::First(_)) && wanted.receiver() != Some(NOBODY)
    };
    for wanted in incidents().filter(told) {
        let (firing, resolved) = (
            world.told(wanted, "firing").len(),
            world.told(wanted, "resolved").len(),
        );
        let wanted_of = usize::from(wanted.receiver().is_some());
        assert_eq!(
            (firing, resolved),
            (wanted_of, 0),
            "{after}: {} {:?}",
            wanted.alert,
            wanted.labels
        );
    }
    world.say(&format!("{after}: still one notification for each incident"));
}

/// Everything is mended at once, but for the rules, which are mended before. Each alert is called off; when those began.
fn mend(world: &mut World) -> (Instant, Instant) {
    world.take_out_the_broken_rule();
    let first = Instant::now();
    sleep(Duration::from_secs(7));
    for job in better() {
        world.cluster.job(job);
    }
    for (namespace, name) in DELETED {
        world.cluster.delete(namespace, name);
    }
    let failed: Vec<_> = FAILED
        .into_iter()
        .filter(|job| !DELETED.contains(job) && job.1 != "unseen" && job.0 == "elsewhere")
        .collect();
    world.receiver.says("objects", &kube_state_metrics(&failed));
    world.cluster.tell(vec![
        Change::Begin(Kind::HelmRelease),
        Change::End(Kind::HelmRelease),
    ]);
    world.webhook.policy(GOOD_POLICY);
    world.certificate(400);
    world
        .receiver
        .says("configurations", "hookbudget_webhook_configured 1\n");
    let mended = Instant::now();
    world.say("everything is mended");
    for wanted in incidents().filter(|wanted| wanted.receiver().is_some()) {
        let what = format!("{} {:?} is called off", wanted.alert, wanted.labels);
        until_or(world, LONG_PATIENCE, &what, || {
            !world.told(wanted, "resolved").is_empty()
        });
    }
    world.say("every alert is called off");
    (first, mended)
}

/// Everything that scrapes find goes away, and comes back; when it was back.
fn downs(world: &mut World) -> (usize, Instant) {
    world.webhook.stop();
    world.cluster.stop();
    // While Prometheus was down they may have been missed before: its first scrape is not sped up.
    let before = world.receiver.told().len();
    let both = || EXPECTED.iter().filter(|wanted| wanted.ended_by == Ended::Back);
    let told = |world: &World, wanted: &Expected, status: &str| {
        let mut told = world.receiver.told().into_iter().skip(before);
        told.any(|told| told.alerts(status).any(|alert| wanted.fits(alert)))
    };
    for wanted in both() {
        until_or(world, PATIENCE, wanted.alert, || told(world, wanted, "firing"));
    }
    world.webhook.resume();
    world.cluster.start();
    let back = Instant::now();
    for wanted in both() {
        until_or(world, PATIENCE, wanted.alert, || told(world, wanted, "resolved"));
    }
    world.say("exporters and webhook were missed, and are back");
    (before, back)
}

/// Nothing was told twice in all this time, nothing to somebody else, and nothing of what is muted.
fn at_the_end(world: &World) {
    for wanted in incidents() {
        let firing = world.told(wanted, "firing");
        let mut receivers: Vec<_> = firing.iter().map(|told| told.receiver.as_str()).collect();
        if wanted.receiver() == Some(NOBODY) {
            receivers.dedup();
        }
        let right: Vec<_> = wanted.receiver().into_iter().collect();
        assert_eq!(receivers, right, "{} {:?}", wanted.alert, wanted.labels);
        for (alert, job) in wanted.mutes {
            let is_muted =
                |told: &Value| told["labels"]["alertname"] == *alert && told["labels"]["job_name"] == *job;
            let all = world.receiver.told();
            let slipped: Vec<_> = all
                .iter()
                .filter(|told| told.alerts("firing").any(is_muted))
                .map(|told| &told.receiver)
                .collect();
            assert!(slipped.is_empty(), "{alert} of {job} was told to {slipped:?}");
        }
    }
}
