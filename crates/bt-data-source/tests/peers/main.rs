//! Files that pyarrow, polars and DuckDB write are read as they were written.
//!
//! `write.py` writes them, with the interpreter that `BT_PYTHON` names. Without it there is nothing to read, which is
//! said on stderr; `.ci/run` makes an interpreter with what stands in `requirements.txt`.

#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use bt_core::{Candle, CandleSource, CandleSourceExt, SourceError, Trades};
use bt_data_source::ParquetSource;
use futures::TryStreamExt;
use futures::executor::block_on;

/// What is read of a table: its candles by their bits, and how many rows are none.
#[derive(Debug, PartialEq)]
struct Course {
    candles: Vec<[u64; 7]>,
    others: u64,
}

#[test]
fn r11_files_of_other_writers_are_read_as_they_were_written() {
    let Some(python) = env::var_os("BT_PYTHON") else {
        // Past the harness, which keeps what tests print to itself.
        let line = "skipped: files of pyarrow, polars and DuckDB, for BT_PYTHON names no interpreter";
        writeln!(io::stderr(), "{line}").unwrap();
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/write.py");
    let output = Command::new(&python).arg(script).arg(dir.path()).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} failed: {complaint}", python.display());

    let mut tables = BTreeMap::new();
    let mut read = BTreeMap::<_, usize>::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let [file, table, fate, how] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let path = dir.path().join(file);
        let expected = tables.entry(table.to_owned()).or_insert_with(|| table_of(dir.path(), table));
        match fate {
            "read" | "checksums" => {
                let course = course(&path, false).unwrap_or_else(|error| panic!("{how}: {error}"));
                // Not `assert_eq`, which would print all of them.
                assert!(course == *expected, "{table} by {how} is read otherwise");
                let strict = self::course(&path, true);
                // Without rows there are no pages that could lack one.
                let has = fate == "checksums" || expected.candles.is_empty();
                assert_eq!(strict.is_ok(), has, "{table} by {how}: {:?}", strict.err());
            }
            column => {
                let text = course(&path, false).unwrap_err().to_string();
                let place = format!("column `{column}`");
                assert!(text.contains(file) && text.contains(&place), "{table} by {how}: {text}");
            }
        }
        *read.entry(how.split(' ').next().unwrap().to_owned()).or_default() += 1;
    }
    println!("read as they were written, or refused by name: {read:?}");
    assert!(read.len() == 3 && read.values().all(|files| *files >= 50), "{read:?}");
}

fn course(path: &Path, checksums: bool) -> Result<Course, SourceError> {
    block_on(async {
        let series = "binance.spot:BTCUSDT@1m".parse().unwrap();
        let source = ParquetSource::files(series, [path]).require_checksums(checksums).open().await?;
        let stats = source.stats();
        let candles: Vec<Candle> = source.candles().try_collect().await?;
        let counted = stats.snapshot();
        let others = counted.rows_read() - counted.emitted;
        Ok(Course { candles: candles.iter().map(bits).collect(), others })
    })
}

fn bits(candle: &Candle) -> [u64; 7] {
    let Candle { start, open, high, low, close, volume, trades, .. } = *candle;
    let [open, high, low, close, volume] = [open, high, low, close, volume].map(f64::to_bits);
    [start.as_nanos() as u64, open, high, low, close, volume, number(trades)]
}

/// No number of trades is as large as this.
fn number(trades: Trades) -> u64 {
    trades.get().unwrap_or(u64::MAX)
}

/// What is to be read of a table.
fn table_of(dir: &Path, table: &str) -> Course {
    let mut course = Course { candles: vec![], others: 0 };
    for line in fs::read_to_string(dir.join(table).with_extension("csv")).unwrap().lines() {
        match candle(line) {
            Some(candle) => course.candles.push(candle),
            None => course.others += 1,
        }
    }
    course
}

/// The candle of a line, if all is there that has to be, and it is final.
fn candle(line: &str) -> Option<[u64; 7]> {
    let [start, open, high, low, close, volume, trades, is_final] =
        line.split(',').collect::<Vec<_>>().try_into().unwrap();
    let start: i64 = start.parse().ok()?;
    let mut row = [start as u64, 0, 0, 0, 0, 0, 0];
    for (value, bits) in row[1..6].iter_mut().zip([open, high, low, close, volume]) {
        *value = u64::from_str_radix(bits, 16).ok()?;
    }
    row[6] = trades.parse().unwrap_or(u64::MAX);
    (is_final == "1").then_some(row)
}
