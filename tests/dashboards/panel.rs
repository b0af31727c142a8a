//! Panels as Grafana's classic JSON has them, with what every panel of ours shares.

use hookbudget::engine::rules::ALL;
use serde_json::{Value, json};

/// The data source that the reader has chosen.
pub(super) fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// A panel without its place.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) json: Value,
    pub(super) width: u64,
    pub(super) height: u64,
}

fn panel(kind: &str, title: &str, description: &str, unit: &str, options: &Value) -> Panel {
    Panel {
        json: json!({
            "type": kind, "title": title, "description": description, "datasource": source(), "options": options,
            "fieldConfig": {"defaults": {"unit": unit, "mappings": [],
                "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": null}]}}, "overrides": []},
            "targets": [],
        }),
        width: 24,
        height: 8,
    }
}

fn reduced() -> Value {
    json!({"calcs": ["lastNotNull"], "fields": "", "values": false})
}

/// Names of rules for people, by their codes.
fn rules() -> impl Iterator<Item = (&'static str, String)> {
    ALL.iter().map(|rule| {
        (
            rule.code,
            format!("{} {}", rule.code, rule.name.replace('-', " ")),
        )
    })
}

/// Words for the codes of rules, where a column of a table holds them.
pub(super) fn words_of_rules() -> Value {
    let options: serde_json::Map<_, _> = rules()
        .enumerate()
        .map(|(index, (code, words))| (code.to_owned(), json!({"text": words, "index": index})))
        .collect();
    json!([{"type": "value", "options": options}])
}

/// One number.
pub(super) fn stat(title: &str, description: &str, unit: &str) -> Panel {
    let options = json!({"reduceOptions": reduced(), "colorMode": "value", "graphMode": "none", "textMode": "auto",
        "justifyMode": "auto", "orientation": "auto"});
    panel("stat", title, description, unit, &options).sized(6, 4)
}

/// One bar for each series.
pub(super) fn bars(title: &str, description: &str, unit: &str) -> Panel {
    let options = json!({"reduceOptions": reduced(), "orientation": "horizontal", "displayMode": "gradient",
        "showUnfilled": true, "valueMode": "color", "namePlacement": "left", "minVizWidth": 8, "minVizHeight": 16});
    panel("bargauge", title, description, unit, &options)
        .with("min", json!(0))
        .sized(12, 8)
}

/// One row for each set of labels.
pub(super) fn table(title: &str, description: &str) -> Panel {
    let options = json!({"showHeader": true, "cellHeight": "sm",
        "footer": {"show": false, "reducer": ["sum"], "countRows": false, "fields": ""}});
    panel("table", title, description, "short", &options).with(
        "custom",
        json!({"align": "auto", "cellOptions": {"type": "auto"}, "filterable": true}),
    )
}

/// Lines over time.
pub(super) fn lines(title: &str, description: &str, unit: &str) -> Panel {
    let options = json!({"legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"}});
    panel("timeseries", title, description, unit, &options)
        .with(
            "custom",
            json!({"drawStyle": "line", "lineWidth": 2, "fillOpacity": 8, "showPoints": "never", "spanNulls": false,
                "lineInterpolation": "linear", "stacking": {"mode": "none", "group": "A"}, "axisPlacement": "auto"}),
        )
        .with("min", json!(0))
        .with("color", json!({"mode": "palette-classic"}))
        .sized(12, 8)
}

/// A strip for each series, coloured by state.
pub(super) fn states(title: &str, description: &str, states: &[(u32, &str, &str)]) -> Panel {
    let options = json!({"showValue": "never", "mergeValues": true, "alignValue": "left", "rowHeight": 0.8,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
        "tooltip": {"mode": "single", "sort": "none"}});
    panel("state-timeline", title, description, "none", &options)
        .with("custom", json!({"lineWidth": 0, "fillOpacity": 80}))
        .mapped(states)
}

impl Panel {
    pub(super) fn sized(mut self, width: u64, height: u64) -> Self {
        (self.width, self.height) = (width, height);
        self
    }

    /// Sets a default of the fields.
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.json["fieldConfig"]["defaults"][key] = value;
        self
    }

    /// A series of this name has this colour.
    pub(super) fn painted(mut self, name: &str, color: &str) -> Self {
        let color = json!({"id": "color", "value": {"mode": "fixed", "fixedColor": color}});
        let matcher = json!({"id": "byName", "options": name});
        let overrides = self.json["fieldConfig"]["overrides"]
            .as_array_mut()
            .expect("a list");
        overrides.push(json!({"matcher": matcher, "properties": [color]}));
        self
    }

    /// A series of this name is shown under another.
    pub(super) fn named(mut self, name: &str, shown: &str) -> Self {
        let matcher = json!({"id": "byName", "options": name});
        let properties = json!([{"id": "displayName", "value": shown}]);
        self.json["fieldConfig"]["overrides"]
            .as_array_mut()
            .expect("a list")
            .push(json!({"matcher": matcher, "properties": properties}));
        self
    }

    /// Series that are named by the codes of rules are shown with what the rules are about.
    pub(super) fn of_rules(self) -> Self {
        rules().fold(self, |panel, (code, words)| panel.named(code, &words))
    }

    /// What is shown where nothing is found: of a table it would stand in each empty cell.
    pub(super) fn empty(self, text: &str) -> Self {
        self.with("noValue", json!(text))
    }

    /// Colours from a value on; the first one holds below all others.
    pub(super) fn steps(self, first: &str, steps: &[(f64, &str)]) -> Self {
        let mut all = vec![json!({"color": first, "value": null})];
        all.extend(
            steps
                .iter()
                .map(|(value, color)| json!({"color": color, "value": value})),
        );
        self.with("thresholds", json!({"mode": "absolute", "steps": all}))
    }

    /// Words and colours in place of numbers.
    pub(super) fn mapped(self, words: &[(u32, &str, &str)]) -> Self {
        let mut options = serde_json::Map::new();
        for (index, (value, text, color)) in words.iter().enumerate() {
            options.insert(
                value.to_string(),
                json!({"text": text, "color": color, "index": index}),
            );
        }
        self.with("mappings", json!([{"type": "value", "options": options}]))
    }

    /// Lines that are stacked on each other.
    pub(super) fn stacked(mut self) -> Self {
        let custom = &mut self.json["fieldConfig"]["defaults"]["custom"];
        custom["stacking"] = json!({"mode": "normal", "group": "A"});
        custom["fillOpacity"] = json!(40);
        self
    }

    /// A link of the whole panel, shown in its corner.
    pub(super) fn link(mut self, title: &str, url: &str) -> Self {
        let link = json!({"title": title, "url": url, "targetBlank": true});
        match self.json["links"].as_array_mut() {
            Some(links) => links.push(link),
            None => self.json["links"] = json!([link]),
        }
        self
    }

    /// A link of each value.
    pub(super) fn leads(self, title: &str, url: &str) -> Self {
        self.with(
            "links",
            json!([{"title": title, "url": url, "targetBlank": true}]),
        )
    }

    fn target(mut self, expr: &str, more: &Value) -> Self {
        let targets = self.json["targets"].as_array_mut().expect("a list");
        let letter = b'A' + u8::try_from(targets.len()).expect("few queries");
        let mut target =
            json!({"refId": char::from(letter).to_string(), "datasource": source(), "expr": expr});
        for (key, value) in more.as_object().expect("an object") {
            target[key] = value.clone();
        }
        targets.push(target);
        self
    }

    /// Asks for now.
    pub(super) fn now(self, expr: &str, legend: &str) -> Self {
        self.target(
            expr,
            &json!({"instant": true, "range": false, "legendFormat": legend}),
        )
    }

    /// Asks for the whole time that is shown.
    pub(super) fn over_time(self, expr: &str, legend: &str) -> Self {
        self.target(
            expr,
            &json!({"instant": false, "range": true, "legendFormat": legend}),
        )
    }

    /// Asks for the buckets of a histogram of spans. Grafana names each by its bound in bare seconds.
    pub(super) fn buckets(self, expr: &str, bounds: &[&str]) -> Self {
        let asked = self.target(
            expr,
            &json!({"instant": true, "range": false, "format": "heatmap", "legendFormat": "{{le}} s"}),
        );
        let named = bounds.iter().fold(asked, |panel, bound| {
            let seconds: f64 = bound.parse().expect("a bound");
            let shown = match seconds {
                ..60.0 => format!("up to {seconds} s"),
                ..3600.0 => format!("up to {} min", seconds / 60.0),
                _ => format!("up to {} h", seconds / 3600.0),
            };
            panel.named(bound, &shown)
        });
        named.named("+Inf", "longer")
    }

    /// Asks for the rows of a table; rows of several queries with the same labels become one.
    pub(super) fn rows(self, expr: &str) -> Self {
        self.target(expr, &json!({"instant": true, "range": false, "format": "table"}))
    }

    /// The columns of a table in their order: the label or `Value #A`, its heading, and further properties.
    pub(super) fn columns(mut self, columns: &[(&str, &str, Value)]) -> Self {
        let mut order = serde_json::Map::new();
        let mut overrides = Vec::new();
        for (index, (name, heading, properties)) in columns.iter().enumerate() {
            order.insert((*name).to_owned(), json!(index));
            let mut list = vec![json!({"id": "displayName", "value": heading})];
            for (id, value) in properties.as_object().into_iter().flatten() {
                list.push(json!({"id": id, "value": value}));
            }
            overrides.push(json!({"matcher": {"id": "byName", "options": name}, "properties": list}));
        }
        self.json["fieldConfig"]["overrides"] = Value::Array(overrides);
        self.json["transformations"] = json!([
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": true}, "indexByName": order, "renameByName": {}}},
        ]);
        self
    }

    /// Sorts a table by a heading.
    pub(super) fn sorted(mut self, heading: &str, descending: bool) -> Self {
        self.json["options"]["sortBy"] = json!([{"displayName": heading, "desc": descending}]);
        self
    }

    /// Hides a column.
    pub(super) fn without(mut self, column: &str) -> Self {
        self.json["transformations"][1]["options"]["excludeByName"][column] = json!(true);
        self
    }
}
