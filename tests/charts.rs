//! Hooks of the shape that popular charts have, written for this test: none is denied, none has an error, and
//! what is said beyond information is what the first line of the file announces.
#![cfg(feature = "cli")]

mod support;

use std::collections::BTreeSet;

use support::{files, findings, lint_json, read};

/// The codes that a file's first line announces: `# expects: HB301 HB104`.
fn announced(text: &str) -> BTreeSet<String> {
    let first = text.lines().next().unwrap_or_default();
    let list = first.split_once("expects:").map_or("", |(_, list)| list);
    list.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn hooks_as_people_ship_them_are_never_denied() {
    let charts = files("tests/fixtures/charts", ".yaml");
    assert!(charts.len() >= 10, "{charts:?}");
    for chart in charts {
        let report = lint_json(&chart);
        assert_eq!(report["errors"], serde_json::json!([]), "{chart}");
        assert_eq!(report["summary"]["errors"], 0, "{chart}: {:?}", findings(&report));
        for object in report["objects"].as_array().expect("objects") {
            assert_ne!(object["decision"]["enforce"], "deny", "{chart}");
        }
        let loud: BTreeSet<String> = findings(&report)
            .iter()
            .filter_map(|finding| finding.strip_suffix(" warning").map(str::to_owned))
            .collect();
        assert_eq!(loud, announced(&read(&chart)), "{chart}");
    }
}
