//! Random files of candles, and what reading them must give.

use std::sync::Arc;

use parquet::basic::{
    BrotliLevel, Compression, ConvertedType, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical,
};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type};

use super::{Rng, Row, RowFault, bits};

/// Values as they are stored.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    Bool(Vec<Option<bool>>),
    I32(Vec<Option<i32>>),
    I64(Vec<Option<i64>>),
    F32(Vec<Option<f32>>),
    F64(Vec<Option<f64>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

/// A column of a file.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) stored: Stored,
    pub(super) logical: Option<LogicalType>,
    pub(super) converted: ConvertedType,
    pub(super) nullable: bool,
    pub(super) encoding: Encoding,
    pub(super) dictionary: bool,
    pub(super) page_rows: usize,
}

/// How a file is laid out.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) compression: Compression,
    pub(super) version: WriterVersion,
    pub(super) statistics: bool,
    /// Rows of each row group.
    pub(super) groups: Vec<usize>,
}

pub(super) const CODECS: [&str; 6] = ["none", "snappy", "gzip", "lz4", "lz4_raw", "zstd"];

pub(super) fn codec(name: &str) -> Compression {
    match name {
        "none" => Compression::UNCOMPRESSED,
        "snappy" => Compression::SNAPPY,
        "gzip" => Compression::GZIP(Default::default()),
        "lz4" => Compression::LZ4,
        "lz4_raw" => Compression::LZ4_RAW,
        "zstd" => Compression::ZSTD(Default::default()),
        "brotli" => Compression::BROTLI(BrotliLevel::default()),
        other => panic!("{other}"),
    }
}

macro_rules! each_stored {
    ($stored:expr, $v:ident => $body:expr) => {
        match $stored {
            Stored::Bool($v) => $body,
            Stored::I32($v) => $body,
            Stored::I64($v) => $body,
            Stored::F32($v) => $body,
            Stored::F64($v) => $body,
            Stored::Bytes($v) => $body,
        }
    };
}

impl Column {
    pub(super) fn new(name: &str, stored: Stored) -> Self {
        let nullable = each_stored!(&stored, v => v.iter().any(Option::is_none));
        Column {
            name: name.into(),
            stored,
            logical: None,
            converted: ConvertedType::NONE,
            nullable,
            encoding: Encoding::PLAIN,
            dictionary: false,
            page_rows: 20_000,
        }
    }

    fn schema(&self) -> Arc<Type> {
        let physical = match self.stored {
            Stored::Bool(_) => Physical::BOOLEAN,
            Stored::I32(_) => Physical::INT32,
            Stored::I64(_) => Physical::INT64,
            Stored::F32(_) => Physical::FLOAT,
            Stored::F64(_) => Physical::DOUBLE,
            Stored::Bytes(_) => Physical::BYTE_ARRAY,
        };
        let repetition = if self.nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        Arc::new(
            Type::primitive_type_builder(&self.name, physical)
                .with_repetition(repetition)
                .with_logical_type(self.logical.clone())
                .with_converted_type(self.converted)
                .build()
                .unwrap(),
        )
    }
}

/// Writes a file, by the `parquet` crate.
pub(super) fn write(columns: &[Column], layout: &Layout) -> Vec<u8> {
    let fields = columns.iter().map(Column::schema).collect();
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build().unwrap());
    let statistics = if layout.statistics { EnabledStatistics::Page } else { EnabledStatistics::None };
    let mut properties = WriterProperties::builder()
        .set_compression(layout.compression)
        .set_writer_version(layout.version)
        .set_statistics_enabled(statistics)
        .set_write_page_header_statistics(layout.statistics)
        .set_write_batch_size(64);
    for column in columns {
        let path = ColumnPath::from(column.name.as_str());
        properties = properties
            .set_column_encoding(path.clone(), column.encoding)
            .set_column_dictionary_enabled(path.clone(), column.dictionary)
            .set_column_data_page_row_count_limit(path, column.page_rows);
    }
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    let mut from = 0;
    for &rows in &layout.groups {
        let mut group = file.next_row_group().unwrap();
        for column in columns {
            let levels = |n: usize, there: &dyn Fn(usize) -> bool| -> Option<Vec<i16>> {
                column.nullable.then(|| (from..from + n).map(|i| i16::from(there(i))).collect())
            };
            let mut writer = group.next_column().unwrap().unwrap();
            macro_rules! put {
                ($type:ty, $values:expr) => {{
                    let levels = levels(rows, &|i| $values[i].is_some());
                    let values: Vec<_> =
                        $values[from..from + rows].iter().flatten().cloned().map(Into::into).collect();
                    writer.typed::<$type>().write_batch(&values, levels.as_deref(), None).unwrap();
                }};
            }
            match &column.stored {
                Stored::Bool(v) => put!(BoolType, v),
                Stored::I32(v) => put!(Int32Type, v),
                Stored::I64(v) => put!(Int64Type, v),
                Stored::F32(v) => put!(FloatType, v),
                Stored::F64(v) => put!(DoubleType, v),
                Stored::Bytes(v) => {
                    let levels = levels(rows, &|i| v[i].is_some());
                    let values: Vec<ByteArray> =
                        v[from..from + rows].iter().flatten().cloned().map(ByteArray::from).collect();
                    writer.typed::<ByteArrayType>().write_batch(&values, levels.as_deref(), None).unwrap();
                }
            }
            writer.close().unwrap();
        }
        group.close().unwrap();
        from += rows;
    }
    file.into_inner().unwrap()
}

/// A file of `n` candles with what can vary varied by `rng`, and the rows that it holds.
pub(super) fn random(n: usize, rng: &mut Rng) -> (Vec<Column>, Vec<Row>) {
    let (start, starts) = start_column(n, rng);
    let mut columns = vec![start];
    let mut prices = Vec::new();
    for name in ["open", "high", "low", "close", "volume"] {
        let (column, values) = float_column(name, n, rng);
        columns.push(column);
        prices.push(values);
    }
    let (trades, counts) = trades_column(n, rng);
    columns.extend(trades);
    let (is_final, finals) = final_column(n, rng);
    columns.extend(is_final);
    for (column, name) in [("end_ms", "i"), ("note", "b"), ("spare", "f")] {
        if rng.below(3) == 0 {
            columns.push(match name {
                "i" => Column::new(column, Stored::I64(nulled(n, rng, |r| r.next() as i64))),
                "b" => Column::new(column, Stored::Bytes(nulled(n, rng, |r| vec![1; r.below(9)]))),
                _ => Column::new(column, Stored::F32(nulled(n, rng, |r| r.below(9) as f32))),
            });
        }
    }
    for i in (1..columns.len()).rev() {
        columns.swap(i, rng.below(i + 1));
    }
    for column in &mut columns {
        column.nullable |= rng.below(2) == 0;
        column.dictionary = !matches!(column.stored, Stored::Bool(_)) && rng.below(2) == 0;
        column.encoding = *rng.pick(encodings(&column.stored));
        column.page_rows = *rng.pick(&[1, 7, 64, 100, 1000, 20_000]);
    }
    let rows = (0..n).map(|i| {
        let mut faults = Vec::new();
        faults.extend(starts[i].is_none().then_some(RowFault::Time));
        faults.extend((counts[i] == Some(None)).then_some(RowFault::Trades));
        faults.extend((!finals[i]).then_some(RowFault::NotFinal));
        Row {
            start: starts[i].unwrap_or(0),
            prices: std::array::from_fn(|p| bits(prices[p][i])),
            trades: counts[i].flatten(),
            faults,
        }
    });
    let rows = rows.collect();
    (columns, rows)
}

fn encodings(stored: &Stored) -> &'static [Encoding] {
    match stored {
        Stored::Bool(_) => &[Encoding::PLAIN, Encoding::RLE],
        Stored::I32(_) | Stored::I64(_) => {
            &[Encoding::PLAIN, Encoding::DELTA_BINARY_PACKED, Encoding::BYTE_STREAM_SPLIT]
        }
        Stored::F32(_) | Stored::F64(_) => &[Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT],
        Stored::Bytes(_) => &[Encoding::PLAIN, Encoding::DELTA_BYTE_ARRAY],
    }
}

/// Values, some of them null, in one of several patterns.
fn nulled<T>(n: usize, rng: &mut Rng, mut value: impl FnMut(&mut Rng) -> T) -> Vec<Option<T>> {
    let pattern = rng.below(6);
    let mut in_run = 0;
    let mut null_run = false;
    (0..n)
        .map(|_| {
            let null = match pattern {
                0..=2 => false,
                3 => true,
                4 => rng.below(5) == 0,
                _ => {
                    if in_run == 0 {
                        (in_run, null_run) = (1 + rng.below(200), !null_run);
                    }
                    in_run -= 1;
                    null_run
                }
            };
            (!null).then(|| value(rng))
        })
        .collect()
}

/// A number out of few or many, small or large.
fn number(rng: &mut Rng, shape: usize) -> i64 {
    match shape {
        0 => 42,
        1 => [0, 7, 100, 100, 100][rng.below(5)],
        2 => rng.below(3000) as i64,
        3 => rng.next() as i64 >> rng.below(60),
        _ => [i64::MIN, -1, 0, i64::MAX, rng.next() as i64][rng.below(5)],
    }
}

fn start_column(n: usize, rng: &mut Rng) -> (Column, Vec<Option<i64>>) {
    let logical = |unit, utc| Some(LogicalType::timestamp(utc, unit));
    let utc = rng.below(2) == 0;
    let (nanos, logical, converted) = match rng.below(6) {
        0 | 1 => (1_000_000, None, ConvertedType::NONE),
        2 => (1_000_000, logical(TimeUnit::MILLIS, utc), ConvertedType::TIMESTAMP_MILLIS),
        3 => (1_000, logical(TimeUnit::MICROS, utc), ConvertedType::TIMESTAMP_MICROS),
        4 => (1, logical(TimeUnit::NANOS, utc), ConvertedType::NONE),
        _ => (1_000, None, ConvertedType::TIMESTAMP_MICROS),
    };
    let wild = rng.below(3) == 0;
    let mut minute = rng.below(1000) as i64;
    let mut next = |rng: &mut Rng| {
        minute += 1 + (rng.below(20) == 0) as i64 * rng.below(50) as i64;
        if wild { number(rng, 4) } else { minute * 60_000_000_000 / nanos }
    };
    let stored = if wild { nulled(n, rng, next) } else { (0..n).map(|_| Some(next(rng))).collect() };
    let starts = stored.iter().map(|v| v.and_then(|v| v.checked_mul(nanos))).collect();
    (Column { logical, converted, ..Column::new("start_ms", Stored::I64(stored)) }, starts)
}

fn float_column(name: &str, n: usize, rng: &mut Rng) -> (Column, Vec<f64>) {
    let shape = rng.below(5);
    let unsigned = |bits| (Some(LogicalType::integer(bits, false)), ConvertedType::NONE);
    fn known<T: Copy>(values: &[Option<T>], f: impl Fn(T) -> f64) -> Vec<f64> {
        values.iter().map(|v| v.map_or(f64::NAN, &f)).collect()
    }
    let float = |rng: &mut Rng| match number(rng, shape) {
        i64::MIN => f64::NEG_INFINITY,
        i64::MAX => f64::NAN,
        v => v as f64 / 100.0,
    };
    match rng.below(8) {
        0..=3 => {
            let v = nulled(n, rng, float);
            (Column::new(name, Stored::F64(v.clone())), known(&v, |v| v))
        }
        4 => {
            let v = nulled(n, rng, |r| float(r) as f32);
            (Column::new(name, Stored::F32(v.clone())), known(&v, f64::from))
        }
        5 => {
            let v = nulled(n, rng, |r| number(r, shape));
            (Column::new(name, Stored::I64(v.clone())), known(&v, |v| v as f64))
        }
        6 => {
            let v = nulled(n, rng, |r| number(r, shape) as i32);
            let (logical, converted) = unsigned(32);
            let column = Column { logical, converted, ..Column::new(name, Stored::I32(v.clone())) };
            (column, known(&v, |v| f64::from(v as u32)))
        }
        _ => {
            let v = nulled(n, rng, |r| number(r, shape));
            let (logical, converted) = unsigned(64);
            let column = Column { logical, converted, ..Column::new(name, Stored::I64(v.clone())) };
            (column, known(&v, |v| v as u64 as f64))
        }
    }
}

/// Counts: none if null, none within if they cannot be.
type Counts = Vec<Option<Option<u64>>>;

fn trades_column(n: usize, rng: &mut Rng) -> (Option<Column>, Counts) {
    let shape = rng.below(5);
    match rng.below(5) {
        0 => (None, vec![None; n]),
        1 => {
            let v = nulled(n, rng, |r| number(r, shape));
            let counts = v.iter().map(|v| v.map(|v| u64::try_from(v).ok())).collect();
            (Some(Column::new("trades", Stored::I64(v))), counts)
        }
        2 => {
            let v = nulled(n, rng, |r| number(r, shape) as i32);
            let counts = v.iter().map(|v| v.map(|v| u64::try_from(v).ok())).collect();
            (Some(Column::new("trades", Stored::I32(v))), counts)
        }
        3 => {
            let v = nulled(n, rng, |r| number(r, shape) as i32);
            let counts = v.iter().map(|v| v.map(|v| Some(u64::from(v as u32)))).collect();
            let logical = Some(LogicalType::integer(32, false));
            (Some(Column { logical, ..Column::new("trades", Stored::I32(v)) }), counts)
        }
        _ => {
            let v = nulled(n, rng, |r| number(r, shape));
            let counts =
                v.iter().map(|v| v.map(|v| Some(v as u64).filter(|&v| v <= i64::MAX as u64))).collect();
            let converted = ConvertedType::UINT_64;
            (Some(Column { converted, ..Column::new("trades", Stored::I64(v)) }), counts)
        }
    }
}

fn final_column(n: usize, rng: &mut Rng) -> (Option<Column>, Vec<bool>) {
    match rng.below(4) {
        0 => (None, vec![true; n]),
        k => {
            let v = nulled(n, rng, |r| k == 1 || r.below(10) > 0);
            let finals = v.iter().map(|v| *v == Some(true)).collect();
            (Some(Column::new("is_final", Stored::Bool(v))), finals)
        }
    }
}

/// A plain file of `n` one-minute candles.
pub(super) fn plain(n: usize) -> Vec<Column> {
    let float = |f: fn(i64) -> f64| Stored::F64((0..n as i64).map(|i| Some(f(i))).collect());
    vec![
        Column::new("start_ms", Stored::I64((0..n as i64).map(|i| Some(i * 60_000)).collect())),
        Column::new("open", float(|i| 100.0 + i as f64)),
        Column::new("high", float(|i| 102.0 + i as f64)),
        Column::new("low", float(|i| 99.0 + i as f64)),
        Column::new("close", float(|i| 101.0 + i as f64)),
        Column::new("volume", float(|i| (i % 10) as f64)),
        Column::new("trades", Stored::I64((0..n as i64).map(|i| (i % 7 > 0).then_some(i)).collect())),
        Column::new("is_final", Stored::Bool((0..n).map(|_| Some(true)).collect())),
    ]
}

pub(super) fn one_group(n: usize) -> Layout {
    Layout {
        compression: Compression::UNCOMPRESSED,
        version: WriterVersion::PARQUET_1_0,
        statistics: true,
        groups: vec![n],
    }
}
