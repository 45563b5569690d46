//! What can go wrong with a journal.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bt_core::BoxError;
use thiserror::Error;

/// What ends the writing of a journal.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file, or the thread that writes it, could not be made.
    #[error("cannot create journal {}", .path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// The system did not take what was written, or the file is not what was written any more.
    #[error("cannot write journal {}: {unwritten} events were not written, {written} were", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Events that stand in the file as whole lines: none if it is gone or was changed by another; those
        /// that were synced if it cannot be synced any more.
        written: u64,
        /// Events that the journal was given and that do not.
        unwritten: u64,
        /// The system's answer, or what was found.
        #[source]
        source: Arc<io::Error>,
    },
    /// Writing to a journal that was closed.
    #[error("journal {} is closed, cannot append", .path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
}

/// What ends the reading of a journal.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system's answer to reading.
    #[error("cannot read journal")]
    Io(#[source] io::Error),
    /// A whole line that is no event.
    #[error("line {line} of the journal, at byte {offset}, is no event")]
    Corrupt {
        /// Number of the line, from 1.
        line: u64,
        /// Offset of its first byte.
        offset: u64,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
}
