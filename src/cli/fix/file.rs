//! The new text of a file in the place of the old one, whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Changed;

/// Writes a changed file: beside it first, then renamed over it, with its mode and owner. A symbolic link stays
/// one, and what it leads to is written.
///
/// # Errors
/// The file cannot be written, or is no longer what was read.
pub fn write(changed: &Changed, path: &Path) -> anyhow::Result<()> {
    let real = fs::canonicalize(path).with_context(|| format!("cannot write {}", path.display()))?;
    let now = fs::read(&real).with_context(|| format!("cannot write {}", path.display()))?;
    let mark = "\u{feff}".as_bytes();
    let (bom, text) = now
        .strip_prefix(mark)
        .map_or((&[][..], &now[..]), |text| (mark, text));
    anyhow::ensure!(
        text == changed.before.text().as_bytes(),
        "{} was changed while it was being judged: nothing is written to it, run again",
        path.display()
    );
    let beside = beside(&real);
    let written = fill(&beside, &real, &[bom, changed.after.text().as_bytes()])
        .and_then(|()| fs::rename(&beside, &real));
    if written.is_err() {
        // What is left of the attempt; the first error is the one that tells.
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// A name in the same directory, so that the renaming stays on one file system.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.hookbudget-{}", std::process::id()))
}

fn fill(beside: &Path, like: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    let metadata = fs::metadata(like)?;
    let mut file = fs::File::create_new(beside)?;
    for part in parts {
        file.write_all(part)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, fchown};
        // Another's file may be writable without being ours to give away.
        let _ = fchown(&file, Some(metadata.uid()), Some(metadata.gid()));
    }
    file.set_permissions(metadata.permissions())?;
    file.sync_all()
}
