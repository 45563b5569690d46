//! Tables of any columns.

use std::io::Write;

use bt_core::Timestamp;

use super::pages::GroupWriter;
use super::{WriteError, WriteOptions};

/// Bytes of text after which a row group is written even if it has few rows.
const MOST_TEXT: usize = 64 << 20;

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether values may be missing.
    pub nullable: bool,
}

impl Field {
    /// A column in which every value is there.
    pub fn new(name: &str, kind: FieldKind) -> Self {
        Field { name: name.into(), kind, nullable: false }
    }

    /// A column in which values may be missing.
    pub fn nullable(name: &str, kind: FieldKind) -> Self {
        Field { name: name.into(), kind, nullable: true }
    }
}

/// What a column of a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldKind {
    /// Instants: timestamp in nanoseconds, UTC.
    Timestamp,
    /// Text in UTF-8.
    Text,
    /// Numbers of 64 bits, floating point.
    Float,
    /// Integers of 64 bits.
    Integer,
    /// True or false.
    Bool,
}

impl FieldKind {
    const fn name(self) -> &'static str {
        match self {
            FieldKind::Timestamp => "a timestamp",
            FieldKind::Text => "text",
            FieldKind::Float => "a float",
            FieldKind::Integer => "an integer",
            FieldKind::Bool => "a boolean",
        }
    }
}

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// None.
    Null,
    /// Of a column of [`FieldKind::Timestamp`].
    Timestamp(Timestamp),
    /// Of a column of [`FieldKind::Text`].
    Text(&'a str),
    /// Of a column of [`FieldKind::Float`].
    Float(f64),
    /// Of a column of [`FieldKind::Integer`].
    Integer(i64),
    /// Of a column of [`FieldKind::Bool`].
    Bool(bool),
}

/// Writes a table as Parquet to any writer, row by row.
///
/// Rows are held until a row group is full, then written. What has been written is a Parquet file only after
/// [`finish`](TableWriter::finish). The writer is given many small pieces: hand in a buffered one.
///
/// ```
/// use bt_data_source::{Cell, Field, FieldKind, TableWriter, WriteOptions};
///
/// let fields = [Field::new("name", FieldKind::Text), Field::nullable("price", FieldKind::Float)];
/// let mut table = TableWriter::new(Vec::new(), fields, WriteOptions::default())?;
/// table.push(&[Cell::Text("BTCUSDT"), Cell::Float(42_000.0)])?;
/// table.push(&[Cell::Text("ETHUSDT"), Cell::Null])?;
/// let file = table.finish()?;
/// assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
/// # Ok::<(), bt_data_source::WriteError>(())
/// ```
#[derive(Debug)]
pub struct TableWriter<W: Write> {
    groups: GroupWriter<W>,
    fields: Vec<Field>,
    columns: Vec<Buffer>,
    rows: usize,
    row_group_rows: usize,
}

/// Values of a column that were not written yet.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) values: Values,
    /// Which values are there; of a column that is not nullable, nothing.
    pub(super) validity: Vec<bool>,
}

/// Values, with whatever in place of those that are missing.
#[derive(Debug)]
pub(super) enum Values {
    Timestamps(Vec<i64>),
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Flags(Vec<bool>),
    /// All texts, and where each begins and ends.
    Texts {
        bytes: Vec<u8>,
        ends: Vec<i32>,
    },
}

impl Values {
    fn new(kind: FieldKind) -> Self {
        match kind {
            FieldKind::Timestamp => Values::Timestamps(Vec::new()),
            FieldKind::Text => Values::Texts { bytes: Vec::new(), ends: vec![0] },
            FieldKind::Float => Values::Floats(Vec::new()),
            FieldKind::Integer => Values::Integers(Vec::new()),
            FieldKind::Bool => Values::Flags(Vec::new()),
        }
    }

    /// Appends a value; `false` if it is of another kind.
    fn push(&mut self, cell: Cell<'_>) -> bool {
        match (self, cell) {
            (Values::Timestamps(v), Cell::Timestamp(t)) => v.push(t.as_nanos()),
            (Values::Integers(v), Cell::Integer(i)) => v.push(i),
            (Values::Floats(v), Cell::Float(f)) => v.push(f),
            (Values::Flags(v), Cell::Bool(b)) => v.push(b),
            (Values::Texts { bytes, ends }, Cell::Text(t)) => {
                bytes.extend_from_slice(t.as_bytes());
                ends.push(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            }
            (Values::Timestamps(v) | Values::Integers(v), Cell::Null) => v.push(0),
            (Values::Floats(v), Cell::Null) => v.push(0.0),
            (Values::Flags(v), Cell::Null) => v.push(false),
            (Values::Texts { bytes, ends }, Cell::Null) => {
                ends.push(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            }
            _ => return false,
        }
        true
    }
}

impl<W: Write> TableWriter<W> {
    /// A table with these columns.
    ///
    /// # Errors
    /// If the Parquet library refuses them.
    pub fn new(
        writer: W,
        fields: impl IntoIterator<Item = Field>,
        options: WriteOptions,
    ) -> Result<Self, WriteError> {
        let WriteOptions { compression, row_group_rows } = options;
        let fields: Vec<_> = fields.into_iter().collect();
        let groups = GroupWriter::new(writer, &fields, compression)?;
        let columns = empty(&fields);
        Ok(TableWriter { groups, fields, columns, rows: 0, row_group_rows })
    }

    /// Adds a row: one value for each column, in their order.
    ///
    /// # Errors
    /// If the row does not fit the columns, in which case nothing was added, or if a full row group cannot be
    /// written, after which the table is of no use.
    pub fn push(&mut self, row: &[Cell<'_>]) -> Result<(), WriteError> {
        if row.len() != self.fields.len() {
            return Err(WriteError::RowLength { found: row.len(), expected: self.fields.len() });
        }
        for (field, cell) in self.fields.iter().zip(row) {
            let found = match cell {
                Cell::Null if field.nullable => continue,
                Cell::Null => "missing",
                Cell::Timestamp(_) => FieldKind::Timestamp.name(),
                Cell::Text(text) if text.len() > MOST_TEXT => "text of more than 64 MiB",
                Cell::Text(_) => FieldKind::Text.name(),
                Cell::Float(_) => FieldKind::Float.name(),
                Cell::Integer(_) => FieldKind::Integer.name(),
                Cell::Bool(_) => FieldKind::Bool.name(),
            };
            if found != field.kind.name() {
                return Err(WriteError::Cell {
                    column: field.name.clone(),
                    found,
                    expected: field.kind.name(),
                });
            }
        }
        let mut text = 0;
        for ((field, column), &cell) in self.fields.iter().zip(&mut self.columns).zip(row) {
            column.values.push(cell);
            if field.nullable {
                column.validity.push(cell != Cell::Null);
            }
            if let Values::Texts { bytes, .. } = &column.values {
                text = text.max(bytes.len());
            }
        }
        self.rows += 1;
        if self.rows >= self.row_group_rows || text > MOST_TEXT {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what is held and the footer, and gives the writer back.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.flush()?;
        let mut writer = self.groups.end()?;
        writer.flush().map_err(WriteError::Stream)?;
        Ok(writer)
    }

    /// Writes the rows held as a row group.
    fn flush(&mut self) -> Result<(), WriteError> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let columns = std::mem::replace(&mut self.columns, empty(&self.fields));
        self.groups.write(columns)
    }

    /// Columns to append values to directly: `added` rows, then [`settle`](Self::settle).
    pub(super) fn columns(&mut self) -> &mut [Buffer] {
        &mut self.columns
    }

    /// How many rows fit into the row group at hand.
    pub(super) fn room(&self) -> usize {
        self.row_group_rows - self.rows
    }

    /// Counts rows that were appended to the columns.
    pub(super) fn settle(&mut self, added: usize) -> Result<(), WriteError> {
        self.rows += added;
        if self.rows >= self.row_group_rows { self.flush() } else { Ok(()) }
    }
}

fn empty(fields: &[Field]) -> Vec<Buffer> {
    fields.iter().map(|f| Buffer { values: Values::new(f.kind), validity: Vec::new() }).collect()
}
