//! Files that appear complete or not at all.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The temporary files of this process.
static UNDER_WAY: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Removes all files that are under way, for a process that ends at once.
pub(crate) fn abandon() {
    for temporary in std::mem::take(&mut *under_way()) {
        // If it cannot be removed there is nothing more to be done about it.
        let _ = std::fs::remove_file(temporary);
    }
}

fn under_way() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // Paths come and go whole.
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file under way: written beside its destination, put in its place at the end.
///
/// What is there and is no regular file, such as a pipe or a device, is written to as it is: it can be neither
/// half there nor replaced.
#[derive(Debug)]
pub(crate) struct Pending {
    /// `None` if the destination is written to as it is, or has been put in its place.
    temporary: Option<PathBuf>,
    destination: PathBuf,
}

impl Pending {
    /// Creates the file beside `destination`. Dropped without [`finish`](Pending::finish), it vanishes.
    pub(crate) fn create(destination: &Path) -> io::Result<(File, Pending)> {
        if destination.to_string_lossy().ends_with(std::path::is_separator) {
            return Err(not_a_file());
        }
        // Through a link, what it points to is replaced and not the link.
        let destination = destination.canonicalize().unwrap_or_else(|_| destination.to_owned());
        match destination.metadata() {
            Ok(found) if found.is_dir() => return Err(not_a_file()),
            Ok(found) if !found.is_file() => {
                let file = OpenOptions::new().write(true).open(&destination)?;
                return Ok((file, Pending { temporary: None, destination }));
            }
            _ => {}
        }
        let (file, temporary) = beside(&destination)?;
        let pending = Pending { temporary: Some(temporary), destination };
        if let Ok(found) = pending.destination.metadata() {
            file.set_permissions(found.permissions())?;
        }
        Ok((file, pending))
    }

    /// Puts the file in its place.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if let Some(temporary) = &self.temporary {
            std::fs::rename(temporary, &self.destination)?;
            under_way().remove(temporary);
            self.temporary = None;
        }
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // If it cannot be removed there is nothing more to be done about it.
            let _ = std::fs::remove_file(temporary);
            under_way().remove(temporary);
        }
    }
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::IsADirectory, "it is a directory, expected a file")
}

/// A new file beside `destination`, and its name, under which it is known to be under way.
fn beside(destination: &Path) -> io::Result<(File, PathBuf)> {
    let name = destination.file_name().unwrap_or_default().to_string_lossy();
    let process = std::process::id();
    // A process that was killed may have left files, and numbers of processes come again.
    for number in 0_u64.. {
        let temporary = destination.with_file_name(format!(".{name}.{process}.{number}.partial"));
        let mut under_way = under_way();
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => {
                under_way.insert(temporary.clone());
                return Ok((file, temporary));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(io::Error::new(error.kind(), "its directory is not there, expected one"));
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Whether a file can be made there, found out by making one beside it. Of pipes and devices nothing is asked: to
/// open one may be more than a question.
pub(crate) fn check(destination: &Path) -> io::Result<()> {
    match destination.metadata() {
        Ok(found) if !found.is_file() && !found.is_dir() => Ok(()),
        _ => Pending::create(destination).map(drop),
    }
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
        check(&path).unwrap();
        check(&dir.path().join("new")).unwrap();
        for bad in
            [dir.path().to_owned(), dir.path().join("new/"), dir.path().join("nowhere/new"), path.join("new")]
        {
            assert!(check(&bad).is_err(), "{}", bad.display());
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_under_way_is_known_until_it_is_in_its_place_or_gone() {
        let dir = tempfile::tempdir().unwrap();
        let known = || under_way().iter().filter(|path| path.starts_with(dir.path())).count();
        let create = |name| Pending::create(&dir.path().join(name)).unwrap().1;
        let (kept, dropped) = (create("kept"), create("dropped"));
        assert_eq!(known(), 2);
        drop(dropped);
        assert_eq!(known(), 1);
        kept.finish().unwrap();
        assert_eq!(known(), 0);
    }

    #[test]
    fn what_a_killed_process_of_the_same_number_has_left_is_not_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        std::mem::forget(Pending::create(&path).unwrap());
        let left: Vec<_> = under_way().iter().filter(|path| path.starts_with(dir.path())).cloned().collect();
        left.iter().for_each(|path| assert!(under_way().remove(path)));
        let (_, pending) = Pending::create(&path).unwrap();
        assert_eq!(under_way().iter().filter(|path| path.starts_with(dir.path())).count(), 1);
        pending.finish().unwrap();
        assert!(path.exists() && left.len() == 1 && left[0].exists());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let [link, target] = ["link", "target"].map(|name| dir.path().join(name));
        std::fs::write(&target, "before").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_whole(&link, b"after").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&target).unwrap(), b"after");
        write_whole(Path::new("/dev/null"), b"nothing").unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }
}
