//! Journals that cannot be written.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Files, Running, WHOLE, first_lines, lines, names, stderr};

/// What a run says of a journal that it could not write: events that were not written, and events that were.
fn told(output: &Output, files: &Files, log: &Path, cause: &str) -> (u64, u64) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(names(&told, log) && told.contains(&format!(" were: {cause}")), "{told}");
    let report = files.report();
    assert_eq!(report["ended"], "error", "{told}");
    assert!(told.contains(report["error"].as_str().unwrap()), "{told}");
    let number = |before: &str| -> u64 {
        let (left, _) = told.split_once(before).unwrap();
        left.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let (unwritten, written) = (number(" events were not written"), number(" were: "));
    // Every event that the bus had accepted for the journal, and the end event, which is none.
    let services = report["services"].as_array().unwrap();
    let service = services.iter().find(|service| service["name"] == "journal").unwrap();
    let accepted = service["delivered"].as_u64().unwrap() + service["undelivered"].as_u64().unwrap();
    assert!([unwritten + written, unwritten + written + 1].contains(&accepted), "{told}{service}");
    assert!(unwritten + written <= report["logs"]["published"].as_u64().unwrap(), "{told}");
    (unwritten, written)
}

#[test]
fn r30_a_full_disk_ends_a_run_and_is_counted() {
    let files = Files::new();
    let output = files.run().args(["--log", "/dev/full"]).output().unwrap();
    let (unwritten, written) =
        told(&output, &files, Path::new("/dev/full"), "No space left on device (os error 28)");
    assert!(unwritten > 0);
    assert_eq!(written, 0);
}

#[test]
fn r30_a_limit_on_the_size_of_files_ends_a_run_and_is_counted() {
    let files = Files::new();
    // The unit is that of the shell; the report has to fit in.
    let run = files.run();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 64; exec \"$@\"", "sh"]).arg(run.get_program()).args(run.get_args());
    let output = limited.env_remove("RUST_LOG").output().unwrap();
    let (unwritten, written) = told(&output, &files, &files.log(), "File too large (os error 27)");
    assert!(unwritten > 0 && written > 0, "{unwritten} {written}");
    assert!(files.journal() == first_lines(&WHOLE.journal, usize::try_from(written).unwrap()));
}

/// A run to whose journal `harm` comes in the middle; gives what it says of the cause.
fn harmed(cause: &str, harm: impl FnOnce(&Path)) -> Files {
    let files = Files::new();
    let mut child = Running::start(files.run().args(["--format", "csv"]));
    let stdout = child.read_lines(1);
    harm(&files.log());
    let output = child.end(Some(stdout));
    let (unwritten, written) = told(&output, &files, &files.log(), cause);
    assert!(unwritten > 0);
    assert_eq!(written, 0);
    // It did not go on to the end of the data.
    assert!(lines(&output.stdout).len() < lines(&WHOLE.csv).len());
    files
}

#[test]
fn r30_a_journal_that_is_taken_away_ends_a_run() {
    let gone = "No such file or directory (os error 2)";
    let files = harmed(gone, |log| fs::remove_file(log).unwrap());
    assert!(!files.log().exists());
    let files = harmed(gone, |log| fs::remove_dir_all(log.parent().unwrap()).unwrap());
    assert!(!files.log().parent().unwrap().exists());
}

#[test]
fn r30_a_journal_that_another_replaces_or_changes_ends_a_run() {
    let files = harmed("another file has taken its place", |log| {
        fs::remove_file(log).unwrap();
        fs::write(log, "of another\n").unwrap();
    });
    assert_eq!(files.journal(), b"of another\n");
    // It may come between two writes of one batch: then what follows is in the file.
    harmed("another has changed it: it has ", |log| {
        assert!(File::options().write(true).open(log).unwrap().set_len(1).is_ok())
    });
}

#[test]
fn r30_of_frames_too_a_journal_that_is_taken_away_outranks_a_signal_and_a_reader_that_left() {
    for end in ["TERM", "leave"] {
        let files = Files::new();
        let mut child = Running::start(&mut files.feed("frames"));
        let stdout = child.read_lines(1);
        fs::remove_file(files.log()).unwrap();
        let output = if end == "leave" {
            drop(stdout);
            child.end(None)
        } else {
            child.signal(end);
            child.end(Some(stdout))
        };
        let (told, report) = (stderr(&output), files.report());
        assert_eq!(output.status.code(), Some(1), "{end}: {told}");
        let error = report["error"].as_str().unwrap();
        assert_eq!((&report["ended"], told), (&"error".into(), format!("error: {error}\n")), "{end}");
        assert!(error.starts_with("cannot write journal") && names(error, &files.log()), "{end}: {error}");
        let told_twice = error.matches("No such file or directory").count();
        assert!(error.contains(" events were not written, 0 were: ") && told_twice == 1, "{end}: {error}");
    }
}

#[test]
fn a_journal_and_frames_that_cannot_be_written_are_both_named() {
    for command in ["run", "frames"] {
        let files = Files::new();
        let mut feed = files.feed(command);
        let output = feed.args(["--format=csv", "--log=/dev/full", "--out=/dev/full"]).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command}: {told}");
        for what in ["error: cannot write frames to /dev/full: ", "cannot write journal /dev/full: "] {
            assert_eq!(told.matches(what).count(), 1, "{command}: {told}");
        }
        assert_eq!(told.lines().count(), 1, "{command}: {told}");
    }
}
