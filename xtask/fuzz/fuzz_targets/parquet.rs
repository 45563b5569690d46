//! Footers and pages.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bt_data_source::fuzz::parquet(bytes);
});
