//! A feed that is dropped leaves nothing behind (R38). In a process of its own: it counts threads and files.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use serde_json::Value;

#[test]
fn r38_nothing_is_left_of_a_feed_that_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let told = |line: &str| {
        let told = benches::programs::run(line.replace("DATA", data).split(' ').map(str::to_owned)).unwrap();
        serde_json::from_str::<Value>(&told.to_json()).unwrap()
    };
    told("write out=DATA series=8 months=1 group=1024");
    let told = told("dropped data=DATA to=2024-02-01 mib=8 times=3");
    let number = |name: &str| told[name].as_f64();
    assert!(number("frames") >= Some(300.0) && number("units") >= Some(24.0), "{told}");
    let mut left = vec!["units_afterwards", "tasks_left", "sources_left", "bytes_left"];
    if cfg!(target_os = "linux") {
        left.extend(["threads_left", "files_left"]);
    }
    for name in left {
        assert_eq!(number(name), Some(0.0), "{name}: {told}");
    }
}
