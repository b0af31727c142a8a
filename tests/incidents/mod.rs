//! The four incidents as they happened and as they go with the product, on a real cluster: `tests/incidents/run`.

mod a;
mod b;
mod c;
mod clock;
mod d;
mod images;
mod picture;
mod poll;
mod report;
mod scene;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use scene::Incident;

/// What all plays of a run share.
struct Stage {
    watch: watch::Watch,
    poll: poll::Poll,
}

type Play = fn(&Stage) -> Incident;

const PLAYS: [(char, Play); 4] = [('A', a::play), ('B', b::play), ('C', c::play), ('D', d::play)];

/// Plays scenes of an incident at the same time.
fn side_by_side<T: Send, const N: usize>(stage: &Stage, plays: [fn(&Stage) -> T; N]) -> [T; N] {
    thread::scope(|scope| {
        plays
            .map(|play| scope.spawn(move || play(stage)))
            .map(|play| play.join().expect("the scene was played"))
    })
}

/// Plays those that `HOOKBUDGET_INCIDENTS` names, side by side, and tells of them in a table and in reports.
#[test]
#[ignore = "tests/incidents/run plays them"]
fn incidents() {
    let wanted = std::env::var("HOOKBUDGET_INCIDENTS").unwrap_or_else(|_| "A B C D".to_owned());
    images::import();
    let stage = Stage {
        watch: watch::Watch::start(),
        poll: poll::Poll::start(&crate::kit::exporter()),
    };
    let plays = PLAYS.into_iter().filter(|(letter, _)| wanted.contains(*letter));
    // One that fails says why; the others are played to their end.
    let played: Vec<(char, Option<Incident>)> = thread::scope(|scope| {
        let stage = &stage;
        let threads: Vec<_> = plays
            .map(|(letter, play)| {
                let run = move || {
                    let incident = catch_unwind(AssertUnwindSafe(|| play(stage))).ok();
                    if let Some(incident) = &incident {
                        report::write(incident);
                    }
                    incident
                };
                (letter, scope.spawn(run))
            })
            .collect();
        threads
            .into_iter()
            .map(|(letter, thread)| (letter, thread.join().ok().flatten()))
            .collect()
    });
    let failed: Vec<char> = played
        .iter()
        .filter(|(_, incident)| incident.is_none())
        .map(|(letter, _)| *letter)
        .collect();
    let incidents: Vec<Incident> = played.into_iter().filter_map(|(_, incident)| incident).collect();
    println!(
        "\n{}\nreports: {}",
        report::table(&incidents),
        report::directory().display()
    );
    assert!(failed.is_empty(), "failed: {failed:?}");
    report::index();
}
