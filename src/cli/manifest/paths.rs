//! The files that the user's arguments name, and their text.
use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::InputError;

/// What is read at most from one file: forty times the largest object that an API server takes.
const MAX_FILE_BYTES: u64 = 128 * 1024 * 1024;

/// One argument: a file, a directory, or `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathOrStdin {
    /// Standard input.
    Stdin,
    /// A file, or a directory that is walked.
    Path(PathBuf),
}

impl<T: Into<PathBuf>> From<T> for PathOrStdin {
    fn from(argument: T) -> Self {
        let path = argument.into();
        if path.as_os_str() == "-" {
            Self::Stdin
        } else {
            Self::Path(path)
        }
    }
}

/// The files below a path in sorted order (the path itself where it is no directory), and what
/// could not be looked into.
///
/// Hidden files and directories are left out of a walk (so `.git`, and the `..data` that a mounted
/// `ConfigMap` keeps its files in). Links are followed; each file and directory is taken once.
pub(super) fn files(path: &Path) -> (Vec<PathBuf>, Vec<InputError>) {
    match fs::metadata(path) {
        Err(error) => (Vec::new(), vec![failure(path, &error)]),
        Ok(metadata) if !metadata.is_dir() => (vec![path.to_owned()], Vec::new()),
        Ok(_) => {
            let mut walk = Walk::default();
            walk.enter(path);
            if walk.found.is_empty() && walk.errors.is_empty() {
                let message = "no .yaml, .yml or .json file in this directory";
                walk.errors
                    .push(InputError::whole(&path.display().to_string(), message));
            }
            (walk.found, walk.errors)
        }
    }
}

#[derive(Default)]
struct Walk {
    seen: HashSet<PathBuf>,
    found: Vec<PathBuf>,
    errors: Vec<InputError>,
}

impl Walk {
    fn enter(&mut self, directory: &Path) {
        let real = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
        if !self.seen.insert(real.clone()) {
            return;
        }
        let entries: Result<Vec<DirEntry>, io::Error> = fs::read_dir(directory).and_then(Iterator::collect);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.errors.push(failure(directory, &error));
                return;
            }
        };
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            // The directory knows what its entries are; only a link has to be asked where it leads, and one that
            // leads nowhere is nobody's manifest.
            let (kind, real) = match entry.file_type() {
                Ok(kind) if !kind.is_symlink() => (kind, real.join(&name)),
                _ => match fs::metadata(&path) {
                    Ok(metadata) => {
                        let real = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
                        (metadata.file_type(), real)
                    }
                    Err(_) => continue,
                },
            };
            if kind.is_dir() {
                self.enter(&path);
            } else if kind.is_file() && is_manifest(&path) && self.seen.insert(real) {
                self.found.push(path);
            }
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// The text of a file.
pub(super) fn read_file(path: &Path) -> Result<String, InputError> {
    let file = fs::File::open(path).map_err(|error| failure(path, &error))?;
    // One piece of memory of the right size instead of several that grow.
    let size = file
        .metadata()
        .map_or(0, |metadata| metadata.len().min(MAX_FILE_BYTES));
    read_into(
        Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1),
        &path.display().to_string(),
        file,
    )
}

/// The text of an input, without a byte order mark.
pub(super) fn read(name: &str, input: impl Read) -> Result<String, InputError> {
    read_into(Vec::new(), name, input)
}

fn read_into(mut bytes: Vec<u8>, name: &str, input: impl Read) -> Result<String, InputError> {
    input
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| InputError::whole(name, read_failure(&error)))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(InputError::whole(
            name,
            "larger than 128 MiB; name the manifests alone",
        ));
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(InputError::whole(name, "UTF-16 text; save it as UTF-8"));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| not_utf8(name, &error))?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> InputError {
    let valid = error
        .as_bytes()
        .get(..error.utf8_error().valid_up_to())
        .unwrap_or_default();
    let valid = String::from_utf8_lossy(valid).into_owned();
    let end = valid.len();
    let source = super::source::Source::new(name, super::source::Origin::Stdin, valid);
    InputError::at(
        &source,
        end,
        "not UTF-8 text; save it as UTF-8, or leave this file out",
    )
}

fn failure(path: &Path, error: &io::Error) -> InputError {
    InputError::whole(&path.display().to_string(), read_failure(error))
}

fn read_failure(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "cannot be read: permission denied".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
