//! The footer: which columns a file has and where their bytes are.
//!
//! Read with a cursor of our own. arrow2's reader of footers refuses every file with a float column whose writer
//! states IEEE 754 column order (`parquet` 60 does so); a schema of some thousand groups in groups, 24 kB of footer,
//! ends the process, for it recurses once for each; and it copies the whole top-level field for each column chunk.

use std::io::{Read, Seek, SeekFrom};

use super::error::{Fault, corrupt, unsupported};
use super::thrift::{Cursor, Wire};
use super::{MAX_FOOTER_BYTES, MAX_ROW_GROUPS};

const MAGIC: &[u8; 4] = b"PAR1";
const ENCRYPTED_MAGIC: &[u8; 4] = b"PARE";

/// What is read from the end of a file at first; the footers of most candle files fit.
const FIRST_READ: u64 = 8 << 10;

/// Far more columns than a file of candles has.
const MAX_SCHEMA_ELEMENTS: usize = 1 << 16;

/// A leaf of the schema: a column as it is stored.
#[derive(Debug)]
pub(super) struct Leaf<'a> {
    pub(super) name: &'a [u8],
    /// Whether it stands at the top of the schema, not in a group.
    pub(super) top: bool,
    pub(super) repetition: i64,
    pub(super) physical: i64,
    pub(super) annotation: Annotation,
}

/// What the values of a column mean beyond their physical type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Annotation {
    None,
    Integer { bits: u8, signed: bool },
    Timestamp(Unit),
    Other(&'static str),
}

/// Units of instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

/// A column chunk, as claimed.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) codec: i64,
    pub(super) values: u64,
    pub(super) compressed: u64,
    pub(super) uncompressed: u64,
    pub(super) data_offset: u64,
    pub(super) dictionary_offset: Option<u64>,
    pub(super) elsewhere: bool,
    pub(super) encrypted: bool,
    pub(super) described: bool,
}

/// The serialised footer of a file, and the file's length.
#[derive(Debug)]
pub(super) struct Footer {
    bytes: Vec<u8>,
    /// Where the data ends and the footer begins.
    pub(super) data_end: u64,
}

impl Footer {
    pub(super) fn read<R: Read + Seek>(reader: &mut R) -> Result<Self, Fault> {
        let length = reader.seek(SeekFrom::End(0))?;
        if length < 12 {
            return Err(corrupt(format_args!("the file has {length} bytes, expected 12 at least")));
        }
        let mut bytes = read_tail(reader, length, FIRST_READ.min(length))?;
        let (rest, magic) = bytes.split_last_chunk::<4>().ok_or_else(|| corrupt("no magic bytes"))?;
        match magic {
            MAGIC => {}
            ENCRYPTED_MAGIC => return Err(unsupported("the footer is encrypted")),
            _ => return Err(corrupt("the file does not end in PAR1: cut short, or not Parquet")),
        }
        let (_, claimed) = rest.split_last_chunk::<4>().ok_or_else(|| corrupt("no footer length"))?;
        let footer = u64::from(u32::from_le_bytes(*claimed));
        if footer > length - 12 || footer > MAX_FOOTER_BYTES as u64 {
            return Err(corrupt(format_args!(
                "the footer is said to have {footer} bytes, expected {} at most",
                (length - 12).min(MAX_FOOTER_BYTES as u64)
            )));
        }
        if bytes.len() as u64 - 8 < footer {
            bytes = read_tail(reader, length, footer + 8)?;
        }
        bytes.truncate(bytes.len() - 8);
        bytes.drain(..bytes.len() - footer as usize);
        Ok(Footer { bytes, data_end: length - 8 - footer })
    }

    /// The parts of the footer that are needed, found but not yet read.
    pub(super) fn parts(&self) -> Result<Parts<'_>, Fault> {
        let (mut schema, mut row_groups, mut rows) = (None, None, None);
        Cursor::new(&self.bytes).fields(|c, id, wire| {
            match (id, wire) {
                (2, Wire::List) => schema = Some(*c),
                (3, Wire::Int) => {
                    rows = Some(c.size("the number of rows")?);
                    return Ok(true);
                }
                (4, Wire::List) => row_groups = Some(*c),
                (8, _) => return Err(unsupported("the file is encrypted")),
                _ => {}
            }
            Ok(false)
        })?;
        match (schema, row_groups, rows) {
            (Some(schema), Some(row_groups), Some(rows)) => Ok(Parts { schema, row_groups, rows }),
            _ => Err(corrupt("the footer lacks a schema, a number of rows or row groups")),
        }
    }
}

/// Where the parts of a footer are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    schema: Cursor<'a>,
    row_groups: Cursor<'a>,
    pub(super) rows: u64,
}

impl<'a> Parts<'a> {
    /// The columns, in the order in which each row group stores them.
    pub(super) fn leaves(&self) -> Result<Vec<Leaf<'a>>, Fault> {
        let mut c = self.schema;
        let (_, length) = c.list()?;
        if length == 0 || length > MAX_SCHEMA_ELEMENTS {
            return Err(corrupt(format_args!(
                "the schema has {length} elements, expected 1 to {MAX_SCHEMA_ELEMENTS}"
            )));
        }
        let mut leaves = Vec::new();
        // How many elements are still to come in each group that is open, the root's first.
        let mut open: Vec<u64> = Vec::new();
        for index in 0..length {
            let (leaf, children) = element(&mut c)?;
            while open.last() == Some(&0) {
                open.pop();
            }
            match open.last_mut() {
                Some(left) => *left -= 1,
                None if index > 0 => return Err(corrupt("the schema has elements outside its root")),
                None => {}
            }
            if index == 0 || children > 0 {
                open.push(children);
            } else {
                leaves.push(Leaf { top: open.len() == 1, ..leaf });
            }
        }
        match open.iter().all(|&left| left == 0) {
            true => Ok(leaves),
            false => Err(corrupt("the schema ends too early")),
        }
    }

    /// Calls `each` for each row group with its number of rows and its chunks of the columns in `wanted`,
    /// in that order, out of `leaves` columns.
    pub(super) fn row_groups(
        &self,
        leaves: usize,
        wanted: &[usize],
        mut each: impl FnMut(usize, u64, Vec<Chunk>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut c = self.row_groups;
        let (_, groups) = c.list()?;
        if groups > MAX_ROW_GROUPS {
            return Err(corrupt(format_args!(
                "the file is said to have {groups} row groups, expected {MAX_ROW_GROUPS} at most"
            )));
        }
        for group in 0..groups {
            let mut rows = None;
            let mut chunks: Vec<Chunk> = wanted.iter().map(|_| Chunk::default()).collect();
            let mut found = 0;
            c.fields(|c, id, wire| {
                match (id, wire) {
                    (1, Wire::List) => {
                        let (element, length) = c.list()?;
                        for index in 0..length {
                            match wanted.iter().position(|&w| w == index) {
                                Some(at) => chunks[at] = chunk(c)?,
                                None => c.step_over(element)?,
                            }
                        }
                        found = length;
                    }
                    (3, Wire::Int) => rows = Some(c.size("the number of rows")?),
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
            if found != leaves {
                return Err(corrupt(format_args!(
                    "row group {group} has {found} columns, the schema {leaves}"
                )));
            }
            let rows = rows.ok_or_else(|| corrupt(format_args!("row group {group} has no row count")))?;
            each(group, rows, chunks)?;
        }
        Ok(())
    }
}

fn read_tail<R: Read + Seek>(reader: &mut R, length: u64, tail: u64) -> Result<Vec<u8>, Fault> {
    reader.seek(SeekFrom::Start(length - tail))?;
    let mut bytes = vec![0; tail as usize];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A schema element and its number of children.
fn element<'a>(c: &mut Cursor<'a>) -> Result<(Leaf<'a>, u64), Fault> {
    let mut leaf = Leaf { name: &[], top: false, repetition: 0, physical: -1, annotation: Annotation::None };
    let mut children = 0;
    let mut converted = None;
    c.fields(|c, id, wire| {
        match (id, wire) {
            (1, Wire::Int) => leaf.physical = c.int()?,
            (3, Wire::Int) => leaf.repetition = c.int()?,
            (4, Wire::Binary) => leaf.name = c.binary()?,
            (5, Wire::Int) => children = c.size("the number of children")?,
            (6, Wire::Int) => converted = Some(c.int()?),
            (10, Wire::Struct) => leaf.annotation = logical_type(c)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    // The logical type is the newer of the two and has more to say.
    if let (Annotation::None, Some(code)) = (leaf.annotation, converted) {
        leaf.annotation = converted_type(code);
    }
    Ok((leaf, children))
}

fn logical_type(c: &mut Cursor<'_>) -> Result<Annotation, Fault> {
    let mut annotation = Annotation::None;
    c.fields(|c, id, wire| {
        annotation = match (id, wire) {
            (8, Wire::Struct) => return timestamp_type(c).map(|a| annotation = a).map(|()| true),
            (10, Wire::Struct) => return integer_type(c).map(|a| annotation = a).map(|()| true),
            (1, _) => Annotation::Other("string"),
            (5, _) => Annotation::Other("decimal"),
            (6, _) => Annotation::Other("date"),
            (7, _) => Annotation::Other("time of day"),
            // All of its values are null.
            (11, _) => Annotation::None,
            _ => Annotation::Other("annotated"),
        };
        Ok(false)
    })?;
    Ok(annotation)
}

fn timestamp_type(c: &mut Cursor<'_>) -> Result<Annotation, Fault> {
    let mut annotation = Annotation::Other("timestamp of an unknown unit");
    c.fields(|c, id, wire| {
        if (id, wire) != (2, Wire::Struct) {
            return Ok(false);
        }
        c.fields(|_, id, _| {
            annotation = match id {
                1 => Annotation::Timestamp(Unit::Millis),
                2 => Annotation::Timestamp(Unit::Micros),
                3 => Annotation::Timestamp(Unit::Nanos),
                _ => annotation,
            };
            Ok(false)
        })?;
        Ok(true)
    })?;
    Ok(annotation)
}

fn integer_type(c: &mut Cursor<'_>) -> Result<Annotation, Fault> {
    let (mut bits, mut signed) = (0, true);
    c.fields(|c, id, wire| {
        match (id, wire) {
            (1, Wire::Byte) => bits = c.small()?,
            (2, Wire::True | Wire::False) => signed = wire == Wire::True,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Annotation::Integer { bits, signed })
}

fn converted_type(code: i64) -> Annotation {
    match code {
        9 => Annotation::Timestamp(Unit::Millis),
        10 => Annotation::Timestamp(Unit::Micros),
        11..=14 => Annotation::Integer { bits: 8 << (code - 11), signed: false },
        15..=18 => Annotation::Integer { bits: 8 << (code - 15), signed: true },
        0 => Annotation::Other("string"),
        5 => Annotation::Other("decimal"),
        6 => Annotation::Other("date"),
        7 | 8 => Annotation::Other("time of day"),
        _ => Annotation::Other("annotated"),
    }
}

fn chunk(c: &mut Cursor<'_>) -> Result<Chunk, Fault> {
    let mut chunk = Chunk::default();
    c.fields(|c, id, wire| {
        match (id, wire) {
            (1, Wire::Binary) => chunk.elsewhere = !c.binary()?.is_empty(),
            (3, Wire::Struct) => {
                chunk.described = true;
                c.fields(|c, id, wire| {
                    match (id, wire) {
                        (4, Wire::Int) => chunk.codec = c.int()?,
                        (5, Wire::Int) => chunk.values = c.size("the number of values")?,
                        (6, Wire::Int) => chunk.uncompressed = c.size("the uncompressed size")?,
                        (7, Wire::Int) => chunk.compressed = c.size("the compressed size")?,
                        (9, Wire::Int) => chunk.data_offset = c.size("the offset of the data")?,
                        (11, Wire::Int) => {
                            chunk.dictionary_offset = Some(c.size("the offset of the dictionary")?)
                        }
                        _ => return Ok(false),
                    }
                    Ok(true)
                })?;
            }
            (8, _) => {
                chunk.encrypted = true;
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(chunk)
}
