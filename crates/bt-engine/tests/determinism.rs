//! Timing changes nothing that anybody sees (R35).
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use bt_core::topic;
use bt_engine::RunReport;
use proptest::prelude::*;
use support::*;

/// When who has to wait.
#[derive(Clone, Debug)]
struct Timing {
    feed: Vec<bool>,
    answering: Vec<usize>,
    first: Vec<usize>,
    last: Vec<usize>,
    queue: usize,
}

impl Timing {
    fn none() -> Self {
        Timing { feed: vec![false], answering: vec![], first: vec![], last: vec![], queue: 64 }
    }
}

fn timings() -> impl Strategy<Value = Timing> {
    let pendings = || prop::collection::vec(0usize..4, 1..5);
    let feed = prop::collection::vec(any::<bool>(), 1..8);
    (feed, pendings(), pendings(), pendings(), 1usize..5)
        .prop_map(|(feed, answering, first, last, queue)| Timing { feed, answering, first, last, queue })
}

/// How many logs come before each frame.
fn scripts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0usize..5, 0..12)
}

fn engine(logs: &[usize], timing: &Timing) -> (TestEngine, [Seen; 3]) {
    let (bus, seen) = (bus(), <[Seen; 3]>::default());
    let mut pending = timing.feed.iter().copied().cycle();
    let mut script = Vec::new();
    let mut push = |step| {
        if pending.next().unwrap_or(false) {
            script.push(Do::Pending);
        }
        script.push(step);
    };
    let mut said = 0;
    for (n, logs) in (1..).zip(logs) {
        for _ in 0..*logs {
            said += 1;
            push(Do::Log(said));
        }
        push(Do::Frame(n));
    }
    let engine = builder(&bus, ScriptedFeed::new(&bus, script))
        .queue_capacity(timing.queue)
        .service("first", [topic::LOG, topic::FRAME], recording(&seen[0], timing.first.clone()))
        .service("answers", [topic::FRAME], answering(timing.answering.clone()))
        .service("frames", [topic::FRAME], recording(&seen[1], timing.last.clone()))
        .service("last", [topic::FRAME, topic::LOG], recording(&seen[2], timing.last.clone()))
        .build()
        .unwrap();
    (engine, seen)
}

fn on_tokio(multi_thread: bool, engine: TestEngine) -> RunReport {
    let mut runtime = match multi_thread {
        true => tokio::runtime::Builder::new_multi_thread(),
        false => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(engine.run()).await.unwrap().unwrap() })
}

fn shown(seen: &[Seen; 3]) -> [Vec<String>; 3] {
    seen.each_ref().map(Seen::all)
}

/// All of a report but what the wall clock and the depth of queues say.
fn counted(report: &RunReport) -> String {
    let RunReport { frames, slots, first_close, last_close, drained, ended, series, services, bus, .. } =
        report;
    format!(
        "{frames} {slots:?} {first_close:?} {last_close:?} {drained} {ended:?} {series:?} {services:?} {:?}",
        bus.topics
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn r35_pendings_and_queues_change_no_sequence(logs in scripts(), timing in timings()) {
        let (plain, expected) = engine(&logs, &Timing::none());
        let expected_report = futures::executor::block_on(plain.run()).unwrap();
        let (jittery, seen) = engine(&logs, &timing);
        let report = futures::executor::block_on(jittery.run()).unwrap();
        prop_assert_eq!(shown(&seen), shown(&expected));
        prop_assert_eq!(counted(&report), counted(&expected_report));
        prop_assert_eq!(report.frames, logs.len() as u64);
    }
}

#[test]
fn r35_both_flavours_of_runtime_show_the_same() {
    let logs = [3, 0, 2, 5, 1, 0, 4];
    let (plain, expected) = engine(&logs, &Timing::none());
    let report = futures::executor::block_on(plain.run()).unwrap();
    for multi_thread in [false, true] {
        let timing = Timing {
            feed: vec![true, false],
            answering: vec![1, 0, 3],
            first: vec![2],
            last: vec![0, 1],
            queue: 2,
        };
        let (engine, seen) = engine(&logs, &timing);
        assert_eq!(counted(&on_tokio(multi_thread, engine)), counted(&report));
        assert_eq!(shown(&seen), shown(&expected));
    }
}
