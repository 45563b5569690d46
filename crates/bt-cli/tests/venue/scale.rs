//! As many series and candles as there may be.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Child;

use bt_core::Timestamp;

use crate::support::{Report, Venue, on, reported, serve_from, synth};

const FROM: &str = "2024-01-01";

/// A number that a soak makes larger.
fn number(name: &str, default: u32) -> u32 {
    env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// The most memory that a process has held so far, in KiB, where the system tells.
fn peak(process: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
}

/// A series of each instrument in a data set.
fn all(data: &Path) -> Vec<String> {
    let symbols = fs::read_dir(data.join("exchange=binance/market=spot")).unwrap();
    let symbols = symbols.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    symbols.map(|name| format!("binance.spot:{}@5m", name.strip_prefix("symbol=").unwrap())).collect()
}

/// `BT_SOAK_SERIES` and `BT_SOAK_MINUTES` set how many there are.
#[test]
fn at_full_speed_nothing_is_lost_and_memory_is_bounded() {
    let (instruments, minutes) = (number("BT_SOAK_SERIES", 20), number("BT_SOAK_MINUTES", 1_000));
    let data = synth(instruments, 1, "0.001");
    let series = all(data.path());
    assert_eq!(series.len(), instruments as usize);
    let series: Vec<&str> = series.iter().map(String::as_str).collect();
    let begin: Timestamp = FROM.parse().unwrap();
    let until = begin.checked_add_nanos(i64::from(minutes) * 60_000_000_000).unwrap().to_string();
    let range = ["--from", FROM, "--to", &until, "--memory", "2GiB"];
    let venue = Venue::start(serve_from(data.path(), &series, &[&range[..], &["--speed", "max"]].concat()));

    let report = Report::new();
    let mut command = venue.live(&series, &["--from", FROM, "--until", &until, "--stats-every", "1s"]);
    let mut live = command.args(venue.rest()).arg("--report").arg(report.path()).spawn().unwrap();
    let (mut held, mut told) = (0, String::new());
    for line in BufReader::new(live.stderr.take().unwrap()).lines() {
        told.push_str(&line.unwrap());
        held = held.max(peak(&live).unwrap_or_default());
    }
    assert!(live.wait().unwrap().success(), "{told}");
    let (live, served) = (report.read(), venue.end("TERM"));
    let history = reported(on("run", &series, &range).arg("--data").arg(data.path()));
    for key in ["fingerprint_frames", "frames", "bars", "filled", "empty", "ended"] {
        assert_eq!(live[key], history[key], "{key}");
    }
    let connections = live["wall"]["connections"].as_array().unwrap();
    let sum = |key: &str| connections.iter().map(|one| one[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("malformed"), sum("foreign")), (0, 0));
    assert!(held < 128 << 10, "{held} KiB");
    println!(
        "{} messages to {} frames in {} ms, {} candles dropped and fetched, {} MiB; the venue says: {served}",
        sum("messages"),
        live["frames"],
        live["wall"]["elapsed_ms"],
        sum("dropped"),
        held >> 10
    );
}
