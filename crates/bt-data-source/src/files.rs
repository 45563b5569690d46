//! Files of candles: what is known of them before any row is read, and how they are opened again.

use std::fs::{self, File, Metadata};
use std::io;
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

/// By what a file is known to be still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Stamp { len: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl FileInfo {
    /// Reads the footer of a file, and keeps what is needed to plan its reading.
    ///
    /// # Errors
    /// A file that cannot be read, is corrupt, or has not the columns that are wanted.
    pub(crate) fn inspect(path: PathBuf, shown: Arc<str>, terms: &Terms) -> Result<Self, SourceError> {
        let (mut file, stamp) = open(&path)?;
        let plan = guarded(&path, || FilePlan::read(&mut file, terms).map_err(|error| error.at(&path)))?;
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
    pub(crate) fn open(&self) -> Result<File, SourceError> {
        let (file, stamp) = open(&self.path)?;
        if stamp == self.stamp { Ok(file) } else { Err(self.changed()) }
    }

    /// Reads the footer once more.
    ///
    /// # Errors
    /// As [`inspect`](FileInfo::inspect), and if the file is no longer the one that was inspected.
    pub(crate) fn plan(&self, file: &mut File, terms: &Terms) -> Result<FilePlan, SourceError> {
        let plan = FilePlan::read(file, terms).map_err(|error| error.at(&self.path))?;
        let same = plan.groups() == self.groups.len()
            && self.groups.iter().enumerate().all(|(group, rows)| plan.group_rows(group) == *rows as usize);
        if same { Ok(plan) } else { Err(self.changed()) }
    }

    /// A file of these row groups that is nowhere.
    #[cfg(test)]
    pub(crate) fn for_test(groups: &[u32]) -> Self {
        let stamp = Stamp { len: 0, modified: None };
        FileInfo { path: PathBuf::new(), shown: "".into(), stamp, groups: groups.into(), transient: 0 }
    }

    fn changed(&self) -> SourceError {
        let reason = "it was changed after it was opened, expected it to stay as it was".to_owned();
        SourceError::Corrupt { path: self.path.clone(), row_group: None, column: None, reason }
    }
}

fn open(path: &Path) -> Result<(File, Stamp), SourceError> {
    let failed = |source| SourceError::Io { path: path.to_path_buf(), source };
    // Looked at before it is opened: opening a named pipe would wait for its other end.
    match fs::metadata(path).map_err(failed)? {
        found if found.is_dir() => Err(failed(io::Error::from(io::ErrorKind::IsADirectory))),
        found if !found.is_file() => Err(failed(io::Error::other("it is no regular file"))),
        _ => {
            let file = File::open(path).map_err(failed)?;
            let stamp = Stamp::of(&file.metadata().map_err(failed)?);
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
