//! What a venue sends, over a WebSocket or as an answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bt_data_source::fuzz::message(bytes);
    let _ = bt_data_source::fuzz::answer(bytes);
});
