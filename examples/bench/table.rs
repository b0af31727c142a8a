//! The table: what was measured beside what is wanted.

use std::fmt::Write as _;

/// Which side of a mark is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    AtLeast,
    AtMost,
}

/// A line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    goal: &'static str,
    what: String,
    product: String,
    floor: String,
    ratio: String,
    wanted: String,
    verdict: &'static str,
}

/// The marks of a goal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) want: Want,
    pub(crate) pass: f64,
    pub(crate) stretch: Option<f64>,
}

impl Marks {
    pub(crate) const fn at_least(pass: f64, stretch: f64) -> Self {
        Self {
            want: Want::AtLeast,
            pass,
            stretch: Some(stretch),
        }
    }

    pub(crate) const fn at_most(pass: f64, stretch: f64) -> Self {
        Self {
            want: Want::AtMost,
            pass,
            stretch: Some(stretch),
        }
    }

    /// A mark without a better one behind it.
    pub(crate) const fn limit(pass: f64) -> Self {
        Self {
            want: Want::AtMost,
            pass,
            stretch: None,
        }
    }

    fn verdict(self, value: f64) -> &'static str {
        let meets = |mark: f64| match self.want {
            Want::AtLeast => value >= mark,
            Want::AtMost => value <= mark,
        };
        match self.stretch {
            Some(stretch) if meets(stretch) => "stretch",
            _ if meets(self.pass) => "pass",
            _ => "MISSED",
        }
    }

    fn text(self) -> String {
        let sign = match self.want {
            Want::AtLeast => ">=",
            Want::AtMost => "<=",
        };
        match self.stretch {
            Some(stretch) => format!("{sign} {} / {stretch}", self.pass),
            None => format!("{sign} {}", self.pass),
        }
    }
}

/// All lines, in order.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Line>);

impl Table {
    /// What is judged by its ratio to the floor.
    pub(crate) fn ratio(
        &mut self,
        goal: &'static str,
        what: &str,
        (product, floor, unit): (f64, f64, &str),
        marks: Marks,
    ) {
        let ratio = product / floor.max(f64::MIN_POSITIVE);
        self.0.push(Line {
            goal,
            what: what.to_owned(),
            product: format!("{} {unit}", short(product)),
            floor: format!("{} {unit}", short(floor)),
            ratio: format!("{ratio:.2}"),
            wanted: marks.text(),
            verdict: marks.verdict(ratio),
        });
    }

    /// What is judged by itself; `floor` is shown beside it where there is one.
    pub(crate) fn value(
        &mut self,
        goal: &'static str,
        what: &str,
        (product, floor, unit): (f64, Option<f64>, &str),
        marks: Marks,
    ) {
        self.0.push(Line {
            goal,
            what: what.to_owned(),
            product: format!("{} {unit}", short(product)),
            floor: floor.map_or_else(String::new, |floor| format!("{} {unit}", short(floor))),
            ratio: floor.map_or_else(String::new, |floor| {
                format!("{:.2}", product / floor.max(f64::MIN_POSITIVE))
            }),
            wanted: format!("{} {unit}", marks.text()),
            verdict: marks.verdict(product),
        });
    }

    /// What is only told.
    pub(crate) fn told(&mut self, goal: &'static str, what: &str, (product, floor, unit): (f64, f64, &str)) {
        self.0.push(Line {
            goal,
            what: what.to_owned(),
            product: format!("{} {unit}", short(product)),
            floor: format!("{} {unit}", short(floor)),
            ratio: format!("{:.2}", product / floor.max(f64::MIN_POSITIVE)),
            wanted: String::new(),
            verdict: "",
        });
    }

    /// What could not be measured here, and why.
    #[allow(dead_code, reason = "not every bench leaves something out")]
    pub(crate) fn skipped(&mut self, goal: &'static str, what: &str, why: &str) {
        self.0.push(Line {
            goal,
            what: what.to_owned(),
            product: format!("not measured: {why}"),
            floor: String::new(),
            ratio: String::new(),
            wanted: String::new(),
            verdict: "",
        });
    }

    pub(crate) fn missed(&self) -> usize {
        self.0.iter().filter(|line| line.verdict == "MISSED").count()
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        let heads = [
            "goal",
            "what",
            "product",
            "floor",
            "ratio",
            "pass / stretch",
            "result",
        ];
        let rows: Vec<[&str; 7]> = std::iter::once(heads)
            .chain(self.0.iter().map(|line| {
                [
                    line.goal,
                    &line.what,
                    &line.product,
                    &line.floor,
                    &line.ratio,
                    &line.wanted,
                    line.verdict,
                ]
            }))
            .collect();
        let mut widths = [0; 7];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (index, row) in rows.iter().enumerate() {
            for (width, cell) in widths.iter().zip(row) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
            if index == 0 {
                for width in widths {
                    let _ = write!(text, "|{}", "-".repeat(width + 2));
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

/// Three digits that matter.
fn short(number: f64) -> String {
    if number >= 100.0 || number.fract().abs() < f64::EPSILON {
        format!("{number:.0}")
    } else if number >= 10.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}
