//! How often a `CronJob` fires.

use croner::parser::{CronParser, Seconds as SecondsField, Year};
use jiff::civil::{DateTime, date};

use super::Seconds;

/// Where the search for two firings begins: a leap year follows, so that every date comes up.
const EPOCH: DateTime = date(2027, 1, 1).at(0, 0, 0, 0);
/// Firings that are looked at. Minutes repeat in each hour and hours on each day, so that a whole day of a
/// schedule that fires every five minutes holds every gap there is; what fires more often shows its gap at once.
const FIRINGS: usize = 400;
/// Years that are looked at: 29 February comes up in them twice.
const YEARS: i16 = 8;
/// A schedule that people write is far shorter.
const LONGEST: usize = 256;

/// The shortest time between two firings of a schedule, without regard to time zones: a change of the clock
/// shortens one gap in a year. `None` for what is no schedule, or fires once at the most.
///
/// The grammar is that of robfig/cron v3 (`ParseStandard`), which the `CronJob` controller uses: five fields,
/// `@daily` and the like, and `@every 1h30m`.
#[must_use]
pub fn shortest_period(schedule: &str) -> Option<Seconds> {
    let schedule = schedule.trim();
    if schedule.len() > LONGEST {
        return None;
    }
    if let Some(every) = schedule.strip_prefix("@every ") {
        // robfig/cron rounds to whole seconds, one at the least.
        let every = Seconds::parse_go(every.trim()).ok()?;
        return Some(Seconds::new(every.whole().max(1)));
    }
    // As robfig/cron has them; croner does not know all.
    let schedule = match schedule {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        other => other,
    };
    let parser = CronParser::builder()
        .seconds(SecondsField::Disallowed)
        .year(Year::Disallowed)
        .sloppy_ranges(true)
        .build();
    let cron = parser.parse(schedule).ok()?;
    let least = least_gap(schedule);
    let end = EPOCH.year() + YEARS;
    let mut shortest: Option<Seconds> = None;
    let mut last: Option<DateTime> = None;
    let firings = cron.iter_from(EPOCH, croner::Direction::Forward);
    for at in firings.take(FIRINGS).take_while(|at| at.year() < end) {
        if let Some(last) = last {
            let gap = Seconds::new(at.duration_since(last).as_secs());
            shortest = Some(shortest.map_or(gap, |shortest| shortest.min(gap)));
        }
        if shortest.is_some_and(|gap| gap <= least) {
            break;
        }
        last = Some(at);
    }
    shortest
}

/// No two firings are nearer to each other: a schedule of one minute fires once an hour at the most, one of one
/// hour besides once a day.
fn least_gap(schedule: &str) -> Seconds {
    let mut fields = schedule.split_whitespace();
    let mut single = || {
        fields
            .next()
            .is_some_and(|field| field.bytes().all(|byte| byte.is_ascii_digit()))
    };
    Seconds::new(match (single(), single()) {
        (true, true) => 86_400,
        (true, false) => 3_600,
        (false, _) => 60,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_gap_counts() {
        const DAY: i64 = 86_400;
        for (schedule, gap) in [
            ("* * * * *", Some(60)),
            ("*/5 * * * *", Some(300)),
            ("2/5 * * * *", Some(300)),
            ("0,10,30 * * * *", Some(600)),
            ("7 * * * *", Some(3600)),
            ("0 9-17 * * MON-FRI", Some(3600)),
            ("0 22,23,4 * * *", Some(3600)),
            ("50 23 * * *", Some(DAY)),
            ("0 0 * * 1,3", Some(2 * DAY)),
            ("0 0 1 * *", Some(28 * DAY)),
            ("0 0 1 */3 *", Some(90 * DAY)),
            ("0 0 29 2 *", Some(1461 * DAY)),
            ("0 0 ? * *", Some(DAY)),
            ("@hourly", Some(3600)),
            ("@daily", Some(DAY)),
            ("@midnight", Some(DAY)),
            ("@weekly", Some(7 * DAY)),
            ("@monthly", Some(28 * DAY)),
            ("@yearly", Some(365 * DAY)),
            ("@annually", Some(365 * DAY)),
            ("@every 1h30m", Some(5400)),
            ("@every 100ms", Some(1)),
            ("@reboot", None),
            ("0 0 31 2 *", None),
            ("61 * * * *", None),
            ("* * * * * *", None),
            ("", None),
            ("{{ .Values.schedule }}", None),
        ] {
            let found = shortest_period(schedule).map(Seconds::whole);
            assert_eq!(found, gap, "{schedule}");
        }
    }

    #[test]
    fn garbage_costs_no_time_and_no_panic() {
        for text in [
            "@every x",
            "@every -1h",
            "ÄÖÜ * * * *",
            "*/0 * * * *",
            "0-99999999999 * * * *",
            "L W # *",
        ] {
            let _ = shortest_period(text);
        }
        assert_eq!(shortest_period(&"*,".repeat(10_000)), None);
    }
}
