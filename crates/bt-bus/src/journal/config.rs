//! How a journal is written.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Journal, JournalError};

/// When what was written is forced to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FsyncPolicy {
    /// When the system sees fit.
    #[default]
    Never,
    /// At most so long after it was written, and at the end.
    Interval(Duration),
    /// Every batch, before it counts as written.
    Always,
}

/// How a journal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    fsync: FsyncPolicy,
    buffer: usize,
}

impl Default for JournalConfig {
    fn default() -> Self {
        JournalConfig { fsync: FsyncPolicy::Never, buffer: 1 << 20 }
    }
}

impl JournalConfig {
    /// Never synced, with a buffer of 1 MiB.
    pub fn new() -> Self {
        JournalConfig::default()
    }

    /// Sets when what was written is forced to the disk.
    #[must_use]
    pub fn with_fsync(mut self, fsync: FsyncPolicy) -> Self {
        self.fsync = fsync;
        self
    }

    /// Sets how many bytes of lines may wait for the thread before appending waits for it. The thread has as
    /// many again in hand; one line may reach past.
    #[must_use]
    pub fn with_buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes.max(1);
        self
    }

    /// Creates the file, or empties it, and starts the thread that writes to it.
    ///
    /// # Errors
    /// [`JournalError::Create`], also if another journal is being written to the same file, wherever the system
    /// has locks for files.
    pub fn create(self, path: impl AsRef<Path>) -> Result<Journal, JournalError> {
        let JournalConfig { fsync, buffer } = self;
        let given = path.as_ref();
        let fail =
            |source: io::Error| JournalError::Create { path: given.to_owned(), source: Arc::new(source) };
        // The thread looks whether the file is still there: not after a change of directory, somewhere else.
        let path = std::path::absolute(given).map_err(fail)?;
        let file = create(&path).map_err(fail)?;
        Journal::start(path, file, fsync, buffer).map_err(fail)
    }
}

/// An empty file that is only ever appended to: had another cut it short, its length would tell, and no hole hides it.
fn create(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    // A pipe or a device has nothing to be cut off.
    if file.metadata()?.is_file() {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let what = "another journal is being written to it, expected a file for each";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
            }
            // Not all file systems have locks.
            Ok(()) | Err(TryLockError::Error(_)) => file.set_len(0)?,
        }
    }
    Ok(file)
}
