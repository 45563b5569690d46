//! Whoever reads what the binary writes: slow, stalled, gone. And what it says meanwhile.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

/// Two instruments, two months, with gaps: made once, read by all tests.
static DATA: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let synth = ["synth", "--instruments", "2", "--months", "2", "--gaps", "0.02", "--seed", "5", "--out"];
    assert!(bt().args(synth).arg(dir.path()).stderr(Stdio::null()).status().unwrap().success());
    dir
});

fn bt() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bt"));
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// All there is, as CSV.
fn feed(command: &str) -> Command {
    let mut feed = bt();
    feed.args([command, "--series", "binance.spot:BTCUSDT@1m", "--series", "binance.spot:ETHUSDT@1m"]);
    feed.args(["--from", "2024-01-01", "--to", "2024-03-01", "--format", "csv", "--data"]).arg(DATA.path());
    feed
}

/// Where a test has its files.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path("report")).unwrap()).unwrap()
    }
}

/// Reads stderr until this was said so many times; what was read, if it ended before.
fn until_said(stderr: &mut BufReader<ChildStderr>, text: &str, times: usize) -> Result<(), String> {
    let (mut all, mut left) = (String::new(), times);
    while left > 0 {
        let begin = all.len();
        if stderr.read_line(&mut all).unwrap() == 0 {
            return Err(all);
        }
        left -= usize::from(all[begin..].contains(text));
    }
    Ok(())
}

fn kill(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_run_waits_for_a_slow_reader_beyond_the_limit_on_services() {
    let place = Place::new();
    assert!(feed("run").arg("--out").arg(place.path("whole")).status().unwrap().success());
    let mut child = feed("run")
        .args(["--out", "-", "--barrier-limit", "300ms", "--stats-every", "10ms"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    // Nobody reads for longer than the limit, by the child's own clock.
    until_said(&mut stderr, "waiting for the output to be read", 60).unwrap();
    // What else it says must not be what it waits for.
    drop(stderr);
    let mut read = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(read == std::fs::read(place.path("whole")).unwrap());
}

#[test]
fn r33_a_signal_ends_a_run_whose_reader_takes_nothing_and_that_is_an_error() {
    let place = Place::new();
    let mut child = feed("run")
        .args(["--out", "-", "--barrier-limit", "300ms", "--stats-every", "10ms", "--report"])
        .arg(place.path("report"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    until_said(&mut stderr, "waiting for the output to be read", 1).unwrap();
    kill(&child, "-INT");
    until_said(&mut stderr, "cannot write all frames to stdout: its reader did not take them", 1).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let report = place.report();
    assert_eq!((&report["ended"], &report["drained"]), (&"error".into(), &false.into()));
    assert!(report["error"].as_str().unwrap().contains("stdout"));
    assert_eq!(report["logs"]["by_event"]["ENGINE_ENDED"], 1);
    assert!(report["logs"]["by_event"]["ENGINE_FAILED"].is_null());
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    for command in ["run", "frames"] {
        let place = Place::new();
        let mut child = feed(command)
            .args([Path::new("--report"), &place.path("report"), Path::new("--log"), &place.path("log")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0; 100]).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{command}");
        let report = place.report();
        assert_eq!(
            (&report["ended"], &report["drained"], &report["error"]),
            (&"signal".into(), &true.into(), &Value::Null),
            "{command}"
        );
        let waits = &report["wall"]["barrier_waits"];
        let counts = |bucket: &Value| bucket["count"].as_u64().unwrap();
        let counted = waits["histogram"].as_array().map(|buckets| buckets.iter().map(counts).sum());
        assert_eq!((counted, command == "run"), (waits["count"].as_u64(), waits.is_object()));
        let journal = std::fs::read_to_string(place.path("log")).unwrap();
        assert!(!journal.contains("ENGINE_FAILED"), "{command}");
        assert_eq!(report["logs"]["published"], journal.lines().count(), "{command}");
    }
}

/// Its reader may be the first that a signal ends: Ctrl-C goes to all of a pipe.
#[test]
fn a_signal_counts_although_the_reader_leaves_after_it() {
    let place = Place::new();
    let mut child = feed("run")
        .args(["-v", "--stats-every", "10ms", "--report"])
        .arg(place.path("report"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    until_said(&mut stderr, "waiting for the output to be read", 1).unwrap();
    kill(&child, "-TERM");
    until_said(&mut stderr, "the run ends", 1).unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(place.report()["ended"], "signal");
}

#[test]
fn after_a_second_signal_no_half_written_file_is_left() {
    let place = Place::new();
    let journal = place.fifo("journal");
    let mut child = feed("run")
        .arg("--out")
        .arg(place.path("frames"))
        .args(["--stats-every", "10ms", "--log"])
        .arg(&journal)
        .spawn()
        .unwrap();
    // It comes to a standstill, since nobody reads the journal.
    let _reader = std::fs::File::open(&journal).unwrap();
    let mut published = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .filter(|line| line.contains("published"));
    let (mut last, mut standing) = (String::new(), 0);
    while standing < 20 {
        let line = published.next().unwrap();
        standing = if line == last { standing + 1 } else { 0 };
        last = line;
    }
    assert_eq!(std::fs::read_dir(place.0.path()).unwrap().count(), 2);
    // Two of one kind could become one on the way.
    kill(&child, "-INT");
    kill(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(std::fs::read_dir(place.0.path()).unwrap().count(), 1, "the journal's pipe");
}

#[test]
fn diagnostics_are_chosen_by_options_or_the_environment() {
    let said = |options: &[&str], rust_log: Option<&str>| {
        let mut command = feed("run");
        command.args(["--format", "none", "--max-frames", "10"]).args(options);
        if let Some(filter) = rust_log {
            command.env("RUST_LOG", filter);
        }
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let kept = Place::new();
    let report = kept.path("report.json").to_str().unwrap().to_owned();
    assert_eq!(said(&["--report", &report], None), "");
    assert_eq!(said(&["-q", "--stats-every", "1us", "--progress", "always"], None), "");
    // That there were warnings, of which nothing else tells.
    let counted: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let warnings = format!("warnings={} errors=0", counted["logs"]["by_level"]["warn"]);
    let unkept = said(&[], None);
    assert!(unkept.contains("--log PATH keeps") && unkept.contains(&warnings), "{unkept} {warnings}");
    let once = said(&["-v"], None);
    assert!(once.contains("run{series=2}") && once.contains("the run begins"), "{once}");
    assert!(once.contains("the run ends frames=10") && !once.contains("footer read"), "{once}");
    let twice = said(&["-vv"], None);
    assert!(twice.contains("the run ends") && twice.contains("footer read"), "{twice}");
    for options in [&[][..], &["-q"], &["-vv"]] {
        let chosen = said(options, Some("bt_engine=info"));
        assert!(chosen.contains("the run ends") && !chosen.contains("footer read"), "{chosen}");
    }
    let misspelt = said(&[], Some("info=bt=x"));
    assert!(misspelt.contains("RUST_LOG is not understood"), "{misspelt}");
    let help = String::from_utf8(bt().args(["run", "--help"]).output().unwrap().stdout).unwrap();
    assert!(help.contains("RUST_LOG") && help.contains("--stats-every"));
}

#[test]
fn results_that_would_destroy_each_other_are_refused_before_anything_is_touched() {
    let place = Place::new();
    std::fs::write(place.path("there"), "before").unwrap();
    std::fs::write(place.path("run.toml"), "fill-limit = 3\n").unwrap();
    std::fs::hard_link(place.path("there"), place.path("also")).unwrap();
    for (pair, [one, other]) in [
        ([("log", "there"), ("report", "there")], ["--log", "--report"]),
        ([("out", "there"), ("log", "also")], ["--out", "--log"]),
        ([("out", "new"), ("report", "../PLACE/new")], ["--out", "--report"]),
        ([("config", "run.toml"), ("log", "run.toml")], ["--config", "--log"]),
    ] {
        for command in ["run", "frames"] {
            let mut feed = feed(command);
            for (option, name) in pair {
                let dir = place.0.path().file_name().unwrap().to_str().unwrap();
                feed.arg(format!("--{option}")).arg(place.path(&name.replace("PLACE", dir)));
            }
            let output = feed.output().unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(
                (output.status.code(), output.stdout.len()),
                (Some(2), 0),
                "{command} {pair:?}: {told}"
            );
            assert!(told.contains(one) && told.contains(other), "{command} {pair:?}: {told}");
            assert!(told.contains("expected a file for each"), "{command} {pair:?}: {told}");
        }
    }
    let mut demo = bt();
    demo.args(["demo", "--dir"]).arg(place.path("demo"));
    demo.arg("--log").arg(place.path("x")).arg("--report").arg(place.path("x"));
    assert_eq!(demo.status().unwrap().code(), Some(2));
    assert_eq!(std::fs::read_dir(place.path("demo")).map_or(0, Iterator::count), 0);
    assert_eq!(std::fs::read(place.path("there")).unwrap(), b"before");
    assert_eq!(std::fs::read(place.path("run.toml")).unwrap(), b"fill-limit = 3\n");
    assert_eq!(std::fs::read_dir(place.0.path()).unwrap().count(), 3);
}

#[test]
fn what_has_no_place_may_be_named_twice() {
    let named = ["--log=/dev/null", "--report=/dev/null", "--out=/dev/null", "--max-frames=10"];
    assert!(feed("run").args(named).status().unwrap().success());
}
