//! A run over history and a live run over the same history, served, make the same frames.

use serde_json::Value;

use crate::support::{SERIES, Venue, data, on, past, reported, serve};

/// A day and a half, with the end of a month in it.
const FROM: &str = "2024-01-31T12:00:00Z";
const UNTIL: &str = "2024-02-02";

/// The report of a run over history.
fn history(from: &str, options: &[&str]) -> Value {
    let mut command = on("run", &SERIES, &["--from", from, "--to", UNTIL, "--format", "none"]);
    reported(command.args(options).arg("--data").arg(data()))
}

/// A venue at full speed.
fn venue(from: &str) -> Venue {
    Venue::start(serve(&SERIES, &["--from", from, "--to", UNTIL, "--speed", "max"]))
}

/// Both reports are of the same frames, made of the same candles.
fn assert_alike(live: &Value, history: &Value) {
    assert!(history["frames"].as_u64().unwrap() > 500 && history["filled"].as_u64().unwrap() > 0);
    for key in ["frames", "bars", "filled", "empty", "first_close", "last_close", "drained", "ended", "error"]
    {
        assert_eq!(live[key], history[key], "{key}");
    }
    assert_eq!(live["fingerprint_frames"], history["fingerprint_frames"]);
    assert_eq!((&live["ended"], &live["drained"]), (&"data".into(), &true.into()));
    let of = |report: &Value| report["series"].as_array().unwrap().clone();
    assert_eq!(of(live).len(), SERIES.len());
    for (live, history) in of(live).iter().zip(of(history)) {
        for key in ["series", "bars", "filled", "empty"] {
            assert_eq!(live[key], history[key], "{key} of {live}");
        }
        let (live, history) = (&live["source"], &history["source"]);
        for key in ["emitted", "gaps", "missing_bars", "first_start", "last_start", "failed", "skipped"] {
            assert_eq!(live[key], history[key], "{key} of {live}");
        }
        // R8
        let parts = ["out_of_range", "failed", "skipped", "dropped", "emitted"];
        let sum: u64 = parts.iter().map(|key| live[key].as_u64().unwrap()).sum();
        assert_eq!(live["rows_read"], sum, "{live}");
    }
}

fn events(report: &Value, name: &str) -> u64 {
    report["logs"]["by_event"][name].as_u64().unwrap_or_default()
}

/// What the report counts of the one connection that there was.
fn connection(report: &Value) -> &Value {
    let connections = report["wall"]["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 1);
    &connections[0]
}

#[test]
fn what_was_missed_is_fetched_and_the_frames_are_the_same() {
    let venue = venue(FROM);
    let mut command = venue.live(&SERIES, &["--from", FROM, "--until", UNTIL]);
    let live = reported(command.args(venue.rest()));
    assert_alike(&live, &history(FROM, &[]));
    assert_eq!(events(&live, "SOURCE_LIVE"), SERIES.len() as u64);
    let connection = connection(&live);
    assert_eq!(
        (&connection["connects"], &connection["malformed"], &connection["foreign"]),
        (&1.into(), &0.into(), &0.into())
    );
    let told = venue.end("TERM");
    // Whoever is served hears of three instruments, whatever bars are made of them.
    let (messages, rest) = told.split_once(" messages, ").unwrap();
    let candles = rest.split_once(" of them candles; connections: 1,").unwrap().0;
    let (messages, candles): (u64, u64) = (messages.parse().unwrap(), candles.parse().unwrap());
    assert!(candles < messages && connection["messages"].as_u64().unwrap() <= messages, "{told}");
    let emitted = |series: &str| {
        let all = live["series"].as_array().unwrap();
        let one = all.iter().find(|one| one["series"] == series).unwrap();
        one["source"]["emitted"].as_u64().unwrap()
    };
    let made = [SERIES[1], SERIES[2], SERIES[3]].map(emitted).iter().sum::<u64>();
    assert_eq!(candles, made, "{told}");
}

#[test]
fn history_goes_over_into_what_happens_and_the_frames_are_the_same() {
    // What is served begins within the history, and goes on behind it.
    let venue = venue("2024-01-31T18:00:00Z");
    let from = "2024-01-28";
    let mut command = venue.live(&SERIES, &["--from", from, "--until", UNTIL]);
    let live = reported(command.arg("--history").arg(past()).args(venue.rest()));
    assert_alike(&live, &history(from, &[]));
    assert_eq!(events(&live, "SOURCE_LIVE"), SERIES.len() as u64);
    assert_eq!(events(&live, "SOURCE_FILE_OPEN"), SERIES.len() as u64);
    venue.end("INT");
}

#[test]
fn alignment_fill_and_partial_bars_are_the_same() {
    let options = ["--align", "inner", "--partial", "drop", "--fill", "none"];
    let venue = venue(FROM);
    let mut command = venue.live(&SERIES, &["--from", FROM, "--until", UNTIL]);
    let live = reported(command.args(options).args(venue.rest()).args(["--runtime", "multi"]));
    let history = history(FROM, &options);
    assert_eq!(live["fingerprint_frames"], history["fingerprint_frames"]);
    assert_ne!(history["fingerprint_frames"], self::history(FROM, &[])["fingerprint_frames"]);
    venue.end("TERM");
}

#[test]
fn on_a_bad_day_the_frames_are_the_same() {
    // Seeds whose faults take little time.
    for seed in ["1", "5"] {
        let range = ["--from", "2024-02-01T12:00:00Z", "--to", UNTIL];
        let venue =
            Venue::start(serve(&SERIES, &[&range[..], &["--speed", "max", "--faults", seed]].concat()));
        let mut command = venue.live(&SERIES, &["--from", range[1], "--until", UNTIL]);
        let live =
            reported(command.args(venue.rest()).args(["--idle-limit", "1s", "--stale-after", "500ms"]));
        assert_alike(&live, &history(range[1], &[]));
        let told = venue.end("TERM");
        assert!(told.contains("\nfaults: "), "{told}");
    }
}
