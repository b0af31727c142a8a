//! `airflow db check` and `airflow db check-migrations`.

use super::super::duration::seconds;
use super::super::value::Value;
use super::options::Options;
use super::{Call, Waiting};
use crate::engine::{Limit, Seconds, Span};

/// `--retry-delay` of `db check`: 1 s (apache/airflow `cli_config.py`, `ARG_DB_RETRY_DELAY`).
const RETRY_DELAY: Seconds = Seconds::new(1);

/// `--migration-wait-timeout`: 60 s (apache/airflow `cli_config.py`, `ARG_MIGRATION_TIMEOUT`; 0 in 2.0 and 2.1).
const MIGRATIONS: Seconds = Seconds::new(60);

pub(super) fn read(arguments: &[Value]) -> Option<Call> {
    let long = ["retry", "retry-delay", "migration-wait-timeout"];
    let options = Options::parse(arguments, "t", &long, false);
    let mut words = options.operands.iter().map(|word| word.text.as_str());
    match (words.next(), words.next()) {
        (Some("db"), Some("check")) => Some(check(&options)),
        (Some("db"), Some("check-migrations")) => Some(migrations(&options)),
        _ => None,
    }
}

/// One try, and one more after each pause (`--retry`: 0).
fn check(options: &Options<'_>) -> Call {
    let call = Call::of("airflow", None);
    let Some(retries) = options.value(&["retry"]) else {
        return call;
    };
    let delay = match options.value(&["retry-delay"]) {
        None => Some(RETRY_DELAY),
        Some(value) => value.get().and_then(seconds),
    };
    let count = retries.get().and_then(|text| text.parse::<u64>().ok());
    let (Some(count), Some(delay)) = (count, delay) else {
        return Call {
            hidden: Some("how often `airflow db check` tries is not shown".to_owned()),
            ..call
        };
    };
    let nominal = delay.times(count);
    Call {
        nominal,
        waits: Some(Waiting {
            name: "airflow db check".into(),
            // The driver of the database has its own limit for a connection, which nobody shows.
            span: Span::between(nominal, Limit::Never),
            attempts: Some(count + 1),
            interval: Some(delay),
            arithmetic: format!("airflow db check: {count} x {delay} = {nominal}"),
            assumed: retries.assumed,
        }),
        ..call
    }
}

/// Looks once a second, so often as the limit has seconds.
fn migrations(options: &Options<'_>) -> Call {
    let call = Call::of("airflow", None);
    match options.value(&["t", "migration-wait-timeout"]) {
        None => call.waiting(
            "airflow db check-migrations",
            Limit::At(MIGRATIONS),
            format!("airflow db check-migrations, by default {MIGRATIONS}"),
            true,
        ),
        Some(value) => match value.get().and_then(seconds) {
            Some(limit) => call.waiting(
                "airflow db check-migrations",
                Limit::At(limit),
                format!(
                    "airflow db check-migrations --migration-wait-timeout {}",
                    value.text
                ),
                value.assumed,
            ),
            None => call.limited("--migration-wait-timeout", Some(value), seconds),
        },
    }
}
