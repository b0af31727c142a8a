use super::steps;
use crate::engine::diagnosis::ChainLink;

fn link(kind: &str, name: &str, finding: &str) -> ChainLink {
    ChainLink {
        kind: kind.to_owned(),
        name: name.to_owned(),
        finding: finding.to_owned(),
        proof: "zone in (a)".to_owned(),
        ..ChainLink::default()
    }
}

#[test]
fn what_stands_in_the_way_comes_before_the_culprit() {
    let links = [
        link("Pod", "db-1", "finds no node"),
        link("Nodes", "cpu", "500m is asked for"),
        link("Autoscaler", "cluster-autoscaler", "adds no node"),
        link("Pod", "stuck", "waits for a node that a new one cannot be"),
    ];
    assert_eq!(
        steps(&links, "Make room."),
        [
            "Repair or delete Pod stuck: it waits for a node that a new one cannot be.",
            "Make room."
        ]
    );
}

#[test]
fn the_step_for_an_object_replaces_the_usual_one() {
    let claim = link("PersistentVolumeClaim", "data", "is Pending, not Bound");
    for (last, part) in [
        (
            link("StorageClass", "fast", "does not exist"),
            "Create StorageClass fast, which PersistentVolumeClaim data names",
        ),
        (link("PersistentVolume", "pv", "is tied to nodes"), "zone in (a)"),
        (link("Secret", "pw", "does not exist"), "Create Secret pw"),
        (
            link("Nodes", "cpu", "it would not fit on an empty one"),
            "Lower what data requests",
        ),
        (link("Pod", "p", "crashed 9 times"), "the usual"),
    ] {
        let steps = steps(&[claim.clone(), last], "the usual");
        assert_eq!(steps.len(), 1);
        assert!(steps[0].contains(part), "{steps:?}");
    }
}

#[test]
fn no_links_leave_the_usual_step() {
    assert_eq!(steps(&[], "the usual"), ["the usual"]);
}
