//! HB603.

use crate::engine::annotations::{EXEMPT_ALL, EXEMPT_ONE, EXEMPT_UNTIL, PREFIX, of, pointer, wrong};
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::rule::{Context, rule};

rule! {
    /// An annotation of hookbudget cannot be read, or has a name that nobody knows: it does nothing.
    ///
    /// ## What it does
    ///
    /// Reports annotations `hookbudget.dev/..` on the object or its Pod template whose name is unknown, with the
    /// nearest known name, and those whose value cannot be read. Exemptions are judged by HB602.
    ///
    /// | annotation | value |
    /// |---|---|
    /// | `cold-start`, `release-timeout`, `wait`, `wait-interval`, `probe-timeout` | a Go duration above zero: `10m` |
    /// | `wait-for` | `http://HOST/PATH`, `tcp://HOST:PORT` or `dns://NAME`, separated by commas |
    /// | `env` | `NAME=wait-timeout,NAME=wait-attempts` |
    /// | `rewrite` | `none`, `safe` or `all` |
    /// | `parked`, `exempt`, `exempt.<rule>` | a reason for people |
    /// | `exempt-until` | a date or a time of RFC 3339 |
    ///
    /// ## Why is this bad?
    ///
    /// `hookbudget.dev/coldstart: 20m` looks like a promise and is none: the Job is judged and rewritten as if the
    /// annotation were not there, and nobody sees the difference until the next cold start.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     hookbudget.dev/cold-start: 20m
    /// ```
    ///
    /// ## When to ignore
    ///
    /// Never: remove what is not meant for hookbudget.
    "HB603" "annotation-invalid" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    // HB602 speaks of exemptions.
    let exempts = |key: &str| key.starts_with(EXEMPT_ONE) || key == EXEMPT_ALL || key == EXEMPT_UNTIL;
    found.extend(
        of(cx.job)
            .filter(|(_, key, _)| !exempts(key))
            .filter_map(|(map, key, value)| {
                let found = wrong(key.strip_prefix(PREFIX)?, value)?;
                Some(Finding {
                    at: cx.at(|| At::field(pointer(map, key))),
                    brief: cx.brief(|_| format!("{key} {}", found.what)),
                    message: cx.message(|_| format!("{key} {}: it does nothing", found.what)),
                    help: cx.help(|_| found.write),
                    ..RULE.finding(Severity::Warning, Confidence::Certain)
                })
            }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, found};

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        for (key, value, fires) in [
            ("hookbudget.dev/cold-start", "20m", false),
            ("hookbudget.dev/cold-start", "20 min", true),
            ("hookbudget.dev/coldstart", "20m", true),
            ("hookbudget.dev/wait", "0s", true),
            ("hookbudget.dev/rewrite", "everything", true),
            ("hookbudget.dev/rewritten", "[]", false),
            ("hookbudget.dev/exempt.HB999", "so", false),
            ("hookbudget.dev/exempt-until", "soon", false),
            ("example.org/coldstart", "20m", false),
        ] {
            let mut job = HOOK.job();
            job.annotations.push((key.into(), value.into()));
            let findings = found(&job, "HB603");
            assert_eq!(!findings.is_empty(), fires, "{key}: {value}");
            for finding in findings {
                assert_eq!(finding.at.dotted(), format!("metadata.annotations.{key}"));
            }
        }
    }

    #[test]
    fn the_template_counts_too_and_the_object_wins() {
        let mut job = HOOK.job();
        job.template_annotations
            .push(("hookbudget.dev/wait".into(), "soon".into()));
        let pointer = "/spec/template/metadata/annotations/hookbudget.dev~1wait";
        assert_eq!(found(&job, "HB603")[0].at, At::field(pointer));
        job.annotations.push(("hookbudget.dev/wait".into(), "5m".into()));
        assert!(found(&job, "HB603").is_empty());
    }
}
