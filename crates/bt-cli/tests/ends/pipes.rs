//! Pipes whose other end nobody opens, or nobody reads.

use std::fs::{self, File};
use std::io::Read;

use serde_json::Value;

use crate::support::{Files, Running, WHOLE, lines, names, runtime, stderr};

#[test]
fn a_journal_whose_reader_stalls_ends_a_run_at_the_limit_and_is_counted() {
    // It takes a few events, or some of them; or all wait for it when the run is at its end.
    for (run, frames) in [(0, "100000"), (1, "4000")] {
        let files = Files::new();
        let fifo = files.fifo();
        let mut command = files.run();
        command.args(["--barrier-limit=200ms", runtime(run), "--max-frames", frames, "--log"]).arg(&fifo);
        let child = Running::start(&mut command);
        let mut reader = File::open(&fifo).unwrap();
        let output = child.end(None);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let error = files.report()["error"].as_str().unwrap().to_owned();
        assert!(told.ends_with(&format!("error: {error}\n")) && names(&error, &fifo), "{told}");
        assert!(error.contains("`journal`") && error.contains("its reader did not take them"), "{error}");
        // What was said to be written is what can still be read.
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        let written = format!(" events were not written, {} were: ", lines(&read).len());
        assert!(error.contains(&written), "{error}");
        assert!(!read.is_empty() && read.ends_with(b"\n") && WHOLE.journal.starts_with(&read));
    }
}

#[test]
fn a_signal_ends_the_waiting_for_whoever_is_to_read_a_pipe() {
    for (command, option) in [("run", "--out"), ("run", "--log"), ("frames", "--out"), ("frames", "--log")] {
        let files = Files::new();
        let fifo = files.fifo();
        let mut feed = files.feed(command);
        let mut child = Running::start(feed.args(["-vv", "--format=csv", option]).arg(&fifo));
        // Nothing is left to be done then but to open what is written.
        child.until_said("footer read");
        child.until_said("footer read");
        child.signal("INT");
        let output = child.end(None);
        let what = format!("{command} {option}: {}", stderr(&output));
        assert_eq!((output.status.code(), &*output.stdout), (Some(130), &[][..]), "{what}");
        let report = files.report();
        assert_eq!((&report["ended"], &report["error"]), (&"signal".into(), &Value::Null), "{what}");
        assert_eq!((&report["frames"], &report["logs"]["published"]), (&0.into(), &0.into()), "{what}");
        assert_eq!(files.journal(), b"", "{what}");
    }
}

#[test]
fn a_report_is_read_from_a_pipe_or_a_signal_ends_the_waiting_for_its_reader() {
    let files = Files::new();
    let fifo = files.fifo();
    let child = Running::start(files.run().arg("--report").arg(&fifo));
    let report: Value = serde_json::from_slice(&fs::read(&fifo).unwrap()).unwrap();
    assert_eq!((child.end(None).status.code(), &report["ended"]), (Some(0), &"data".into()));

    let mut run = files.run();
    let mut child = Running::start(run.args(["-v", "--barrier-limit=200ms", "--report"]).arg(&fifo));
    child.until_said("the run ends");
    child.signal("INT");
    let output = child.end(None);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let error = format!("error: cannot write report {}: its reader did not take it within", fifo.display());
    assert!(stderr(&output).contains(&error), "{}", stderr(&output));
}
