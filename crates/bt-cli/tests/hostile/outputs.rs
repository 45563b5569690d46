//! Outputs that cannot be made or written, and that are another's as well.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Place, bt, json, limited, stderr, succeed, told};

const ONE: [&str; 1] = ["BTCUSDT"];

#[test]
fn an_output_that_cannot_be_made_is_named_before_any_work() {
    for command in ["frames", "run"] {
        for option in ["--out", "--report", "--log"] {
            for bad in ["nowhere/file", "data", "new/", "file/file", "."] {
                let place = Place::new();
                fs::write(place.path("file"), "before").unwrap();
                let path = place.path(bad);
                let mut feed = place.feed(command, &ONE, "1h");
                let others = ["--out", "--report", "--log"].into_iter().filter(|other| *other != option);
                let others: Vec<_> = others.map(|other| (other, place.path(&other[2..]))).collect();
                for (other, path) in &others {
                    feed.arg(other).arg(path);
                }
                let what = format!("{command} {option} {bad}");
                told(&feed.arg(option).arg(&path).output().unwrap(), 1, &path, &what);
                assert_eq!(fs::read(place.path("file")).unwrap(), b"before", "{what}");
                assert!(!place.path("out").exists() && !place.path("new").exists(), "{what}");
                // The report says so too, unless it is what cannot be written: then nothing was begun.
                assert_eq!(place.path("report").exists(), option != "--report", "{what}");
                assert!(option != "--report" || !place.path("log").exists(), "{what}");
                assert!(!place.results().iter().any(|name| name.ends_with(".partial")), "{what}");
            }
        }
    }
}

#[test]
fn a_full_disk_is_an_error_that_names_what_was_to_be_written() {
    let full = Path::new("/dev/full");
    for command in ["frames", "run"] {
        for option in ["--out", "--report", "--log"] {
            let place = Place::new();
            let mut feed = place.feed(command, &ONE, "1m");
            if option != "--report" {
                feed.arg("--report").arg(place.path("report"));
            }
            let output =
                feed.args(["--out=/dev/null", option, "/dev/full"]).stdout(Stdio::null()).output().unwrap();
            let told = told(&output, 1, full, option);
            assert!(told.contains("No space left on device"), "{told}");
            if option != "--report" {
                let report = json(&place.path("report"));
                assert_eq!(report["ended"], "error", "{option}");
                assert!(told.contains(report["error"].as_str().unwrap()), "{option}: {told}");
            }
        }
    }
    let place = Place::new();
    let mut completions = bt();
    completions.args(["completions", "bash"]);
    for (what, mut command) in [("frames", place.feed("frames", &ONE, "1h")), ("completions", completions)] {
        let output = command.stdout(File::options().write(true).open(full).unwrap()).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{what}: {told}");
        assert!(told.contains("cannot write") && told.contains("No space left on device"), "{what}: {told}");
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_and_leaves_nothing() {
    let place = Place::new();
    let [out, report] = ["out", "report"].map(|name| place.path(name));
    for command in ["frames", "run"] {
        for format in ["csv", "jsonl", "parquet"] {
            let mut feed = place.feed(command, &ONE, "1m");
            feed.args(["--format", format, "--report"]).arg(&report).arg("--out").arg(&out);
            let told = told(&limited(64, &feed), 1, &out, format);
            assert!(told.contains("File too large"), "{command} {format}: {told}");
            assert_eq!(json(&report)["ended"], "error", "{command} {format}");
            assert_eq!(place.results(), ["report"], "{command} {format}");
        }
        fs::write(&report, "before").unwrap();
        let mut feed = place.feed(command, &ONE, "1h");
        feed.args(["--format=none", "--report"]).arg(&report);
        let told = told(&limited(1, &feed), 1, &report, command);
        assert!(told.contains("File too large"), "{command}: {told}");
        assert_eq!(
            (place.results(), fs::read(&report).unwrap()),
            (vec!["report".to_owned()], b"before".into())
        );
    }
    let mut completions = Command::new("sh");
    completions.args(["-c", "exec \"$1\" completions bash > \"$2\"", "sh"]);
    completions.arg(bt().get_program()).arg(place.path("script"));
    let output = limited(1, &completions);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write the completion script: File too large"), "{said}");
    let mut synth = bt();
    synth.args(["synth", "--months=1", "--instruments=1", "--out"]).arg(place.path("synth"));
    let told = told(&limited(64, &synth), 1, &place.path("synth"), "synth");
    assert!(told.contains("File too large"), "{told}");
}

/// A run that stands still since nobody reads what it writes to stdout, or to its journal.
fn stand_still(place: &Place, more: &[&Path]) -> (Child, Box<dyn BufRead>) {
    let journal = place.fifo("pipe");
    let mut feed = place.feed("run", &["BTCUSDT", "ETHUSDT"], "1m");
    feed.arg("--log").arg(&journal).args(more).stderr(Stdio::piped());
    let child = feed.spawn().unwrap();
    let mut reader = BufReader::new(File::open(journal).unwrap());
    reader.read_line(&mut String::new()).unwrap();
    (child, Box::new(reader))
}

#[test]
fn of_two_runs_with_one_output_each_writes_it_whole_and_the_last_one_stays() {
    let place = Place::new();
    let [out, report, whole] = ["out", "report", "whole"].map(|name| place.path(name));
    let named = [Path::new("--out"), &out, Path::new("--report"), &report];
    let (first, mut journal) = stand_still(&place, &named);
    // The second begins and ends while the first is at work.
    succeed(place.feed("run", &["SOLUSDT"], "1h").args(named));
    let second = succeed(&mut place.feed("run", &["SOLUSDT"], "1h"));
    assert!(fs::read(&out).unwrap() == second.as_bytes());
    let of_second = json(&report);
    journal.read_to_end(&mut Vec::new()).unwrap();
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    succeed(place.feed("run", &["BTCUSDT", "ETHUSDT"], "1m").arg("--out").arg(&whole));
    assert!(fs::read(&out).unwrap() == fs::read(&whole).unwrap());
    assert_eq!(
        (of_second["series"].as_array().unwrap().len(), json(&report)["series"].as_array().unwrap().len()),
        (1, 2)
    );
    assert_eq!(place.results(), ["out", "pipe", "report", "whole"]);
}

#[test]
fn a_journal_that_another_run_writes_is_refused() {
    let place = Place::new();
    let [log, again] = ["log", "again"].map(|name| place.path(name));
    let run = |log: &Path| {
        let mut run = place.feed("run", &["BTCUSDT"], "1m");
        run.arg("--log").arg(log);
        run
    };
    let mut first = run(&log).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(first.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    for command in ["run", "frames"] {
        let output = place.feed(command, &["SOLUSDT"], "1h").arg("--log").arg(&log).output().unwrap();
        let told = told(&output, 1, &log, command);
        assert!(told.contains("another journal is being written to it, expected a file for each"), "{told}");
        assert_eq!(output.stdout, b"", "{command}");
    }
    stdout.read_to_end(&mut Vec::new()).unwrap();
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    succeed(&mut run(&again));
    assert!(fs::read(&log).unwrap() == fs::read(&again).unwrap());
    // Once it is done, the next may have it.
    succeed(&mut run(&log));
}
