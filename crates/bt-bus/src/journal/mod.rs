//! The record of a run, on disk.

mod config;
mod encode;
mod entry;
mod error;
mod handle;
mod reader;
mod sink;
mod spool;
mod writer;

pub use config::{FsyncPolicy, JournalConfig};
pub use encode::encode_line;
pub use entry::JournalEntry;
pub use error::{JournalError, ReadError};
pub use handle::Journal;
pub use reader::{JournalReader, read_journal};
pub use sink::JournalSink;
