//! From the bytes of a Parquet file to columns of candles.
//!
//! This module is a narrow door: [`FilePlan::read`] looks at a file's footer, [`decode`] turns rows of one row
//! group into [`RawChunk`]s. It knows no paths, no threads and no streams, and it never panics on what it
//! reads, nor allocates by a number that it has not checked.
//!
//! - Files are read front to back in blocks; nothing is kept but one page and its dictionary.
//! - Every number in a file is a claim. It is held against the length of the file, the number of rows and
//!   [`Limits`](crate::Limits) before anything is allocated by it.
//! - A panic all the same would be a fault of the file, with its place (and of this module).
//! - Statistics are never looked at (R11).

mod codec;
mod column;
mod delta;
mod error;
mod footer;
mod pages;
mod plan;
mod rle;
#[cfg(test)]
mod tests;
mod thrift;
mod values;

use std::io::{Read, Seek};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bt_core::{Columns, TimeRange, Timestamp, Trades};

use self::column::{ColumnReader, Stored};
use self::error::Fault;
use self::plan::{ChunkPlan, ColumnPlan, Role, Storage};
use self::values::{Flags, Kind, Numbers};

#[cfg(feature = "write")]
pub(crate) use self::codec::compress;
pub(crate) use self::error::{DecodeError, panic_message};
pub(crate) use self::plan::FilePlan;
use crate::check::RowFault;

/// Longest footer: some ten thousand row groups of a candle file.
const MAX_FOOTER_BYTES: usize = 64 << 20;

/// Most row groups: the format numbers them in 16 bits.
const MAX_ROW_GROUPS: usize = 1 << 16;

/// Which rows to decode.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    /// The row group, from 0.
    pub(crate) group: usize,
    /// Rows within it, from 0.
    pub(crate) rows: Range<usize>,
    /// The starts that are wanted. Without one among the rows, no other column is read (R11).
    pub(crate) range: TimeRange,
    /// Most rows in a chunk.
    pub(crate) batch_rows: usize,
}

/// Rows as they stand in the file, unchecked but for what cannot be put into a column.
#[derive(Debug)]
pub(crate) struct RawChunk {
    /// The rows. All columns are equally long, unless `start_only`. A null price or volume is NaN, `partial`
    /// is false throughout.
    pub(crate) columns: Columns,
    /// What a value in a column cannot show (R7), by row within this chunk, ascending. A row may have several.
    pub(crate) faults: Vec<(u32, RowFault)>,
    /// No start of the whole slice is in range: only the starts were decoded, the other columns are empty.
    pub(crate) start_only: bool,
}

/// Buffers that [`decode`] uses again. One for each thread that decodes.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    buffers: column::Buffers,
    floats: Vec<f64>,
    integers: Vec<i64>,
    flags: Vec<bool>,
    /// Values of one chunk before they are put into its columns.
    raw: Vec<i64>,
    finals: Vec<bool>,
}

#[cfg(test)]
impl Scratch {
    /// Bytes that the buffers take.
    fn bytes(&self) -> usize {
        let Scratch { buffers, floats, integers, flags, raw, finals } = self;
        let numbers = floats.capacity() + integers.capacity() + raw.capacity();
        buffers.bytes() + 8 * numbers + flags.capacity() + finals.capacity()
    }
}

/// Decodes the rows of `slice` into chunks, in order, each in columns from `take_buffer` (cleared here).
///
/// Reads from `reader` what the slice needs: the start column, and the others if a start is in range. No row,
/// no chunk.
///
/// # Errors
/// Any fault of the bytes, with row group and column. Nothing of the slice is returned then, and after a panic
/// `scratch` is not to be used again.
///
/// # Panics
/// If `slice` names a row group or rows that the plan does not have, or batches of no rows.
pub(crate) fn decode<R: Read + Seek>(
    reader: &mut R,
    plan: &FilePlan,
    slice: &Slice,
    scratch: &mut Scratch,
    take_buffer: &mut dyn FnMut() -> Columns,
) -> Result<Vec<RawChunk>, DecodeError> {
    let Slice { group, ref rows, range, batch_rows } = *slice;
    assert!(
        rows.end <= plan.group_rows(group) && batch_rows > 0,
        "{slice:?} of {} rows",
        plan.group_rows(group)
    );
    let mut chunks = Vec::with_capacity(rows.len().div_ceil(batch_rows));
    let mut in_range = false;
    for (column, chunk) in plan.columns().iter().zip(plan.chunks(group)) {
        let place = Place { plan, column, chunk, group_rows: plan.group_rows(group), first: rows.start };
        let decoded = shielded(|| match column.role {
            Role::Start => starts(reader, place, rows.len(), batch_rows, scratch, take_buffer, &mut chunks),
            Role::Trades => trades(reader, place, scratch, &mut chunks),
            Role::IsFinal => finals(reader, place, scratch, &mut chunks),
            Role::Open => floats(reader, place, scratch, &mut chunks, |c| &mut c.open),
            Role::High => floats(reader, place, scratch, &mut chunks, |c| &mut c.high),
            Role::Low => floats(reader, place, scratch, &mut chunks, |c| &mut c.low),
            Role::Close => floats(reader, place, scratch, &mut chunks, |c| &mut c.close),
            Role::Volume => floats(reader, place, scratch, &mut chunks, |c| &mut c.volume),
        });
        decoded.map_err(|fault| DecodeError::from(fault).in_group(group).in_column(&column.name))?;
        if column.role == Role::Start {
            in_range = chunks.iter().any(|c| has_start_in(c, range));
        }
        if !in_range {
            break;
        }
    }
    for RawChunk { columns, faults, start_only } in &mut chunks {
        *start_only = !in_range;
        if in_range {
            let rows = columns.start.len();
            columns.partial.resize(rows, false);
            // All are unknown if the file has no such column.
            columns.trades.resize(rows, Trades::UNKNOWN);
        }
        faults.sort_by_key(|&(row, _)| row);
    }
    Ok(chunks)
}

/// A column of the row group in hand, and the first row that is wanted.
#[derive(Clone, Copy)]
struct Place<'a> {
    plan: &'a FilePlan,
    column: &'a ColumnPlan,
    chunk: &'a ChunkPlan,
    group_rows: usize,
    first: usize,
}

impl<'a> Place<'a> {
    fn open<R: Read + Seek, K: Kind>(
        self,
        reader: &'a mut R,
        kind: K,
        buffers: &'a mut column::Buffers,
        dictionary: &'a mut Vec<K::Out>,
    ) -> Result<ColumnReader<'a, R, K>, Fault> {
        let Place { plan, column, chunk, group_rows, first } = self;
        let stored = Stored { column, chunk, rows: group_rows, rules: plan.page_rules() };
        let mut opened = ColumnReader::open(reader, stored, kind, buffers, dictionary)?;
        opened.skip(first)?;
        Ok(opened)
    }
}

/// Decodes a column; a panic is its fault.
fn shielded(decode: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
    // What it had in hand is thrown away: the chunks here, the buffers by the caller.
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        Err(error::corrupt(format_args!("the decoder panicked: {}", panic_message(&*panic))))
    })
}

fn has_start_in(chunk: &RawChunk, range: TimeRange) -> bool {
    let mut bad = chunk.faults.iter().map(|&(row, _)| row as usize).peekable();
    chunk.columns.start.iter().enumerate().any(|(row, &start)| {
        let known = bad.next_if_eq(&row).is_none();
        known && range.contains(start)
    })
}

/// Decodes the start column; makes the chunks.
fn starts<R: Read + Seek>(
    reader: &mut R,
    place: Place<'_>,
    rows: usize,
    batch_rows: usize,
    scratch: &mut Scratch,
    take_buffer: &mut dyn FnMut() -> Columns,
    chunks: &mut Vec<RawChunk>,
) -> Result<(), Fault> {
    let Storage::Instant(unit) = place.column.storage else { return Err(mismatch()) };
    let Scratch { buffers, integers, raw, .. } = scratch;
    let mut column = place.open(reader, Numbers::new(|v: i64| v), buffers, integers)?;
    let mut left = rows;
    while left > 0 {
        let rows = left.min(batch_rows);
        left -= rows;
        let mut faults = Vec::new();
        raw.clear();
        column.read(rows, 0, raw, |nulls| faults.extend(nulls.map(|row| (row as u32, RowFault::Time))))?;
        let mut columns = take_buffer();
        columns.clear();
        let most = i64::MAX / unit;
        let fits = |v: i64| -most <= v && v <= most;
        if raw.iter().fold(true, |all, &v| all & fits(v)) {
            columns.start.extend(raw.iter().map(|&v| Timestamp::from_nanos(v.wrapping_mul(unit))));
        } else {
            columns.start.extend(raw.iter().enumerate().map(|(row, &v)| {
                Timestamp::from_nanos(v.checked_mul(unit).unwrap_or_else(|| {
                    faults.push((row as u32, RowFault::Time));
                    0
                }))
            }));
            faults.sort_by_key(|&(row, _)| row);
        }
        chunks.push(RawChunk { columns, faults, start_only: false });
    }
    Ok(())
}

/// Decodes a column of prices or volumes.
fn floats<R: Read + Seek>(
    reader: &mut R,
    place: Place<'_>,
    scratch: &mut Scratch,
    chunks: &mut [RawChunk],
    field: fn(&mut Columns) -> &mut Vec<f64>,
) -> Result<(), Fault> {
    fn fill<R: Read + Seek, K: Kind<Out = f64>>(
        reader: &mut R,
        place: Place<'_>,
        kind: K,
        Scratch { buffers, floats, .. }: &mut Scratch,
        chunks: &mut [RawChunk],
        field: fn(&mut Columns) -> &mut Vec<f64>,
    ) -> Result<(), Fault> {
        let mut column = place.open(reader, kind, buffers, floats)?;
        chunks.iter_mut().try_for_each(|RawChunk { columns, .. }| {
            column.read(columns.start.len(), f64::NAN, field(columns), |_| ())
        })
    }
    match place.column.storage {
        Storage::F64 => fill(reader, place, Numbers::new(|v: f64| v), scratch, chunks, field),
        Storage::F32 => fill(reader, place, Numbers::new(|v: f32| f64::from(v)), scratch, chunks, field),
        Storage::I32 => fill(reader, place, Numbers::new(|v: i32| f64::from(v)), scratch, chunks, field),
        Storage::U32 => {
            fill(reader, place, Numbers::new(|v: i32| f64::from(v as u32)), scratch, chunks, field)
        }
        Storage::I64 => fill(reader, place, Numbers::new(|v: i64| v as f64), scratch, chunks, field),
        Storage::U64 => fill(reader, place, Numbers::new(|v: i64| v as u64 as f64), scratch, chunks, field),
        Storage::Bool | Storage::Instant(_) => Err(mismatch()),
    }
}

/// Decodes the column of numbers of trades.
fn trades<R: Read + Seek>(
    reader: &mut R,
    place: Place<'_>,
    scratch: &mut Scratch,
    chunks: &mut [RawChunk],
) -> Result<(), Fault> {
    /// What a null is decoded to; numbers that cannot be are decoded to -1.
    const NULL: i64 = i64::MIN;

    fn fill<R: Read + Seek, K: Kind<Out = i64>>(
        reader: &mut R,
        place: Place<'_>,
        kind: K,
        Scratch { buffers, integers, raw, .. }: &mut Scratch,
        chunks: &mut [RawChunk],
    ) -> Result<(), Fault> {
        let mut column = place.open(reader, kind, buffers, integers)?;
        chunks.iter_mut().try_for_each(|RawChunk { columns, faults, .. }| {
            raw.clear();
            column.read(columns.start.len(), NULL, raw, |_| ())?;
            let known = |v: i64| u64::try_from(v).ok().and_then(Trades::new).unwrap_or(Trades::UNKNOWN);
            columns.trades.extend(raw.iter().map(|&v| known(v)));
            if raw.iter().fold(false, |any, &v| any | (v < 0 && v != NULL)) {
                let bad = raw.iter().zip(0..).filter(|&(&v, _)| v < 0 && v != NULL);
                faults.extend(bad.map(|(_, row)| (row, RowFault::Trades)));
            }
            Ok(())
        })
    }
    match place.column.storage {
        Storage::I64 | Storage::U64 => fill(reader, place, Numbers::new(|v: i64| v.max(-1)), scratch, chunks),
        Storage::I32 => fill(reader, place, Numbers::new(|v: i32| i64::from(v.max(-1))), scratch, chunks),
        Storage::U32 => fill(reader, place, Numbers::new(|v: i32| i64::from(v as u32)), scratch, chunks),
        _ => Err(mismatch()),
    }
}

/// Decodes the column that says whether candles are final. A null is no.
fn finals<R: Read + Seek>(
    reader: &mut R,
    place: Place<'_>,
    Scratch { buffers, flags, finals, .. }: &mut Scratch,
    chunks: &mut [RawChunk],
) -> Result<(), Fault> {
    let mut column = place.open(reader, Flags, buffers, flags)?;
    chunks.iter_mut().try_for_each(|RawChunk { columns, faults, .. }| {
        finals.clear();
        column.read(columns.start.len(), false, finals, |_| ())?;
        if finals.iter().fold(false, |any, &is_final| any | !is_final) {
            let bad = finals.iter().zip(0..).filter(|&(&is_final, _)| !is_final);
            faults.extend(bad.map(|(_, row)| (row, RowFault::NotFinal)));
        }
        Ok(())
    })
}

/// The plan admits only storage that its column can have.
fn mismatch() -> Fault {
    error::corrupt("its type does not fit its use")
}
