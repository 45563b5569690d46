//! Candle files for tests.

#![allow(dead_code, reason = "each file of tests uses its own part")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use bt_core::{Series, SourceError, TimeRange, Timestamp};
use bt_data_source::{Cell, Field, FieldKind, ParquetBuilder, ParquetSource, TableWriter, WriteOptions};
use bt_testkit::reference::{RawRow, RawTrades};
use futures::executor::block_on;

pub(crate) const MINUTE: i64 = 60_000_000_000;

pub(crate) fn series() -> Series {
    "binance.spot:BTCUSDT@1m".parse().unwrap()
}

pub(crate) fn range(from: &str, to: &str) -> TimeRange {
    TimeRange::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
}

/// Plain rows of the minutes from an instant on.
pub(crate) fn minutes(from: &str, count: i64) -> Vec<RawRow> {
    let from: Timestamp = from.parse().unwrap();
    (0..count).map(|minute| RawRow::plain(from.as_nanos() + minute * MINUTE)).collect()
}

/// Writes rows to a file, in row groups of `group` rows.
pub(crate) fn write(path: &Path, rows: &[RawRow], group: usize) {
    write_cells(path, FieldKind::Timestamp, rows.iter().map(cells), group);
}

/// Writes rows as by [`cells`] to a file, with starts of this kind.
pub(crate) fn write_cells(
    path: &Path,
    starts: FieldKind,
    rows: impl IntoIterator<Item = [Cell<'static>; 8]>,
    group: usize,
) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let float = |name| Field::nullable(name, FieldKind::Float);
    let fields = [
        Field::nullable("start_ms", starts),
        float("open"),
        float("high"),
        float("low"),
        float("close"),
        float("volume"),
        Field::nullable("trades", FieldKind::Integer),
        Field::nullable("is_final", FieldKind::Bool),
    ];
    let options = WriteOptions::default().with_row_group_rows(group).unwrap();
    let mut table = TableWriter::new(File::create(path).unwrap(), fields, options).unwrap();
    for row in rows {
        table.push(&row).unwrap();
    }
    table.finish().unwrap();
}

/// What stands in a file for a row. Null is written for a NaN, but not for a negative one.
pub(crate) fn cells(row: &RawRow) -> [Cell<'static>; 8] {
    let float = |number: f64| {
        if number.is_nan() && number.is_sign_positive() { Cell::Null } else { Cell::Float(number) }
    };
    [
        row.start.map_or(Cell::Null, |start| Cell::Timestamp(Timestamp::from_nanos(start))),
        float(row.open),
        float(row.high),
        float(row.low),
        float(row.close),
        float(row.volume),
        match row.trades {
            RawTrades::Unknown => Cell::Null,
            RawTrades::Known(count) => Cell::Integer(count.try_into().unwrap()),
            RawTrades::Negative(count) => Cell::Integer(count),
        },
        Cell::Bool(row.is_final),
    ]
}

/// Where the file of a month of [`series`] belongs, by the name of the month in it.
pub(crate) fn month(root: &Path, year: i32, month: &str) -> PathBuf {
    root.join("exchange=binance/market=spot/symbol=BTCUSDT/type=candle/timeframe=1m")
        .join(format!("year={year}/BTCUSDT-1m-{year}-{month}.parquet"))
}

/// Files of these rows, in a directory that goes with the first value.
pub(crate) fn files(files: &[Vec<RawRow>], group: usize) -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let path = |number| dir.path().join(format!("{number}.parquet"));
    let paths: Vec<_> = (0..files.len()).map(path).collect();
    for (path, rows) in paths.iter().zip(files) {
        write(path, rows, group);
    }
    (dir, paths)
}

pub(crate) fn open(builder: ParquetBuilder) -> Result<ParquetSource, SourceError> {
    block_on(builder.open())
}
