//! `bt serve` and `bt live` as processes, against each other.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use bt_core::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

const FROM: &str = "2024-01-01";

fn bt() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bt"));
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn kill(child: &Child, signal: &str) {
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
}

/// Candles of so many instruments and months, and what is written of them.
struct Files {
    dir: TempDir,
    series: Vec<String>,
}

impl Files {
    fn new(instruments: usize, months: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files { dir, series: Vec::new() };
        files.add("data", instruments, months);
        let symbols = fs::read_dir(files.path("data/exchange=binance/market=spot")).unwrap();
        let symbols = symbols.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        files.series =
            symbols.map(|name| format!("binance.spot:{}", name.strip_prefix("symbol=").unwrap())).collect();
        files.series.sort();
        assert_eq!(files.series.len(), instruments);
        files
    }

    /// Another data set, whose months are those of any other.
    fn add(&self, name: &str, instruments: usize, months: u32) {
        let mut synth = bt();
        synth.args(["synth", "--gaps", "0.005", "--instruments", &instruments.to_string()]);
        synth.args(["--months", &months.to_string(), "--out"]).arg(self.path(name));
        let made = synth.output().unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command on all series.
    fn command(&self, name: &str, timeframes: &[&str]) -> Command {
        let mut command = bt();
        command.args([name, "--memory", "2GiB"]);
        for timeframe in timeframes {
            command
                .args(self.series.iter().flat_map(|s| ["--series".to_owned(), format!("{s}@{timeframe}")]));
        }
        command
    }

    fn serve(&self, options: &[&str]) -> Command {
        let mut command = self.command("serve", &["1m"]);
        command.arg("--data").arg(self.path("data")).args(options);
        command
    }

    /// What a run over the files reports.
    fn run(&self, timeframes: &[&str], from: &str, to: &str) -> Value {
        let mut run = self.command("run", timeframes);
        run.arg("--data").arg(self.path("data")).args(["--from", from, "--to", to]);
        let output = run.arg("--report").arg(self.path("run.json")).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        self.report("run.json")
    }

    /// A live run that ends at `until`.
    fn live(&self, venue: &Running, timeframes: &[&str], from: &str) -> Command {
        let mut live = self.command("live", timeframes);
        live.args(["--url", &format!("ws://{}", venue.address), "--from", from]);
        live.args(["--rest-url", &format!("http://{}", venue.address)]);
        live.arg("--report").arg(self.path("live.json")).arg("--log").arg(self.path("live.jsonl"));
        live
    }

    fn report(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }
}

/// A venue that is killed when it goes out of scope.
struct Running {
    child: Option<Child>,
    address: String,
}

impl Running {
    /// Starts it, and waits until it says where it listens.
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().rsplit_once("http://").map(|(_, address)| address.to_owned());
        let running = Running { child: Some(child), address: address.unwrap_or_default() };
        assert_eq!(line, format!("listening on ws://{0} and http://{0}\n", running.address));
        running
    }

    fn end(mut self, signal: &str) -> Output {
        let child = self.child.take().unwrap();
        kill(&child, signal);
        child.wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The most memory that a process has held so far, in KiB, where the system tells.
fn peak(process: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
}

/// A number that a soak makes larger.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

#[test]
fn history_that_is_served_gives_the_frames_of_a_run() {
    let (series, minutes) = (number("BT_SOAK_SERIES", 3), number("BT_SOAK_MINUTES", 2_000));
    let files = Files::new(series, 1);
    let timeframes: &[&str] = if series > 3 { &["5m"] } else { &["5m", "1h"] };
    let begin: Timestamp = FROM.parse().unwrap();
    let to = begin.checked_add_nanos(minutes as i64 * 60_000_000_000).unwrap().to_string();
    let venue = Running::start(files.serve(&["--speed", "max", "--from", FROM, "--to", &to]));
    let mut live = files.live(&venue, timeframes, FROM);
    let mut live = live.args(["--until", &to, "--stats-every", "1s"]).spawn().unwrap();
    let (mut held, mut told) = (0, String::new());
    for line in BufReader::new(live.stderr.take().unwrap()).lines() {
        told.push_str(&line.unwrap());
        held = held.max(peak(&live).unwrap_or_default());
    }
    assert!(live.wait().unwrap().success(), "{told}");
    let served = stderr(&venue.end("TERM"));
    let (expected, report) = (files.run(timeframes, FROM, &to), files.report("live.json"));
    for field in
        ["fingerprint_frames", "frames", "bars", "filled", "empty", "first_close", "last_close", "ended"]
    {
        assert_eq!(report[field], expected[field], "{field}");
    }
    let connections = report["wall"]["connections"].as_array().unwrap();
    let sum = |field: &str| connections.iter().map(|one| one[field].as_u64().unwrap()).sum::<u64>();
    let dropped = sum("dropped");
    println!(
        "{} messages to {} frames in {} ms, {dropped} candles dropped and fetched, {} MiB; the venue says: {served}",
        sum("messages"),
        report["frames"],
        report["wall"]["elapsed_ms"],
        held >> 10
    );
    assert_eq!((sum("malformed"), sum("foreign")), (0, 0));
    assert!(held < 128 << 10, "{held} KiB");
}

#[test]
fn history_in_files_goes_on_at_the_venue() {
    let files = Files::new(2, 2);
    files.add("past", 2, 1);
    let (from, to) = ("2024-01-30", "2024-02-03");
    // What the venue sends begins behind the end of the files, and its archive before.
    let serve = files.serve(&["--speed", "max", "--from", "2024-01-31", "--to", to]);
    let venue = Running::start(serve);
    let mut live = files.live(&venue, &["15m"], from);
    let output = live.args(["--until", to, "--history"]).arg(files.path("past")).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let (expected, report) = (files.run(&["15m"], from, to), files.report("live.json"));
    assert_eq!(report["fingerprint_frames"], expected["fingerprint_frames"]);
    let log = fs::read_to_string(files.path("live.jsonl")).unwrap();
    assert_eq!(log.matches(r#""event":"SOURCE_LIVE""#).count(), 2, "one each");
}

#[test]
fn a_live_run_ends_after_so_many_frames_or_by_a_signal() {
    let files = Files::new(2, 1);
    let venue = Running::start(files.serve(&["--speed", "1200x", "--from", FROM, "--to", "2024-01-20"]));
    let some = files.live(&venue, &["5m"], FROM).args(["--max-frames", "3"]).output().unwrap();
    assert!(some.status.success(), "{}", stderr(&some));
    let report = files.report("live.json");
    assert_eq!((&report["ended"], &report["frames"]), (&"max_frames".into(), &3.into()));

    let mut live = files.live(&venue, &["5m"], FROM).args(["--format", "csv"]).spawn().unwrap();
    let mut out = BufReader::new(live.stdout.take().unwrap());
    let mut lines = [String::new(), String::new()];
    lines.iter_mut().for_each(|line| assert!(out.read_line(line).unwrap() > 0));
    assert!(
        lines[0].starts_with("close_time,") && lines[1].starts_with("2024-01-01T00:05:00Z,"),
        "{lines:?}"
    );
    kill(&live, "INT");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let output = live.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*stderr(&output)), (Some(130), "error: stopped by signal 2\n"));
    let report = files.report("live.json");
    assert_eq!((&report["ended"], &report["drained"]), (&"signal".into(), &true.into()));
    // A frame has two lines, and none is cut in half.
    assert_eq!(report["frames"].as_u64().unwrap() * 2, 1 + rest.matches('\n').count() as u64);
    assert!(rest.ends_with('\n'));
}

#[test]
fn a_venue_answers_until_a_signal_comes() {
    let files = Files::new(1, 1);
    for signal in ["INT", "TERM"] {
        let venue = Running::start(files.serve(&["--from", FROM, "--to", "2024-01-02"]));
        let mut stream = TcpStream::connect(&venue.address).unwrap();
        write!(stream, "GET /api/v3/time HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("1704067200000"), "{answer}");
        let output = venue.end(signal);
        assert!(output.status.success());
        let told =
            "0 messages, 0 of them candles; connections: 0, cut for taking too little: 0; requests: 1\n";
        assert_eq!(stderr(&output), told);
    }
}

fn fails(command: &mut Command, code: i32, expected: &str) {
    let output = command.output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(output.stdout.is_empty() && told.contains(expected), "{told}");
}

#[test]
fn what_is_wrong_with_a_venue_is_told_before_it_listens() {
    let files = Files::new(1, 1);
    let serve = |options: &[&str]| {
        let mut serve = files.serve(options);
        if !options.contains(&"--to") {
            serve.args(["--to", "2024-01-02"]);
        }
        serve.args(["--from", FROM]);
        serve
    };
    fails(&mut serve(&["--speed", "60"]), 2, "such as 60x, or max");
    fails(&mut serve(&["--listen", "nowhere"]), 2, "--listen");
    fails(&mut serve(&["--clients", "0"]), 2, "--clients");
    fails(&mut serve(&["--to", "2023-01-01"]), 2, "is empty");
    fails(&mut serve(&["--to", "2024-01-02T00:00:00.0000001Z"]), 2, "whole number of milliseconds");
    fails(&mut serve(&["--to", "2024-04-01"]), 1, "2024-02");
    fails(&mut serve(&["--series", "binance.spot:XYZ@1m"]), 1, "binance.spot:XYZ@1m");
    fails(&mut serve(&["--config", "nowhere.toml"]), 2, "nowhere.toml");
    fails(bt().arg("serve"), 2, "no --data given");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails(&mut serve(&["--listen", &address]), 1, &address);
    // What all series take together counts.
    let many = Files::new(8, 1);
    let mut small = many.serve(&["--from", FROM, "--to", "2024-01-02"]);
    let args: Vec<_> =
        small.get_args().map(|word| if word == "2GiB" { "4MiB".into() } else { word.to_owned() }).collect();
    small = bt();
    fails(small.args(args), 2, "memory budget of 4194304 bytes is too small");
}

#[test]
fn what_is_wrong_with_a_live_run_is_told_before_it_connects() {
    let nowhere = Path::new("nowhere").to_str().unwrap();
    let live = |options: &[&str]| {
        let mut live = bt();
        live.args(["live", "--series", "binance.spot:BTCUSDT@5m"]).args(options);
        live
    };
    let (url, from) = (["--url", "ws://127.0.0.1:1"], ["--from", FROM]);
    fails(&mut live(&from), 2, "no --url given");
    fails(&mut live(&url), 2, "no --from given");
    fails(live(&from).args(["--url", "http://127.0.0.1:1"]), 2, "`ws://` or `wss://`");
    fails(live(&from).args(url).args(["--rest-url", "ftp://x"]), 2, "`http://` or `https://`");
    fails(live(&from).args(url).args(["--until", "2023-01-01"]), 2, "is empty");
    fails(live(&from).args(url).args(["--tls-ca", nowhere]), 2, "cannot use the certificates of nowhere");
    fails(live(&from).args(url).args(["--history", nowhere]), 1, "cannot read nowhere");
}
