//! The same columns decoded by the `parquet` crate, without its `arrow` feature.

use std::fs::File;
use std::path::Path;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, DataType, DoubleType, Int64Type};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::Told;
use crate::data_set::DataSet;
use crate::meter::Meter;
use crate::words::{Error, Words};

/// The columns that a source reads.
const COLUMNS: [&str; 8] = ["start_ms", "open", "high", "low", "close", "volume", "trades", "is_final"];

/// Rows that are decoded at a time.
const ROWS: usize = 8192;

/// Decodes all files, on one thread: `data from to threads mib`.
pub(super) fn decode(words: &mut Words) -> Result<Told, Error> {
    let data = DataSet::of(words)?;
    words.end()?;
    let files = data.files()?;
    let meter = Meter::start();
    let (mut buffers, mut candles) = (Buffers::default(), 0);
    for file in files.iter().flatten() {
        candles += buffers.decode(file)?;
    }
    Ok(Told::new().with("candles", candles as f64).taken(&meter))
}

/// Buffers that are used again.
#[derive(Default)]
struct Buffers {
    floats: Vec<f64>,
    integers: Vec<i64>,
    flags: Vec<bool>,
    levels: Vec<i16>,
}

impl Buffers {
    /// Decodes a file; says how many rows it has.
    fn decode(&mut self, path: &Path) -> Result<usize, Error> {
        let reader = SerializedFileReader::new(File::open(path)?)?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let place = |name| (0..schema.num_columns()).find(|&column| schema.column(column).name() == name);
        let places: Option<Vec<usize>> = COLUMNS.into_iter().map(place).collect();
        let places = places.ok_or_else(|| format!("{}: not all of {COLUMNS:?}", path.display()))?;
        let mut rows = 0;
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group)?;
            for &column in &places {
                let Buffers { floats, integers, flags, levels } = self;
                rows += match group.get_column_reader(column)? {
                    ColumnReader::DoubleColumnReader(reader) => read::<DoubleType>(reader, floats, levels)?,
                    ColumnReader::Int64ColumnReader(reader) => read::<Int64Type>(reader, integers, levels)?,
                    ColumnReader::BoolColumnReader(reader) => read::<BoolType>(reader, flags, levels)?,
                    _ => return Err(format!("{}: a column of another type", path.display()).into()),
                };
            }
        }
        Ok(rows / COLUMNS.len())
    }
}

fn read<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    values: &mut Vec<T::T>,
    levels: &mut Vec<i16>,
) -> Result<usize, Error> {
    let mut rows = 0;
    loop {
        values.clear();
        levels.clear();
        let (read, ..) = reader.read_records(ROWS, Some(levels), None, values)?;
        std::hint::black_box(&values);
        if read == 0 {
            return Ok(rows);
        }
        rows += read;
    }
}
