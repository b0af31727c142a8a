//! Images whose entrypoint is a tool: `args` alone are that tool's command line.

/// The tool that an image runs with these arguments. The registry and its path are passed over, because
/// mirrors change them; a name that others use too needs arguments that fit the tool.
pub(super) fn entrypoint(image: &str, first: &str) -> Option<&'static str> {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    let name = image.rsplit('/').next().unwrap_or_default();
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    match name {
        // groundnuty/k8s-wait-for `Dockerfile`: ENTRYPOINT ["wait_for.sh"].
        "k8s-wait-for" => Some("wait_for.sh"),
        // wait4x/wait4x and jwilder/dockerize `Dockerfile`.
        "wait4x" => Some("wait4x"),
        "dockerize" => Some("dockerize"),
        // cert-manager/cert-manager `cmd/startupapicheck` has cmctl's commands.
        "cert-manager-startupapicheck" | "cert-manager-ctl" | "cmctl" if first == "check" => Some("cmctl"),
        // curl/curl-container: arguments that start with a dash or name no program are curl's.
        "curl" if first.starts_with('-') || first.contains("://") => Some("curl"),
        "kubectl" if KUBECTL.contains(&first) => Some("kubectl"),
        "helm" if HELM.contains(&first) => Some("helm"),
        "mc" if matches!(first, "ready" | "ping" | "alias" | "mb") => Some("mc"),
        // apache/airflow's entrypoint takes the commands of `airflow`.
        "airflow" if first == "db" => Some("airflow"),
        _ => None,
    }
}

/// Whether the `sh` of an image expands braces: only where it is bash. `None` for images that are not known.
pub(super) fn sh_expands_braces(image: &str) -> Option<bool> {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    let last = image.rsplit('/').next().unwrap_or_default();
    let (name, tag) = last.split_once(':').unwrap_or((last, ""));
    let bash = [
        "ubi",
        "centos",
        "fedora",
        "rockylinux",
        "almalinux",
        "amazonlinux",
        "oraclelinux",
    ];
    if bash.iter().any(|family| name.starts_with(family)) {
        return Some(true);
    }
    // busybox ash, which is Alpine's too, and Debian's dash.
    let other = ["alpine", "bash", "busybox", "curl", "debian", "ubuntu"];
    let base = ["alpine", "busybox", "bookworm", "bullseye", "trixie", "slim"];
    (other.contains(&name) || base.iter().any(|word| tag.contains(word))).then_some(false)
}

/// Commands of kubectl that hooks run.
const KUBECTL: [&str; 14] = [
    "annotate",
    "apply",
    "create",
    "delete",
    "exec",
    "get",
    "label",
    "patch",
    "replace",
    "rollout",
    "scale",
    "wait",
    "-n",
    "--namespace",
];

/// Commands of helm that talk to the cluster.
const HELM: [&str; 6] = ["install", "upgrade", "uninstall", "rollback", "test", "status"];

#[cfg(test)]
mod tests {
    use super::entrypoint;

    #[test]
    fn registries_tags_and_digests_do_not_matter() {
        for (image, first, tool) in [
            ("curlimages/curl:8.11.1", "-sf", Some("curl")),
            (
                "registry.example:5000/mirror/curl@sha256:00",
                "http://a/",
                Some("curl"),
            ),
            ("curlimages/curl", "sh", None),
            ("groundnuty/k8s-wait-for:v2.0", "job", Some("wait_for.sh")),
            ("bitnami/kubectl:1.31", "wait", Some("kubectl")),
            ("bitnami/kubectl:1.31", "/bin/migrate", None),
            ("registry.example/kubectl-tools:1", "wait", None),
            ("mine/curl-job", "-x", None),
            ("", "", None),
        ] {
            assert_eq!(entrypoint(image, first), tool, "{image} {first}");
        }
    }

    #[test]
    fn what_sh_is_depends_on_the_image() {
        for (image, expands) in [
            ("busybox:1.36", Some(false)),
            ("registry.example/postgres:16-alpine", Some(false)),
            ("bash:5.2", Some(false)),
            ("ubi9/ubi-minimal:9.4", Some(true)),
            ("registry.example/shop:1", None),
        ] {
            assert_eq!(super::sh_expands_braces(image), expands, "{image}");
        }
    }
}
