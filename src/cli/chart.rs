//! `--chart DIR`: what a chart renders, by the `helm` on the PATH.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::manifest::{Loaded, Origin, Source};

/// A chart to render.
#[derive(Debug, Default, Args)]
pub(super) struct ChartArgs {
    /// Render this chart with the helm on the PATH and judge what comes out.
    #[arg(long, value_name = "DIR")]
    chart: Option<PathBuf>,
    /// Values file for --chart; may be given several times.
    #[arg(long, value_name = "FILE", requires = "chart")]
    values: Vec<PathBuf>,
    /// One value for --chart, as helm takes it: key=value; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", requires = "chart")]
    set: Vec<String>,
    /// The release's namespace for --chart.
    #[arg(long, value_name = "NAME", requires = "chart")]
    namespace: Option<String>,
}

/// Renders the chart, if one is named, into the documents. A place in them is one of the chart's templates.
///
/// # Errors
/// helm is missing, or fails; its own words are in the message.
pub(super) fn load(args: &ChartArgs, loaded: &mut Loaded) -> anyhow::Result<()> {
    let Some(chart) = &args.chart else { return Ok(()) };
    for (name, text) in by_template(&render(args, chart)?) {
        let name = place(chart, &name);
        loaded.add_source(&Arc::new(Source::new(&name, Origin::Chart, text)));
    }
    Ok(())
}

fn render(args: &ChartArgs, chart: &Path) -> anyhow::Result<String> {
    let mut helm = Command::new("helm");
    helm.arg("template").arg("release-name").arg(chart);
    for values in &args.values {
        helm.arg("--values").arg(values);
    }
    for value in &args.set {
        helm.arg("--set").arg(value);
    }
    if let Some(namespace) = &args.namespace {
        helm.arg("--namespace").arg(namespace);
    }
    let output = helm.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow::anyhow!(
            "there is no helm on the PATH: install Helm, or give what `helm template` renders by `hookbudget lint -`"
        ),
        _ => anyhow::anyhow!("helm cannot be run: {error}"),
    })?;
    anyhow::ensure!(
        output.status.success(),
        "`helm template` fails for {}: {}",
        chart.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).context("helm rendered text that is not UTF-8")
}

/// What was rendered, by the `# Source:` comment that helm puts above each document; in the order of the
/// first document of each template.
fn by_template(text: &str) -> Vec<(String, String)> {
    let mut templates: Vec<(String, String)> = Vec::new();
    let mut at = None;
    let mut pending = String::new();
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            line.clone_into(&mut pending);
            continue;
        }
        if let Some(name) = line.strip_prefix("# Source: ") {
            let name = name.trim();
            let known = templates.iter().position(|(known, _)| known == name);
            at = Some(known.unwrap_or_else(|| {
                templates.push((name.to_owned(), String::new()));
                templates.len() - 1
            }));
        }
        let Some((_, template)) = at.and_then(|at| templates.get_mut(at)) else {
            continue;
        };
        template.push_str(&std::mem::take(&mut pending));
        template.push_str(line);
    }
    templates
}

/// `powerdns/templates/job.yaml` as a path from where the user stands: helm begins with the chart's own name,
/// which need not be that of its directory.
fn place(chart: &Path, source: &str) -> String {
    let inside = source.split_once('/').map_or(source, |(_, inside)| inside);
    chart.join(inside).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_go_to_the_templates_that_helm_names() {
        let text = "---\n# Source: c/templates/a.yaml\nkind: Job\n---\n# Source: c/templates/b.yaml\nkind: Job\n\
                    ---\n# Source: c/templates/a.yaml\nkind: CronJob\n";
        let a = "---\n# Source: c/templates/a.yaml\nkind: Job\n---\n# Source: c/templates/a.yaml\nkind: CronJob\n";
        let b = "---\n# Source: c/templates/b.yaml\nkind: Job\n";
        let named = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(
            by_template(text),
            [named("c/templates/a.yaml", a), named("c/templates/b.yaml", b)]
        );
        assert_eq!(
            place(Path::new("charts/mine"), "c/templates/a.yaml"),
            "charts/mine/templates/a.yaml"
        );
        assert_eq!(
            place(Path::new("."), "c/charts/sub/templates/a.yaml"),
            "./charts/sub/templates/a.yaml"
        );
    }
}
