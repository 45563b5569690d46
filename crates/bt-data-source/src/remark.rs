//! What a source has to say about its rows and files.

use std::sync::Arc;

use bt_core::{Level, LogEvent, Series, Timestamp};

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
}

impl Remark {
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
        }
    }

    /// Why a row is refused in strict mode, and its start; `None` if this is not about a bad row.
    pub(crate) fn objection(&self) -> Option<(Option<Timestamp>, String)> {
        match self {
            Remark::FileOpen { .. } | Remark::PartitionMissing { .. } | Remark::Gap { .. } => None,
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
