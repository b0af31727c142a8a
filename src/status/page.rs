//! The page.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::diagram;
use super::html::Escaped;
use crate::engine::Seconds;
use crate::engine::diagnosis::{Diagnosis, JobPhase, RetryAdvice, Verdict};
use crate::engine::root_cause::RootCause;
use crate::index::{JobView, Snapshot};

/// Jobs shown per section; the rest is counted.
const SHOWN: usize = 100;

/// The page for a snapshot.
#[must_use]
pub fn page(snapshot: &Snapshot) -> String {
    let failed: Vec<_> = select(snapshot, |job| job.root_cause().is_some());
    let waiting: Vec<_> = select(snapshot, |job| {
        job.root_cause().is_none() && job.phase == JobPhase::Waiting
    });
    let suspended: Vec<_> = select(snapshot, |job| job.phase == JobPhase::Suspended);
    let succeeded: Vec<_> = select(snapshot, |job| {
        job.phase == JobPhase::Succeeded && job.spec.matters
    });
    let mut out = String::with_capacity(16 * 1024);
    out.push_str(HEAD);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<header><h1>Hook Jobs</h1><p class=\"now\">{} waiting, {} failed. As of <time>{}</time>.</p></header><main id=\"jobs\">",
        waiting.len(),
        failed.len(),
        clock(snapshot.now),
    );
    if !snapshot.kinds.iter().all(|watch| watch.synced) {
        out.push_str(
            "<p class=\"note\" role=\"status\">Still reading the cluster: what follows is not complete.</p>",
        );
    }
    if snapshot.reports.available == Some(false) {
        out.push_str(
            "<p class=\"note\" role=\"status\">Diagnoses cannot be kept: the kind JobDiagnosis or a permission is missing. They are lost when the exporter restarts.</p>",
        );
    }
    // What can still be helped stands above what is over.
    section(&mut out, "waiting", "Waiting", &waiting, |out, job| {
        waiting_job(out, job, snapshot.now);
    });
    section(&mut out, "failed", "Failed", &failed, |out, job| {
        failed_job(out, job);
    });
    section(&mut out, "suspended", "Suspended", &suspended, |out, job| {
        plain_job(out, job, snapshot.now);
    });
    section(&mut out, "succeeded", "Succeeded", &succeeded, |out, job| {
        plain_job(out, job, snapshot.now);
    });
    if failed.is_empty() && waiting.is_empty() {
        out.push_str("<p class=\"note\">No Job is waiting and none has failed.</p>");
    }
    out.push_str("</main><footer><a href=\"/api/jobs\">The same as JSON</a> <a href=\"/metrics\">Metrics</a></footer></body></html>\n");
    out
}

fn select(snapshot: &Snapshot, wanted: impl Fn(&JobView) -> bool) -> Vec<&JobView> {
    let mut jobs: Vec<_> = snapshot
        .jobs
        .iter()
        .map(|job| &**job)
        .filter(|job| wanted(job))
        .collect();
    // The newest first: that is what somebody who looks is here for.
    jobs.sort_by_key(|job| std::cmp::Reverse(job.ended.or(job.started)));
    jobs
}

fn section(
    out: &mut String,
    id: &str,
    title: &str,
    jobs: &[&JobView],
    mut each: impl FnMut(&mut String, &JobView),
) {
    if jobs.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "<section aria-labelledby=\"{id}\"><h2 id=\"{id}\">{title} <span class=\"count\">{}</span></h2>",
        jobs.len()
    );
    for job in jobs.iter().take(SHOWN) {
        each(out, job);
    }
    if jobs.len() > SHOWN {
        let _ = write!(out, "<p class=\"note\">and {} more.</p>", jobs.len() - SHOWN);
    }
    out.push_str("</section>");
}

fn title(out: &mut String, job: &JobView) {
    let _ = write!(
        out,
        "<h3><span class=\"namespace\">{}/</span>{}</h3><p class=\"facts\">",
        Escaped(&job.key.namespace),
        Escaped(&job.key.name)
    );
    let record = &job.spec.record;
    if let Some(owner) = &record.owner {
        let _ = write!(
            out,
            "<span>{} {}</span>",
            Escaped(&owner.kind),
            Escaped(&owner.name)
        );
    }
    if !record.hooks.is_empty() {
        let _ = write!(out, "<span>{}</span>", Escaped(&record.hooks.join(", ")));
    }
    let _ = write!(
        out,
        "<span>{}</span><span>{} started, {}</span>",
        record.restart_policy.as_str(),
        counted(job.attempts, "run"),
        counted(job.restarts, "restart"),
    );
    let mut codes: Vec<_> = job.spec.findings.iter().map(|(code, _)| *code).collect();
    codes.dedup();
    if !codes.is_empty() {
        out.push_str("<span>rules:");
        for code in codes {
            let _ = write!(out, " <a href=\"/explain/{code}\">{code}</a>");
        }
        out.push_str("</span>");
    }
    out.push_str("</p>");
}

fn waiting_job(out: &mut String, job: &JobView, now: Timestamp) {
    out.push_str("<article class=\"job waiting\">");
    title(out, job);
    if let Some(elapsed) = job.elapsed(now) {
        if let (Some(remaining), Some((clock, at))) = (job.remaining(now), job.gives_up) {
            let _ = write!(
                out,
                "<progress max=\"{}\" value=\"{}\" aria-label=\"time used\"></progress>\
                 <p>{} of {} used; <strong>{} left</strong> until {} at <time>{}</time>.</p>",
                (elapsed + remaining).whole().max(1),
                elapsed.whole(),
                span(elapsed),
                span(elapsed + remaining),
                span(remaining),
                clock_name(clock),
                self::clock(at),
            );
        } else {
            let _ = write!(out, "<p>Running for {}; no clock ends it.</p>", span(elapsed));
        }
    } else {
        out.push_str("<p>Not started yet.</p>");
    }
    if let Some(diagnosis) = &job.diagnosis {
        progress(out, diagnosis);
        if let Some(cause) = diagnosis.root_cause {
            let _ = write!(
                out,
                "<p class=\"verdict\"><a href=\"/explain/{0}\"><code>{0}</code></a></p>",
                cause.as_str()
            );
            summary(out, diagnosis);
            chain(out, diagnosis);
            repair(out, diagnosis);
        }
    }
    tail(out, job);
    out.push_str("</article>");
}

fn failed_job(out: &mut String, job: &JobView) {
    let Some(cause) = job.root_cause() else { return };
    let diagnosis = job.diagnosis.as_deref();
    let severity = diagnosis.map_or(cause.severity(), |d| d.severity).as_str();
    let _ = write!(out, "<article class=\"job failed {severity}\">");
    title(out, job);
    let _ = write!(
        out,
        "<p class=\"verdict\"><a href=\"/explain/{0}\"><code>{0}</code></a><span class=\"badge {severity}\">{severity}</span>",
        cause.as_str()
    );
    if let Some(diagnosis) = diagnosis {
        let _ = write!(
            out,
            "<span class=\"badge\">{}</span><span class=\"badge\">{}</span>",
            diagnosis.trigger.as_str(),
            verdict(diagnosis.verdict)
        );
        if let Some(route) = diagnosis.route {
            let _ = write!(out, "<span class=\"badge\">for {}</span>", route.as_str());
        }
    }
    if let Some(ended) = job.ended {
        let _ = write!(
            out,
            "<span class=\"when\">ended <time>{}</time></span>",
            clock(ended)
        );
    }
    out.push_str("</p>");
    if let Some(diagnosis) = diagnosis {
        summary(out, diagnosis);
        chain(out, diagnosis);
        repair(out, diagnosis);
        advice(out, diagnosis);
        lost(out, diagnosis);
    }
    tail(out, job);
    out.push_str("</article>");
}

fn plain_job(out: &mut String, job: &JobView, now: Timestamp) {
    out.push_str("<article class=\"job plain\">");
    title(out, job);
    if let Some(elapsed) = job.elapsed(now) {
        let _ = write!(out, "<p>Took {}.</p>", span(elapsed));
    }
    out.push_str("</article>");
}

fn progress(out: &mut String, diagnosis: &Diagnosis) {
    let Some(progress) = &diagnosis.progress else {
        return;
    };
    let (Some(attempt), Some(attempts)) = (progress.attempt, progress.attempts) else {
        return;
    };
    let target = progress.target.as_deref().unwrap_or("its dependency");
    let _ = write!(
        out,
        "<p>Waits for {}: try {attempt} of {attempts}.</p>",
        Escaped(target)
    );
}

fn summary(out: &mut String, diagnosis: &Diagnosis) {
    if !diagnosis.summary.is_empty() {
        let _ = write!(out, "<p class=\"summary\">{}</p>", Escaped(&diagnosis.summary));
    }
}

fn chain(out: &mut String, diagnosis: &Diagnosis) {
    if diagnosis.chain.is_empty() {
        return;
    }
    out.push_str("<h4>From the symptom to the root</h4>");
    diagram::draw(out, &diagnosis.chain);
    // One link needs no picture; of several the picture shows all but the proofs.
    let drawn = diagnosis.chain.len() > 1;
    if drawn {
        let id = format!("proof-{}-{}", diagnosis.job.namespace, diagnosis.job.name);
        let _ = write!(
            out,
            "<details id=\"{}\"><summary>As text, with the proof of each link</summary>",
            Escaped(&id)
        );
    }
    out.push_str("<ol class=\"links\">");
    for link in &diagnosis.chain {
        let _ = write!(
            out,
            "<li><strong>{}</strong> {}<br><span class=\"proof\">{}</span></li>",
            Escaped(&diagram::name(link)),
            Escaped(&link.finding),
            Escaped(&link.proof)
        );
    }
    out.push_str("</ol>");
    if drawn {
        out.push_str("</details>");
    }
}

fn repair(out: &mut String, diagnosis: &Diagnosis) {
    if diagnosis.repair_order.is_empty() {
        return;
    }
    out.push_str("<h4>Repair in this order</h4><ol class=\"repair\">");
    for step in &diagnosis.repair_order {
        let _ = write!(out, "<li>{}</li>", Escaped(step));
    }
    out.push_str("</ol>");
}

/// For what has ended: a Job that still runs is not run again.
fn advice(out: &mut String, diagnosis: &Diagnosis) {
    let advice = match diagnosis.retry_advice {
        RetryAdvice::Retry => "Running it again may work.",
        RetryAdvice::Wait => "Wait until the dependency is up before running it again.",
        RetryAdvice::DoNotRetry => "Do not run it again before this is repaired: it will fail the same way.",
    };
    let _ = write!(out, "<p>{advice}</p>");
}

fn lost(out: &mut String, diagnosis: &Diagnosis) {
    for lost in &diagnosis.evidence_lost {
        let _ = write!(
            out,
            "<p class=\"lost\">Not to be had: {}, because {}.</p>",
            Escaped(&lost.what),
            Escaped(&lost.why)
        );
    }
}

fn tail(out: &mut String, job: &JobView) {
    if job.tail.is_empty() {
        return;
    }
    let id = format!("log-{}-{}", job.key.namespace, job.key.name);
    let _ = write!(
        out,
        "<details id=\"{}\"{}><summary>End of the log</summary><pre tabindex=\"0\">",
        Escaped(&id),
        // Where no cause is known, the log is what there is to go by.
        if job.root_cause() == Some(RootCause::Unknown) {
            " open"
        } else {
            ""
        },
    );
    for line in &job.tail {
        let _ = writeln!(out, "{}", Escaped(line));
    }
    out.push_str("</pre></details>");
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Real => "real",
        Verdict::Transient => "transient: still within its cold start",
        Verdict::Cosmetic => "cosmetic",
        Verdict::Parked => "parked on purpose",
        Verdict::Unknown => "verdict unknown",
    }
}

fn clock_name(clock: crate::engine::budget::Clock) -> &'static str {
    use crate::engine::budget::Clock;
    match clock {
        Clock::Wait => "its own wait runs out",
        Clock::Retries => "<code>backoffLimit</code> is reached",
        Clock::Deadline => "<code>activeDeadlineSeconds</code> is over",
        Clock::Release => "the release gives up",
        Clock::Nothing => "nothing",
    }
}

fn counted(count: u32, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

fn span(span: Seconds) -> String {
    Seconds::new(span.whole()).to_go()
}

fn clock(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

const HEAD: &str = concat!(
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>hookbudget</title>",
    "<link rel=\"icon\" href=\"data:,\">",
    "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript><style>",
    include_str!("style.css"),
    "</style><script src=\"/live.js\" defer></script></head><body>",
);
