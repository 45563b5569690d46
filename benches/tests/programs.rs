//! The programs do the work that they are measured by, on a data set of their own writing.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::path::Path;

use bt_core::Columns;
use bt_data_source::bare::BareDecoder;
use bt_data_source::{SynthConfig, WriteOptions, write_month};
use serde_json::Value;

fn told(line: &str, data: &Path) -> Value {
    let line = line.replace("DATA", data.to_str().unwrap());
    let told = benches::programs::run(line.split(' ').map(str::to_owned)).unwrap();
    serde_json::from_str(&told.to_json()).unwrap()
}

#[test]
fn all_that_read_a_data_set_see_the_same_candles() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    told("write out=DATA series=18 months=1 codec=snappy group=1024 gaps=0.001", data);
    let bare = told("bare data=DATA", data);
    let candles = bare["candles"].as_f64().unwrap();
    // A month of 18 series; of the last two, which are links, as of the first two.
    assert!((801_000.0..=803_520.0).contains(&candles), "{candles}");
    assert_eq!(told("parquet-crate data=DATA", data)["candles"], candles);
    assert_eq!(told("frames data=DATA to=2024-02-01 mib=64", data)["candles"], candles);
    let engine = told("engine data=DATA to=2024-02-01 mib=64 journal=DATA/journal", data);
    assert_eq!(engine["candles"], candles);
    assert_eq!(engine["frames"].as_f64(), Some(31.0 * 288.0));
    assert_eq!(told("bare data=DATA groups=1", data)["candles"].as_f64(), Some(18.0 * 1024.0));
    assert_eq!(told("first data=DATA to=2024-02-01 mib=64", data)["slots"].as_f64(), Some(18.0));
}

#[test]
fn the_bare_decoder_shows_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let synth = SynthConfig::default().with_instruments(1).with_months(1).build().unwrap();
    let written = synth.columns(0, 0);
    let options = WriteOptions::default().with_row_group_rows(10_000).unwrap();
    let file = write_month(directory.path(), synth.series(0), synth.months()[0], &written, &options).unwrap();
    let mut decoder = BareDecoder::default();
    for groups in [1, usize::MAX] {
        let mut seen = Columns::default();
        let see = |columns: &Columns| seen.extend((0..columns.len()).map(|row| columns.candle(row)));
        decoder.decode(&file, groups, see).unwrap();
        let rows = if groups == 1 { 10_000 } else { written.len() };
        let expected: Columns = (0..rows).map(|row| written.candle(row)).collect();
        assert!(seen == expected, "{groups} groups");
    }
}
