//! Signals at random moments of a run.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use bt_bus::read_journal;

use crate::support::{
    Dice, Files, Running, SLOTS, WHOLE, event, first_lines, journal_up_to, lines, runs, runtime, stderr,
    summary,
};

#[test]
fn r33_sigterm_at_any_moment_ends_a_run_in_order() {
    soak_orderly("TERM", 143);
}

#[test]
fn r33_sigint_at_any_moment_ends_a_run_in_order() {
    soak_orderly("INT", 130);
}

fn soak_orderly(signal: &str, code: i32) {
    let mut dice = Dice(code.unsigned_abs().into());
    let mut interrupted = 0;
    for run in 0..runs() {
        let moment = 1 + dice.up_to(WHOLE.lines - 1);
        interrupted += u64::from(stop_orderly(signal, code, moment, runtime(run)));
    }
    summary(&format!("SIG{signal}"), format_args!("{interrupted} interrupted, all in order"));
    assert!(2 * interrupted > runs(), "most runs had ended before SIG{signal} came: {interrupted}");
}

/// Sends `signal` when a run has written `moment` lines of frames. Whether it ended by that.
fn stop_orderly(signal: &str, code: i32, moment: u64, runtime: &str) -> bool {
    let files = Files::new();
    let mut child = Running::start(files.run().args(["--format", "csv", runtime]));
    let stdout = child.read_lines(moment);
    child.signal(signal);
    let output = child.end(Some(stdout));
    let what = format!("SIG{signal} after {moment} lines, {runtime}: {}", stderr(&output));

    let (report, journal) = (files.report(), files.journal());
    assert_eq!((&report["drained"], &report["error"]), (&true.into(), &().into()), "{what}");
    let frames = report["frames"].as_u64().unwrap();
    assert!(output.stdout == first_lines(&WHOLE.csv, 1 + SLOTS * frames as usize), "{what}");
    let entries = lines(&journal);
    assert_eq!(report["logs"]["published"], entries.len(), "{what}");
    if output.status.code() == Some(0) {
        assert_eq!(report["ended"], "data", "{what}");
        assert!(journal == WHOLE.journal, "{what}");
        return false;
    }
    assert_eq!(output.status.code(), Some(code), "{what}");
    assert_eq!(report["ended"], "signal", "{what}");
    let (ended, run) = entries.split_last().unwrap();
    assert!(WHOLE.journal.starts_with(&run.concat()), "{what}");
    assert!(journal.starts_with(&journal_up_to(frames)), "{what}");
    let ended = event(ended);
    assert_eq!(ended["event"], "ENGINE_ENDED", "{what}");
    assert_eq!((&ended["fields"]["ended"], &ended["fields"]["frames"]), (&"signal".into(), &frames.into()));
    true
}

#[test]
fn r30_sigkill_at_any_moment_leaves_whole_lines_and_a_prefix() {
    let mut dice = Dice(9);
    let (mut killed, mut empty, mut torn) = (0, 0, 0);
    for run in 0..runs() {
        let files = Files::new();
        // Frames that are read hold up the run, so that it is killed while it waits; a journal that is looked
        // at does not, so that it is killed while it writes.
        let (output, what) = if run.is_multiple_of(2) {
            let moment = dice.up_to(WHOLE.lines);
            let mut child = Running::start(files.run().args(["--format", "csv", runtime(run / 2)]));
            let _stdout = child.read_lines(moment);
            child.signal("KILL");
            (child.end(None), format!("SIGKILL after {moment} lines of frames"))
        } else {
            let moment = dice.up_to(WHOLE.journal.len() as u64);
            let mut child = Running::start(files.run().arg(runtime(run / 2)));
            let length = || fs::metadata(files.log()).map_or(0, |found| found.len());
            while length() < moment && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            child.signal("KILL");
            (child.end(None), format!("SIGKILL after {moment} bytes of the journal"))
        };
        let journal = files.journal();
        if output.status.signal() != Some(9) {
            assert_eq!(output.status.code(), Some(0), "{what}: {}", stderr(&output));
            assert!(journal == WHOLE.journal, "{what}");
            continue;
        }
        killed += 1;
        assert!(WHOLE.journal.starts_with(&journal), "{what}");
        let mut reader = read_journal(&*journal);
        assert!(reader.by_ref().all(|entry| entry.is_ok()), "{what}");
        empty += u64::from(journal.is_empty());
        // Killed when the system had taken a line up to the end of a page: next to never, and the reader says so.
        torn += u64::from(reader.torn_at().is_some());
        assert_eq!(reader.torn_at().is_none(), journal.is_empty() || journal.ends_with(b"\n"), "{what}");
        // A report appears complete or not at all: if it has, all was done but the end of the process.
        if files.others().contains(&"report.json".to_owned()) {
            assert_eq!(files.report()["ended"], "data", "{what}");
            assert!(journal == WHOLE.journal, "{what}");
        }
    }
    summary(
        "SIGKILL",
        format_args!("{killed} killed, {empty} of them before the first event, {torn} torn lines"),
    );
    assert!(2 * killed > runs(), "most runs had ended before SIGKILL came: {killed}");
    assert!(2 * empty < killed, "most runs were killed before the first event: {empty} of {killed}");
}

#[test]
fn frames_of_a_run_that_was_stopped_take_no_files_place() {
    let files = Files::new();
    let out = files.log().with_extension("csv");
    let mut child = Running::start(files.run().args(["--format", "csv", "--out"]).arg(&out));
    while files.journal().is_empty() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.signal("TERM");
    let output = child.end(None);
    // It may have been quicker.
    assert!([Some(0), Some(143)].contains(&output.status.code()), "{}", stderr(&output));
    assert_eq!(out.exists(), output.status.success());
    let left = fs::read_dir(out.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1 + usize::from(out.exists()), "nothing but the journal");
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    for signals in [["TERM", "INT"], ["INT", "TERM"]] {
        let files = Files::new();
        let mut child = Running::start(files.run().args(["--format", "csv"]));
        // Nobody reads on, so its frames cannot be written and it cannot end in order.
        let (_stdout, _) = child.read_lines(1);
        signals.iter().for_each(|signal| child.signal(signal));
        let output = child.end(None);
        assert_eq!(output.status.code(), Some(3), "{signals:?}: {}", stderr(&output));
        assert!(WHOLE.journal.starts_with(&read_whole_lines(&files)), "{signals:?}");
    }
}

/// The whole lines of a journal up to the end of the run, if it came so far.
fn read_whole_lines(files: &Files) -> Vec<u8> {
    let journal = files.journal();
    let told = |line: &&[u8]| !event(line)["event"].as_str().unwrap().starts_with("ENGINE_ENDED");
    lines(&journal)
        .into_iter()
        .filter(|line| line.ends_with(b"\n"))
        .take_while(told)
        .collect::<Vec<_>>()
        .concat()
}
