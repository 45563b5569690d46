//! Tests of the decoder against files that the `parquet` crate writes, files made by hand, and broken ones.

mod differential;
mod handmade;
mod limits;
mod model;
mod mutants;

use std::io::Cursor;
use std::ops::Range;

use bt_core::{Columns, TimeRange, Timestamp};

use super::{DecodeError, FilePlan, RawChunk, RowFault, Scratch, Slice, decode};
use crate::ColumnNames;
use crate::limits::Terms;

/// Every instant that a candle can start at.
fn all() -> TimeRange {
    TimeRange::ALL
}

/// Files whose columns are called so.
fn named(names: ColumnNames) -> Terms {
    Terms { names, ..Terms::default() }
}

/// Decodes rows of one row group, with buffers that are not clean.
fn decode_rows(
    bytes: &[u8],
    plan: &FilePlan,
    group: usize,
    rows: Range<usize>,
    batch_rows: usize,
    range: TimeRange,
) -> Result<Vec<RawChunk>, DecodeError> {
    let slice = Slice { group, rows, range, batch_rows };
    let mut take = || Columns { open: vec![7.0; 3], partial: vec![true; 9], ..Columns::default() };
    decode(&mut Cursor::new(bytes), plan, &slice, &mut Scratch::default(), &mut take)
}

/// Decodes a whole file, a row group at a time.
fn decode_all(bytes: &[u8], terms: &Terms) -> Result<Vec<RawChunk>, DecodeError> {
    let plan = FilePlan::read(&mut Cursor::new(bytes), terms)?;
    let mut chunks = Vec::new();
    for group in 0..plan.groups() {
        chunks.extend(decode_rows(bytes, &plan, group, 0..plan.group_rows(group), 1 << 13, all())?);
    }
    Ok(chunks)
}

/// A row as read, in a form that compares NaNs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    start: i64,
    prices: [u64; 5],
    trades: Option<u64>,
    faults: Vec<RowFault>,
}

/// The rows of chunks, which must be whole.
fn rows(chunks: &[RawChunk]) -> Vec<Row> {
    let mut rows = Vec::new();
    for RawChunk { columns, faults, start_only } in chunks {
        let Columns { start, open, high, low, close, volume, trades, partial } = columns;
        assert!(!start_only);
        let n = start.len();
        assert_eq!([open.len(), high.len(), low.len(), close.len(), volume.len()], [n; 5]);
        assert_eq!((trades.len(), partial), (n, &vec![false; n]));
        assert!(faults.is_sorted_by_key(|&(row, _)| row), "{faults:?}");
        assert!(faults.iter().all(|&(row, _)| (row as usize) < n));
        for i in 0..n {
            rows.push(Row {
                start: start[i].as_nanos(),
                prices: [&open, &high, &low, &close, &volume].map(|c| bits(c[i])),
                trades: trades[i].get(),
                faults: faults.iter().filter(|f| f.0 as usize == i).map(|f| f.1).collect(),
            });
        }
    }
    rows
}

/// The bits of a number, the same for all NaNs.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

/// A small generator of numbers, so that a case is its seed.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}
