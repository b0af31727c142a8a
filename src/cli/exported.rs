//! Which series the exporter publishes: arguments as kube-state-metrics has them.

use clap::Args;
use regex::Regex;

use crate::index::JobLabels;
use crate::metrics::{Selection, pattern, unmatched};

/// Arguments about the series.
#[derive(Debug, Default, Args)]
pub(super) struct ExportedArgs {
    /// Families to publish, and no others: names or regular expressions for the whole name.
    #[arg(long = "metric-allowlist", value_name = "REGEX,..", value_delimiter = ',', value_parser = pattern, conflicts_with = "denied")]
    allowed: Vec<Regex>,
    /// Families not to publish: names or regular expressions for the whole name.
    #[arg(long = "metric-denylist", value_name = "REGEX,..", value_delimiter = ',', value_parser = pattern)]
    denied: Vec<Regex>,
    /// Labels of Jobs to copy into `hookbudget_job_labels`; none of them without it.
    #[arg(long = "metric-labels-allowlist", value_name = "jobs=[KEY,..]", value_parser = JobLabels::parse)]
    labels: Option<JobLabels>,
}

impl ExportedArgs {
    /// The labels of Jobs that are copied.
    pub(super) fn job_labels(&self) -> JobLabels {
        self.labels.clone().unwrap_or_default()
    }

    /// The families that are published. Whoever leaves out what an alert needs is told so, and so is who leaves out
    /// what there is not.
    ///
    /// # Errors
    /// If nothing is left.
    pub(super) fn selection(&self) -> anyhow::Result<Selection> {
        let (flag, selection) = if self.allowed.is_empty() {
            ("--metric-denylist", Selection::without(&self.denied))
        } else {
            ("--metric-allowlist", Selection::only(&self.allowed))
        };
        for (pattern, meant) in unmatched(self.allowed.iter().chain(&self.denied)) {
            if let Some(meant) = meant {
                tracing::warn!(flag, pattern, "no family has this name; {meant} has one like it");
            } else {
                tracing::warn!(flag, pattern, "no family has this name");
            }
        }
        anyhow::ensure!(
            !selection.families().is_empty(),
            "{flag} leaves no family to publish: docs/metrics.md lists them"
        );
        for missed in selection.missed() {
            let (alert, families) = (missed.alert, missed.families.join(", "));
            let what = if missed.silent { "be silent" } else { "know less" };
            tracing::warn!(alert, families, "alert {alert} will {what}");
        }
        if !self.job_labels().is_empty() && !selection.has("hookbudget_job_labels") {
            tracing::warn!(
                flag,
                "--metric-labels-allowlist is of no use: hookbudget_job_labels is left out"
            );
        }
        Ok(selection)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        exported: ExportedArgs,
    }

    fn parsed(arguments: &[&str]) -> Result<ExportedArgs, String> {
        let arguments = ["hookbudget"].iter().chain(arguments);
        let parsed = Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
        Ok(parsed.exported)
    }

    #[test]
    fn lists_are_read_and_nothing_is_left_out_without_them() {
        let all = parsed(&[]).expect("no arguments").selection().expect("families");
        let some = parsed(&["--metric-denylist=hookbudget_job_findings,process_.*"]).expect("a list");
        let some = some.selection().expect("families");
        assert!(all.has("process_open_fds") && all.has("hookbudget_job_findings"));
        assert!(!some.has("process_open_fds") && !some.has("hookbudget_job_findings"));
        let one = parsed(&["--metric-allowlist=hookbudget_job_info"]).expect("a list");
        assert_eq!(one.selection().expect("a family").families().len(), 1);
        let labels = parsed(&["--metric-labels-allowlist=jobs=[team,tier]"]).expect("a list");
        assert!(!labels.job_labels().is_empty());
    }

    #[test]
    fn what_cannot_be_says_what_to_write() {
        for (arguments, part) in [
            (&["--metric-denylist=hookbudget_(job"][..], "unclosed group"),
            (
                &["--metric-allowlist=a", "--metric-denylist=b"],
                "cannot be used with",
            ),
            (&["--metric-labels-allowlist=team"], "write jobs=[KEY,KEY]"),
        ] {
            let error = parsed(arguments).expect_err("a mistake");
            assert!(error.contains(part), "{arguments:?}: {error}");
        }
        let none = parsed(&["--metric-allowlist=hookbudget_jobs"]).expect("a list");
        let error = none.selection().expect_err("nothing is left").to_string();
        assert!(
            error.starts_with("--metric-allowlist leaves no family"),
            "{error}"
        );
    }
}
