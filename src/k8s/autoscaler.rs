//! The status that the cluster autoscaler writes into the `ConfigMap` `cluster-autoscaler-status`.

use crate::engine::capacity::NodeGroup;

/// The name of the `ConfigMap` (kubernetes/autoscaler `cluster-autoscaler/clusterstate/utils/status.go`).
pub const NAME: &str = "cluster-autoscaler-status";
/// Where it is, unless the autoscaler was told otherwise.
pub const NAMESPACE: &str = "kube-system";
/// Groups that are kept.
const GROUPS: usize = 16;
/// Bytes kept of a reason.
const REASON: usize = 300;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    None,
    Health,
    ScaleUp,
    Other,
}

/// Reads the status: YAML since version 1.30 (`cluster-autoscaler/clusterstate/api/types.go`), before that lines for
/// people (`Name:`, `Health:`, `ScaleUp:`) that carry the same words. What it does not know it passes over.
#[must_use]
pub fn groups(status: &str) -> Vec<NodeGroup> {
    let (mut groups, mut section, mut within) = (Vec::<NodeGroup>::new(), Section::None, false);
    for line in status.lines() {
        let text = line.trim().trim_start_matches("- ");
        let Some((key, value)) = text.split_once(':') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim().trim_matches('"'));
        if matches!(key, "nodeGroups" | "NodeGroups") {
            within = true;
            continue;
        }
        if !within {
            continue;
        }
        if key.eq_ignore_ascii_case("name") {
            if groups.len() == GROUPS {
                break;
            }
            section = Section::None;
            groups.push(NodeGroup {
                name: value.to_owned(),
                ..NodeGroup::default()
            });
            continue;
        }
        let Some(group) = groups.last_mut() else { continue };
        let word = || value.split([' ', '(']).next().unwrap_or_default().to_owned();
        let told = || crate::k8s::meta::safe(value[..value.floor_char_boundary(REASON)].to_owned());
        match key {
            "health" | "Health" => {
                section = Section::Health;
                if !value.is_empty() {
                    group.health = word();
                    let (size, most) = (number(value, "cloudProviderTarget="), number(value, "maxSize="));
                    group.size = size.zip(most);
                }
            }
            "scaleUp" | "ScaleUp" => {
                section = Section::ScaleUp;
                if !value.is_empty() {
                    group.scale_up = word();
                }
            }
            "scaleDown" | "ScaleDown" => section = Section::Other,
            "status" if section == Section::Health => group.health = word(),
            "status" if section == Section::ScaleUp => group.scale_up = word(),
            "cloudProviderTarget" if section == Section::Health => {
                group.size = value.parse().ok().map(|size| (size, u32::MAX));
            }
            "maxSize" if section == Section::Health => {
                let most = value.parse().ok();
                group.size = group.size.zip(most).map(|((size, _), most)| (size, most));
            }
            "errorCode" if group.reason.is_empty() => group.reason = told(),
            "errorMessage" if !value.is_empty() => {
                let code = std::mem::take(&mut group.reason);
                let separator = if code.is_empty() { "" } else { ": " };
                group.reason = format!("{code}{separator}{}", told());
            }
            _ => {}
        }
    }
    groups
}

fn number(text: &str, key: &str) -> Option<u32> {
    let rest = text.split_once(key)?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_now_is_read() {
        let status = "time: 2026-03-02 10:00:00 +0000 UTC\nautoscalerStatus: Running\nclusterWide:\n  health:\n    status: Healthy\n\
            nodeGroups:\n- name: pool-a\n  health:\n    status: Healthy\n    nodeCounts:\n      registered:\n        total: 1\n    cloudProviderTarget: 1\n    minSize: 1\n    maxSize: 3\n\
            \x20 scaleUp:\n    status: Backoff\n    backoffInfo:\n      errorCode: QUOTA_EXCEEDED\n      errorMessage: \"no cores: left\"\n  scaleDown:\n    status: NoCandidates\n\
            - name: pool-b\n  health:\n    status: Unhealthy\n  scaleUp:\n    status: NoActivity\n";
        let groups = groups(status);
        assert_eq!(groups.len(), 2);
        assert_eq!(
            (groups[0].scale_up.as_str(), groups[0].size),
            ("Backoff", Some((1, 3)))
        );
        assert_eq!(groups[0].reason, "QUOTA_EXCEEDED: no cores: left");
        assert_eq!(
            (groups[1].health.as_str(), groups[1].scale_up.as_str()),
            ("Unhealthy", "NoActivity")
        );
    }

    #[test]
    fn the_status_of_before_is_read() {
        let status = "Cluster-autoscaler status at 2023-03-02 10:00:00 UTC:\nCluster-wide:\n  Health:      Healthy (ready=1)\n\
            NodeGroups:\n  Name:        pool-a\n  Health:      Healthy (ready=1 unready=0 cloudProviderTarget=3 (minSize=1, maxSize=3))\n\
            \x20 ScaleUp:     Backoff (ready=1 cloudProviderTarget=3)\n  ScaleDown:   NoCandidates (candidates=0)\n";
        let groups = groups(status);
        assert_eq!(groups.len(), 1);
        assert_eq!(
            (groups[0].scale_up.as_str(), groups[0].size),
            ("Backoff", Some((3, 3)))
        );
    }

    #[test]
    fn what_is_no_status_gives_no_groups() {
        for text in [
            "",
            "Initializing",
            "nodeGroups:",
            "name: x",
            "nodeGroups: []\n\u{0}::",
        ] {
            assert!(groups(text).is_empty(), "{text:?}");
        }
    }
}
