//! One frame after the other (R32).
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::sync::atomic::Ordering;

use bt_core::{Event, SimClock, Timestamp, topic};
use bt_engine::{Ended, Engine};
use bt_testkit::Gate;
use futures::Stream;
use futures::stream::FusedStream;
use support::*;
use tokio_test::{assert_pending, assert_ready, task};

#[test]
fn r32_a_frame_is_handled_before_the_next_leaves_the_feed() {
    let (bus, seen, gate) = (bus(), Seen::default(), Gate::closed());
    let feed = ScriptedFeed::new(&bus, frames(2)).noting(&seen);
    let (hold, record) = (gate.clone(), seen.clone());
    let engine = builder(&bus, feed)
        .service("slow", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if let Event::Frame(frame) = &delivery.payload {
                    record.push(format!("take at {}", cx.now()));
                    assert_eq!(cx.now(), frame.close());
                    pass(&hold).await;
                    record.push("done");
                }
            }
            Ok(())
        })
        .build()
        .unwrap();
    let mut engine = task::spawn(engine);
    assert_pending!(engine.poll_next());
    assert_eq!(seen.all(), strings(&["pull 1", "take at 1970-01-01T00:01:00Z"]));
    assert!(!engine.is_woken());
    assert_pending!(engine.poll_next(), "polled for no reason, it goes on waiting");
    assert_eq!(seen.len(), 2);

    gate.admit(1);
    assert!(engine.is_woken());
    let step = assert_ready!(engine.poll_next()).unwrap().unwrap();
    assert_eq!((step.number, step.close()), (1, at(1)));
    assert_eq!(seen.last().unwrap(), "done");

    gate.admit(1);
    assert_eq!(assert_ready!(engine.poll_next()).unwrap().unwrap().number, 2);
    assert!(engine.report().is_none());
    assert!(assert_ready!(engine.poll_next()).is_none());
    assert!(assert_ready!(engine.poll_next()).is_none(), "and so for ever after");
    assert!(engine.is_terminated());
    assert_eq!(engine.size_hint(), (0, Some(0)));
    let report = engine.report().unwrap();
    assert_eq!((report.frames, report.ended, report.drained), (2, Ended::Data, true));
    assert_eq!((report.first_close, report.last_close), (Some(at(1)), Some(at(2))));
    assert_eq!(report.slots.bars, 2);
    assert_eq!(report.services[0].delivered, 3);
    assert_eq!(report.bus.published(topic::FRAME), 2);
}

#[test]
fn r32_consequences_come_before_the_next_frame_even_where_the_answer_is_heard_by_an_earlier_service() {
    let (bus, seen) = (bus(), Seen::default());
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(2)))
        .service("first", [topic::LOG, topic::FRAME], recording(&seen, vec![]))
        .service("answers", [topic::FRAME], answering(vec![1, 2]))
        .build()
        .unwrap();
    let report = futures::executor::block_on(engine.run()).unwrap();
    let expected = [
        "ENGINE_STARTED",
        "frame 1",
        "ANSWER 1",
        "AGAIN 1",
        "frame 2",
        "ANSWER 2",
        "AGAIN 2",
        "Control(End)",
        "ENGINE_ENDED",
    ];
    assert_eq!(seen.all(), strings(&expected));
    assert_eq!(report.bus.published(topic::LOG), 6);
    assert_eq!(
        report.services.iter().map(|s| (s.name, s.delivered)).collect::<Vec<_>>(),
        [("first", 9), ("answers", 3)]
    );
}

#[test]
fn services_are_polled_in_order_of_registration_and_only_when_woken() {
    let (bus, seen) = (bus(), Seen::default());
    let mut building = builder(&bus, ScriptedFeed::new(&bus, frames(2)));
    for (name, topics) in [("c", [topic::FRAME]), ("a", [topic::FRAME]), ("quiet", [topic::CONTROL])] {
        let seen = seen.clone();
        building = building.service(name, topics, move |mut cx| async move {
            seen.push(name);
            let mut next = std::pin::pin!(async move {
                while let Some(delivery) = cx.next().await {
                    drop(delivery);
                }
            });
            std::future::poll_fn(|cx| {
                let polled = next.as_mut().poll(cx);
                seen.push(name);
                polled
            })
            .await;
            Ok(())
        });
    }
    let mut engine = task::spawn(building.build().unwrap());
    assert_eq!(seen.len(), 0, "nothing begins before the engine is polled");
    assert!(assert_ready!(engine.poll_next()).is_some());
    assert!(assert_ready!(engine.poll_next()).is_some());
    let begun = ["c", "c", "a", "a", "quiet", "quiet"];
    let steps = ["c", "a", "c", "a"];
    assert_eq!(seen.all(), strings(&[&begun[..], &steps[..]].concat()));
}

#[test]
fn services_are_driven_while_the_feed_waits_for_room_for_its_logs() {
    let (bus, seen) = (bus(), Seen::default());
    let script = [Do::Log(1), Do::Log(2), Do::Log(3), Do::Frame(1), Do::Log(4), Do::Log(5)];
    let engine = builder(&bus, ScriptedFeed::new(&bus, script))
        .queue_capacity(1)
        .service("record", [topic::LOG, topic::FRAME], recording(&seen, vec![0, 1]))
        .build()
        .unwrap();
    futures::executor::block_on(engine.run()).unwrap();
    let expected = [
        "ENGINE_STARTED",
        "FEED 1",
        "FEED 2",
        "FEED 3",
        "frame 1",
        "FEED 4",
        "FEED 5",
        "Control(End)",
        "ENGINE_ENDED",
    ];
    assert_eq!(seen.all(), strings(&expected));
}

#[test]
fn services_are_driven_while_a_frame_waits_for_room() {
    let (bus, seen) = (bus(), Seen::default());
    // Queued before the run and not by it: the frame finds a full queue.
    let engine = builder(&bus, ScriptedFeed::new(&bus, [Do::Log(1), Do::Frame(1)]))
        .queue_capacity(1)
        .service("record", [topic::LOG, topic::FRAME], recording(&seen, vec![3]))
        .build()
        .unwrap();
    let mut engine = task::spawn(engine);
    let step = assert_ready!(engine.poll_next()).unwrap().unwrap();
    assert_eq!(step.close(), at(1));
    assert_eq!(seen.all(), strings(&["ENGINE_STARTED", "FEED 1", "frame 1"]));
}

#[test]
fn a_pending_feed_wakes_the_engine_and_nothing_else_does() {
    let (bus, gate) = (bus(), Gate::closed());
    let feed = ScriptedFeed::new(&bus, [Do::Gate(gate.clone()), Do::Frame(1)]);
    let polls = feed.polls.clone();
    let mut engine = task::spawn(builder(&bus, feed).build().unwrap());
    assert_pending!(engine.poll_next());
    assert!(!engine.is_woken());
    assert_eq!(polls.load(Ordering::SeqCst), 1);
    gate.open();
    assert!(engine.is_woken());
    assert!(assert_ready!(engine.poll_next()).is_some());
}

#[test]
fn max_frames_ends_the_run_without_asking_for_more() {
    for (max, frames_seen) in [(0, 0), (2, 2)] {
        let bus = bus();
        let feed = ScriptedFeed::new(&bus, frames(5));
        let polls = feed.polls.clone();
        let engine = builder(&bus, feed).max_frames(max).build().unwrap();
        assert_eq!(engine.size_hint(), (0, Some(max as usize + 1)));
        let report = futures::executor::block_on(engine.run()).unwrap();
        assert_eq!((report.frames, report.ended), (frames_seen, Ended::MaxFrames));
        assert_eq!(polls.load(Ordering::SeqCst) as u64, frames_seen);
    }
}

#[test]
fn an_engine_may_be_polled_by_one_task_after_another() {
    let (bus, gate) = (bus(), Gate::closed());
    let hold = gate.clone();
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(1)))
        .service("slow", [topic::FRAME], |mut cx| async move {
            while let Some(_held) = cx.next().await {
                pass(&hold).await;
            }
            Ok(())
        })
        .build()
        .unwrap();
    let mut first = task::spawn(engine);
    assert_pending!(first.poll_next());
    let mut second = task::spawn(first.into_inner());
    assert_pending!(second.poll_next());
    gate.open();
    assert!(second.is_woken());
    assert!(assert_ready!(second.poll_next()).is_some());
}

#[test]
fn what_an_engine_cannot_do_without_is_found_at_building() {
    let lacking = Engine::<ScriptedFeed, TestBus>::builder().build().unwrap_err();
    assert_eq!(lacking.to_string(), "no feed given, expected at least one");
    let error =
        |change: fn(bt_engine::EngineBuilder<ScriptedFeed, TestBus>) -> bt_engine::EngineBuilder<_, _>| {
            let bus = bus();
            change(builder(&bus, ScriptedFeed::new(&bus, []))).build().unwrap_err().to_string()
        };
    let zero = error(|b| b.barrier_limit(std::time::Duration::ZERO));
    assert_eq!(zero, "invalid barrier limit `0ns`, expected more than zero");
    let full = error(|b| b.queue_capacity(0).service("a", [topic::LOG], recording(&Seen::default(), vec![])));
    assert_eq!(full, "invalid queue capacity `0`, expected at least 1");
    let unknown = error(|b| b.service("a", ["nope"], recording(&Seen::default(), vec![])));
    assert_eq!(unknown, "unknown topic `nope`, expected one of: frame, control, log");
    let twice = error(|b| {
        b.service("a", [topic::LOG], recording(&Seen::default(), vec![])).service(
            "a",
            [topic::LOG],
            recording(&Seen::default(), vec![]),
        )
    });
    assert_eq!(twice, "subscription `a` exists already, expected another name");
    let bus: TestBus = bt_bus::Bus::new([topic::FRAME]).unwrap();
    let feed = ScriptedFeed::new(&support::bus(), []);
    let topics = Engine::builder().feed(feed).bus(bus).clock(SimClock::new(Timestamp::EPOCH)).build();
    assert_eq!(topics.unwrap_err().to_string(), "unknown topic `control`, expected one of: frame");
}
