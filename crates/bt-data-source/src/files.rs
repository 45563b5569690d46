//! Files of candles: what is known of them before any row is read, and how they are opened again.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bt_core::SourceError;

use crate::decode::{FilePlan, panic_message};
use crate::limits::Terms;

/// What a source reads, in order.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A file.
    File(FileInfo),
    /// A month without one, to be remarked on.
    Missing { month: String, shown: Arc<str> },
}

/// A file whose footer was read: a few dozen bytes, since thousands of them are kept.
#[derive(Debug)]
pub(crate) struct FileInfo {
    path: PathBuf,
    /// Its path as it is to be shown.
    pub(crate) shown: Arc<str>,
    stamp: Stamp,
    /// Rows of each row group.
    pub(crate) groups: Box<[u32]>,
    /// The most that decoding takes beside the rows, in bytes.
    pub(crate) transient: u64,
}

/// A file that cannot be used, and why; its source ends there.
#[derive(Debug)]
pub(crate) struct BadFile {
    pub(crate) path: PathBuf,
    /// Its path as it is to be shown.
    pub(crate) shown: Arc<str>,
    pub(crate) error: SourceError,
}

/// By what a file is known to be still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
    /// Device and number, where files have them.
    identity: Option<(u64, u64)>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            Some((metadata.dev(), metadata.ino()))
        };
        #[cfg(not(unix))]
        let identity = None;
        Stamp { len: metadata.len(), modified: metadata.modified().ok(), identity }
    }
}

/// A file, open to be read.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    #[cfg(test)]
    path: PathBuf,
}

impl Read for OpenFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(test)]
        tests::before_read(&self.path)?;
        self.file.read(buffer)
    }
}

impl Seek for OpenFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl FileInfo {
    /// Reads the footer of a file, and keeps what is needed to plan its reading.
    ///
    /// # Errors
    /// A file that cannot be read, is corrupt, or has not the columns that are wanted.
    pub(crate) fn inspect(path: PathBuf, shown: Arc<str>, terms: &Terms) -> Result<Self, SourceError> {
        let (mut file, stamp) = open(&path)?;
        let plan = guarded(&path, || FilePlan::read(&mut file, terms).map_err(|error| error.at(&path)));
        // What was read while it changed says nothing of either state, nor what is wrong with it.
        if stamp_of(&path, &file)? != stamp {
            return Err(changed(&path));
        }
        let plan = plan?;
        let groups: Box<[u32]> = (0..plan.groups()).map(|group| plan.group_rows(group) as u32).collect();
        let transient = (0..plan.groups()).map(|group| plan.transient_bytes(group) as u64).max().unwrap_or(0);
        tracing::debug!(path = %path.display(), rows = plan.rows(), groups = groups.len(), "footer read");
        Ok(FileInfo { path, shown, stamp, groups, transient })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Rows of the file.
    pub(crate) fn rows(&self) -> u64 {
        self.groups.iter().map(|rows| u64::from(*rows)).sum()
    }

    /// Opens the file once more.
    ///
    /// # Errors
    /// A file that cannot be read, or is no longer the one that was inspected.
    pub(crate) fn open(&self) -> Result<OpenFile, SourceError> {
        let (file, stamp) = open(&self.path)?;
        if stamp == self.stamp { Ok(file) } else { Err(changed(&self.path)) }
    }

    /// Checks that a file is still as it was inspected, so that what was read of it until now belongs together.
    ///
    /// # Errors
    /// If it was changed in its place. One that was replaced is the old one for whoever has it open.
    pub(crate) fn check(&self, file: &OpenFile) -> Result<(), SourceError> {
        if stamp_of(&self.path, file)? == self.stamp { Ok(()) } else { Err(changed(&self.path)) }
    }

    /// Reads the footer once more.
    ///
    /// # Errors
    /// As [`inspect`](FileInfo::inspect), and if the file is no longer the one that was inspected.
    pub(crate) fn plan(&self, file: &mut OpenFile, terms: &Terms) -> Result<FilePlan, SourceError> {
        let plan = FilePlan::read(file, terms).map_err(|error| error.at(&self.path));
        self.check(file)?;
        let plan = plan?;
        let same = plan.groups() == self.groups.len()
            && self.groups.iter().enumerate().all(|(group, rows)| plan.group_rows(group) == *rows as usize);
        if same { Ok(plan) } else { Err(changed(&self.path)) }
    }

    /// A file of these row groups that is nowhere.
    #[cfg(test)]
    pub(crate) fn for_test(groups: &[u32]) -> Self {
        let stamp = Stamp { len: 0, modified: None, identity: None };
        FileInfo { path: PathBuf::new(), shown: "".into(), stamp, groups: groups.into(), transient: 0 }
    }
}

fn changed(path: &Path) -> SourceError {
    let reason = "it was changed after it was opened, expected it to stay as it was".to_owned();
    SourceError::Corrupt { path: path.to_path_buf(), row_group: None, column: None, reason }
}

fn stamp_of(path: &Path, file: &OpenFile) -> Result<Stamp, SourceError> {
    let found = file.file.metadata();
    found
        .map(|found| Stamp::of(&found))
        .map_err(|source| SourceError::Io { path: path.to_path_buf(), source })
}

fn open(path: &Path) -> Result<(OpenFile, Stamp), SourceError> {
    let failed = |source| SourceError::Io { path: path.to_path_buf(), source };
    // Looked at before it is opened: opening a named pipe would wait for its other end.
    match fs::metadata(path).map_err(failed)? {
        found if found.is_dir() => {
            Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory, expected a file")))
        }
        found if !found.is_file() => {
            Err(failed(io::Error::other("it is a pipe or a device, expected a regular file")))
        }
        _ => {
            let file = OpenFile {
                file: File::open(path).map_err(failed)?,
                #[cfg(test)]
                path: path.to_path_buf(),
            };
            let stamp = stamp_of(path, &file)?;
            Ok((file, stamp))
        }
    }
}

/// Runs a decoder; a panic in it becomes an error that names the file.
pub(crate) fn guarded<T>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    // What a decoder had in hand when it panicked is thrown away by whoever called it.
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        let reason = format!("the decoder panicked: {}", panic_message(&*panic));
        Err(SourceError::Corrupt { path: path.to_path_buf(), row_group: None, column: None, reason })
    })
}

/// Runs what is done around a decoder: a panic in it, say in a waker, is not the file's fault.
pub(crate) fn guarded_around<T>(
    path: &Path,
    work: impl FnOnce() -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let source =
            io::Error::other(format!("the thread that read it panicked: {}", panic_message(&*panic)));
        Err(SourceError::Io { path: path.to_path_buf(), source })
    })
}

#[cfg(test)]
mod tests;
