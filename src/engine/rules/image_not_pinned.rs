//! HB403.

use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::rewrite::WAIT_CONTAINER;
use crate::engine::rule::{Context, rule};

rule! {
    /// An image has no version: a retry may run other code than the attempt before.
    ///
    /// ## What it does
    ///
    /// Reports images with the tag `latest` or without a tag, unless a digest pins them. All images of a Job are
    /// one finding.
    ///
    /// ## Why is this bad?
    ///
    /// The kubelet resolves the tag for each Pod. The retry of a failed hook, or a run of next month, may get
    /// another image than the one that was tested, and what the failed attempt ran cannot be told afterwards.
    /// A tag `latest` is also pulled anew each time (`imagePullPolicy` defaults to `Always` for it), which
    /// counts against the Job's deadline.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// image: registry.example/tools:1.4.2
    /// ```
    ///
    /// ## When to ignore
    ///
    /// In development, and for images that a deployment tool replaces by a digest.
    "HB403" "image-not-pinned" Info check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let unpinned: Vec<_> = cx
        .job
        .containers()
        // The image of the injected wait is the policy's, not the Job's.
        .filter(|(_, _, container)| container.name != WAIT_CONTAINER && floats(&container.image))
        .collect();
    let Some((init, index, first)) = unpinned.first() else {
        return;
    };
    let more = match unpinned.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    found.push(Finding {
        at: cx.at(|| At::field(format!("{}/image", cx.job.container_pointer(*init, *index)))),
        brief: cx.brief(|_| format!("image {} has no version", first.image)),
        message: cx.message(|_| {
            format!(
                "image {}{more} has no version: a retry may run other code than the attempt before",
                first.image
            )
        }),
        help: cx.help(|_| "a tag with a version, or a digest".to_owned()),
        ..RULE.finding(Severity::Info, Confidence::Certain)
    });
}

/// True for an image whose content may change under its name. A name that a build tool replaces (`ko://..`) and
/// an absent one are no image yet.
fn floats(image: &str) -> bool {
    if image.is_empty() || image.contains("://") || image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':')
        .is_none_or(|(_, tag)| tag.is_empty() || tag == "latest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_or_a_digest_pins() {
        for (image, floating) in [
            ("alpine", true),
            ("alpine:latest", true),
            ("registry.example:5000/alpine", true),
            ("registry.example:5000/team/alpine:latest", true),
            ("alpine:3.22", false),
            ("registry.example:5000/alpine:3.22", false),
            ("alpine@sha256:4bcff6", false),
            ("alpine:latest@sha256:4bcff6", false),
            ("ko://example.org/cmd/migrate", false),
            ("", false),
        ] {
            assert_eq!(floats(image), floating, "{image}");
        }
    }
}
