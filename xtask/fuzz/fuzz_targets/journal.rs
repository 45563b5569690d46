//! Journals.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bt_bus::fuzz::journal(bytes);
});
