//! Logs beside the objects of a dump: `<namespace>/<pod>/logs.txt`, as `kubectl cluster-info dump` writes it, or
//! `<namespace>/<pod>/<container>.log`, and `<container>.previous.log` of the run before.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::cli::manifest::InputError;
use crate::index::{Lines, LogLine};

/// How deep below an argument logs are looked for: dumps of several tools lie a few directories deep.
const DEPTH: usize = 8;

/// The log of one run of one container.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) namespace: String,
    pub(super) pod: String,
    /// Empty where the file does not name it: the Pod's only container.
    pub(super) container: String,
    /// True for the run before the last restart.
    pub(super) previous: bool,
    pub(super) lines: Vec<LogLine>,
}

/// True for a file that is a log by its name.
pub(super) fn is_log(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name == "logs.txt" || name.ends_with(".log"))
}

/// The logs below a path, or the one that it is, in sorted order.
pub(super) fn below(path: &Path) -> Vec<PathBuf> {
    fn walk(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
        // What cannot be looked into is reported by the walk for objects.
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() && depth > 0 {
                walk(&path, depth - 1, found);
            } else if is_log(&path) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    if path.is_dir() {
        walk(path, DEPTH, &mut found);
    } else if is_log(path) {
        found.push(path.to_owned());
    }
    found.sort();
    found
}

/// Reads the ends of the logs in a file.
///
/// # Errors
/// When it cannot be read, or its place does not say whose log it is.
pub(super) fn read(path: &Path) -> Result<Vec<Log>, InputError> {
    let failed = |message: String| InputError {
        file: path.display().to_string().into(),
        line: None,
        column: None,
        message,
    };
    let name = |path: Option<&Path>| Some(path?.file_name()?.to_string_lossy().into_owned());
    let absolute = fs::canonicalize(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let (pod, namespace) = (
        name(absolute.parent()),
        name(absolute.parent().and_then(Path::parent)),
    );
    let (Some(pod), Some(namespace)) = (pod, namespace) else {
        return Err(failed(
            "whose log is this? Keep it as NAMESPACE/POD/CONTAINER.log".to_owned(),
        ));
    };
    let file = name(Some(&absolute)).unwrap_or_default();
    let stem = file.strip_suffix(".log").unwrap_or_default();
    let (container, previous) = stem
        .strip_suffix(".previous")
        .map_or((stem, false), |container| (container, true));
    let file = File::open(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let parts =
        split(BufReader::new(file), container).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let logs = parts.into_iter().map(|(container, lines)| Log {
        namespace: namespace.clone(),
        pod: pod.clone(),
        container,
        previous,
        lines,
    });
    Ok(logs.collect())
}

/// The last lines per container. `==== START logs for container c of pod ns/name ====` begins one (kubernetes
/// `kubectl/pkg/cmd/clusterinfo/clusterinfo_dump.go`).
fn split(mut input: impl BufRead, container: &str) -> io::Result<Vec<(String, Vec<LogLine>)>> {
    const START: &str = "==== START logs for container ";
    const END: &str = "==== END logs for container ";
    let mut parts = Vec::new();
    let (mut container, mut lines) = (container.to_owned(), Lines::default());
    loop {
        let chunk = input.fill_buf()?;
        let length = chunk.len();
        if length == 0 {
            break;
        }
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            lines.add(piece);
            let Some(rest) = lines.last().and_then(|line| line.text.strip_prefix(START)) else {
                continue;
            };
            let next = rest.split(' ').next().unwrap_or_default().to_owned();
            let done = std::mem::take(&mut lines).take(false);
            parts.push((std::mem::replace(&mut container, next), done));
        }
        input.consume(length);
    }
    parts.push((container, lines.take(true)));
    for (_, lines) in &mut parts {
        lines.retain(|line| !line.text.starts_with(START) && !line.text.starts_with(END));
    }
    parts.retain(|(_, lines)| !lines.is_empty());
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_of_several_containers_in_one_file_are_told_apart() {
        let text = "==== START logs for container wait of pod n/p ====\nwaiting\n==== END logs for container wait of pod n/p ====\n\
                    ==== START logs for container main of pod n/p ====\n2026-11-21T10:00:00Z a\nb\n";
        let parts = split(text.as_bytes(), "").expect("reads");
        let texts: Vec<_> = parts
            .iter()
            .map(|(name, lines)| {
                (
                    name.as_str(),
                    lines.iter().map(|l| l.text.as_str()).collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(texts, [("wait", vec!["waiting"]), ("main", vec!["a", "b"])]);
        assert!(parts[1].1[0].at.is_some());
    }

    #[test]
    fn a_log_of_bytes_and_a_line_without_end_are_read_within_a_fixed_size() {
        let mut bytes = vec![0xFF, 0, b'\n'];
        bytes.extend(vec![b'x'; 10 << 20]);
        let parts = split(bytes.as_slice(), "c").expect("reads");
        assert!(parts[0].1.iter().all(|line| line.text.len() < 8192));
    }
}
