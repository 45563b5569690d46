//! `bt live`, whoever is or is not at the other end.

use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use crate::support::{Report, Running, Venue, bt, fails, on, past, reported, serve, stderr};

const SERIES: [&str; 1] = ["binance.spot:BTCUSDT@1m"];

fn live(url: &str, options: &[&str]) -> std::process::Command {
    on("live", &SERIES, &[&["--url", url, "--from", "2024-02-01"], options].concat())
}

/// A run that was stopped by `signal` reports so, and how far it came.
fn assert_stopped(running: Running, report: &Report, code: i32) -> (Value, String) {
    let output = running.end();
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    assert!(stderr(&output).ends_with(&format!("stopped by signal {}\n", code - 128)), "{}", stderr(&output));
    let report = report.read();
    assert_eq!(
        (&report["ended"], &report["drained"], &report["error"]),
        (&"signal".into(), &true.into(), &Value::Null)
    );
    (report, String::from_utf8(output.stdout).unwrap())
}

#[test]
fn r33_a_signal_ends_a_live_run_in_order() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let served = ["--from", "2024-02-01", "--to", "2024-02-02", "--speed", "60x"];
        let venue = Venue::start(serve(&SERIES, &served));
        let (report, dir) = (Report::new(), tempfile::tempdir().unwrap());
        let journal = dir.path().join("live.jsonl");
        let mut command = venue.live(&SERIES, &["--from", "2024-01-31T23:00:00Z", "--format", "csv"]);
        command.args(venue.rest()).arg("--history").arg(past()).arg("--log").arg(&journal);
        let mut running = Running::start(command.arg("--report").arg(report.path()));
        let (mut lines, mut last) = (0, running.line());
        // Up to the first that closes behind the history.
        while !(last.starts_with("2024-02-01") && last.as_str() > "2024-02-01T00:00:00Z,~") {
            assert!(last.ends_with('\n'), "{}", stderr(&running.end()));
            last = running.line();
            lines += 1;
        }
        assert!(lines > 50, "{lines}");
        running.signal(signal);
        let (report, rest) = assert_stopped(running, &report, code);
        // One slot a frame.
        assert_eq!(report["frames"], lines + rest.lines().count());
        assert_eq!(report["wall"]["connections"][0]["state"], "live");
        let journal = fs::read_to_string(journal).unwrap();
        let events: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(report["logs"]["published"], events.len());
        let ended = events.last().unwrap();
        assert_eq!((&ended["event"], &ended["fields"]["ended"]), (&"ENGINE_ENDED".into(), &"signal".into()));
        assert!(events.iter().any(|event| event["event"] == "SOURCE_LIVE"));
        venue.end("TERM");
    }
}

#[test]
fn a_number_of_frames_ends_it() {
    let served = ["--from", "2024-02-01", "--to", "2024-02-02", "--speed", "max"];
    let venue = Venue::start(serve(&SERIES, &served));
    let mut command = venue.live(&SERIES, &["--from", "2024-02-01", "--max-frames", "100"]);
    let report = reported(command.args(venue.rest()));
    assert_eq!(
        (&report["frames"], &report["ended"], &report["drained"]),
        (&100.into(), &"max_frames".into(), &true.into())
    );
    venue.end("TERM");
}

#[test]
fn while_nobody_listens_it_says_so_and_tries_again_until_a_signal_comes() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = Report::new();
    let mut command = live(&format!("ws://{gone}"), &["--report"]);
    let mut running = Running::start(command.arg(report.path()));
    running.until_said("Connection refused");
    running.until_said("Connection refused");
    running.signal("INT");
    let (report, _) = assert_stopped(running, &report, 130);
    let connection = &report["wall"]["connections"][0];
    assert_eq!(
        (&report["frames"], &connection["connects"], &connection["state"]),
        (&0.into(), &0.into(), &"reconnecting".into())
    );
}

#[test]
fn whoever_hangs_up_is_called_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let report = Report::new();
    let mut command = live(&format!("ws://{}", listener.local_addr().unwrap()), &["-q", "--report"]);
    let mut running = Running::start(command.arg(report.path()));
    for _ in 0..3 {
        drop(listener.accept().unwrap());
    }
    running.signal("TERM");
    assert_stopped(running, &report, 143);
}

#[test]
fn a_series_that_the_venue_does_not_have_is_named() {
    let served = ["--from", "2024-02-01", "--to", "2024-02-02", "--speed", "max"];
    let venue = Venue::start(serve(&SERIES, &served));
    let mut command = venue.live(&["binance.spot:XYZUSDT@1m"], &["--from", "2024-02-01"]);
    fails(&mut command, 1, "source of binance.spot:XYZUSDT@1m failed: ");
    fails(&mut command, 1, "the venue answers 400 Bad Request");
    venue.end("TERM");
}

#[test]
fn one_series_that_the_venue_does_not_have_is_no_harm_to_the_others_if_so_wished() {
    let range = ["--from", "2024-02-01", "--to", "2024-02-01T06:00:00Z"];
    let venue = Venue::start(serve(&SERIES, &[&range[..], &["--speed", "max"]].concat()));
    let options = ["--from", range[1], "--until", range[3]];
    let mut command = venue.live(&[SERIES[0], "binance.spot:XYZUSDT@1m"], &options);
    command.args(venue.rest());
    fails(&mut command, 1, "binance.spot:XYZUSDT@1m is refused: the venue answers 400 Bad Request");
    let report = reported(command.args(["--on-source-error", "isolate"]));
    assert_eq!(
        (&report["ended"], &report["logs"]["by_event"]["FEED_SOURCE_FAILED"]),
        (&"data".into(), &1.into())
    );
    let [known, unknown] = &report["series"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!(known["bars"], known["source"]["emitted"]);
    assert!(known["bars"].as_u64().unwrap() > 300, "{known}");
    assert_eq!((&unknown["bars"], &unknown["empty"]), (&0.into(), &report["frames"]));
    venue.end("TERM");
}

#[test]
fn options_that_cannot_be_are_told_before_anybody_is_called() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    for missing in ["url", "series", "from"] {
        fails(bt().arg("live"), 2, &format!("no --{missing} given"));
    }
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "nothing\n").unwrap();
    let empty = empty.to_str().unwrap();
    for (options, expected) in [
        (
            &["--until", "2024-01-31"][..],
            "range from 2024-02-01T00:00:00Z until 2024-01-31T00:00:00Z is empty, expected `from` before `until`",
        ),
        (&["--until", "2024-02-01"], "is empty, expected `from` before `until`"),
        (
            &["--url", "http://127.0.0.1:1"],
            "`http://127.0.0.1:1`, expected a URL that begins with `ws://` or `wss://`",
        ),
        (
            &["--rest-url", "ws://127.0.0.1:1"],
            "`ws://127.0.0.1:1`, expected a URL that begins with `http://` or `https://`",
        ),
        (&["--tls-ca", "/nowhere.pem"], "cannot use the certificates of /nowhere.pem: "),
        (&["--tls-ca", empty], "no certificate in it, expected at least one in PEM"),
        (&["--grace", "0s"], "'--grace <D>': expected a duration above zero"),
        (&["--max-frames", "0"], "'--max-frames <N>': expected a whole number from 1"),
        (&["--series", "binance.spot:BTCUSDT@90s"], "expected a whole multiple of 1m"),
        (&["--series", "binance.spot:BTCUSDT@1m"], "binance.spot:BTCUSDT@1m"),
        (&["--out", "frames.csv"], "--out frames.csv without --format"),
        (&["--to", "2024-02-02"], "unexpected argument '--to'"),
    ] {
        fails(&mut live(&url, options), 2, expected);
    }
    fails(&mut live(&url, &["--history", "/nowhere"]), 1, "cannot read /nowhere: ");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
