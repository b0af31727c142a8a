//! What the engine costs: the reader of waits, the rules, the timeline, and all of them behind the reader of
//! manifests. `cargo bench --bench engine -- reader` runs one group.

#[path = "../examples/manifests/generate.rs"]
mod generate;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hookbudget::cli::manifest::{self, Loaded, PathOrStdin};
use hookbudget::cli::objects::{Options, judge};
use hookbudget::engine::backoff::Retries;
use hookbudget::engine::job::RestartPolicy;
use hookbudget::engine::judge::judge as rules;
use hookbudget::engine::release::Surroundings;
use hookbudget::engine::rule::{Context, Told};
use hookbudget::engine::shell::{Files, read_container};
use hookbudget::engine::timeline::Scenario;
use hookbudget::engine::words::Page;
use hookbudget::engine::{Limit, Seconds};
use hookbudget::k8s::JobObject;

/// Ten manifests hold every script and kind that the generator knows.
fn manifests() -> String {
    let each = (0..10).map(|number| format!("---\n{}", generate::manifest(7, number)));
    each.collect()
}

fn load(text: &str) -> Loaded {
    manifest::load_with(&[PathOrStdin::Stdin], &mut text.as_bytes())
}

fn reader(c: &mut Criterion) {
    let loaded = load(&manifests());
    let jobs = loaded
        .documents
        .iter()
        .filter(|document| document.kind() == "Job");
    let jobs: Vec<_> = jobs
        .filter_map(|document| manifest::decode::<JobObject<'_>>(document).ok())
        .map(|object| object.into_facts().0)
        .collect();
    let mut group = c.benchmark_group("reader");
    group.bench_function("waits of seven scripts", |b| {
        b.iter(|| {
            for job in &jobs {
                for (_, _, container) in job.containers() {
                    black_box(read_container(container, Files::default()));
                }
            }
        });
    });
    let text = manifests();
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("ten manifests of 4 KB", |b| {
        b.iter_batched(|| text.clone(), |text| load(&text), BatchSize::SmallInput);
    });
    group.finish();
}

fn judgement(c: &mut Criterion) {
    let loaded = load(&manifests());
    let options = Options::default();
    let objects = judge(&loaded, &options);
    let mut group = c.benchmark_group("rules");
    group.bench_function("all rules on eight Jobs", |b| {
        b.iter(|| {
            for judged in &objects.judged {
                let context = Context {
                    job: &judged.job,
                    clocks: &judged.assessment.clocks,
                    around: Surroundings::default(),
                    policy: &options.policy,
                    exemptions: &[],
                    told: Told::Everything,
                    page: &Page::default(),
                };
                black_box(rules(&context, Vec::new()));
            }
        });
    });
    group.bench_function("ten documents judged", |b| {
        b.iter(|| judge(&loaded, &options));
    });
    group.finish();
}

fn timeline(c: &mut Criterion) {
    let mut group = c.benchmark_group("timeline");
    for (name, policy) in [
        ("OnFailure", RestartPolicy::OnFailure),
        ("Never", RestartPolicy::Never),
    ] {
        let scenario = Scenario {
            retries: Retries {
                policy,
                run: Limit::At(Seconds::new(30)),
                ..Retries::default()
            },
            ready_after: Some(Seconds::new(400)),
            deadline: Some(Seconds::new(840)),
            release: Some(Seconds::new(900)),
            ..Scenario::default()
        };
        group.bench_function(format!("play {name}"), |b| b.iter(|| black_box(scenario).play()));
        group.bench_function(format!("survives {name}"), |b| {
            b.iter(|| black_box(scenario).survives());
        });
    }
    group.finish();
}

criterion_group!(benches, reader, judgement, timeline);
criterion_main!(benches);
