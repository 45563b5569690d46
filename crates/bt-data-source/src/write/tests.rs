//! What is written can be read again: by the decoder here, and by the `parquet` crate.

use std::fs;
use std::io::{self, Cursor, Write};

use bt_core::{Candle, Columns, Series, TimeRange, Timestamp, Trades};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field as Value;

use super::*;
use crate::decode::{FilePlan, Scratch, Slice, decode};
use crate::limits::Terms;

fn candles(n: usize) -> Columns {
    let candle = |i: usize| Candle {
        start: Timestamp::from_millis(1_704_067_200_000 + i as i64 * 60_000).unwrap(),
        open: 100.0 + i as f64,
        high: 101.5 + i as f64,
        low: 99.25 + i as f64,
        close: 100.5 + i as f64,
        volume: (i % 13) as f64 / 7.0,
        trades: if i.is_multiple_of(5) { Trades::UNKNOWN } else { Trades::from(i as u32) },
        partial: false,
    };
    (0..n).map(candle).collect()
}

/// The file, for the `parquet` crate.
fn open(bytes: &[u8]) -> SerializedFileReader<fs::File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    SerializedFileReader::new(file).unwrap()
}

fn read_back(bytes: &[u8]) -> (Columns, usize) {
    let mut reader = Cursor::new(bytes);
    let plan = FilePlan::read(&mut reader, &Terms::default()).unwrap();
    let mut all = Columns::default();
    for group in 0..plan.groups() {
        let rows = 0..plan.group_rows(group);
        let slice = Slice { group, rows, range: TimeRange::ALL, batch_rows: 1000 };
        for chunk in
            decode(&mut reader, &plan, &slice, &mut Scratch::default(), &mut Columns::default).unwrap()
        {
            assert_eq!(chunk.faults, []);
            all.extend((0..chunk.columns.len()).map(|row| chunk.columns.candle(row)));
        }
    }
    (all, plan.groups())
}

#[test]
fn candles_are_read_as_they_were_written() {
    for compression in Compression::ALL {
        for (n, group_rows, groups) in [(0, 10, 0), (1, 10, 1), (10, 10, 1), (2500, 1000, 3)] {
            let options = WriteOptions::default()
                .with_compression(compression)
                .with_row_group_rows(group_rows)
                .unwrap();
            let timeframe = "1m".parse().unwrap();
            let mut writer = CandleWriter::new(Vec::new(), timeframe, options).unwrap();
            // In uneven parts, which must not show.
            let all = candles(n);
            for part in [0..n / 3, n / 3..n] {
                writer.append(&part.map(|row| all.candle(row)).collect()).unwrap();
            }
            let bytes = writer.finish().unwrap();
            assert_eq!(read_back(&bytes), (all, groups), "{compression}");
            let file = open(&bytes);
            let rows: Vec<_> = file.get_row_iter(None).unwrap().collect::<Result<_, _>>().unwrap();
            assert_eq!(rows.len(), n);
            if let Some(row) = rows.get(5) {
                let expected = r#"{start_ms: 1704067500000, end_ms: 1704067560000, open: 105.0, high: 106.5, low: 104.25, close: 105.5, volume: 0.7142857142857143, trades: null, is_final: true}"#;
                assert_eq!(row.to_string(), expected);
            }
        }
    }
}

#[test]
fn a_month_appears_in_the_layout_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    let series: Series = "binance.spot:BTCUSDT@1m".parse().unwrap();
    let options = WriteOptions::default();
    let path = write_month(root.path(), &series, (2024, 1), &candles(100), &options).unwrap();
    let expected = "exchange=binance/market=spot/symbol=BTCUSDT/type=candle/timeframe=1m/year=2024/BTCUSDT-1m-2024-1.parquet";
    assert_eq!(path, root.path().join(expected));
    assert_eq!(read_back(&fs::read(&path).unwrap()).0, candles(100));
    // Again, over the first.
    write_month(root.path(), &series, (2024, 1), &candles(50), &options).unwrap();
    assert_eq!(read_back(&fs::read(&path).unwrap()).0, candles(50));

    let names = || -> Vec<_> {
        let entries = fs::read_dir(path.parent().unwrap()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    };
    assert_eq!(names(), [path.file_name().unwrap()]);
    let error = write_month(root.path(), &series, (2024, 2), &candles(5), &options).unwrap_err();
    assert!(error.to_string().contains("2024-01-01T00:00:00Z"), "{error}");
    let mut odd = candles(5);
    odd.start[4] = Timestamp::from_nanos(odd.start[4].as_nanos() + 1);
    let error = write_month(root.path(), &series, (2024, 1), &odd, &options).unwrap_err();
    assert!(matches!(error, WriteError::Candle { .. }), "{error}");
    let mut short = candles(5);
    short.close.pop();
    assert!(matches!(
        write_month(root.path(), &series, (2024, 1), &short, &options),
        Err(WriteError::Uneven { found: 4, expected: 5 })
    ));
    assert_eq!(names(), [path.file_name().unwrap()], "nothing is left behind");
    assert_eq!(read_back(&fs::read(&path).unwrap()).0, candles(50));
    // A file where a directory should be.
    let blocked = path.join("x");
    assert!(matches!(write_month(&blocked, &series, (2024, 1), &odd, &options), Err(WriteError::Io { .. })));
}

#[test]
fn a_table_is_read_by_others_as_it_was_written() {
    let fields = [
        Field::new("time", FieldKind::Timestamp),
        Field::nullable("end", FieldKind::Timestamp),
        Field::new("name", FieldKind::Text),
        Field::nullable("reason", FieldKind::Text),
        Field::nullable("price", FieldKind::Float),
        Field::nullable("count", FieldKind::Integer),
        Field::new("partial", FieldKind::Bool),
        Field::nullable("flag", FieldKind::Bool),
    ];
    let options = WriteOptions::default().with_row_group_rows(7).unwrap();
    let mut table = TableWriter::new(Vec::new(), fields, options).unwrap();
    let some = |i: i64, cell| if i % 3 == 0 { Cell::Null } else { cell };
    for i in 0..20 {
        let time = Timestamp::from_nanos(i * 1_000_000_007);
        let name = "ü".repeat(i as usize);
        table
            .push(&[
                Cell::Timestamp(time),
                some(i, Cell::Timestamp(time)),
                Cell::Text(&name),
                some(i + 1, Cell::Text("")),
                some(i + 2, Cell::Float(i as f64 / 3.0)),
                some(i, Cell::Integer(-i)),
                Cell::Bool(i % 2 == 0),
                some(i, Cell::Bool(i % 4 == 0)),
            ])
            .unwrap();
    }
    let bytes = table.finish().unwrap();
    let file = open(&bytes);
    assert_eq!(file.metadata().num_row_groups(), 3);
    let types: Vec<_> = file.metadata().file_metadata().schema_descr().columns().to_vec();
    let logical = format!("{:?}", types[0].logical_type_ref());
    assert!(logical.contains("NANOS") && logical.contains("true"), "{logical}");
    for (i, row) in file.get_row_iter(None).unwrap().enumerate() {
        let row = row.unwrap();
        let values: Vec<_> = row.get_column_iter().map(|(_, value)| value.clone()).collect();
        let i = i as i64;
        let time = i * 1_000_000_007;
        let long = |v: &Value| match *v {
            Value::Long(v) => Some(v),
            Value::TimestampMicros(v) => Some(v),
            Value::Null => None,
            ref other => panic!("{other:?}"),
        };
        assert_eq!(long(&values[0]), Some(time));
        assert_eq!(long(&values[1]), (i % 3 != 0).then_some(time));
        assert_eq!(values[2], Value::Str("ü".repeat(i as usize)));
        assert_eq!(values[3], if (i + 1) % 3 == 0 { Value::Null } else { Value::Str(String::new()) });
        assert_eq!(values[4], if (i + 2) % 3 == 0 { Value::Null } else { Value::Double(i as f64 / 3.0) });
        assert_eq!(long(&values[5]), (i % 3 != 0).then_some(-i));
        assert_eq!(values[6], Value::Bool(i % 2 == 0));
        assert_eq!(values[7], if i % 3 == 0 { Value::Null } else { Value::Bool(i % 4 == 0) });
    }
}

#[test]
fn a_row_that_does_not_fit_is_refused_whole() {
    let fields = [Field::new("a", FieldKind::Integer), Field::new("b", FieldKind::Text)];
    let mut table = TableWriter::new(Vec::new(), fields, WriteOptions::default()).unwrap();
    let refused =
        |table: &mut TableWriter<Vec<u8>>, row: &[Cell<'_>]| table.push(row).unwrap_err().to_string();
    assert_eq!(refused(&mut table, &[Cell::Integer(1)]), "row has 1 values, expected 2");
    let text = refused(&mut table, &[Cell::Integer(1), Cell::Null]);
    assert_eq!(text, "value for column `b` is missing, expected text");
    let text = refused(&mut table, &[Cell::Float(1.0), Cell::Text("x")]);
    assert_eq!(text, "value for column `a` is a float, expected an integer");
    table.push(&[Cell::Integer(1), Cell::Text("x")]).unwrap();
    let file = open(&table.finish().unwrap());
    assert_eq!(file.metadata().file_metadata().num_rows(), 1);
}

#[test]
fn the_error_of_the_writer_is_the_source() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.0.checked_sub(bytes.len()) {
                Some(left) => {
                    self.0 = left;
                    Ok(bytes.len())
                }
                None => Err(io::Error::new(io::ErrorKind::StorageFull, "no space on it")),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for room in [0, 3, 10, 500, 5000] {
        let mut writer =
            CandleWriter::new(Full(room), "1m".parse().unwrap(), WriteOptions::default()).unwrap();
        let written = writer.append(&candles(5000)).and_then(|()| writer.finish());
        match written {
            Err(WriteError::Stream(error)) => assert_eq!(error.to_string(), "no space on it"),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
}
