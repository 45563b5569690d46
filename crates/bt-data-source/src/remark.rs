//! What a source has to say about its rows and files.

use std::path::Path;
use std::sync::Arc;

use bt_core::{Level, LogEvent, Series, SourceError, Timestamp};

use crate::check::Reason;

/// Something for the run's record. The events hold nothing that depends on how rows were cut into batches,
/// and only those about files depend on the cut into files (R35).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Remark {
    /// The next rows are those of a file (`SOURCE_FILE_OPEN`).
    FileOpen { path: Arc<str>, rows: u64 },
    /// The file of a month is missing and passed over (`SOURCE_PARTITION_MISSING`).
    PartitionMissing { month: String, path: Arc<str> },
    /// Bars are missing before the row at `to` (`SOURCE_GAP_DETECTED`).
    Gap { missing: u64, from: Timestamp, to: Timestamp },
    /// A row failed a check (`SOURCE_ROW_FAILED`). A row without an instant has no start.
    Failed { start: Option<Timestamp>, reason: Reason },
    /// A row starts where the last one did (`SOURCE_ROW_DROPPED_DUPLICATE`).
    Duplicate { start: Timestamp },
    /// A row starts before the last one (`SOURCE_ROW_DROPPED_MONOTONICITY`).
    OutOfOrder { start: Timestamp, last: Timestamp },
    /// The source ends with an error (`SOURCE_FAILED`).
    SourceFailed { path: Option<Arc<str>>, row_group: Option<usize>, column: Option<String>, reason: String },
}

impl Remark {
    /// What is to be said of an error before it is yielded. Nothing, if it is not about data: a log that was not
    /// accepted, a configuration.
    ///
    /// Of paths it has what `shown` makes of them, or else their last part: never where the data lies.
    pub(crate) fn of_error(error: &SourceError, shown: impl Fn(&Path) -> Option<Arc<str>>) -> Option<Self> {
        let (path, row_group, column, reason) = match error {
            SourceError::Log(_) | SourceError::Config(_) => return None,
            SourceError::NoSuchSeries { path, .. } => (Some(path), None, None, "nothing is stored".into()),
            SourceError::MissingPartition { path, month, .. } => {
                (Some(path), None, None, format!("no file for {month}"))
            }
            SourceError::AmbiguousPartition { second, .. } => {
                (Some(second), None, None, "another file is there for its month".into())
            }
            SourceError::Io { path, source } => (Some(path), None, None, format!("cannot be read: {source}")),
            SourceError::Corrupt { path, row_group, column, reason }
            | SourceError::Unsupported { path, row_group, column, reason } => {
                (Some(path), *row_group, column.clone(), reason.clone())
            }
            SourceError::Row { reason, .. } => (None, None, None, format!("bad row: {reason}")),
            other => (None, None, None, other.to_string()),
        };
        let relative = |path: &Path| shown(path).filter(|shown| !Path::new(&**shown).is_absolute());
        let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into());
        let path = path.and_then(|path| relative(path).or_else(|| last(path)));
        Some(Remark::SourceFailed { path, row_group, column, reason })
    }

    /// The log event that says it.
    pub(crate) fn to_event(&self, series: &Series) -> LogEvent {
        let event = |level, name, message: String, at: Option<Timestamp>| {
            let event = LogEvent::new(level, "source", name, message).with_series(series);
            match at {
                Some(start) => event.with_sim_time(start),
                None => event,
            }
        };
        match self {
            Remark::FileOpen { path, rows } => {
                event(Level::Info, "SOURCE_FILE_OPEN", format!("reads {path}"), None)
                    .with("path", path.to_string())
                    .with("rows", *rows)
            }
            Remark::PartitionMissing { month, path } => {
                let message = format!("no file for {month}, goes on without it");
                event(Level::Warn, "SOURCE_PARTITION_MISSING", message, None)
                    .with("month", month.clone())
                    .with("path", path.to_string())
            }
            Remark::Gap { missing, from, to } => {
                let message = format!("{missing} bars are missing from {from} to {to}");
                event(Level::Warn, "SOURCE_GAP_DETECTED", message, Some(*to))
                    .with("missing", *missing)
                    .with("from", *from)
                    .with("to", *to)
            }
            Remark::Failed { start, reason } => {
                event(Level::Warn, "SOURCE_ROW_FAILED", format!("row failed: {reason}"), *start)
                    .with("reason", reason.as_str())
            }
            Remark::Duplicate { start } => {
                let message = "row dropped: another with the same start came before it".to_owned();
                event(Level::Warn, "SOURCE_ROW_DROPPED_DUPLICATE", message, Some(*start))
            }
            Remark::OutOfOrder { start, last } => {
                let message = format!("row dropped: it starts before the row at {last}");
                event(Level::Warn, "SOURCE_ROW_DROPPED_MONOTONICITY", message, Some(*start))
                    .with("last", *last)
            }
            Remark::SourceFailed { path, row_group, column, reason } => {
                let mut event =
                    event(Level::Error, "SOURCE_FAILED", format!("source failed: {reason}"), None);
                if let Some(path) = path {
                    event = event.with("path", path.to_string());
                }
                if let Some(row_group) = row_group {
                    event = event.with("row_group", *row_group);
                }
                if let Some(column) = column {
                    event = event.with("column", column.clone());
                }
                event.with("reason", reason.clone())
            }
        }
    }

    /// Why a row is refused in strict mode, and its start; `None` if this is not about a bad row.
    pub(crate) fn objection(&self) -> Option<(Option<Timestamp>, String)> {
        match self {
            Remark::FileOpen { .. }
            | Remark::PartitionMissing { .. }
            | Remark::Gap { .. }
            | Remark::SourceFailed { .. } => None,
            Remark::Failed { start, reason } => Some((*start, reason.to_string())),
            Remark::Duplicate { start } => {
                Some((Some(*start), "it has the start of the row emitted before it".to_owned()))
            }
            Remark::OutOfOrder { start, last } => {
                Some((Some(*start), format!("it starts before the row emitted last, at {last}")))
            }
        }
    }
}
