//! How a wait adds up, for a message.

use super::reading::Probe;
use crate::engine::{Limit, Seconds, Span};

/// What is known of a loop that waits.
pub(super) struct Loop<'a> {
    pub span: Span,
    /// The clock that bounds it, and its longest round: alone, and with hanging probes.
    pub clock: Option<(Seconds, (Seconds, Seconds))>,
    /// An enclosing `timeout` ended it.
    pub killed: bool,
    pub pauses: &'a [(Seconds, u64)],
    pub probe: Option<&'a Probe>,
    pub probe_limit: Option<Seconds>,
    /// How many probes there are in all.
    pub probes: u64,
    /// What the probes add in the worst case.
    pub surplus: Seconds,
}

/// `168 x 5 s = 840 s, at worst 168 x (5 s + 3 s) = 1344 s`
pub(super) fn of_loop(wait: &Loop<'_>) -> String {
    let Some(nominal) = wait.span.nominal.seconds() else {
        return match wait.pauses {
            [(pause, _)] => format!("pauses of {pause} without end"),
            _ => "without end".to_owned(),
        };
    };
    if wait.killed {
        return format!("timeout {nominal}");
    }
    if let Some((clock, (own, worst))) = wait.clock {
        let text = format!("clock of {clock}");
        return match wait.span.worst {
            Limit::Never => format!("{text}, at worst without end{}", limitless(wait.probe)),
            Limit::At(total) if total == nominal => text,
            Limit::At(total) => {
                // A clock that is compared with `-gt` runs on for another second.
                let terms = [clock, total - clock - worst, own, worst - own];
                let terms = terms.iter().filter(|term| **term > Seconds::ZERO);
                let terms = terms.map(ToString::to_string).collect::<Vec<_>>();
                format!("{text}, at worst {} = {total}", terms.join(" + "))
            }
        };
    }
    let text = sum(wait.pauses, nominal);
    match (wait.span.worst, wait.pauses, wait.probe_limit) {
        (Limit::Never, ..) => format!("{text}, at worst without end{}", limitless(wait.probe)),
        (Limit::At(total), ..) if total == nominal => text,
        (Limit::At(total), [(pause, count)], Some(limit)) if wait.surplus == limit.times(*count) => {
            format!("{text}, at worst {count} x ({pause} + {limit}) = {total}")
        }
        (Limit::At(total), [(pause, count)], Some(limit)) if wait.surplus == limit.times(wait.probes) => {
            format!(
                "{text}, at worst {count} x {pause} + {} x {limit} = {total}",
                wait.probes
            )
        }
        (Limit::At(total), ..) => format!("{text}, at worst {nominal} + {} = {total}", wait.surplus),
    }
}

fn limitless(probe: Option<&Probe>) -> String {
    match probe {
        Some(probe) if probe.limit == Limit::Never => format!(": {} has no time limit", probe.tool),
        _ => String::new(),
    }
}

/// `60 x 5 s = 300 s`, `1 s + 2 s + 4 s = 7 s`.
fn sum(pauses: &[(Seconds, u64)], total: Seconds) -> String {
    let terms = |pauses: &[(Seconds, u64)]| {
        let terms = pauses.iter().map(|(pause, count)| {
            if *count == 1 {
                pause.to_string()
            } else {
                format!("{count} x {pause}")
            }
        });
        terms.collect::<Vec<_>>().join(" + ")
    };
    let counted: Seconds = pauses.iter().map(|(pause, count)| pause.times(*count)).sum();
    match pauses {
        _ if counted != total => format!("{total} in all"),
        [] => total.to_string(),
        [(pause, 1)] if *pause == total => format!("1 x {pause}"),
        _ if pauses.len() <= 5 => format!("{} = {total}", terms(pauses)),
        _ => {
            let first = pauses.get(..3).unwrap_or_default();
            format!("{} + ... = {total}", terms(first))
        }
    }
}
