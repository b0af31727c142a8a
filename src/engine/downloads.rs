//! What a Job's scripts fetch from outside the cluster, and which failed run that explains.

use super::budget::{Clocks, ContainerReading};
use super::case::{Case, End};
use super::diagnosis::Confidence;
use super::evidence::DownloadRecord;
use super::job::{Container, Job};
use super::signatures::{LogSignature, holds, is_outside};
use super::told::Hit;

/// Commands of package managers that fetch, as program and subcommand.
const PACKAGE_MANAGERS: &[(&str, &[&str])] = &[
    ("apk", &["add", "update", "upgrade"]),
    ("apt-get", &["install", "update"]),
    ("apt", &["install", "update"]),
    ("dnf", &["install"]),
    ("git", &["clone"]),
    ("microdnf", &["install"]),
    ("npm", &["ci", "install"]),
    ("pip", &["install"]),
    ("pip3", &["install"]),
    ("yum", &["install"]),
];

/// Reads the downloads of a Job's containers; a sidecar's never end the Job.
#[must_use]
pub fn downloads(job: &Job<'_>, clocks: &Clocks) -> Vec<DownloadRecord> {
    job.containers()
        .zip(&clocks.containers)
        .filter(|(_, read)| !read.sidecar)
        .flat_map(|((_, _, container), read)| of_container(container, read))
        .collect()
}

fn of_container(container: &Container<'_>, read: &ContainerReading) -> Vec<DownloadRecord> {
    let probes = read.reading.waits.iter().filter_map(|wait| wait.probe.as_ref());
    let mut alone = true;
    let mut found: Vec<DownloadRecord> = Vec::new();
    for call in read.reading.calls.iter().chain(probes) {
        let target = call.target.as_ref().map(|target| target.text.as_str());
        match target.filter(|target| is_outside(target)) {
            Some(target) if matches!(call.tool.as_str(), "curl" | "wget") => found.push(DownloadRecord {
                container: read.name.clone(),
                tool: call.tool.clone(),
                target: target.to_owned(),
                alone: true,
            }),
            _ => alone = false,
        }
    }
    for text in container.command.iter().chain(&container.args) {
        found.extend(package_managers(text).map(|command| DownloadRecord {
            container: read.name.clone(),
            tool: command.split(' ').next().unwrap_or_default().to_owned(),
            target: command,
            alone: true,
        }));
    }
    for download in &mut found {
        download.alone = alone;
    }
    found
}

/// The commands of package managers in a script: `apk add`.
fn package_managers(script: &str) -> impl Iterator<Item = String> + '_ {
    let lines = script
        .lines()
        .map(|line| line.split_once(" #").map_or(line, |(line, _)| line))
        .filter(|line| !line.trim_start().starts_with('#'));
    let commands = lines.flat_map(|line| line.split([';', '&', '|', '(', ')']));
    commands.filter_map(|command| {
        let mut words = command.split_whitespace();
        let (program, subcommands) = words.find_map(|word| {
            let name = word.rsplit('/').next().unwrap_or(word);
            PACKAGE_MANAGERS.iter().find(|(program, _)| *program == name)
        })?;
        let subcommand = words.find(|word| subcommands.contains(word))?;
        Some(format!("{program} {subcommand}"))
    })
}

/// What tells that a download failed.
#[derive(Clone, Copy, Debug)]
pub enum Told<'c, 'e> {
    /// A line of its own program.
    Line(&'c Hit<'e>),
    /// Its program's exit code.
    Code(&'c End<'e>),
}

/// A download that explains a failed run although no line names its host.
#[derive(Clone, Copy, Debug)]
pub struct Suspect<'c, 'e> {
    /// The download.
    pub download: &'e DownloadRecord,
    /// What tells that it failed.
    pub told: Told<'c, 'e>,
    /// How sure that is: a script that also calls services leaves it open whose error it was.
    pub confidence: Confidence,
}

/// The download of which the newest run failed: its program says that nobody answers and names no one else; or
/// no line tells anything, and the exit code is that program's for a transfer that failed.
#[must_use]
pub fn suspect<'c, 'e>(case: &'c Case<'e>) -> Option<Suspect<'c, 'e>> {
    let downloads = &case.evidence.downloads;
    if let Some(hit) = case.last_hit() {
        let nobody = matches!(hit.signature, LogSignature::Refused | LogSignature::Timeout);
        let download = downloads
            .iter()
            .find(|download| download.alone && speaks(hit.line, &download.tool))?;
        return nobody.then_some(Suspect {
            download,
            told: Told::Line(hit),
            confidence: Confidence::Likely,
        });
    }
    let end = case.last_end().filter(|_| case.hits.is_empty())?;
    let download = downloads.iter().find(|download| {
        download.container == end.container.name && failed_codes(&download.tool).contains(&end.end.exit_code)
    })?;
    Some(Suspect {
        download,
        told: Told::Code(end),
        confidence: if download.alone {
            Confidence::Likely
        } else {
            Confidence::Possible
        },
    })
}

/// `curl: (28) ..`, `wget: download timed out`.
fn speaks(line: &str, tool: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(first, _)| first.trim_end().ends_with(tool))
        || (tool != "curl" && tool != "wget" && holds(line, tool))
}

/// Exit codes for a transfer that failed: curl/curl `docs/libcurl/libcurl-errors.md`, wget(1) "EXIT STATUS",
/// apt-get(8) "DIAGNOSTICS".
fn failed_codes(tool: &str) -> &'static [i32] {
    match tool {
        "curl" => &[6, 7, 18, 22, 28, 52, 56],
        "wget" => &[4, 8],
        "apt" | "apt-get" => &[100],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_managers_are_found_as_commands_not_as_words() {
        let found = |script: &str| package_managers(script).collect::<Vec<_>>();
        assert_eq!(
            found("set -e\napk --no-cache add jq\nsudo apt-get -qq update && pip install awscli"),
            ["apk add", "apt-get update", "pip install"]
        );
        assert!(found("# apk add jq\necho done # pip install x\napk info").is_empty());
    }
}
