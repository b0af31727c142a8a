//! What a Job's scripts fetch from outside the cluster, and which failed run that explains.

use super::budget::{Clocks, ContainerReading};
use super::case::{Case, End};
use super::diagnosis::Confidence;
use super::evidence::DownloadRecord;
use super::job::{Container, Job};
use super::shell::{Install, Place};
use super::signatures::{LogSignature, holds, is_outside};
use super::told::Hit;

/// Commands of package managers that fetch, as program and subcommand.
const PACKAGE_MANAGERS: &[(&str, &[&str])] = &[
    ("apk", &["add", "update", "upgrade"]),
    ("apt-get", &["install", "update"]),
    ("apt", &["install", "update"]),
    ("dnf", &["install"]),
    ("gem", &["install"]),
    ("git", &["clone"]),
    ("microdnf", &["install"]),
    ("npm", &["ci", "i", "install"]),
    ("pip", &["install"]),
    ("pip3", &["install"]),
    ("yarn", &["add", "install"]),
    ("yum", &["install"]),
];

/// Reads the downloads of a Job's containers; a sidecar's never end the Job.
#[must_use]
pub fn downloads(job: &Job<'_>, clocks: &Clocks) -> Vec<DownloadRecord> {
    job.containers()
        .zip(&clocks.containers)
        .filter(|(_, read)| !read.sidecar)
        .flat_map(|(_, read)| of_container(read))
        .collect()
}

fn of_container(read: &ContainerReading) -> Vec<DownloadRecord> {
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
    found.extend(read.reading.installs.iter().map(|install| DownloadRecord {
        container: read.name.clone(),
        tool: install.program.to_owned(),
        target: install.to_string(),
        alone: true,
    }));
    for download in &mut found {
        download.alone = alone;
    }
    found
}

/// What a container installs or fetches before it can do its work: packages, archives and programs from outside
/// the cluster. A call of somebody's API is none, and neither is data that is cloned or copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Where it stands in the script.
    pub place: Place,
    /// `apk add`, or the URL.
    pub what: String,
}

/// Reads what a container fetches, in the order of the script.
#[must_use]
pub fn fetches(container: &Container<'_>, read: &ContainerReading) -> Vec<Fetch> {
    let installs = read
        .reading
        .installs
        .iter()
        .filter(|install| install.program != "git");
    let installs = installs.map(|install| Fetch {
        place: install.place,
        what: install.to_string(),
    });
    let mut found: Vec<Fetch> = installs.collect();
    for call in &read.reading.calls {
        let Some(target) = call.target.as_ref().map(|target| target.text.as_str()) else {
            continue;
        };
        let line = line_of(container, call.place);
        if matches!(call.tool.as_str(), "curl" | "wget")
            && is_outside(target)
            && (is_file(target) || line.is_some_and(installs_what_it_gets))
        {
            found.push(Fetch {
                place: call.place,
                what: target.to_owned(),
            });
        }
    }
    found.sort_by_key(|fetch| (fetch.place.element, fetch.place.line, fetch.place.column));
    found.dedup_by(|a, b| a.what == b.what);
    found
}

/// True for the URL of an archive, a package, a script or a released program.
fn is_file(url: &str) -> bool {
    const ENDINGS: [&str; 17] = [
        ".apk", ".bin", ".bz2", ".deb", ".gem", ".gz", ".jar", ".phar", ".rpm", ".run", ".sh", ".tar",
        ".tgz", ".whl", ".xz", ".zip", ".zst",
    ];
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let Some((host, path)) = path.split_once('/') else {
        return false;
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    let released =
        path.contains("releases/download/") || path.starts_with("release/") || path.contains("/bin/");
    let tools = matches!(host, "dl.k8s.io" | "dl.min.io" | "get.helm.sh" | "get.docker.com");
    !name.is_empty() && (released || tools || ENDINGS.iter().any(|ending| name.ends_with(ending)))
}

/// True for a command line that runs, unpacks or installs what it gets.
fn installs_what_it_gets(line: &str) -> bool {
    const TAKERS: [&str; 8] = ["sh", "bash", "ash", "tar", "gunzip", "unzip", "python", "python3"];
    let piped = line.split('|').skip(1).any(|command| {
        let mut words = command.split_whitespace().filter(|word| *word != "sudo");
        let program = words.next().and_then(|word| word.rsplit('/').next());
        program.is_some_and(|program| TAKERS.contains(&program))
    });
    piped
        || (line.contains("/bin/") && line.contains(" -") && line.contains(['o', 'O']))
        || line.contains("chmod +x")
}

/// The line of the script at a place, with what goes on behind a backslash.
fn line_of<'c>(container: &'c Container<'_>, place: Place) -> Option<&'c str> {
    let text = container
        .command
        .iter()
        .chain(&container.args)
        .nth(place.element)?;
    let start: usize = text.split_inclusive('\n').take(place.line).map(str::len).sum();
    let rest = text.get(start..)?;
    let mut end = 0;
    for line in rest.split_inclusive('\n') {
        end += line.len();
        if !line.trim_end().ends_with(['\\', '|']) {
            break;
        }
    }
    rest.get(..end)
}

/// The commands of package managers in a container's `command` and `args`, as [`Reading::installs`] keeps them.
///
/// [`Reading::installs`]: super::shell::Reading::installs
#[must_use]
pub fn installs(container: &Container<'_>) -> Vec<Install> {
    let elements = container.command.iter().chain(&container.args);
    let mut found: Vec<Install> = elements
        .enumerate()
        .flat_map(|(element, text)| package_managers(element, text))
        .collect();
    // A package manager that runs without a shell, one word in each element.
    let elements = || container.command.iter().chain(&container.args).map(AsRef::as_ref);
    let plain = elements().nth(1).is_some() && elements().all(|word: &str| !word.contains([' ', '\n']));
    if plain {
        let direct = manager(elements());
        found.extend(direct.map(|(program, subcommand)| Install {
            place: Place::default(),
            program,
            subcommand,
        }));
    }
    found
}

/// The commands of package managers in an element that is a script.
fn package_managers(element: usize, script: &str) -> impl Iterator<Item = Install> + '_ {
    let lines = script
        .lines()
        .map(|line| line.split_once(" #").map_or(line, |(line, _)| line))
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with('#'));
    lines.flat_map(move |(number, line)| {
        let mut at = 0;
        line.split([';', '&', '|', '(', ')']).filter_map(move |command| {
            let start = at + command.len() - command.trim_start().len();
            at += command.len() + 1;
            let (program, subcommand) = manager(command.split_whitespace())?;
            let place = Place {
                element,
                line: number,
                column: line.get(..start).unwrap_or_default().chars().count(),
            };
            Some(Install {
                place,
                program,
                subcommand,
            })
        })
    })
}

/// `apk add` of `apk --no-cache add jq`; nothing for a command that only speaks of it, or that fetches nothing.
fn manager<'c>(command: impl Iterator<Item = &'c str> + Clone) -> Option<(&'static str, &'static str)> {
    const LOCAL: [&str; 4] = ["--no-index", "--offline", "--no-network", "--no-download"];
    let mut words = command.clone();
    if matches!(
        words.clone().next(),
        Some("echo" | "printf" | "command" | "which" | "type")
    ) {
        return None;
    }
    let (program, subcommands) = words.find_map(|word| {
        let name = word.rsplit('/').next().unwrap_or(word);
        PACKAGE_MANAGERS.iter().find(|(program, _)| *program == name)
    })?;
    let subcommand = words.find_map(|word| subcommands.iter().find(|known| **known == word))?;
    let local = command.into_iter().any(|word| LOCAL.contains(&word));
    (!local).then_some((*program, *subcommand))
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
        let found = |script: &str| {
            let found = package_managers(0, script).map(|install| install.to_string());
            found.collect::<Vec<_>>()
        };
        assert_eq!(
            found("set -e\napk --no-cache add jq\nsudo apt-get -qq update && pip install awscli"),
            ["apk add", "apt-get update", "pip install"]
        );
        assert!(found("# apk add jq\necho done # pip install x\napk info").is_empty());
        assert!(
            found("echo now apk add jq\npip install --no-index ./tool.whl\ncommand -v npm install")
                .is_empty()
        );
    }

    #[test]
    fn a_tool_is_told_from_an_api() {
        for (url, file) in [
            ("https://dl.k8s.io/release/v1.33.0/bin/linux/amd64/kubectl", true),
            (
                "https://github.com/mikefarah/yq/releases/download/v4.44.1/yq_linux_amd64",
                true,
            ),
            ("https://example.org/tool-1.2.tar.gz?raw=true", true),
            ("https://get.example.org/install.sh", true),
            ("https://hooks.example.org/services/T1/B2", false),
            ("https://api.example.org/v1/zones", false),
            ("https://example.org/data/latest.json", false),
            ("https://example.org", false),
        ] {
            assert_eq!(is_file(url), file, "{url}");
        }
        for (line, installs) in [
            ("curl -sSL https://example.org/get | sh", true),
            ("curl -s https://example.org/get | sudo bash -s -- v3", true),
            ("curl -Lo /usr/local/bin/tool https://example.org/tool", true),
            ("wget -qO- https://example.org/x | tar xz -C /opt", true),
            ("curl -s https://api.example.org/v1 | jq .status", false),
            (
                "curl -o /dev/null -w '%{http_code}' https://api.example.org/v1",
                false,
            ),
        ] {
            assert_eq!(installs_what_it_gets(line), installs, "{line}");
        }
    }
}
