//! A whole dashboard: variables, links, and panels in rows that each answer a question.

use serde_json::{Value, json};

use super::panel::{Panel, source};

/// A question that a person asks, and the panels that answer it.
pub(super) struct Row {
    pub(super) question: &'static str,
    pub(super) panels: Vec<Panel>,
}

/// What makes one dashboard differ from the next.
pub(super) struct Board {
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    /// Where the values of the variables come from.
    pub(super) cluster_of: &'static str,
    pub(super) namespace_of: &'static str,
    /// Whether the owner narrows it down; otherwise the variable only travels along to the next dashboard.
    pub(super) has_owner: bool,
    pub(super) rows: Vec<Row>,
}

fn variable(name: &str, label: &str, query: &str, hide: u8) -> Value {
    json!({"name": name, "label": label, "type": "query", "datasource": source(), "definition": query,
        "query": {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery", "qryType": 1},
        "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".*", "hide": hide, "regex": "",
        "options": [], "current": {"selected": true, "text": ["All"], "value": ["$__all"]}, "skipUrlSync": false})
}

impl Board {
    /// The dashboard as it is shipped.
    pub(super) fn json(&self) -> Value {
        let owners =
            r#"label_values(hookbudget_job_info{cluster=~"$cluster", namespace=~"$namespace"}, owner_name)"#;
        let variables = json!([
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
                "regex": "", "hide": 0, "includeAll": false, "multi": false, "options": [], "current": {}, "skipUrlSync": false},
            variable("cluster", "Cluster", &format!("label_values({}, cluster)", self.cluster_of), 0),
            variable("namespace", "Namespace",
                &format!(r#"label_values({}{{cluster=~"$cluster"}}, namespace)"#, self.namespace_of), 0),
            variable("owner", "Owner", owners, if self.has_owner { 0 } else { 2 }),
            {"name": "status_page", "label": "Status page", "type": "textbox", "query": "http://localhost:9464",
                "description": "Where a browser reaches the exporter: links of Jobs lead there.", "hide": 0,
                "options": [{"selected": true, "text": "http://localhost:9464", "value": "http://localhost:9464"}],
                "current": {"text": "http://localhost:9464", "value": "http://localhost:9464"}, "skipUrlSync": false},
        ]);
        json!({
            "id": null, "uid": self.uid, "title": self.title, "description": self.description,
            "tags": ["hookbudget", "kubernetes"], "schemaVersion": 39, "version": 1, "editable": false,
            "graphTooltip": 1, "liveNow": false, "refresh": "30s", "timezone": "browser", "weekStart": "",
            "time": {"from": "now-1h", "to": "now"}, "timepicker": {}, "fiscalYearStartMonth": 0,
            "annotations": {"list": [{"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"},
                "enable": true, "hide": true, "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts",
                "type": "dashboard"}]},
            "links": [
                {"title": "Hook Job dashboards", "type": "dashboards", "tags": ["hookbudget"], "asDropdown": true,
                    "includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link", "tooltip": "", "url": ""},
                {"title": "Status page", "type": "link", "url": "${status_page}/", "targetBlank": true, "tags": [],
                    "asDropdown": false, "includeVars": false, "keepTime": false, "icon": "external link",
                    "tooltip": "Chains, repair order and logs of each Job"},
            ],
            "templating": {"list": variables},
            "panels": self.placed(),
        })
    }

    /// The panels, left to right and row by row.
    fn placed(&self) -> Vec<Value> {
        let mut placed = Vec::new();
        let (mut y, mut id) = (0, 0);
        let mut next = || {
            id += 1;
            id
        };
        for row in &self.rows {
            placed.push(
                json!({"id": next(), "type": "row", "title": row.question, "collapsed": false, "panels": [],
                "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}}),
            );
            y += 1;
            let (mut x, mut tallest) = (0, 0);
            for panel in &row.panels {
                if x + panel.width > 24 {
                    (x, y, tallest) = (0, y + tallest, 0);
                }
                let mut json = panel.json.clone();
                json["id"] = json!(next());
                json["gridPos"] = json!({"x": x, "y": y, "w": panel.width, "h": panel.height});
                placed.push(json);
                x += panel.width;
                tallest = tallest.max(panel.height);
            }
            y += tallest;
        }
        placed
    }
}

/// The labels by which the variables choose.
pub(super) const CHOSEN: &str = r#"cluster=~"$cluster", namespace=~"$namespace""#;
/// The same with the owner, where a series has one.
pub(super) const OWNED: &str = r#"cluster=~"$cluster", namespace=~"$namespace", owner_name=~"$owner""#;

/// One value for each Job, whatever replicas there are: of those that the variables choose.
pub(super) fn job(metric: &str, further: &str) -> String {
    format!(
        "max by (cluster, namespace, job_name{further}) ({})",
        of_jobs(metric)
    )
}

/// A metric of Jobs, of those that the variables choose.
pub(super) fn of_jobs(metric: &str) -> String {
    let (name, more) = metric
        .split_once('{')
        .map_or((metric, String::new()), |(name, rest)| {
            (name, format!(", {}", rest.trim_end_matches('}')))
        });
    format!("{name}{{{CHOSEN}{more}}} and on (cluster, namespace, job_name) hookbudget_job_info{{{OWNED}}}")
}

/// A metric of owners, one value whatever replicas there are.
pub(super) fn owner(metric: &str, further: &str) -> String {
    let (name, more) = metric
        .split_once('{')
        .map_or((metric, String::new()), |(name, rest)| {
            (name, format!(", {}", rest.trim_end_matches('}')))
        });
    format!("max by (cluster, namespace, owner_kind, owner_name{further}) ({name}{{{OWNED}{more}}})")
}

/// Verdicts that need nobody.
pub(super) const QUIET: &str = "transient|cosmetic|parked";

/// Failed Jobs, and those after which a later run has succeeded, as the rules have it.
fn failed(more: &str) -> (String, String) {
    let failed = format!("hookbudget_job_root_cause{{{OWNED}{more}}}");
    let succeeded = format!(
        "on (cluster, namespace, job_name) hookbudget_job_later_success_timestamp_seconds{{{CHOSEN}}}"
    );
    (failed, succeeded)
}

/// Failed Jobs that somebody has to act on, by `job_name` and whatever else.
pub(super) fn acute(by: &str, more: &str) -> String {
    let (failed, succeeded) = failed(&format!("{more}, verdict!~\"{QUIET}\""));
    format!("max by (cluster, namespace, {by}) ({failed} unless {succeeded})")
}

/// Failed Jobs that nobody has to act on, by `job_name` and whatever else.
pub(super) fn settled(by: &str, more: &str) -> String {
    let (quiet, _) = failed(&format!("{more}, verdict=~\"{QUIET}\""));
    let (failed, succeeded) = failed(more);
    format!("max by (cluster, namespace, {by}) ({quiet} or {failed} and {succeeded})")
}
