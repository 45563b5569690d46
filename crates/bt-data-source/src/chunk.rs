//! Rows on their way from where they were read to where they are cut into batches.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use bt_core::{Columns, SourceError};
#[cfg(feature = "live")]
use bt_core::{LogEvent, Timestamp};

use crate::check::{self, Raw, Rules, Run};
#[cfg(feature = "live")]
use crate::remark::Remark;

/// Classified rows.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// The columns. Rows that are not fine may not be there but for their start.
    pub(crate) columns: Arc<Columns>,
    /// Which rows of the columns.
    pub(crate) rows: Range<usize>,
    /// What they are; covers all of them.
    pub(crate) runs: Vec<Run>,
    /// The number of the first of them in the file, or whatever else they come from.
    pub(crate) number: u64,
}

impl Chunk {
    /// Rows of columns that are whole and have no faults but those that show.
    pub(crate) fn new(columns: Arc<Columns>, rows: Range<usize>, number: u64, rules: Rules) -> Self {
        let raw = Raw { columns: &columns, rows: &rows, faults: &[], start_only: false };
        Chunk { runs: check::classify(raw, rules), columns, rows, number }
    }
}

/// What rows come in.
#[derive(Debug)]
#[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "rows in memory have no files"))]
pub(crate) enum Unit {
    /// From here on the rows are those of another file.
    File {
        /// Its path, as it is to be shown.
        path: Arc<str>,
        /// How many rows it has, in the range or not.
        rows: u64,
    },
    /// The file of a month is missing.
    Missing {
        /// The month, `2024-03`.
        month: String,
        /// The path that was expected, as it is to be shown.
        path: Arc<str>,
    },
    /// Something to be said.
    #[cfg(feature = "live")]
    Said(Box<LogEvent>),
    /// Time has come so far, without a row.
    #[cfg(feature = "live")]
    Time {
        /// No later row ends at or before it.
        watermark: Timestamp,
        /// The source is cut off, and its time told by others.
        stale: bool,
    },
    /// A row that is passed over for its place in the order, and what is said of it.
    #[cfg(feature = "live")]
    Dropped(Remark),
    /// Rows.
    Rows(Chunk),
}

/// Where a [`RowSource`](crate::row_source::RowSource) has its rows from.
pub(crate) trait Units: Send {
    /// The next unit; `None` at the end. Not polled again after the end or an error.
    fn poll_unit(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Unit, SourceError>>>;

    /// Takes back the columns of the last chunk, which the source has moved past.
    fn passed(&mut self, columns: Arc<Columns>);

    /// The path of a file as it is to be shown, if it is one of these.
    fn shown(&self, _: &Path) -> Option<Arc<str>> {
        None
    }
}
