//! HB402.

use crate::engine::downloads::fetches;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::quantity::bytes;
use crate::engine::rule::{Context, rule};

rule! {
    /// The container downloads its tools with a memory limit of 128 MiB or less.
    ///
    /// ## What it does
    ///
    /// Reports a container that fetches tools on every run (HB401) and has `resources.limits.memory` of 128Mi or
    /// less.
    ///
    /// ## Why is this bad?
    ///
    /// Package managers hold their index in memory, archives are unpacked there, and what is written to a memory
    /// volume counts as well. A backup that fetched 75 MB of tools under a limit of 128Mi failed now and then;
    /// when the kernel kills the process, the exit code is 137 and the script has no chance to say anything.
    ///
    /// ## How to fix
    ///
    /// Put the tools into the image, or until then:
    ///
    /// ```yaml
    /// resources:
    ///   limits:
    ///     memory: 256Mi
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When the download is small and the memory in use was measured.
    "HB402" "memory-small-for-downloads" Warning check
}

/// The limit under which the downloads of the incident failed.
const SMALL: u64 = 128 << 20;

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let containers = cx.job.containers().zip(&cx.clocks.containers);
    found.extend(containers
        .filter(|(_, read)| !read.sidecar)
        .filter_map(|((_, _, container), read)| {
            let limit = container.memory_limit.as_deref()?;
            let small = bytes(limit).filter(|limit| (1..=SMALL).contains(limit))?;
            let first = fetches(container, read).into_iter().next()?;
            Some(Finding {
                at: cx.at(|| At::field(format!("{}/resources/limits/memory", read.pointer))),
                brief: cx.brief(|_| format!("downloads with a memory limit of {limit}")),
                message: cx.message(|_| format!(
                    "container {} fetches `{}` on every run with a memory limit of {limit}: a download that grows \
                     ends as OOMKilled, without a word in the log",
                    read.name, first.what
                )),
                arithmetic: cx.arithmetic(|_| Some(format!("{limit} = {} MiB, at most {} MiB is small", mib(small), mib(SMALL)))),
                help: cx.help(|_| "an image that holds the tools, or until then memory: 256Mi".to_owned()),
                ..RULE.finding(Severity::Warning, Confidence::Possible)
            })
        }));
}

/// MiB, rounded up.
const fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    fn fires(script: &'static str, limit: Option<&'static str>) -> bool {
        let mut job = Hook { script, ..HOOK }.job();
        job.pod.containers[0].memory_limit = limit.map(Into::into);
        !found(&job, "HB402").is_empty()
    }

    #[test]
    fn up_to_128_mib_is_small() {
        for (limit, small) in [
            (Some("64Mi"), true),
            (Some("128Mi"), true),
            (Some("134217728"), true),
            (Some("134217729"), false),
            (Some("129Mi"), false),
            (Some("128M"), true),
            (Some("135M"), false),
            (Some("0"), false),
            (Some("lots"), false),
            (None, false),
        ] {
            assert_eq!(fires("apk add curl", limit), small, "{limit:?}");
        }
        assert!(!fires("kubectl get pods", Some("64Mi")));
    }
}
