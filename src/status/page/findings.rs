//! What the cards of Jobs have in common.

use std::fmt::Write as _;

use super::super::diagram;
use super::super::filter::{Filter, Key, only};
use super::super::html::{Clipped, Escaped};
use super::super::words::{self, counted};
use crate::engine::diagnosis::{Diagnosis, Verdict};
use crate::engine::evidence::ObjectRef;
use crate::index::JobView;

/// Characters of a text from the cluster: an event's note has at most 1024, a termination message 4096.
const TEXT: usize = 1500;
/// Characters of a line of a log.
const LINE: usize = 500;
/// Pieces of evidence listed.
const PROOFS: usize = 40;

/// An id that names the Job and that fits into an address: anything but letters, digits and the signs of names turns
/// into an underscore.
pub(super) fn anchor(what: &str, job: &JobView) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let plain = |text: &str| {
        text.chars()
            .take(260)
            .map(|c| if fits(c) { c } else { '_' })
            .collect::<String>()
    };
    format!("{what}/{}/{}", plain(&job.key.namespace), plain(&job.key.name))
}

/// The name, which is the link to share.
pub(super) fn title(out: &mut String, job: &JobView) {
    let (namespace, name) = (&job.key.namespace, &job.key.name);
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        "<h3><a href=\"{}\"><span class=\"namespace\">{}/</span>{}</a></h3>",
        only(namespace, name).href(),
        Clipped(namespace, 80),
        Clipped(name, 260),
    );
}

/// Who owns it, what it is, how often it ran, which rules had something to say.
pub(super) fn facts(out: &mut String, job: &JobView) {
    let record = &job.spec.record;
    out.push_str("<ul class=\"facts\">");
    if let Some(ObjectRef { kind, name, .. }) = &record.owner {
        let _ = write!(out, "<li>{} {}</li>", Clipped(kind, 80), Clipped(name, 120));
    }
    if !record.hooks.is_empty() {
        let _ = write!(out, "<li>{}</li>", Clipped(&record.hooks.join(", "), 120));
    }
    let _ = write!(out, "<li>{}</li>", record.restart_policy.as_str());
    let times = |count: u32, noun| counted(usize::try_from(count).unwrap_or(usize::MAX), noun);
    if job.attempts > 0 {
        let _ = write!(out, "<li>{} started", times(job.attempts, "run"));
        if job.restarts > 0 {
            let _ = write!(out, ", {}", times(job.restarts, "restart"));
        }
        out.push_str("</li>");
    }
    let mut codes: Vec<_> = job.spec.findings.iter().map(|(code, _)| *code).collect();
    codes.sort_unstable();
    codes.dedup();
    if !codes.is_empty() {
        out.push_str("<li>Rules:");
        for code in codes {
            let _ = write!(out, " <a href=\"explain/{code}\">{code}</a>");
        }
        out.push_str("</li>");
    }
    out.push_str("</ul>");
}

/// The cause, whether anybody has to act, and who. `settled` where a later run has succeeded.
pub(super) fn verdict(out: &mut String, found: &Diagnosis, settled: bool) {
    let Some(cause) = found.root_cause else { return };
    let verdict = found.verdict;
    let acute = matches!(verdict, Verdict::Real | Verdict::Unknown);
    let (badge, words) = if acute && settled {
        ("settled", "a later run has succeeded")
    } else {
        (verdict.as_str(), words::verdict(verdict))
    };
    let _ = write!(
        out,
        "<p class=\"verdict\"><a class=\"cause\" href=\"explain/{0}\"><code>{0}</code></a>\
         <span class=\"badge {badge}\"><b>{badge}</b>: {words}</span>",
        cause.as_str(),
    );
    // What nobody has to act on is nobody's, and not urgent.
    if acute && !settled {
        let severity = found.severity.as_str();
        let _ = write!(out, "<span class=\"badge {severity}\">{severity}</span>");
        if let Some(route) = found.route {
            let link = Filter::default().with(Key::Route, route.as_str()).href();
            let _ = write!(
                out,
                "<span class=\"badge\">for <a href=\"{link}\">{}</a></span>",
                route.as_str()
            );
        }
    }
    let _ = write!(
        out,
        "<span class=\"soft\">{}</span></p>",
        words::confidence(found.confidence)
    );
}

pub(super) fn summary(out: &mut String, found: &Diagnosis) {
    if !found.summary.is_empty() {
        let _ = write!(out, "<p class=\"summary\">{}</p>", Clipped(&found.summary, TEXT));
    }
}

/// The picture from the symptom down to the root.
pub(super) fn chain(out: &mut String, job: &JobView, found: &Diagnosis, opened: bool) {
    if found.chain.is_empty() {
        return;
    }
    let links = counted(found.chain.len(), "link");
    let open = if opened { " open=\"\"" } else { "" };
    let _ = write!(
        out,
        "<details class=\"why {}\" id=\"{}\"{open}><summary>From the symptom to the root <span class=\"soft\">{links}</span></summary>",
        found.verdict.as_str(),
        anchor("chain", job),
    );
    diagram::draw(out, &found.chain, TEXT);
    out.push_str("</details>");
}

pub(super) fn repair(out: &mut String, found: &Diagnosis) {
    if found.repair_order.is_empty() {
        return;
    }
    let heading = if found.repair_order.len() > 1 {
        "Repair in this order"
    } else {
        "Repair"
    };
    let _ = write!(out, "<h4>{heading}</h4><ol class=\"repair\">");
    for step in &found.repair_order {
        let _ = write!(out, "<li>{}</li>", Clipped(step, TEXT));
    }
    out.push_str("</ol>");
}

pub(super) fn lost(out: &mut String, found: &Diagnosis) {
    for lost in &found.evidence_lost {
        let _ = write!(
            out,
            "<p class=\"lost\">Not to be had: {}, because {}.</p>",
            Clipped(&lost.what, TEXT),
            Clipped(&lost.why, TEXT)
        );
    }
}

/// What the diagnosis rests on, and what else was looked at.
pub(super) fn evidence(out: &mut String, job: &JobView, found: &Diagnosis) {
    let proofs = &found.evidence;
    if proofs.is_empty()
        && found.not.is_empty()
        && found.candidates.is_empty()
        && found.contributing.is_empty()
    {
        return;
    }
    let _ = write!(
        out,
        "<details id=\"{}\"><summary>Evidence <span class=\"soft\">{}</span></summary>",
        anchor("evidence", job),
        counted(proofs.len(), "piece"),
    );
    if !proofs.is_empty() {
        out.push_str("<ul class=\"evidence\">");
        for proof in proofs.iter().take(PROOFS) {
            let _ = write!(
                out,
                "<li><span class=\"kind\">{}</span> <span class=\"source\">{}</span>",
                Escaped(&proof.kind),
                Clipped(&proof.source, 300)
            );
            if let Some(at) = proof.at {
                let now = job.ended().unwrap_or(at);
                let _ = write!(out, " <span class=\"soft\">{}</span>", words::Time { at, now });
            }
            let _ = write!(out, "<q>{}</q></li>", Clipped(&proof.text, TEXT));
        }
        out.push_str("</ul>");
        if proofs.len() > PROOFS {
            let _ = write!(out, "<p class=\"more\">{} more.</p>", proofs.len() - PROOFS);
        }
    }
    let causes = [
        ("It may have been", &found.candidates),
        ("Also proven", &found.contributing),
    ];
    for (what, causes) in causes {
        if !causes.is_empty() {
            let _ = write!(out, "<p>{what}:");
            for cause in causes {
                let _ = write!(
                    out,
                    " <a href=\"explain/{0}\"><code>{0}</code></a>",
                    cause.as_str()
                );
            }
            out.push_str("</p>");
        }
    }
    if !found.not.is_empty() {
        out.push_str("<p>Ruled out:</p><ul class=\"evidence\">");
        for ruled in found.not.iter().take(PROOFS) {
            let _ = write!(
                out,
                "<li><a href=\"explain/{0}\"><code>{0}</code></a> {1}</li>",
                ruled.cause.as_str(),
                Clipped(&ruled.why, TEXT)
            );
        }
        out.push_str("</ul>");
    }
    out.push_str("</details>");
}

/// The end of the last run's log, redacted when it was read.
pub(super) fn tail(out: &mut String, job: &JobView, opened: bool) {
    if job.tail().is_empty() {
        return;
    }
    let open = if opened { " open=\"\"" } else { "" };
    let _ = write!(
        out,
        "<details id=\"{}\"{open}><summary>End of the log <span class=\"soft\">{}</span></summary>\
         <pre tabindex=\"0\" aria-label=\"End of the log\">",
        anchor("log", job),
        counted(job.tail().len(), "line"),
    );
    for line in job.tail() {
        let _ = writeln!(out, "{}", Clipped(line, LINE));
    }
    out.push_str("</pre></details>");
}
