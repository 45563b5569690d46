//! What is known of a file after its footer was read, in as few bytes as will do.

use std::io::{Read, Seek};
use std::sync::Arc;

use super::codec::Codec;
use super::error::{DecodeError, Fault, corrupt, unsupported};
use super::footer::{Annotation, Chunk, Footer, Leaf, Unit};
use super::pages::PageRules;
use super::pages::READ_BLOCK;
use crate::ColumnNames;
use crate::limits::Terms;

/// Most characters of a column's name in a text.
const NAME_CHARS: usize = 64;

/// What a column is to a candle, in the order in which columns are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Start,
    Open,
    High,
    Low,
    Close,
    Volume,
    Trades,
    IsFinal,
}

/// How the values of a column are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Bool,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    /// Instants as i64, in units of so many nanoseconds.
    Instant(i64),
}

/// A column that is needed.
#[derive(Clone, Debug)]
pub(super) struct ColumnPlan {
    pub(super) role: Role,
    pub(super) storage: Storage,
    /// Whether values may be null: definition levels are stored.
    pub(super) nullable: bool,
    pub(super) name: Arc<str>,
}

/// Where a column of a row group is stored. All numbers were checked against the file's length.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkPlan {
    pub(super) offset: u64,
    pub(super) compressed: u64,
    uncompressed: u64,
    pub(super) codec: Codec,
}

/// What is needed of a file to decode any of its rows: some 500 bytes for a file of one row group.
#[derive(Clone, Debug)]
pub(crate) struct FilePlan {
    columns: Box<[ColumnPlan]>,
    /// Rows of each row group.
    groups: Box<[u32]>,
    /// Chunks of the first row group in the order of `columns`, then those of the second …
    chunks: Box<[ChunkPlan]>,
    rules: PageRules,
}

impl FilePlan {
    /// Reads and checks a file's footer.
    ///
    /// # Errors
    /// A footer that is cut short or contradicts itself or the file's length; a column that is missing, nested,
    /// there twice or of a type that cannot be used; an unknown codec.
    pub(crate) fn read<R: Read + Seek>(reader: &mut R, terms: &Terms) -> Result<Self, DecodeError> {
        let Terms { names, limits, checksums } = terms;
        let most_rows = limits.max_row_group_rows;
        let footer = Footer::read(reader)?;
        let parts = footer.parts()?;
        let leaves = parts.leaves()?;
        let (columns, wanted) = choose(&leaves, names)?;
        let mut groups = Vec::new();
        let mut chunks = Vec::new();
        let mut total: u64 = 0;
        // Set when a fault lies in one column, which the closure's error type has no room for.
        let mut place = None;
        parts
            .row_groups(leaves.len(), &wanted, |group, rows, found| {
                if rows > most_rows as u64 {
                    return Err(corrupt(format_args!(
                        "row group {group} is said to have {rows} rows, expected {most_rows} at most"
                    )));
                }
                for (column, chunk) in columns.iter().zip(found) {
                    place = Some((group, Arc::clone(&column.name)));
                    chunks.push(ChunkPlan::new(chunk, rows, footer.data_end)?);
                }
                place = None;
                total += rows;
                groups.push(rows as u32);
                Ok(())
            })
            .map_err(|fault| match &place {
                Some((group, column)) => DecodeError::from(fault).in_group(*group).in_column(column),
                None => fault.into(),
            })?;
        if total != parts.rows {
            let stated = parts.rows;
            return Err(
                corrupt(format_args!("the row groups have {total} rows, the file says {stated}")).into()
            );
        }
        let rules = PageRules { most_bytes: limits.max_page_bytes, checksums: *checksums };
        Ok(FilePlan { columns: columns.into(), groups: groups.into(), chunks: chunks.into(), rules })
    }

    /// Rows of the file.
    pub(crate) fn rows(&self) -> u64 {
        self.groups.iter().map(|&rows| u64::from(rows)).sum()
    }

    /// Row groups of the file.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Rows of a row group.
    pub(crate) fn group_rows(&self, group: usize) -> usize {
        self.groups[group] as usize
    }

    /// An upper estimate of the bytes that decoding rows of `group` takes beside the columns it fills: the
    /// block read, one page and its dictionary. By the footer's claims, bounded by what its rows can need.
    pub(crate) fn transient_bytes(&self, group: usize) -> usize {
        let bound = most_page_bytes(self.group_rows(group)).min(self.rules.most_bytes);
        let most = |size: fn(&ChunkPlan) -> u64| {
            let largest = self.chunks(group).iter().map(size).max().unwrap_or(0);
            usize::try_from(largest).map_or(bound, |bytes| bytes.min(bound))
        };
        // A chunk may be a single page, and its values may all be in the dictionary.
        most(|c| c.compressed).max(READ_BLOCK) + 2 * most(|c| c.uncompressed)
    }

    pub(super) fn page_rules(&self) -> PageRules {
        self.rules
    }

    pub(super) fn columns(&self) -> &[ColumnPlan] {
        &self.columns
    }

    pub(super) fn chunks(&self, group: usize) -> &[ChunkPlan] {
        &self.chunks[group * self.columns.len()..][..self.columns.len()]
    }
}

/// More than any page of so many values takes, compressed or not: no encoding of these types takes 16 bytes for
/// one, a dictionary may hold some that no row has, and what cannot be compressed grows a little.
pub(super) fn most_page_bytes(values: usize) -> usize {
    16 * (values + (64 << 10))
}

impl ChunkPlan {
    fn new(chunk: Chunk, rows: u64, data_end: u64) -> Result<Self, Fault> {
        let Chunk { codec, values, compressed, uncompressed, data_offset, .. } = chunk;
        if chunk.encrypted {
            return Err(unsupported("it is encrypted"));
        }
        if chunk.elsewhere {
            return Err(unsupported("it is stored in another file"));
        }
        if !chunk.described {
            return Err(corrupt("its metadata is missing"));
        }
        if values != rows {
            return Err(corrupt(format_args!("it has {values} values, expected {rows}")));
        }
        let codec = Codec::new(codec)?;
        // Nothing will be read, and some writers give it no place.
        if rows == 0 {
            return Ok(ChunkPlan { offset: 0, compressed: 0, uncompressed: 0, codec });
        }
        // Some writers give 0 for "no dictionary".
        let offset = match chunk.dictionary_offset {
            Some(dictionary) if dictionary > 0 => dictionary.min(data_offset),
            _ => data_offset,
        };
        let inside = offset >= 4 && offset.checked_add(compressed).is_some_and(|end| end <= data_end);
        if !inside {
            return Err(corrupt(format_args!(
                "it is said to have {compressed} bytes from {offset} on, but the data ends at {data_end}"
            )));
        }
        Ok(ChunkPlan { offset, compressed, uncompressed, codec })
    }
}

/// Finds the columns by name and checks their types. Returns them and their places among the leaves.
fn choose(leaves: &[Leaf<'_>], names: &ColumnNames) -> Result<(Vec<ColumnPlan>, Vec<usize>), DecodeError> {
    let mandatory = [
        (Role::Start, &names.start),
        (Role::Open, &names.open),
        (Role::High, &names.high),
        (Role::Low, &names.low),
        (Role::Close, &names.close),
        (Role::Volume, &names.volume),
    ];
    let optional = [(Role::Trades, &names.trades), (Role::IsFinal, &names.is_final)];
    let mandatory = mandatory.map(|(role, name)| Some((role, name, true)));
    let optional = optional.map(|(role, o)| o.as_ref().map(|o| (role, &o.name, o.required)));
    let (mut columns, mut wanted) = (Vec::new(), Vec::new());
    for (role, name, required) in mandatory.into_iter().chain(optional).flatten() {
        let place = |fault: Fault| DecodeError::from(fault).in_column(name);
        let mut found = leaves.iter().enumerate().filter(|(_, l)| l.top && l.name == name.as_bytes());
        match (found.next(), found.next()) {
            (Some((index, leaf)), None) => {
                let (storage, nullable) = storage(role, leaf).map_err(place)?;
                columns.push(ColumnPlan { role, storage, nullable, name: Arc::clone(name) });
                wanted.push(index);
            }
            (Some(_), Some(_)) => return Err(place(unsupported("the file has it twice, expected it once"))),
            (None, _) if required => {
                let there: Vec<_> = leaves
                    .iter()
                    .filter(|l| l.top)
                    .take(20)
                    .map(|l| String::from_utf8_lossy(l.name).chars().take(NAME_CHARS).collect::<String>())
                    .collect();
                return Err(place(unsupported(format_args!(
                    "the file does not have it at the top of its schema, only: {}",
                    there.join(", ").escape_debug()
                ))));
            }
            (None, _) => {}
        }
    }
    Ok((columns, wanted))
}

/// How a column is stored, if that can be used for `role`.
fn storage(role: Role, leaf: &Leaf<'_>) -> Result<(Storage, bool), Fault> {
    let plain = matches!(leaf.annotation, Annotation::None | Annotation::Integer { .. });
    let unsigned = matches!(leaf.annotation, Annotation::Integer { signed: false, .. });
    let storage = match (leaf.physical, leaf.annotation) {
        (0, Annotation::None) => Some(Storage::Bool),
        (1, _) if plain => Some(if unsigned { Storage::U32 } else { Storage::I32 }),
        (2, _) if plain => Some(if unsigned { Storage::U64 } else { Storage::I64 }),
        (2, Annotation::Timestamp(unit)) => Some(Storage::Instant(unit.nanos())),
        (4, Annotation::None) => Some(Storage::F32),
        (5, Annotation::None) => Some(Storage::F64),
        _ => None,
    };
    let chosen = match (role, storage) {
        (Role::Start, Some(Storage::I64)) => Some(Storage::Instant(Unit::Millis.nanos())),
        (Role::Start, Some(Storage::Instant(_))) => storage,
        (Role::Start, _) => None,
        (Role::IsFinal, _) => storage.filter(|s| *s == Storage::Bool),
        (Role::Trades, _) => {
            storage.filter(|s| matches!(s, Storage::I32 | Storage::U32 | Storage::I64 | Storage::U64))
        }
        (_, _) => storage.filter(|s| !matches!(s, Storage::Bool | Storage::Instant(_))),
    };
    let expected = match role {
        Role::Start => "int64 (milliseconds) or a timestamp in ms, us or ns",
        Role::Trades => "an integer of 32 or 64 bits",
        Role::IsFinal => "boolean",
        _ => "float, double, or an integer of 32 or 64 bits",
    };
    match (leaf.repetition, chosen) {
        (0 | 1, Some(storage)) => Ok((storage, leaf.repetition == 1)),
        (0 | 1, None) => {
            Err(unsupported(format_args!("its type is {}, expected {expected}", type_name(leaf))))
        }
        _ => Err(unsupported(format_args!("it is repeated (a list), expected {expected}"))),
    }
}

impl Unit {
    fn nanos(self) -> i64 {
        match self {
            Unit::Millis => 1_000_000,
            Unit::Micros => 1_000,
            Unit::Nanos => 1,
        }
    }
}

fn type_name(leaf: &Leaf<'_>) -> String {
    let physical = match leaf.physical {
        0 => "boolean",
        1 => "int32",
        2 => "int64",
        3 => "int96",
        4 => "float",
        5 => "double",
        6 => "byte array",
        7 => "fixed-length byte array",
        _ => "unknown",
    };
    match leaf.annotation {
        Annotation::None => physical.to_string(),
        Annotation::Integer { bits, signed } => {
            format!("{}int{bits} (stored as {physical})", if signed { "" } else { "u" })
        }
        Annotation::Timestamp(_) => format!("timestamp (stored as {physical})"),
        Annotation::Other(what) => format!("{what} (stored as {physical})"),
    }
}
