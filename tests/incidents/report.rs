//! What is left of a played incident: a report in Markdown with its picture, the same as a page, and a table of all.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::clock::{restart_period, scale, span};
use super::picture::{draw, escape, wrapped};
use super::scene::{Incident, Scene, Side};

/// Where the reports go.
pub(super) fn directory() -> PathBuf {
    let out = std::env::var("HOOKBUDGET_INCIDENTS_OUT");
    out.map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/incidents"),
        PathBuf::from,
    )
}

/// Writes report, picture and page of an incident.
pub(super) fn write(incident: &Incident) {
    let directory = directory();
    fs::create_dir_all(&directory).expect("a directory");
    let name = incident.letter.to_ascii_lowercase();
    let put = |ending: &str, text: &str| {
        let path = directory.join(format!("{name}.{ending}"));
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    };
    let picture = draw(incident);
    put("svg", &picture);
    put("md", &markdown(incident));
    // The documentation shows the Markdown; a page beside it would be a second copy.
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/incidents");
    fs::create_dir_all(&pages).expect("a directory");
    fs::write(pages.join(format!("{name}.html")), page(incident, &picture)).expect("a page");
}

fn side(scene: &Scene) -> &'static str {
    match scene.side {
        Side::Before => "Before",
        Side::After => "After",
    }
}

/// At which length the clocks ran, for the reader of the numbers.
fn clocks() -> String {
    let scale = scale();
    if (scale - 1.0).abs() < 1e-9 {
        return "Played at full length on a real cluster of one node.".to_owned();
    }
    let kubelet = restart_period().map_or_else(String::new, |period| {
        format!(
            " The kubelet's back-off cannot be turned: it begins at 10 s, and its upper limit \
             (maxContainerRestartPeriod) is {period} instead of 5 minutes, so that six restarts take about as large a \
             part of the deadline as they do at full length."
        )
    });
    format!("Played on a real cluster of one node with every clock at {scale} of its length.{kubelet}")
}

fn markdown(incident: &Incident) -> String {
    let letter = incident.letter;
    let name = letter.to_ascii_lowercase();
    let mut out = format!(
        "<!-- Written by `tests/incidents/run`. -->\n\n# {letter}. {}\n\n{}\n\n{}\n\n![Timeline: before and after, with \
         what was said](./{name}.svg)\n\nThe axis begins when the dependency is created; what a Job took counts from the \
         Job's own start.\n\n| | |\n|---|---|\n| before | {} |\n| after | {} |\n| what the product said | {} |\n| how long | {} |\n",
        incident.title,
        incident.story,
        clocks(),
        cell(&incident.before),
        cell(&incident.after),
        cell(&incident.said),
        incident.took(),
    );
    let mut number = 0;
    for scene in &incident.scenes {
        _ = write!(
            out,
            "\n## {}: {}\n\n{}\n\nIt ended: **{}**.\n",
            side(scene),
            scene.title,
            scene.ran,
            scene.ended
        );
        if !scene.words.is_empty() {
            out.push_str("\n| in the picture | after | who | what |\n|---|---|---|---|\n");
        }
        for word in &scene.words {
            number += 1;
            _ = writeln!(
                out,
                "| {number} | {} | {} | {} |",
                span(word.at),
                word.who,
                cell(&word.text)
            );
        }
        if !scene.numbers.is_empty() {
            out.push_str("\n| measured | |\n|---|---|\n");
        }
        for (name, value) in &scene.numbers {
            _ = writeln!(out, "| {} | {} |", cell(name), cell(value));
        }
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<").replace('\n', " ")
}

/// Text for a page, with what stands in backticks as code.
fn coded(text: &str) -> String {
    let text = escape(text);
    let parts = text.split('`').enumerate().map(|(index, part)| match index % 2 {
        0 => part.to_owned(),
        _ => format!("<code>{part}</code>"),
    });
    parts.collect()
}

fn page(incident: &Incident, picture: &str) -> String {
    let mut body = format!(
        "<h1>{}. {}</h1>\n<p>{}</p>\n<p>{}</p>\n<div class=\"picture\">{picture}</div>\n<table>\n",
        incident.letter,
        coded(incident.title),
        coded(incident.story),
        coded(&clocks())
    );
    for (name, text) in [
        ("before", &incident.before),
        ("after", &incident.after),
        ("what the product said", &incident.said),
    ] {
        _ = writeln!(body, "<tr><th>{name}</th><td>{}</td></tr>", coded(text));
    }
    body.push_str("</table>\n");
    for scene in &incident.scenes {
        _ = writeln!(
            body,
            "<h2>{}: {}</h2>\n<p>{}</p>\n<p>It ended: <b>{}</b>.</p>\n<table>",
            side(scene),
            coded(&scene.title),
            coded(&scene.ran),
            coded(&scene.ended)
        );
        for (name, value) in &scene.numbers {
            _ = writeln!(body, "<tr><th>{}</th><td>{}</td></tr>", coded(name), coded(value));
        }
        body.push_str("</table>\n");
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><title>Incident {}</title>\n\
         <style>body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }}\n\
         table {{ border-collapse: collapse; }} th, td {{ text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; }}\n\
         .picture svg {{ max-width: 100%; height: auto; }}</style></head>\n<body>\n{body}</body></html>\n",
        incident.letter
    )
}

/// The table that ends a run, for a terminal.
pub(super) fn table(incidents: &[Incident]) -> String {
    let head = [
        "incident",
        "what happened before",
        "what happens after",
        "what the product said",
        "how long",
    ];
    let widths = [16, 38, 38, 44, 8];
    let mut rows: Vec<[String; 5]> = vec![head.map(str::to_owned)];
    rows.extend(incidents.iter().map(|one| {
        [
            format!("{}. {}", one.letter, one.title),
            one.before.clone(),
            one.after.clone(),
            one.said.clone(),
            one.took(),
        ]
    }));
    let rule = widths.map(|width| "-".repeat(width)).join("-+-");
    let mut out = String::new();
    for row in rows {
        let cells: Vec<Vec<String>> = row
            .iter()
            .zip(widths)
            .map(|(text, width)| wrapped(text, width))
            .collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let parts: Vec<String> = cells
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{:width$}", cell.get(line).map_or("", String::as_str)))
                .collect();
            _ = writeln!(out, "{}", parts.join(" | ").trim_end());
        }
        _ = writeln!(out, "{rule}");
    }
    out
}

/// The table of all incidents that a report in the directory tells of, for the documentation.
pub(super) fn index() {
    let mut out = format!(
        "<!-- Written by `tests/incidents/run`. -->\n\n# The incidents, before and after\n\n{} `just incidents` plays them \
         scaled down, `just incidents --full` writes these pages; [how it is done](../../tests/incidents/README.md).\n\n\
         | incident | what happened before | what happens after | what the product said | how long |\n|---|---|---|---|---|\n",
        clocks()
    );
    for name in ["a", "b", "c", "d"] {
        let Ok(report) = fs::read_to_string(directory().join(format!("{name}.md"))) else {
            continue;
        };
        let title = report
            .lines()
            .find_map(|line| line.strip_prefix("# "))
            .unwrap_or(name);
        let row = |key: &str| {
            let start = format!("| {key} | ");
            let found = report.lines().find_map(|line| line.strip_prefix(&start));
            found.unwrap_or_default().trim_end_matches(" |").to_owned()
        };
        let cells = ["before", "after", "what the product said", "how long"].map(row);
        _ = writeln!(out, "| [{title}]({name}.md) | {} |", cells.join(" | "));
    }
    fs::write(directory().join("README.md"), out).expect("an index");
}
