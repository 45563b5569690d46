//! Services that come to a bad end.

use crate::support::{
    Dice, Files, SLOTS, WHOLE, event, first_lines, journal_up_to, lines, runs, runtime, stderr, summary,
};

/// A journal of a run that failed: all up to `frame`, then what the engine says of it.
fn assert_failed_at(frame: u64, files: &Files, error: &str, what: &str) {
    let (report, journal) = (files.report(), files.journal());
    assert_eq!((&report["ended"], &report["frames"]), (&"error".into(), &frame.into()), "{what}");
    assert!(report["error"].as_str().unwrap().contains("`drill`"), "{what}: {}", report["error"]);
    let entries = lines(&journal);
    assert_eq!(report["logs"]["published"], entries.len(), "{what}");
    let (run, end) = entries.split_at(entries.len() - 2);
    assert!(run.concat() == journal_up_to(frame), "{what}");
    let [failed, ended] = [event(end[0]), event(end[1])];
    assert_eq!((&failed["event"], &ended["event"]), (&"ENGINE_FAILED".into(), &"ENGINE_ENDED".into()));
    assert!(failed["fields"]["error"].as_str().unwrap().contains(error), "{what}: {failed}");
    assert_eq!((&ended["fields"]["ended"], &ended["fields"]["frames"]), (&"error".into(), &frame.into()));
}

#[test]
fn r34_a_service_that_panics_at_any_frame_is_named_and_nothing_is_lost() {
    let mut dice = Dice(34);
    for run in 0..runs() {
        let frame = 1 + dice.up_to(WHOLE.frames - 1);
        let files = Files::new();
        let strategy = format!("--strategy=drill:panic@{frame}");
        let output = files.run().args([&strategy, runtime(run)]).output().unwrap();
        let told = stderr(&output);
        let what = format!("{strategy}, {}: {told}", runtime(run));
        assert_eq!(output.status.code(), Some(1), "{what}");
        let error = format!("service `drill` panicked: a drill at frame {frame}");
        assert!(told.ends_with(&format!("error: {error}\n")), "{what}");
        assert_eq!(files.report()["drained"], true, "{what}");
        assert_failed_at(frame, &files, &error, &what);
    }
    summary("panics", format_args!("all named, with whole journals"));
}

#[test]
fn r34_every_bad_end_of_a_service_is_named() {
    let ends = [
        ("panic", "service `drill` panicked: a drill at frame 7000", "`drill` panicked", true),
        ("fail", "service `drill` failed: a drill at frame 7000", "`drill` failed", true),
        ("return", "service `drill` returned before the end", "`drill` returned", true),
        ("hang", "stuck: subscription `drill` on topic `frame`", "`drill`", false),
    ];
    for (end, told, recorded, drained) in ends {
        let files = Files::new();
        let strategy = format!("--strategy=drill:{end}@7000");
        let output =
            files.run().args([&*strategy, "--barrier-limit=200ms", "--format=csv"]).output().unwrap();
        let what = format!("{strategy}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(stderr(&output).contains(told), "{what}");
        assert_eq!(files.report()["drained"], drained, "{what}");
        assert!(output.stdout == first_lines(&WHOLE.csv, 1 + SLOTS * 7000), "{what}");
        assert_failed_at(7000, &files, recorded, &what);
    }
}

#[test]
fn a_drill_that_nobody_knows_is_a_usage_error() {
    let files = Files::new();
    let output = files.run().arg("--strategy=drill:sulk@1").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`sulk`, expected panic, fail, return or hang"), "{}", stderr(&output));
    assert!(files.others().is_empty());
}
