//! Sound files of candles, in every codec, version of pages and encoding.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, Repetition, Type as Physical};
use parquet::data_type::{BoolType, DoubleType, Int64Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type};

use crate::mutate::Rng;

pub(crate) const CODECS: [&str; 6] = ["none", "snappy", "gzip", "lz4", "lz4_raw", "zstd"];

/// Rows of the row groups.
const GROUPS: [usize; 2] = [250, 150];

/// A file, as it is laid out.
pub(crate) struct Base {
    pub(crate) codec: usize,
    version: WriterVersion,
    seed: u64,
}

impl Base {
    pub(crate) fn new(number: u64) -> Self {
        let codec = (number % CODECS.len() as u64) as usize;
        let version = match number / CODECS.len() as u64 % 2 {
            0 => WriterVersion::PARQUET_1_0,
            _ => WriterVersion::PARQUET_2_0,
        };
        Base { codec, version, seed: number }
    }

    /// 400 one-minute candles.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut rng = Rng(self.seed);
        let mut columns = Vec::new();
        let mut properties = WriterProperties::builder()
            .set_writer_version(self.version)
            .set_data_page_row_count_limit(64 + rng.below(300))
            .set_write_batch_size(32)
            .set_compression(match CODECS[self.codec] {
                "none" => Compression::UNCOMPRESSED,
                "snappy" => Compression::SNAPPY,
                "gzip" => Compression::GZIP(Default::default()),
                "lz4" => Compression::LZ4,
                "lz4_raw" => Compression::LZ4_RAW,
                _ => Compression::ZSTD(Default::default()),
            });
        for (name, physical) in [
            ("start_ms", Physical::INT64),
            ("open", Physical::DOUBLE),
            ("high", Physical::DOUBLE),
            ("low", Physical::DOUBLE),
            ("close", Physical::DOUBLE),
            ("volume", Physical::DOUBLE),
            ("trades", Physical::INT64),
            ("is_final", Physical::BOOLEAN),
        ] {
            let (dictionary, encoding) = match (physical, rng.below(4)) {
                (Physical::BOOLEAN, 0 | 1) => (false, Encoding::RLE),
                (Physical::BOOLEAN, _) => (false, Encoding::PLAIN),
                (_, 0) => (true, Encoding::PLAIN),
                (_, 1) => (false, Encoding::BYTE_STREAM_SPLIT),
                (Physical::INT64, 2) => (false, Encoding::DELTA_BINARY_PACKED),
                _ => (false, Encoding::PLAIN),
            };
            let path = ColumnPath::from(name);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), dictionary)
                .set_column_encoding(path, encoding);
            let repetition = if rng.below(3) > 0 { Repetition::OPTIONAL } else { Repetition::REQUIRED };
            columns.push((name, physical, repetition));
        }
        self.write(&columns, properties.build())
    }

    fn write(&self, columns: &[(&str, Physical, Repetition)], properties: WriterProperties) -> Vec<u8> {
        let fields = columns.iter().map(|(name, physical, repetition)| {
            let field = Type::primitive_type_builder(name, *physical).with_repetition(*repetition);
            Arc::new(field.build().unwrap())
        });
        let schema = Type::group_type_builder("schema").with_fields(fields.collect()).build().unwrap();
        let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties)).unwrap();
        let mut from = 0;
        for rows in GROUPS {
            let minutes = from..from + rows as i64;
            from = minutes.end;
            let mut group = file.next_row_group().unwrap();
            for (name, physical, repetition) in columns {
                // Nulls where they are no fault.
                let there = |minute: i64| *name != "trades" || minute % 5 > 0;
                let nullable = *repetition == Repetition::OPTIONAL;
                let levels: Option<Vec<_>> =
                    nullable.then(|| minutes.clone().map(|minute| i16::from(there(minute))).collect());
                let levels = levels.as_deref();
                let present = minutes.clone().filter(|minute| !nullable || there(*minute));
                let mut writer = group.next_column().unwrap().unwrap();
                match *physical {
                    Physical::INT64 => {
                        let values: Vec<_> = present.map(|m| integer(name, m)).collect();
                        writer.typed::<Int64Type>().write_batch(&values, levels, None).unwrap();
                    }
                    Physical::DOUBLE => {
                        let values: Vec<_> = present.map(|m| price(name, m)).collect();
                        writer.typed::<DoubleType>().write_batch(&values, levels, None).unwrap();
                    }
                    _ => {
                        let values: Vec<_> = present.map(|_| true).collect();
                        writer.typed::<BoolType>().write_batch(&values, levels, None).unwrap();
                    }
                }
                writer.close().unwrap();
            }
            group.close().unwrap();
        }
        file.into_inner().unwrap()
    }
}

fn integer(name: &str, minute: i64) -> i64 {
    if name == "trades" { minute * 7 % 90 } else { 1_704_067_200_000 + minute * 60_000 }
}

fn price(name: &str, minute: i64) -> f64 {
    let middle = 100.0 + (minute * 37 % 101) as f64 / 8.0;
    match name {
        "high" => middle + 2.0,
        "low" => middle - 2.0,
        "volume" => (minute % 11) as f64 * 0.3,
        "open" => middle - 0.5,
        _ => middle,
    }
}
