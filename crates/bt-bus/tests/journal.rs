//! The journal on disk.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bt_bus::{
    Bus, FsyncPolicy, Journal, JournalConfig, JournalEntry, JournalError, ReadError, encode_line,
    read_journal,
};
use bt_core::{
    BusError, Control, Drain, Event, EventBus, Level, LogError, LogEvent, Message, Outbox, Timestamp, Value,
};
use futures::executor::block_on;
use futures::{SinkExt, StreamExt, stream};
use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready_ok, task};

fn event(n: u64) -> LogEvent {
    LogEvent::new(Level::Info, "test", "TEST_EVENT", format!("number {n}")).with("n", n)
}

fn read(path: impl AsRef<Path>) -> (Vec<JournalEntry>, Option<u64>) {
    let mut reader = read_journal(BufReader::new(File::open(path).expect("a journal")));
    let entries = reader.by_ref().collect::<Result<_, _>>().expect("whole lines are events");
    (entries, reader.torn_at())
}

fn temporary() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("journal.jsonl");
    (dir, path)
}

#[test]
fn r30_as_a_service_it_writes_what_was_accepted_in_order() {
    let (_dir, path) = temporary();
    let bus = Bus::<Event>::builder().topics(["control", "log"]).log_topic("log").build().unwrap();
    let subscription = bus.subscribe("journal", &["control", "log"], 4).unwrap();
    let service = Journal::create(&path).unwrap().run(subscription);
    let run = async {
        let mut outbox = Outbox::new(bus.log_sink("feed").unwrap());
        for n in 0..500 {
            outbox.push(event(n));
            futures::future::poll_fn(|cx| outbox.poll_accepted(cx)).await.unwrap();
        }
        let end = Message { instant: Timestamp::EPOCH, payload: Event::Control(Control::End) };
        bus.publish("control", end).await.unwrap();
        bus.close(Drain::Deliver);
    };
    let (written, ()) = block_on(futures::future::join(service, run));
    assert_eq!(written.unwrap(), 500);
    let (entries, torn) = read(&path);
    assert_eq!(torn, None);
    assert_eq!(entries.len(), 500);
    for (entry, n) in entries.iter().zip(0..) {
        assert_eq!((entry.seq, &*entry.component), (n + 1, "feed"));
        assert_eq!(entry.fields, [("n".to_owned(), Value::Count(n))]);
    }
    block_on(bus.idle());
}

#[test]
fn r35_its_bytes_are_those_of_the_encoder() {
    let (_dir, path) = temporary();
    let journal = Journal::create(&path).unwrap();
    let (mut x, mut y) = (journal.sink("x"), journal.sink("y"));
    block_on(async {
        x.send(event(0)).await.unwrap();
        y.send(event(1)).await.unwrap();
        x.send(event(2)).await.unwrap();
        assert_eq!(journal.close().await.unwrap(), 3);
        assert!(matches!(x.send(event(3)).await, Err(LogError::Other(_))), "it is closed");
    });
    let mut expected = Vec::new();
    for (component, n) in [("x", 0), ("y", 1), ("x", 2)] {
        encode_line("log", n + 1, &LogEvent { component, ..event(n) }, &mut expected);
    }
    assert_eq!(fs::read(&path).unwrap(), expected);
}

#[test]
fn a_full_buffer_holds_up_the_async_side_and_wakes_it() {
    let (_dir, path) = temporary();
    let mut journal = JournalConfig::new().with_buffer(1).create(&path).unwrap();
    let mut task = task::spawn(());
    let mut waits = 0;
    for n in 0..50 {
        while task.enter(|cx, _| journal.poll_ready(cx)).is_pending() {
            waits += 1;
            while !task.is_woken() {
                std::thread::yield_now();
            }
        }
        journal.append("log", n + 1, &event(n)).unwrap();
    }
    assert!(waits > 0, "the thread was always quicker");
    while task.enter(|cx, _| journal.poll_flush(cx)).is_pending() {
        while !task.is_woken() {
            std::thread::yield_now();
        }
    }
    assert_eq!(read(&path).0.len(), 50);
    assert_ready_ok!(task.enter(|cx, _| journal.poll_ready(cx)));
    assert_pending!(task.enter(|cx, _| journal.poll_close(cx)));
    assert!(matches!(journal.append("log", 1, &event(0)), Err(JournalError::Closed { .. })));
    assert_eq!(block_on(journal.close()).unwrap(), 50);
}

#[test]
fn what_is_appended_is_written_without_being_asked_for() {
    let (_dir, path) = temporary();
    let mut journal = Journal::create(&path).unwrap();
    journal.append("log", 1, &event(0)).unwrap();
    while fs::metadata(&path).unwrap().len() == 0 {
        std::thread::yield_now();
    }
    drop(journal);
}

#[test]
fn dropping_it_writes_what_was_appended() {
    let (_dir, path) = temporary();
    fs::write(&path, "of another run").unwrap();
    let mut journal = Journal::create(&path).unwrap();
    for n in 0..1_000 {
        journal.append("log", n + 1, &event(n)).unwrap();
    }
    drop(journal);
    assert_eq!(read(&path).0.len(), 1_000);
}

#[test]
fn every_fsync_policy_writes_everything() {
    for fsync in [FsyncPolicy::Never, FsyncPolicy::Interval(Duration::from_millis(1)), FsyncPolicy::Always] {
        let (_dir, path) = temporary();
        let journal = JournalConfig::new().with_fsync(fsync).create(&path).unwrap();
        let mut sink = journal.sink("x");
        block_on(async {
            for n in 0..20 {
                sink.send(event(n)).await.unwrap();
                if fsync == FsyncPolicy::Always {
                    assert_eq!(read(&path).0.len() as u64, n + 1, "accepted means written");
                }
            }
            assert_eq!(journal.close().await.unwrap(), 20);
        });
        assert_eq!(read(&path).0.len(), 20);
    }
}

#[test]
fn a_full_disk_is_an_error_that_counts() {
    let mut journal = Journal::create("/dev/full").unwrap();
    for n in 0..10 {
        journal.append("log", n + 1, &event(n)).unwrap();
    }
    let error = block_on(journal.close()).unwrap_err();
    assert_eq!(error.to_string(), "cannot write journal /dev/full: 10 events were not written, 0 were");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_failure_ends_the_service_at_once() {
    let bus = Bus::<Event>::builder().topic("log").log_topic("log").build().unwrap();
    let subscription = bus.subscribe("journal", &["log"], 4).unwrap();
    let service = Journal::create("/dev/full").unwrap().run(subscription);
    let error = block_on(async {
        let mut sink = bus.log_sink("x").unwrap();
        sink.send(event(0)).await.unwrap();
        // The bus stays open and nothing more is delivered.
        service.await.unwrap_err()
    });
    assert!(matches!(error, JournalError::Write { written: 0, unwritten: 1, .. }), "{error}");
    block_on(bus.idle());
}

#[test]
fn what_is_queued_when_writing_fails_counts() {
    let bus = Bus::<Event>::builder().topic("log").log_topic("log").build().unwrap();
    let subscription = bus.subscribe("journal", &["log"], 8).unwrap();
    let journal = JournalConfig::new().with_buffer(1).create("/dev/full").unwrap();
    let error = block_on(async {
        let mut sink = bus.log_sink("x").unwrap();
        for n in 0..5 {
            sink.send(event(n)).await.unwrap();
        }
        // It can take one or two of them before it hears that none can be written.
        journal.run(subscription).await.unwrap_err()
    });
    assert!(matches!(error, JournalError::Write { written: 0, unwritten: 5, .. }), "{error}");
    block_on(bus.idle());
}

/// What a journal says at its end when `harm` came to its file after one of two events.
fn harmed(harm: impl FnOnce(&Path)) -> (JournalError, tempfile::TempDir, PathBuf) {
    let (dir, path) = temporary();
    let mut journal = Journal::create(&path).unwrap();
    journal.append("log", 1, &event(0)).unwrap();
    block_on(futures::future::poll_fn(|cx| journal.poll_flush(cx))).unwrap();
    harm(&path);
    journal.append("log", 2, &event(1)).unwrap();
    let error = block_on(journal.close()).unwrap_err();
    assert!(matches!(error, JournalError::Write { written: 0, unwritten: 2, .. }), "{error}");
    (error, dir, path)
}

#[test]
fn a_file_or_directory_that_vanishes_is_an_error() {
    let (error, dir, path) = harmed(|path| fs::remove_file(path).unwrap());
    assert!(bt_core::error_chain(&error).contains("No such file"), "{error}");
    assert!(!path.exists());
    dir.close().unwrap();
    harmed(|path| fs::remove_dir_all(path.parent().unwrap()).unwrap());
    let error = Journal::create(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot create journal {}", path.display()));
}

#[test]
fn a_file_that_vanishes_after_the_last_event_is_an_error() {
    let (dir, path) = temporary();
    let mut journal = Journal::create(&path).unwrap();
    journal.append("log", 1, &event(0)).unwrap();
    block_on(futures::future::poll_fn(|cx| journal.poll_flush(cx))).unwrap();
    dir.close().unwrap();
    let error = block_on(journal.close()).unwrap_err();
    assert!(matches!(error, JournalError::Write { written: 0, unwritten: 1, .. }), "{error}");
}

#[test]
fn a_file_that_another_replaces_or_changes_is_an_error() {
    let replace = |path: &Path| {
        fs::rename(path, path.with_extension("old")).unwrap();
        fs::write(path, "of another").unwrap();
    };
    let (error, _dir, path) = harmed(replace);
    assert!(bt_core::error_chain(&error).ends_with("another file has taken its place"), "{error}");
    assert_eq!(fs::read(path).unwrap(), b"of another");
    let (error, ..) = harmed(|path| fs::write(path, "of another").unwrap());
    assert!(bt_core::error_chain(&error).contains("another has changed it"), "{error}");
}

#[test]
fn a_file_that_a_journal_is_written_to_takes_no_other() {
    let (_dir, path) = temporary();
    let mut journal = Journal::create(&path).unwrap();
    journal.append("log", 1, &event(0)).unwrap();
    block_on(futures::future::poll_fn(|cx| journal.poll_flush(cx))).unwrap();
    let before = fs::read(&path).unwrap();
    let error = Journal::create(&path).unwrap_err();
    assert!(bt_core::error_chain(&error).contains("another journal is being written to it"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(block_on(journal.close()).unwrap(), 1);
    // What has been written may be written anew.
    block_on(Journal::create(&path).unwrap().close()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn a_torn_tail_is_cut_and_located() {
    let mut whole = Vec::new();
    encode_line("log", 1, &event(0), &mut whole);
    let first = whole.len();
    encode_line("log", 2, &event(1), &mut whole);
    for cut in 0..=whole.len() {
        let mut reader = read_journal(&whole[..cut]);
        let entries: Vec<_> = reader.by_ref().collect::<Result<_, _>>().unwrap();
        let lines = usize::from(cut >= first) + usize::from(cut == whole.len());
        assert_eq!(entries.len(), lines);
        let end = [0, first, whole.len()][lines];
        assert_eq!(reader.offset(), end as u64);
        assert_eq!(reader.torn_at(), (cut > end).then_some(end as u64));
        assert!(reader.next().is_none());
    }
}

#[test]
fn a_line_that_is_no_event_is_an_error_that_says_where() {
    let mut bytes = Vec::new();
    encode_line("log", 1, &event(0), &mut bytes);
    let offset = bytes.len() as u64;
    let good = String::from_utf8(bytes.clone()).unwrap();
    for bad in ["{}\n", "\n", &good.replace("info", "loud"), &good.replace("\"seq\"", "\"number\"")] {
        let mut all = bytes.clone();
        all.extend_from_slice(bad.as_bytes());
        all.extend_from_slice(&bytes);
        let mut reader = read_journal(&*all);
        assert!(reader.next().unwrap().is_ok());
        let error = reader.next().unwrap().unwrap_err();
        assert!(matches!(error, ReadError::Corrupt { line: 2, offset: o, .. } if o == offset), "{error}");
        assert!(reader.next().is_none());
    }
}

#[test]
fn a_service_whose_bus_is_closed_writes_nothing() {
    let (_dir, path) = temporary();
    let none = stream::empty::<Box<bt_core::Envelope<Event>>>();
    assert_eq!(block_on(Journal::create(&path).unwrap().run(none.fuse())).unwrap(), 0);
    assert_eq!(fs::read(&path).unwrap(), b"");
    let bus = Bus::<Event>::builder().topic("log").log_topic("log").build().unwrap();
    bus.close(Drain::Deliver);
    assert!(matches!(bus.subscribe("journal", &["log"], 1), Err(BusError::Closed { .. })));
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(|s| Value::Text(s.into())),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::Count),
        prop::num::f64::ANY.prop_map(Value::Float),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| Value::Time(Timestamp::from_nanos(n))),
    ]
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        seq: u64,
        level in prop::sample::select(&Level::ALL[..]),
        series in prop::option::of(Just("binance.spot:BTCUSDT@5m")),
        sim_time in prop::option::of(any::<i64>()),
        message: String,
        values in prop::collection::vec(any_value(), 0..5),
    ) {
        let mut event = LogEvent::new(level, "component", "EVENT", message);
        event.series = series.map(|s| s.parse().unwrap());
        event.sim_time = sim_time.map(Timestamp::from_nanos);
        // Names repeat and are not in order: neither is lost.
        event.fields = ["z", "b", "b", "a", "\""].into_iter().zip(values).collect();
        let mut line = Vec::new();
        encode_line("log", seq, &event, &mut line);
        prop_assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        let entry = JournalEntry::parse(&line).unwrap();
        prop_assert_eq!((entry.seq, entry.level), (seq, level));
        prop_assert_eq!(&entry.series, &event.series);
        prop_assert_eq!(entry.sim_time, event.sim_time);
        prop_assert_eq!(&entry.message, &event.message);
        let names = entry.fields.iter().map(|(name, _)| &**name);
        prop_assert!(names.eq(event.fields.iter().map(|(name, _)| *name)));
        let mut again = Vec::new();
        entry.encode_line(&mut again);
        prop_assert_eq!(again, line);
    }
}
