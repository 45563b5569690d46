//! What a source has to say about its rows and files.

use std::path::Path;
use std::sync::Arc;

use bt_core::{Level, LogEvent, Series, SourceError, Timestamp};

use crate::check::Reason;
use crate::tally::Withheld;

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
    /// A row came when time had passed it (`SOURCE_LATE`).
    #[cfg_attr(not(feature = "live"), expect(dead_code, reason = "rows of the past are never late"))]
    Late { start: Timestamp },
    /// Of these there were more than are said one by one (`SOURCE_ROWS_SUPPRESSED`).
    Suppressed { kind: Kind, withheld: Withheld },
    /// The source ends with an error (`SOURCE_FAILED`).
    SourceFailed { path: Option<Arc<str>>, row_group: Option<usize>, column: Option<String>, reason: String },
}

/// Remarks on rows that are counted together, in the order in which they are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Failed(Reason),
    OutOfOrder,
    Duplicate,
    Late,
    Gap,
}

impl Kind {
    /// The event of a remark of this kind.
    const fn event(self) -> &'static str {
        match self {
            Kind::Failed(_) => "SOURCE_ROW_FAILED",
            Kind::OutOfOrder => "SOURCE_ROW_DROPPED_MONOTONICITY",
            Kind::Duplicate => "SOURCE_ROW_DROPPED_DUPLICATE",
            Kind::Late => "SOURCE_LATE",
            Kind::Gap => "SOURCE_GAP_DETECTED",
        }
    }
}

impl Remark {
    /// What it is counted with; `None` if it is not about rows, or no single remark.
    pub(crate) const fn kind(&self) -> Option<Kind> {
        match self {
            Remark::Gap { .. } => Some(Kind::Gap),
            Remark::Failed { reason, .. } => Some(Kind::Failed(*reason)),
            Remark::Duplicate { .. } => Some(Kind::Duplicate),
            Remark::OutOfOrder { .. } => Some(Kind::OutOfOrder),
            Remark::Late { .. } => Some(Kind::Late),
            Remark::FileOpen { .. }
            | Remark::PartitionMissing { .. }
            | Remark::Suppressed { .. }
            | Remark::SourceFailed { .. } => None,
        }
    }

    /// Start of the row that it is about, if it is about one that has a start.
    pub(crate) const fn start(&self) -> Option<Timestamp> {
        match self {
            Remark::Failed { start, .. } => *start,
            Remark::Gap { to: start, .. }
            | Remark::Duplicate { start }
            | Remark::OutOfOrder { start, .. }
            | Remark::Late { start } => Some(*start),
            Remark::FileOpen { .. }
            | Remark::PartitionMissing { .. }
            | Remark::Suppressed { .. }
            | Remark::SourceFailed { .. } => None,
        }
    }

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
                event(Level::Warn, Kind::Gap.event(), message, Some(*to))
                    .with("missing", *missing)
                    .with("from", *from)
                    .with("to", *to)
            }
            Remark::Failed { start, reason } => {
                event(Level::Warn, Kind::Failed(*reason).event(), format!("row failed: {reason}"), *start)
                    .with("reason", reason.as_str())
            }
            Remark::Duplicate { start } => {
                let message = "row dropped: another with the same start came before it".to_owned();
                event(Level::Warn, Kind::Duplicate.event(), message, Some(*start))
            }
            Remark::OutOfOrder { start, last } => {
                let message = format!("row dropped: it starts before the row at {last}");
                event(Level::Warn, Kind::OutOfOrder.event(), message, Some(*start)).with("last", *last)
            }
            Remark::Late { start } => {
                let message = "row dropped: time had passed it when it came".to_owned();
                event(Level::Warn, Kind::Late.event(), message, Some(*start))
            }
            Remark::Suppressed { kind, withheld: Withheld { count, missing, span } } => {
                let message = format!("{count} more of {} in this month, counted only", kind.event());
                let last = span.map(|(_, last)| last);
                let mut event = event(Level::Warn, "SOURCE_ROWS_SUPPRESSED", message, last)
                    .with("event", kind.event())
                    .with("count", *count);
                match kind {
                    Kind::Failed(reason) => event = event.with("reason", reason.as_str()),
                    Kind::Gap => event = event.with("missing", *missing),
                    Kind::OutOfOrder | Kind::Duplicate | Kind::Late => {}
                }
                match span {
                    Some((first, last)) => event.with("first", *first).with("last", *last),
                    None => event,
                }
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

    /// Why a row is refused in strict mode; `None` if this is not about a bad row.
    pub(crate) fn objection(&self) -> Option<String> {
        match self {
            Remark::FileOpen { .. }
            | Remark::PartitionMissing { .. }
            | Remark::Gap { .. }
            | Remark::Suppressed { .. }
            | Remark::SourceFailed { .. } => None,
            Remark::Failed { reason, .. } => Some(reason.to_string()),
            Remark::Duplicate { .. } => Some("it has the start of the row emitted before it".to_owned()),
            Remark::Late { .. } => Some("time had passed it when it came".to_owned()),
            Remark::OutOfOrder { last, .. } => {
                Some(format!("it starts before the row emitted last, at {last}"))
            }
        }
    }
}
