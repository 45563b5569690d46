//! Parquet files written: months of candles in the layout, and tables of whatever else.

mod candles;
mod pages;
mod table;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use bt_core::{ConfigError, Timestamp};
use thiserror::Error;

pub use self::candles::{CandleWriter, write_month};
pub use self::table::{Cell, Field, FieldKind, TableWriter};
use crate::Compression;

/// How Parquet files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    compression: Compression,
    row_group_rows: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions { compression: Compression::default(), row_group_rows: 1 << 17 }
    }
}

impl WriteOptions {
    /// How pages are compressed; Zstandard unless said otherwise.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        WriteOptions { compression, ..self }
    }

    /// Most rows in a row group; 131,072 unless said otherwise. A row group is held in memory until it is full.
    ///
    /// # Errors
    /// If it is 0 or above 16,777,216.
    pub fn with_row_group_rows(self, rows: usize) -> Result<Self, ConfigError> {
        if (1..=1 << 24).contains(&rows) {
            return Ok(WriteOptions { row_group_rows: rows, ..self });
        }
        Err(ConfigError::Invalid {
            option: "row group rows",
            value: rows.to_string(),
            expected: "1 to 16777216",
        })
    }
}

/// What can go wrong while a file is written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The operating system's answer to writing a file.
    #[error("cannot write {}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The answer of a writer that has no name.
    #[error("cannot write the table")]
    Stream(#[source] io::Error),
    /// A row that does not fit the table.
    #[error("value for column `{column}` is {found}, expected {expected}")]
    Cell {
        /// Name of the column.
        column: String,
        /// What was given.
        found: &'static str,
        /// What the column holds.
        expected: &'static str,
    },
    /// A row with more or fewer values than the table has columns.
    #[error("row has {found} values, expected {expected}")]
    RowLength {
        /// How many were given.
        found: usize,
        /// How many columns there are.
        expected: usize,
    },
    /// A candle that does not belong into the file, or that its columns cannot hold.
    #[error("candle at {start} cannot be written: expected {expected}")]
    Candle {
        /// Its start.
        start: Timestamp,
        /// What would have been right.
        expected: &'static str,
    },
    /// Columns that are not equally long.
    #[error("columns of candles have {found} values, expected {expected} as there are starts")]
    Uneven {
        /// Length of a column.
        found: usize,
        /// Number of starts.
        expected: usize,
    },
    /// What the Parquet library could not do.
    #[error("cannot encode the table: {reason}")]
    Encode {
        /// In its own words.
        reason: String,
    },
}
