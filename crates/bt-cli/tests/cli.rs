//! The binary as scripts use it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

/// Two instruments, two months, with gaps: made once, read by all tests.
static DATA: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let out = bt(["synth", "--instruments", "2", "--months", "2", "--gaps", "0.01", "--seed", "5", "--out"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", stderr(&out));
    dir
});

const SERIES: [&str; 6] = [
    "--series",
    "binance.spot:BTCUSDT@5m",
    "--series",
    "binance.spot:ETHUSDT@1h",
    "--series",
    "binance.spot:BTCUSDT@1m",
];
const RANGE: [&str; 4] = ["--from", "2024-01-30", "--to", "2024-02-02"];

fn bt<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bt"));
    command.args(args).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn feed(command: &str) -> Command {
    let mut command = bt([command]);
    command.args(SERIES).args(RANGE).arg("--data").arg(DATA.path());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeed(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    output.stdout
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn r35_no_output_byte_depends_on_machine_options() {
    let dir = tempfile::tempdir().unwrap();
    let results = |name: &str, command: &str, options: &[&str]| {
        let path = |kind: &str| dir.path().join(format!("{name}.{kind}"));
        succeed(
            feed(command)
                .args(["--format", "csv", "--strategy", "sma:3,9"].iter().take(if command == "run" {
                    4
                } else {
                    2
                }))
                .args(options)
                .args([Path::new("--out"), &path("csv"), Path::new("--log"), &path("jsonl")])
                .args([Path::new("--report"), &path("json")]),
        );
        let mut report = json(&path("json"));
        report.as_object_mut().unwrap().remove("wall").unwrap();
        (std::fs::read(path("csv")).unwrap(), std::fs::read(path("jsonl")).unwrap(), report)
    };
    for command in ["run", "frames"] {
        let first = results("first", command, &[]);
        for (at, options) in [
            &["--runtime", "multi"][..],
            &["--batch-rows", "1"],
            &["--batch-rows", "333", "--threads", "1"],
            &["--memory", "1GiB", "--threads", "5"],
            &["--memory", "16MB"],
        ]
        .iter()
        .enumerate()
        {
            let other = results(&format!("{command}{at}"), command, options);
            assert!(first == other, "{command} {options:?}");
        }
    }
    // Frames are those of the feed, whoever takes them.
    let of = |name: &str| json(&dir.path().join(name))["fingerprint_frames"].clone();
    assert_eq!(of("run0.json"), of("frames0.json"));
}

#[test]
fn frames_come_in_every_format_a_line_per_slot() {
    let csv = String::from_utf8(succeed(&mut feed("frames"))).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("close_time,instrument,timeframe,kind,reason,start,end,open"));
    assert_eq!((lines.len() - 1) % 3, 0);
    // Slots in the order of R20, whatever the order of the options.
    let names: Vec<String> =
        lines[1..4].iter().map(|l| l.split(',').skip(1).take(2).collect::<Vec<_>>().join("@")).collect();
    assert_eq!(names, ["binance.spot:BTCUSDT@1m", "binance.spot:BTCUSDT@5m", "binance.spot:ETHUSDT@1h"]);
    let jsonl =
        String::from_utf8(succeed(feed("frames").args(["--format", "jsonl", "--time-unit", "ms"]))).unwrap();
    assert_eq!(jsonl.lines().count(), lines.len() - 1);
    let first: Value = serde_json::from_str(jsonl.lines().next().unwrap()).unwrap();
    assert_eq!(first["close_time"], 1_706_572_860_000_u64);
    let parquet = succeed(feed("frames").args(["--format", "parquet"]));
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    assert!(succeed(feed("frames").args(["--format", "none"])).is_empty());
    assert!(succeed(&mut feed("run")).is_empty());
}

#[test]
fn the_report_adds_up_and_counts_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let [log, report] = ["log", "report"].map(|name| dir.path().join(name));
    succeed(feed("run").arg("--log").arg(&log).arg("--report").arg(&report).args(["--max-frames", "100"]));
    let report = json(&report);
    assert_eq!(report["frames"], 100);
    assert_eq!(
        (&report["ended"], &report["drained"], &report["error"]),
        (&"max_frames".into(), &true.into(), &Value::Null)
    );
    let slots: u64 = ["bars", "filled", "empty"].iter().map(|kind| report[kind].as_u64().unwrap()).sum();
    assert_eq!(slots, 300);
    let journal = std::fs::read_to_string(&log).unwrap();
    assert_eq!(report["logs"]["published"], journal.lines().count());
    for (at, line) in journal.lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["seq"], &line["topic"]), (&(at + 1).into(), &"log".into()));
    }
    for series in report["series"].as_array().unwrap() {
        let count = |key: &str| series["source"][key].as_u64().unwrap();
        let fates = ["out_of_range", "failed", "skipped", "dropped", "emitted"];
        assert_eq!(count("rows_read"), fates.iter().map(|fate| count(fate)).sum::<u64>());
    }
}

#[test]
fn of_many_gaps_the_first_of_a_month_are_logged_and_the_rest_counted() {
    let dir = tempfile::tempdir().unwrap();
    let [log, report] = ["log.jsonl", "report.json"].map(|name| dir.path().join(name));
    succeed(feed("run").args(["--row-logs", "3", "--log"]).arg(&log).arg("--report").arg(&report));
    let journal = std::fs::read_to_string(&log).unwrap();
    let events: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| events.iter().filter(move |event| event["event"] == name).collect::<Vec<_>>();
    let count = |values: &[&Value]| values.iter().map(|value| value.as_u64().unwrap()).sum::<u64>();
    let counted: Vec<_> =
        of("SOURCE_ROWS_SUPPRESSED").iter().map(|event| &event["fields"]["count"]).collect();
    let report = json(&report);
    let gaps: Vec<_> =
        report["series"].as_array().unwrap().iter().map(|series| &series["source"]["gaps"]).collect();
    // Three series, two months.
    assert_eq!((of("SOURCE_GAP_DETECTED").len(), counted.len()), (18, 6));
    assert_eq!(18 + count(&counted), count(&gaps));
}

#[test]
fn r5_r18_what_cannot_be_is_named_and_nothing_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let [out, report] = ["out.csv", "report.json"].map(|name| dir.path().join(name));
    let data = DATA.path().to_str().unwrap();
    let base = |series: &'static str| {
        vec!["--data", data, "--series", series, "--from", "2024-01-01", "--to", "2024-02-01"]
    };
    let with = |mut args: Vec<&'static str>, more: &[&'static str]| {
        args.extend(more);
        args
    };
    // Both lifetimes are 'static: the data set lives as long as the tests do.
    let base = |series| -> Vec<&'static str> {
        base(series).into_iter().map(|arg| &*arg.to_owned().leak()).collect()
    };
    let sound = "binance.spot:BTCUSDT@5m";
    let cases: Vec<(Vec<&str>, i32, &str)> = vec![
        (with(base(sound), &["--data", "/nowhere/at/all"]), 1, "/nowhere/at/all"),
        (base("binance.spot:NOPE@5m"), 1, "binance.spot:NOPE@1m"),
        (with(base(sound), &["--to", "2024-04-01"]), 1, "2024-03"),
        (with(base(sound), &["--columns", "open=opening"]), 1, "opening"),
        (with(base(sound), &["--columns", "opn=o"]), 2, "opn"),
        (with(base(sound), &["--series", "binance.spot:BTCUSDT@300s"]), 2, "binance.spot:BTCUSDT@5m"),
        (base("binance.spot:BTCUSDT@90s"), 2, "90s"),
        (base("binance.spot:BTCUSDT@5x"), 2, "`5x`"),
        (base("binance.spot:../BTCUSDT@5m"), 2, "../BTCUSDT"),
        (with(base(sound), &["--to", "2024-01-01"]), 2, "empty"),
        (with(base(sound), &["--to", "2023-01-01"]), 2, "2023-01-01"),
        (with(base(sound), &["--memory", "1kB"]), 2, "1000 bytes"),
        (with(base(sound), &["--threads", "0"]), 2, "--threads"),
        (with(base(sound), &["--align", "left"]), 2, "outer"),
    ];
    for (args, code, named) in cases {
        let output =
            bt(["frames"]).args(&args).arg("--out").arg(&out).arg("--report").arg(&report).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(named), "{args:?}: {told}");
        assert!(!out.exists(), "{args:?}");
        // What failed on data has a report, what was wrong from the start has none.
        assert_eq!(report.exists(), code == 1, "{args:?}");
        if code == 1 {
            let written = json(&report);
            assert_eq!(written["ended"], "error");
            assert!(written["error"].as_str().unwrap().contains(named));
            std::fs::remove_file(&report).unwrap();
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{args:?}");
    }
}

/// A copy of the data set in which one file of one instrument is cut short.
fn damaged() -> (TempDir, PathBuf) {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    copy(DATA.path(), dir.path());
    let file = dir.path().join(
        "exchange=binance/market=spot/symbol=ETHUSDT/type=candle/timeframe=1m/year=2024/ETHUSDT-1m-2024-2.parquet",
    );
    let mut bytes = std::fs::read(&file).unwrap();
    // The footer is sound, so it opens; what is between is not.
    bytes[4..20_000].fill(0xA5);
    std::fs::write(&file, bytes).unwrap();
    (dir, file)
}

#[test]
fn r11_r25_a_corrupt_file_ends_the_run_or_its_series() {
    let (data, file) = damaged();
    let out = data.path().join("out.csv");
    let args = |command: &mut Command| {
        command.args(RANGE).args([
            "--series",
            "binance.spot:BTCUSDT@1h",
            "--series",
            "binance.spot:ETHUSDT@1h",
            "--format",
            "csv",
        ]);
        command.arg("--data").arg(data.path()).arg("--out").arg(&out);
    };
    for command in ["frames", "run"] {
        let report = data.path().join("report.json");
        let mut failing = bt([command]);
        args(&mut failing);
        let output = failing.arg("--report").arg(&report).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(file.to_str().unwrap()), "{}", stderr(&output));
        assert!(!out.exists());
        let report = json(&report);
        assert_eq!((&report["ended"], report["frames"].as_u64().unwrap() > 40), (&"error".into(), true));
        assert_eq!(report["logs"]["by_event"]["FEED_STATE"], 2);

        let mut isolating = bt([command]);
        args(&mut isolating);
        succeed(isolating.args(["--on-source-error", "isolate"]));
        let isolated = std::fs::read_to_string(&out).unwrap();
        std::fs::remove_file(&out).unwrap();
        let alone = succeed(
            bt(["frames"])
                .args(RANGE)
                .args(["--series", "binance.spot:BTCUSDT@1h", "--data"])
                .arg(data.path()),
        );
        let of_the_sound: String =
            isolated.lines().filter(|l| !l.contains("ETHUSDT")).map(|l| format!("{l}\n")).collect();
        assert_eq!(of_the_sound, String::from_utf8(alone).unwrap());
        assert!(
            isolated.contains("binance.spot:ETHUSDT,1h,bar")
                && isolated.contains("binance.spot:ETHUSDT,1h,empty,ended")
        );
    }
}

#[test]
fn a_page_without_a_checksum_ends_the_work_if_asked_to() {
    for command in ["frames", "run"] {
        let output = feed(command).arg("--require-checksums").output().unwrap();
        let text = stderr(&output);
        assert!(!output.status.success());
        assert!(text.contains("a page has no checksum, expected one"), "{text}");
        assert!(text.contains("BTCUSDT-1m-2024-1.parquet") && text.contains("column `start_ms`"), "{text}");
    }
}

#[test]
fn a_file_for_frames_wants_a_format() {
    let output = feed("run").args(["--out", "frames.csv"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--format"), "{}", stderr(&output));
}

#[test]
fn a_configuration_file_is_overridden_by_flags() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("run.toml");
    let toml = format!(
        "data = {:?}\nseries = ['binance.spot:BTCUSDT@1h']\nfrom = 2024-01-30\nto = '2024-01-31T00:00:00Z'\nmax-frames = 5\n",
        DATA.path().to_str().unwrap()
    );
    std::fs::write(&config, &toml).unwrap();
    let frames = |more: &[&str]| {
        let out = succeed(bt(["run", "--format", "csv", "--config"]).arg(&config).args(more));
        out.iter().filter(|byte| **byte == b'\n').count() - 1
    };
    assert_eq!(frames(&[]), 5);
    assert_eq!(frames(&["--max-frames", "7"]), 7);
    assert_eq!(
        frames(&[
            "--max-frames",
            "7",
            "--series",
            "binance.spot:BTCUSDT@1h",
            "--series",
            "binance.spot:ETHUSDT@1h"
        ]),
        14
    );
    std::fs::write(&config, toml + "max-frame = 5\n").unwrap();
    let output = bt(["run", "--config"]).arg(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output)
            .contains("run.toml:6:1: key `max-frame`: no option has this name, did you mean `max-frames`?"),
        "{}",
        stderr(&output)
    );
}

/// Each value that cannot be is refused before anything is touched, on the command line and in a file.
#[test]
fn values_that_cannot_be_are_refused_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let [out, log, report, config] = ["out", "log", "report", "run.toml"].map(|name| dir.path().join(name));
    for (option, values, expected) in [
        (
            "batch-rows",
            &["0", "-1", "1048577", "1.5", "NaN"][..],
            "expected a whole number from 1 to 1048576",
        ),
        ("threads", &["0", "-1", "100000", "x"], "expected a whole number from 1 to 1024"),
        ("max-frames", &["0", "-1", "18446744073709551616"], "expected a whole number from 1 to"),
        ("fill-limit", &["-1", "1e3", "18446744073709551616"], "expected a whole number from 0 to"),
        ("memory", &["0", "-1", "99999EiB", "NaNMiB", "lots"], "expected a size from 1B to 1EiB"),
        ("barrier-limit", &["0s", "30", "584542046090years"], "expected a duration above zero"),
        ("stats-every", &["0s", "-1s", "367days"], "expected a duration above zero"),
        ("from", &["2024-02-03", "1600-01-01", "9999-01-01", "2024-13-01", "yesterday"], "expected"),
        ("to", &["2024-01-30", "2024-01-01", "99999-01-01", "2262-04-12"], "expected"),
        (
            "series",
            &["a.b:../../x@1m", "a.b:/etc/passwd@1m", "a.b:c d@1m", "a.b:c@0m", "a.b:c@1w"],
            "expected",
        ),
        ("source-timeframe", &["0m", "7m", "99999999999999d"], "expected"),
        ("columns", &["start", "start=", "opn=o", "open=a,open=b"], "expected"),
        ("strict", &["maybe", "1"], "[possible values: true, false]"),
    ] {
        for value in values {
            for path in [&out, &log, &report] {
                std::fs::write(path, "before").unwrap();
            }
            let mut run = feed("run");
            run.args(["--format", "csv"]);
            for (option, path) in [("--out", &out), ("--log", &log), ("--report", &report)] {
                run.arg(option).arg(path);
            }
            let refused = |output: Output, expected: &str| {
                let told = stderr(&output);
                assert_eq!(output.status.code(), Some(2), "{option} {value}: {told}");
                assert!(told.contains(expected), "{option} {value}: {told}");
                for path in [&out, &log, &report] {
                    assert_eq!(std::fs::read(path).unwrap(), b"before", "{option} {value}");
                }
                told
            };
            // A value with a sign is a value and not an option, also where it stands by itself.
            let alone = value.parse::<f64>().is_ok() && option != "strict";
            let args = if alone {
                vec![format!("--{option}"), value.to_string()]
            } else {
                vec![format!("--{option}={value}")]
            };
            refused(run.args(args).output().unwrap(), expected);

            std::fs::write(&config, format!("\n{option} = '{value}'\n")).unwrap();
            let mut run = feed("run");
            if ["from", "to", "series"].contains(&option) {
                // On the command line they would override the file.
                run = bt(["run", "--data", "none"]);
                let given = [("series", "a.b:c@1m"), ("from", "2024-02-02"), ("to", "2024-01-31")];
                run.args(
                    given
                        .iter()
                        .filter(|(name, _)| *name != option)
                        .map(|(name, value)| format!("--{name}={value}")),
                );
            }
            let told = refused(run.arg("--config").arg(&config).output().unwrap(), "expected");
            assert!(told.contains(&format!("{}:2:", config.display())), "{option} {value}: {told}");
            assert!(told.contains(&format!("key `{option}`: ")), "{option} {value}: {told}");
        }
    }
    for args in [
        &["--months", "0"][..],
        &["--months", "100000"],
        &["--months", "-1"],
        &["--instruments", "0"],
        &["--instruments", "10001"],
        &["--gaps", "2"],
        &["--gaps", "NaN"],
        &["--gaps", "-0.5"],
        &["--gaps", "1"],
        &["--seed", "-1"],
    ] {
        let output = bt(["synth", "--out"]).arg(dir.path().join("synth")).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains("expected"), "{args:?}: {}", stderr(&output));
        assert!(!dir.path().join("synth").exists(), "{args:?}");
    }
}

/// Any number of series is told how much memory it wants, before a file of theirs is looked for.
#[test]
fn too_many_series_for_the_memory_are_refused_by_their_number() {
    let series: Vec<_> = (0..5000).map(|number| format!("--series=a.b:S{number}@1m")).collect();
    let output = bt([
        "frames",
        "--data",
        "/nowhere",
        "--from",
        "2024-01-01",
        "--to",
        "2024-02-01",
        "--memory",
        "16MiB",
    ])
    .args(&series)
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let expected = "memory of 16777216 bytes is too small for 5000 series, expected at least 20480000 bytes";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
}

#[test]
fn whoever_reads_may_stop_reading() {
    for command in ["frames", "run"] {
        let mut child = feed(command)
            .args(["--from", "2024-01-01", "--to", "2024-03-01", "--format", "csv"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 100]).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{command}");
    }
}

#[test]
fn a_journal_that_cannot_be_written_ends_the_run() {
    for command in ["frames", "run"] {
        let output = feed(command).args(["--format", "none", "--log", "/dev/full"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert!(stderr(&output).contains("events were not written"), "{}", stderr(&output));
    }
}

/// A signal in the middle of the work: an orderly end, whose record adds up.
#[cfg(unix)]
#[test]
fn r33_a_signal_ends_the_work_in_order() {
    for (command, kill, code) in [("run", "-TERM", 143), ("frames", "-INT", 130)] {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let fifo = path("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // It cannot end before it is told to: nobody reads what it writes until then.
        let mut child = feed(command)
            .args(["--from", "2024-01-01", "--to", "2024-03-01", "--format", "csv"])
            .args([
                Path::new("--out"),
                &fifo,
                Path::new("--log"),
                &path("log"),
                Path::new("--report"),
                &path("report"),
            ])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut reader = std::fs::File::open(&fifo).unwrap();
        reader.read_exact(&mut [0; 10]).unwrap();
        assert!(Command::new("kill").args([kill, &child.id().to_string()]).status().unwrap().success());
        // What is on its way is written, so it has to be read.
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{command}");
        let report = json(&path("report"));
        assert_eq!(report["ended"], "signal", "{command}");
        assert_eq!(
            report["logs"]["published"],
            std::fs::read_to_string(path("log")).unwrap().lines().count()
        );
    }
}

#[test]
fn help_version_and_completions_are_there() {
    let help = String::from_utf8(succeed(&mut bt(["--help"]))).unwrap();
    for command in ["demo", "run", "frames", "live", "serve", "synth", "completions"] {
        assert!(help.contains(command));
        assert!(!succeed(&mut bt([command, "--help"])).is_empty());
    }
    assert!(String::from_utf8(succeed(&mut bt(["--version"]))).unwrap().starts_with("bt "));
    assert!(!succeed(&mut bt(["completions", "bash"])).is_empty());
}
