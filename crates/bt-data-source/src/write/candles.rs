//! Candles in the layout's columns.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bt_core::{Columns, Series, Timeframe, Timestamp};

use super::table::{Field, FieldKind, TableWriter, Values};
use super::{WriteError, WriteOptions};
use crate::layout::{month_path, month_range};

/// Writes candles as Parquet in the layout's columns: `start_ms`, `end_ms`, `open`, `high`, `low`, `close`, `volume`,
/// `trades` (null where unknown), `is_final` (always true).
///
/// The flag `partial` has no column and is not kept.
#[derive(Debug)]
pub struct CandleWriter<W: Write> {
    table: TableWriter<W>,
    timeframe: Timeframe,
}

impl<W: Write> CandleWriter<W> {
    /// A file of candles of one timeframe.
    ///
    /// # Errors
    /// If the Parquet library refuses.
    pub fn new(writer: W, timeframe: Timeframe, options: WriteOptions) -> Result<Self, WriteError> {
        let float = |name| Field::new(name, FieldKind::Float);
        let fields = [
            Field::new("start_ms", FieldKind::Integer),
            Field::new("end_ms", FieldKind::Integer),
            float("open"),
            float("high"),
            float("low"),
            float("close"),
            float("volume"),
            Field::nullable("trades", FieldKind::Integer),
            Field::new("is_final", FieldKind::Bool),
        ];
        Ok(CandleWriter { table: TableWriter::new(writer, fields, options)?, timeframe })
    }

    /// Adds candles, in the order in which they are to stand in the file; nothing of them is checked but that
    /// the columns can hold them.
    ///
    /// # Errors
    /// If starts or ends are no whole milliseconds, if the columns are not equally long, or if the writer fails.
    pub fn append(&mut self, candles: &Columns) -> Result<(), WriteError> {
        let Columns { start, open, high, low, close, volume, trades, partial: _ } = candles;
        let lengths = [open.len(), high.len(), low.len(), close.len(), volume.len(), trades.len()];
        if let Some(&found) = lengths.iter().find(|&&length| length != start.len()) {
            return Err(WriteError::Uneven { found, expected: start.len() });
        }
        for &start in start {
            self.check(start)?;
        }
        let mut from = 0;
        while from < start.len() {
            let rows = from..start.len().min(from + self.table.room());
            self.append_rows(candles, rows.clone())?;
            from = rows.end;
        }
        Ok(())
    }

    /// Writes what is held and the footer, and gives the writer back.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn finish(self) -> Result<W, WriteError> {
        self.table.finish()
    }

    fn check(&self, start: Timestamp) -> Result<(), WriteError> {
        let expected = match self.timeframe.end_of(start) {
            None => "an end that nanoseconds in 64 bits hold",
            Some(end) if start.as_nanos() % NANOS == 0 && end.as_nanos() % NANOS == 0 => return Ok(()),
            Some(_) => "start and end in whole milliseconds",
        };
        Err(WriteError::Candle { start, expected })
    }

    /// Appends rows that fit into the row group at hand.
    fn append_rows(&mut self, candles: &Columns, rows: Range<usize>) -> Result<(), WriteError> {
        let starts = candles.start[rows.clone()].iter().map(|start| start.as_nanos() / NANOS);
        let trades = &candles.trades[rows.clone()];
        let length = self.timeframe.as_nanos() / NANOS;
        let floats = [&candles.open, &candles.high, &candles.low, &candles.close, &candles.volume];
        let mut floats = floats.into_iter();
        for (place, column) in self.table.columns().iter_mut().enumerate() {
            match (&mut column.values, place) {
                (Values::Integers(v), 0) => v.extend(starts.clone()),
                (Values::Integers(v), 1) => v.extend(starts.clone().map(|start| start + length)),
                (Values::Integers(v), _) => {
                    v.extend(trades.iter().map(|t| t.get().map_or(0, |count| count as i64)));
                    column.validity.extend(trades.iter().map(|t| t.get().is_some()));
                }
                (Values::Floats(v), _) => v.extend(floats.next().into_iter().flat_map(|f| &f[rows.clone()])),
                (Values::Flags(v), _) => v.extend(rows.clone().map(|_| true)),
                (Values::Timestamps(_) | Values::Texts { .. }, _) => {}
            }
        }
        self.table.settle(rows.len())
    }
}

const NANOS: i64 = 1_000_000;

/// Writes the candles of one month of a series into its file in the layout under `root`; returns its path.
///
/// The file appears complete or not at all: it is written under another name beside its place, then moved there,
/// over one that may be there already. (That holds against errors and the end of the process, not against a
/// loss of power.) No candles, no file with rows, but a file.
///
/// # Errors
/// A candle that does not start in that month, or that the columns cannot hold; whatever the operating system
/// says. Nothing is left behind then but directories.
///
/// # Panics
/// If `month` is not from 1 to 12.
pub fn write_month(
    root: &Path,
    series: &Series,
    (year, month): (i32, u32),
    candles: &Columns,
    options: &WriteOptions,
) -> Result<PathBuf, WriteError> {
    assert!((1..=12).contains(&month), "month {month}");
    let range = month_range(year, month);
    if let Some(&start) = candles.start.iter().find(|&&start| !range.is_some_and(|r| r.contains(start))) {
        return Err(WriteError::Candle { start, expected: "a start within the month of the file" });
    }
    let path = month_path(root, series, year, month);
    let file = TempFile::create(&path)?;
    let mut writer = CandleWriter::new(BufWriter::new(file.open()?), series.timeframe(), options.clone())?;
    let named = |error| match error {
        WriteError::Stream(source) => WriteError::Io { path: file.temporary.clone(), source },
        other => other,
    };
    writer.append(candles).map_err(named)?;
    // Closed before it is moved.
    drop(writer.finish().map_err(named)?);
    file.keep()?;
    Ok(path)
}

/// Numbers temporary files, so that threads that write one month do not write one file.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A file under another name, removed unless it is kept.
struct TempFile {
    temporary: PathBuf,
    path: PathBuf,
    kept: bool,
}

impl TempFile {
    fn create(path: &Path) -> Result<Self, WriteError> {
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory).map_err(|e| failed(directory, e))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Not ending in `.parquet`, so that nothing takes it for a month, whatever happens to this process.
        let (process, number) = (std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let temporary = directory.join(format!(".{name}.{process}-{number}.part"));
        Ok(TempFile { temporary, path: path.into(), kept: false })
    }

    fn open(&self) -> Result<File, WriteError> {
        File::create(&self.temporary).map_err(|e| failed(&self.temporary, e))
    }

    fn keep(mut self) -> Result<(), WriteError> {
        fs::rename(&self.temporary, &self.path).map_err(|e| failed(&self.path, e))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is left: the error that led here says more.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn failed(path: &Path, source: io::Error) -> WriteError {
    WriteError::Io { path: path.into(), source }
}
