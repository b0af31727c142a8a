//! HB401.

use crate::engine::downloads::{Fetch, fetches};
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::rule::{Context, rule};

rule! {
    /// The container fetches its tools on every run, so that a run depends on somebody else's servers.
    ///
    /// ## What it does
    ///
    /// Reports a container whose script installs packages (`apk add`, `apt-get install`, `pip install`,
    /// `npm install` and the like) or fetches an archive, a package, an install script or a released program
    /// from outside the cluster with `curl` or `wget`. Calls of an API, data that is cloned, and addresses
    /// inside the cluster are no downloads.
    ///
    /// ## Why is this bad?
    ///
    /// A nightly backup ran `apk add curl` and fetched two programs of 25 and 49 MB from two CDNs before its
    /// work. It failed now and then, and each retry fetched everything again. The run's success depends on DNS,
    /// on the way out of the cluster, on two CDNs and on what they serve that night; the time of the download
    /// counts against every clock of the Job and no wait budget shows it.
    ///
    /// ## How to fix
    ///
    /// Build an image that holds the tools, or take one that does:
    ///
    /// ```yaml
    /// containers:
    ///   - name: backup
    ///     image: registry.example/backup-tools:1.4
    /// ```
    ///
    /// ## When to ignore
    ///
    /// In a development cluster, or where the download is the Job's purpose.
    "HB401" "downloads-at-run-time" Warning check
}

/// Downloads that a message names before it counts the rest.
const NAMED: usize = 2;

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let containers = cx.job.containers().zip(&cx.clocks.containers);
    found.extend(containers
        .filter(|(_, read)| !read.sidecar)
        .filter_map(|((_, _, container), read)| {
            let fetches = fetches(container, read);
            let first = fetches.first()?;
            let what = list(&fetches);
            Some(Finding {
                at: cx.at(|| At::script(read.pointer.clone(), first.place)),
                brief: cx.brief(|_| format!("every run fetches its tools ({})", short(&first.what))),
                message: cx.message(|_| format!(
                    "container {} fetches {what} on every run: when that server, DNS or the way out fails, so does \
                     the Job, and each retry fetches it again",
                    read.name
                )),
                help: cx.help(|_| "an image that holds the tools".to_owned()),
                ..RULE.finding(Severity::Warning, Confidence::Likely)
            })
        }));
}

fn list(fetches: &[Fetch]) -> String {
    let mut names: Vec<String> = fetches
        .iter()
        .take(NAMED)
        .map(|f| format!("`{}`", f.what))
        .collect();
    if let Some(more) = fetches.len().checked_sub(NAMED).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    names.join(" and ")
}

/// The host of a URL, or the command.
fn short(what: &str) -> &str {
    let rest = what.split_once("://").map_or(what, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, Hook};

    fn found(script: &'static str) -> bool {
        let hook = Hook { script, ..HOOK };
        hook.verdict("HB401") == Some((Severity::Warning, Confidence::Likely))
    }

    #[test]
    fn tools_are_downloads_and_calls_are_not() {
        for (script, download) in [
            ("apk add --no-cache curl", true),
            ("apt-get update && apt-get install -y jq", true),
            ("python3 -m pip install awscli", true),
            (
                "curl -fsSL https://dl.k8s.io/release/v1.33.0/bin/linux/amd64/kubectl -o kubectl",
                true,
            ),
            ("curl -sSL https://get.example.org/tool | sh", true),
            ("wget -q https://example.org/tool-1.2.tar.gz", true),
            (
                "curl -sSf http://catalog:8080/tool-1.2.tar.gz -o /tmp/tool.tar.gz",
                false,
            ),
            (
                "curl -sSf http://minio.minio.svc.cluster.local:9000/tools/mc.tar.gz | tar xz",
                false,
            ),
            (
                "curl -sSf -X POST -d '{\"text\": \"done\"}' https://hooks.example.org/services/T1/B2",
                false,
            ),
            (
                "curl -sf https://api.example.org/v1/zones -o /tmp/zones.json",
                false,
            ),
            ("git clone https://git.example.org/data.git", false),
            ("kubectl apply -f https://raw.example.org/crds.yaml", false),
            ("# apk add curl", false),
            ("echo 'apk add curl'", false),
        ] {
            assert_eq!(found(script), download, "{script}");
        }
    }

    #[test]
    fn the_message_names_the_first_downloads() {
        let script = "apk add jq\ncurl -LO https://dl.min.io/mc\ncurl -LO https://dl.k8s.io/kubectl";
        let findings = Hook { script, ..HOOK }.findings("HB401");
        assert!(
            findings[0]
                .message
                .contains("`apk add` and `https://dl.min.io/mc` and 1 more")
        );
        assert_eq!(findings.len(), 1);
    }
}
