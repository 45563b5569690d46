//! Files that appear complete or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

/// A file under way: written beside its destination, put in its place at the end.
#[derive(Debug)]
pub(crate) struct Pending {
    temporary: TempPath,
    destination: PathBuf,
}

impl Pending {
    /// Creates the file beside `destination`. Dropped without [`finish`](Pending::finish), it vanishes.
    pub(crate) fn create(destination: &Path) -> io::Result<(std::fs::File, Pending)> {
        if destination.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory, expected a file"));
        }
        let directory = match destination.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let (file, temporary) = NamedTempFile::new_in(directory)?.into_parts();
        Ok((file, Pending { temporary, destination: destination.to_owned() }))
    }

    /// Puts the file in its place.
    pub(crate) fn finish(self) -> io::Result<()> {
        let Pending { temporary, destination } = self;
        make_readable(&temporary)?;
        temporary.persist(destination).map_err(|error| error.error)
    }
}

/// A temporary file is its owner's alone; a result is made like any other file.
#[cfg(unix)]
fn make_readable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes a whole file.
pub(crate) fn write_whole(destination: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, pending) = Pending::create(destination)?;
    file.write_all(bytes)?;
    drop(file);
    pending.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_complete_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        let (mut file, pending) = Pending::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(pending);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        write_whole(&path, b"whole").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(Pending::create(dir.path()).is_err());
    }
}
