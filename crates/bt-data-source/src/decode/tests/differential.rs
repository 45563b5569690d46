//! What the `parquet` crate writes is read as it was written.

use std::io::Cursor;

use parquet::basic::Encoding;
use parquet::file::properties::WriterVersion;
use proptest::prelude::*;

use super::model::{self, CODECS, Column, Layout, Stored};
use super::*;

/// A file and how it is read.
#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    rows: usize,
    /// Most rows in a row group.
    group_rows: usize,
    codec: &'static str,
    version_2: bool,
    statistics: bool,
    /// Most rows in a slice and in a batch.
    slice_rows: usize,
    batch_rows: usize,
}

fn case() -> impl Strategy<Value = Case> {
    let size = prop_oneof![0..40usize, 0..700usize, 3000..6000usize];
    let cut = || prop_oneof![1..50usize, 1..2000usize, Just(1 << 20)];
    (any::<u64>(), size, cut(), prop::sample::select(&CODECS[..]), any::<(bool, bool)>(), cut(), cut())
        .prop_map(|(seed, rows, group_rows, codec, (version_2, statistics), slice_rows, batch_rows)| Case {
            seed,
            rows,
            // Few row groups: each costs the writer much.
            group_rows: group_rows.max(rows / 6 + 1),
            codec,
            version_2,
            statistics,
            slice_rows: slice_rows.max(rows / 20 + 1),
            batch_rows,
        })
}

fn file(case: &Case) -> (Vec<u8>, Vec<Row>) {
    let mut rng = Rng(case.seed);
    let (columns, rows) = model::random(case.rows, &mut rng);
    let mut groups = Vec::new();
    let mut left = case.rows;
    while left > 0 {
        groups.push(left.min(case.group_rows));
        left -= left.min(case.group_rows);
    }
    let version = if case.version_2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
    let layout =
        Layout { compression: model::codec(case.codec), version, statistics: case.statistics, groups };
    (model::write(&columns, &layout), rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_layout_reads_as_it_was_written(case in case()) {
        let (bytes, expected) = file(&case);
        let plan = FilePlan::read(&mut Cursor::new(&bytes), &Terms::default()).unwrap();
        prop_assert_eq!(plan.rows(), case.rows as u64);
        // One scratch for all, as a thread of the pool has it.
        let mut scratch = Scratch::default();
        let mut reader = Cursor::new(&bytes);
        let mut read = Vec::new();
        for group in 0..plan.groups() {
            let n = plan.group_rows(group);
            for from in (0..n).step_by(case.slice_rows) {
                let rows_wanted = from..n.min(from + case.slice_rows);
                let slice = Slice {
                    group,
                    rows: rows_wanted.clone(),
                    range: all(),
                    batch_rows: case.batch_rows,
                };
                let chunks = decode(&mut reader, &plan, &slice, &mut scratch, &mut Columns::default).unwrap();
                let lengths: Vec<_> = chunks.iter().map(|c| c.columns.start.len()).collect();
                prop_assert!(lengths.iter().all(|&n| 0 < n && n <= case.batch_rows), "{:?}", lengths);
                prop_assert_eq!(lengths.iter().sum::<usize>(), rows_wanted.len());
                match chunks.iter().any(|c| c.start_only) {
                    // R11: not one start of the slice is known.
                    true => {
                        prop_assert!(chunks.iter().all(|c| c.start_only && c.columns.open.is_empty()));
                        let slice = &expected[read.len()..read.len() + rows_wanted.len()];
                        prop_assert!(slice.iter().all(|r| r.faults.contains(&RowFault::Time)
                            || r.start == i64::MAX));
                        let faults = chunks.iter().flat_map(|c| &c.faults).filter(|f| f.1 == RowFault::Time);
                        prop_assert_eq!(faults.count(), slice.iter().filter(|r| r.start != i64::MAX).count());
                        read.extend_from_slice(slice);
                    }
                    false => read.extend(rows(&chunks)),
                }
            }
        }
        for (row, (read, expected)) in read.iter().zip(&expected).enumerate() {
            prop_assert_eq!(read, expected, "row {}", row);
        }
        prop_assert_eq!(read.len(), expected.len());
    }
}

/// Which values are null.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Nulls {
    None,
    All,
    Some,
    Runs,
}

impl Nulls {
    /// Whether the value of a row in a column is null. Some start always is there, or no other column were read.
    fn at(self, column: usize, row: usize) -> bool {
        match self {
            Nulls::None => false,
            Nulls::All => column > 0,
            Nulls::Some => (7 * row + 3 * column).is_multiple_of(5),
            Nulls::Runs => (row / 17 + column).is_multiple_of(3),
        }
    }
}

/// Candles with nulls, and the rows that they are.
fn nulled(n: usize, nulls: Nulls) -> (Vec<Column>, Vec<Row>) {
    let mut columns = model::plain(n);
    for (at, column) in columns.iter_mut().enumerate() {
        match &mut column.stored {
            Stored::I64(v) => v.iter_mut().enumerate().for_each(|(i, v)| *v = v.filter(|_| !nulls.at(at, i))),
            Stored::F64(v) => v.iter_mut().enumerate().for_each(|(i, v)| *v = v.filter(|_| !nulls.at(at, i))),
            Stored::Bool(v) => {
                v.iter_mut().enumerate().for_each(|(i, v)| *v = v.filter(|_| !nulls.at(at, i)))
            }
            other => panic!("{other:?}"),
        }
        // Definition levels in every other column even without nulls.
        column.nullable = nulls != Nulls::None || at % 2 == 0;
    }
    let integer = |column: usize, row: usize| match &columns[column].stored {
        Stored::I64(v) => v[row],
        other => panic!("{other:?}"),
    };
    let float = |column: usize, row: usize| match &columns[column].stored {
        Stored::F64(v) => v[row].unwrap_or(f64::NAN),
        other => panic!("{other:?}"),
    };
    let rows = (0..n).map(|row| {
        let mut faults = Vec::new();
        faults.extend(integer(0, row).is_none().then_some(RowFault::Time));
        faults.extend(nulls.at(7, row).then_some(RowFault::NotFinal));
        Row {
            start: integer(0, row).unwrap_or(0) * 1_000_000,
            prices: std::array::from_fn(|price| bits(float(1 + price, row))),
            trades: integer(6, row).map(|count| count as u64),
            faults,
        }
    });
    let rows = rows.collect();
    (columns, rows)
}

/// All combinations of what a writer may choose: 2,592 files.
#[test]
fn every_combination_of_layouts_reads_as_it_was_written() {
    const ROWS: usize = 240;

    let mut files = 0;
    let mut each =
        |columns: &mut [Column], rows: &[Row], layout: &Layout, encoding, dictionary, page_rows| {
            for column in &mut *columns {
                column.page_rows = page_rows;
                column.dictionary = dictionary && !matches!(column.stored, Stored::Bool(_));
                column.encoding = match (&column.stored, encoding) {
                    (Stored::Bool(_), Encoding::PLAIN) => Encoding::PLAIN,
                    (Stored::Bool(_), _) => Encoding::RLE,
                    (Stored::F64(_), Encoding::DELTA_BINARY_PACKED) => Encoding::PLAIN,
                    _ => encoding,
                };
            }
            let read = decode_all(&model::write(columns, layout), &Terms::default());
            let read = read.map(|chunks| self::rows(&chunks));
            files += 1;
            assert!(
                read.as_ref().is_ok_and(|read| read == rows),
                "{layout:?} {encoding} {dictionary} {page_rows}: {read:?}"
            );
        };
    for nulls in [Nulls::None, Nulls::All, Nulls::Some, Nulls::Runs] {
        let (mut columns, rows) = nulled(ROWS, nulls);
        for codec in CODECS {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                for group in [37, 120, ROWS] {
                    let groups = (0..ROWS).step_by(group).map(|from| group.min(ROWS - from)).collect();
                    let layout =
                        Layout { compression: model::codec(codec), version, statistics: false, groups };
                    for encoding in
                        [Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT, Encoding::DELTA_BINARY_PACKED]
                    {
                        for dictionary in [false, true] {
                            for page_rows in [9, 64, 20_000] {
                                each(&mut columns, &rows, &layout, encoding, dictionary, page_rows);
                            }
                        }
                    }
                }
            }
        }
    }
    println!("{files} files were read as they were written");
    assert_eq!(files, 4 * 6 * 2 * 3 * 3 * 2 * 3);
}

#[test]
fn r11_without_a_start_in_range_the_other_columns_are_not_read() {
    // The prices are broken, which must not be noticed.
    let mut bytes = model::write(&model::plain(100), &model::one_group(100));
    let plan = FilePlan::read(&mut Cursor::new(&bytes), &Terms::default()).unwrap();
    for chunk in &plan.chunks(0)[1..] {
        bytes[chunk.offset as usize..][..chunk.compressed as usize].fill(0xff);
    }
    let minute = 60_000_000_000;
    let range = |from: i64, to: i64| TimeRange::new(at(from), at(to)).unwrap();
    let read = |rows, range| decode_rows(&bytes, &plan, 0, rows, 40, range);
    let chunks = read(0..100, range(100 * minute, 200 * minute)).unwrap();
    assert_eq!(chunks.len(), 3);
    for (chunk, rows) in chunks.iter().zip([40, 40, 20]) {
        assert!(chunk.start_only);
        assert_eq!(
            (chunk.columns.start.len(), chunk.columns.open.len(), chunk.columns.partial.len()),
            (rows, 0, 0)
        );
    }
    // R2: half open at both ends.
    assert!(read(0..100, range(99 * minute, 100 * minute)).is_err());
    assert!(read(0..99, range(99 * minute, 100 * minute)).unwrap()[0].start_only);
    assert!(read(50..60, range(0, 50 * minute)).unwrap()[0].start_only);
    assert!(read(50..60, range(0, 50 * minute + 1)).is_err());
}

#[test]
fn r11_a_start_that_cannot_be_is_in_no_range() {
    let mut columns = model::plain(3);
    columns[0] = Column::new("start_ms", Stored::I64(vec![None, Some(i64::MAX), Some(60_000)]));
    let bytes = model::write(&columns, &model::one_group(3));
    let plan = FilePlan::read(&mut Cursor::new(&bytes), &Terms::default()).unwrap();
    // The epoch, which stands for them, is in range; they are not.
    let range = TimeRange::new(at(0), at(1)).unwrap();
    let chunks = decode_rows(&bytes, &plan, 0, 0..3, 9, range).unwrap();
    assert!(chunks[0].start_only);
    assert_eq!(chunks[0].faults, [(0, RowFault::Time), (1, RowFault::Time)]);
    assert_eq!(chunks[0].columns.start, [at(0), at(0), at(60_000_000_000)]);
}

#[test]
fn a_slice_decompresses_only_the_pages_it_touches() {
    let mut columns = model::plain(1000);
    columns.iter_mut().for_each(|c| c.page_rows = 100);
    let layout = Layout { compression: model::codec("snappy"), ..model::one_group(1000) };
    let mut bytes = model::write(&columns, &layout);
    let plan = FilePlan::read(&mut Cursor::new(&bytes), &Terms::default()).unwrap();
    let whole = rows(&decode_rows(&bytes, &plan, 0, 0..1000, 64, all()).unwrap());
    let read = |bytes: &[u8], rows_wanted: Range<usize>| {
        decode_rows(bytes, &plan, 0, rows_wanted, 64, all()).map(|chunks| rows(&chunks))
    };
    assert_eq!(read(&bytes, 250..870).unwrap(), whole[250..870]);
    // Break the body of the first and of the last page of each column.
    for chunk in plan.chunks(0) {
        let (from, to) = (chunk.offset as usize, (chunk.offset + chunk.compressed) as usize);
        let mut header = crate::decode::thrift::Cursor::new(&bytes[from..to]);
        header.fields(|_, _, _| Ok(false)).unwrap();
        let body = to - header.remaining();
        bytes[body..body + 6].fill(0xff);
        bytes[to - 9..to].fill(0xff);
    }
    assert!(read(&bytes, 0..1).is_err());
    assert!(read(&bytes, 999..1000).is_err());
    assert_eq!(read(&bytes, 250..870).unwrap(), whole[250..870]);
}

#[test]
fn a_file_without_rows_has_no_chunks() {
    for groups in [vec![], vec![0], vec![0, 0]] {
        let bytes = model::write(&model::plain(0), &Layout { groups, ..model::one_group(0) });
        assert!(decode_all(&bytes, &Terms::default()).unwrap().is_empty());
    }
}

#[test]
fn columns_may_be_called_otherwise() {
    let mut columns = model::plain(10);
    for column in &mut columns {
        column.name = format!("x_{}", column.name);
    }
    let bytes = model::write(&columns, &model::one_group(10));
    let names = ColumnNames::default()
        .with_start("x_start_ms")
        .with_open("x_open")
        .with_high("x_high")
        .with_low("x_low")
        .with_close("x_close")
        .with_volume("x_volume");
    let read = rows(&decode_all(&bytes, &named(names.clone())).unwrap());
    assert!(read.iter().all(|r| r.trades.is_none()), "not named, so not there");
    let names = names.with_trades("x_trades").with_is_final("x_is_final");
    let read = rows(&decode_all(&bytes, &named(names)).unwrap());
    assert_eq!(read[3].trades, Some(3));
    let bare = ColumnNames::default().without_trades().without_is_final();
    let bytes = model::write(&model::plain(10), &model::one_group(10));
    assert!(rows(&decode_all(&bytes, &named(bare)).unwrap()).iter().all(|r| r.trades.is_none()));
}

fn fails(columns: &[Column], names: &ColumnNames) -> String {
    let rows = match &columns[0].stored {
        Stored::I64(v) => v.len(),
        _ => 10,
    };
    let layout = Layout { compression: model::codec("snappy"), ..model::one_group(rows) };
    decode_all(&model::write(columns, &layout), &named(names.clone())).unwrap_err().to_string()
}

#[test]
fn a_missing_or_wrong_column_is_named_with_what_was_expected() {
    let names = ColumnNames::default();
    let without =
        |name: &str| -> Vec<_> { model::plain(10).into_iter().filter(|c| c.name != name).collect() };
    let text = fails(&without("close"), &names);
    assert!(text.ends_with("in column `close`") && text.contains("start_ms, open, high"), "{text}");
    let text = fails(&without("trades"), &names.clone().with_trades("trades"));
    assert!(text.contains("does not have it") && text.ends_with("in column `trades`"), "{text}");
    let with = |name: &str, stored: Stored| -> Vec<_> {
        let replace = |c: Column| if c.name == name { Column::new(name, stored.clone()) } else { c };
        model::plain(10).into_iter().map(replace).collect()
    };
    for (name, stored, found, expected) in [
        ("start_ms", Stored::I32(vec![Some(1); 10]), "int32", "int64 (milliseconds) or a timestamp"),
        ("start_ms", Stored::F64(vec![Some(1.0); 10]), "double", "int64 (milliseconds) or a timestamp"),
        ("open", Stored::Bool(vec![Some(true); 10]), "boolean", "float, double, or an integer"),
        ("volume", Stored::Bytes(vec![Some(vec![1]); 10]), "byte array", "float, double, or an integer"),
        ("trades", Stored::F64(vec![Some(1.0); 10]), "double", "an integer of 32 or 64 bits"),
        ("is_final", Stored::I32(vec![Some(1); 10]), "int32", "boolean"),
    ] {
        let text = fails(&with(name, stored), &names);
        let place = format!("in column `{name}`");
        assert!(text.contains(found) && text.contains(expected) && text.ends_with(&place), "{text}");
    }
    let mut twice = model::plain(10);
    twice.push(twice[4].clone());
    assert!(fails(&twice, &names).contains("twice"));
}
