//! One end for every run (R33).
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bt_core::{Drain, Event, FeedError, topic};
use bt_engine::{Ended, RunFailure, StopReason};
use bt_testkit::Gate;
use futures::StreamExt;
use futures::executor::block_on;
use futures::stream::FusedStream;
use support::*;
use tokio_test::{assert_pending, assert_ready, task};

const END: [&str; 2] = ["Control(End)", "ENGINE_ENDED"];

#[test]
fn r33_an_error_of_the_feed_comes_last_with_the_report_in_it() {
    let (bus, seen) = (bus(), Seen::default());
    let engine = builder(&bus, ScriptedFeed::new(&bus, [Do::Frame(1), Do::Log(1), Do::Fail, Do::Frame(2)]))
        .service("record", [topic::FRAME, topic::LOG], recording(&seen, vec![]))
        .build()
        .unwrap();
    let mut engine = task::spawn(engine);
    assert!(assert_ready!(engine.poll_next()).unwrap().is_ok());
    let error = assert_ready!(engine.poll_next()).unwrap().unwrap_err();
    let expected = ["ENGINE_STARTED", "frame 1", "FEED 1", "ENGINE_FAILED", "Control(End)", "ENGINE_ENDED"];
    assert_eq!(seen.all(), strings(&expected), "all of it is over when the error comes");
    assert!(matches!(error.failure(), RunFailure::Feed(FeedError::Other(_))));
    assert_eq!(error.to_string(), "no such file");
    assert!(error.source().is_none(), "the message is not repeated in the chain");
    let report = error.report();
    assert_eq!((report.frames, report.ended, report.drained), (1, Ended::Error, true));
    assert_eq!(report.bus.published(topic::LOG), 4);
    assert!(engine.is_terminated() && engine.report().is_some());
    assert!(assert_ready!(engine.poll_next()).is_none());
}

#[test]
fn r33_a_run_without_frames_ends_in_order_too() {
    let (bus, seen) = (bus(), Seen::default());
    let feed = ScriptedFeed::new(&bus, []);
    let engine =
        builder(&bus, feed).service("record", [topic::LOG], recording(&seen, vec![2])).build().unwrap();
    let report = block_on(engine.run()).unwrap();
    assert_eq!(seen.all(), strings(&["ENGINE_STARTED", END[0], END[1]]));
    assert_eq!((report.frames, report.last_close, report.drained), (0, None, true));
}

#[test]
fn r35_who_listens_is_no_part_of_the_record() {
    let record = |others: &[&'static str]| {
        let (bus, logs) = (bus(), Arc::new(std::sync::Mutex::new(Vec::new())));
        let mut building = builder(&bus, ScriptedFeed::new(&bus, [Do::Log(1), Do::Frame(1), Do::Fail]));
        for other in others {
            building = building.service(other, [topic::LOG], recording(&Seen::default(), vec![1]));
        }
        let kept = logs.clone();
        let engine = building
            .service("record", [topic::LOG], |mut cx| async move {
                while let Some(delivery) = cx.next().await {
                    if let Event::Log(log) = &delivery.payload {
                        kept.lock().unwrap().push(log.clone());
                    }
                }
                Ok(())
            })
            .build()
            .unwrap();
        block_on(engine.run()).unwrap_err();
        std::mem::take(&mut *logs.lock().unwrap())
    };
    let alone = record(&[]);
    assert_eq!(alone.len(), 4);
    assert_eq!(alone[0].fields, [("series", 1usize.into())]);
    assert_eq!(record(&["journal", "frames"]), alone);
}

#[test]
fn r33_what_services_say_at_the_end_is_accepted_before_the_bus_refuses() {
    let (bus, seen) = (bus(), Seen::default());
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(1)))
        .service("record", [topic::LOG], recording(&seen, vec![]))
        .service("last-words", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if let Event::Control(_) = delivery.payload {
                    pend(3).await;
                    cx.log(bt_core::LogEvent::new(bt_core::Level::Info, "", "TOTAL", "")).await?;
                    return Ok(());
                }
            }
            Err("no end event".into())
        })
        .build()
        .unwrap();
    block_on(engine.run()).unwrap();
    assert_eq!(seen.all(), strings(&["ENGINE_STARTED", END[0], "TOTAL", END[1]]));
}

#[test]
fn stop_before_the_first_poll_pulls_nothing() {
    let bus = bus();
    let feed = ScriptedFeed::new(&bus, frames(3));
    let polls = feed.polls.clone();
    let engine = builder(&bus, feed).build().unwrap();
    engine.stop_handle().stop(StopReason::Caller);
    let report = block_on(engine.run()).unwrap();
    assert_eq!((report.frames, report.ended), (0, Ended::Stopped(StopReason::Caller)));
    assert_eq!(polls.load(Ordering::SeqCst), 0);
}

#[test]
fn stop_while_the_feed_waits_wakes_the_engine_and_drops_the_feed() {
    let (bus, seen) = (bus(), Seen::default());
    let feed = ScriptedFeed::new(&bus, [Do::Frame(1), Do::Gate(Gate::closed()), Do::Frame(2)]);
    let alive = Arc::downgrade(&feed.alive);
    let engine =
        builder(&bus, feed).service("record", [topic::FRAME], recording(&seen, vec![])).build().unwrap();
    let stop = engine.stop_handle();
    let mut engine = task::spawn(engine);
    assert!(assert_ready!(engine.poll_next()).is_some());
    assert_pending!(engine.poll_next());
    stop.stop(StopReason::Interrupt);
    assert!(engine.is_woken());
    stop.stop(StopReason::Terminate);
    assert!(assert_ready!(engine.poll_next()).is_none());
    assert!(alive.upgrade().is_none());
    let report = engine.report().unwrap();
    assert_eq!((report.frames, report.ended), (1, Ended::Stopped(StopReason::Interrupt)));
    assert_eq!((report.ended.as_str(), report.drained, report.slots.bars), ("signal", true, 1));
    assert_eq!(seen.last().unwrap(), END[0]);
}

#[test]
fn stop_in_the_middle_of_a_frame_finishes_it() {
    let (bus, seen, gate) = (bus(), Seen::default(), Gate::closed());
    let (hold, record) = (gate.clone(), seen.clone());
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(3)))
        .service("slow", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                pass(&hold).await;
                record.push(show(&delivery.payload));
            }
            Ok(())
        })
        .build()
        .unwrap();
    let stop = engine.stop_handle();
    let mut engine = task::spawn(engine);
    assert_pending!(engine.poll_next());
    stop.stop(StopReason::Terminate);
    assert_pending!(engine.poll_next());
    gate.admit(1);
    assert_eq!(assert_ready!(engine.poll_next()).unwrap().unwrap().number, 1);
    assert_pending!(engine.poll_next(), "the end event is held up as well");
    stop.stop(StopReason::Caller);
    gate.open();
    assert!(assert_ready!(engine.poll_next()).is_none());
    assert_eq!(seen.all(), strings(&["frame 1", END[0]]));
    assert_eq!(engine.report().unwrap().ended, Ended::Stopped(StopReason::Terminate));
}

#[test]
fn stop_while_the_feed_waits_for_room_for_a_log_leaves_room_for_the_last_one() {
    let (bus, seen, gate) = (bus(), Seen::default(), Gate::with_permits(2));
    let (hold, record) = (gate.clone(), seen.clone());
    let script = [Do::Log(1), Do::Log(2), Do::Log(3), Do::Log(4), Do::Frame(1)];
    let engine = builder(&bus, ScriptedFeed::new(&bus, script))
        .queue_capacity(1)
        .service("slow", [topic::LOG], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                pass(&hold).await;
                record.push(show(&delivery.payload));
            }
            Ok(())
        })
        .build()
        .unwrap();
    let stop = engine.stop_handle();
    let mut engine = task::spawn(engine);
    assert_pending!(engine.poll_next());
    stop.stop(StopReason::Caller);
    assert_pending!(engine.poll_next());
    gate.open();
    assert!(assert_ready!(engine.poll_next()).is_none());
    let all = seen.all();
    assert_eq!(all[..2], strings(&["ENGINE_STARTED", "FEED 1"]));
    assert_eq!(all[all.len() - 2..], strings(&END));
    assert_eq!(engine.report().unwrap().services[0].delivered, all.len() as u64, "what was accepted arrived");
}

#[test]
fn a_service_may_stop_the_run() {
    let bus = bus();
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(9)))
        .service("enough", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if matches!(&delivery.payload, Event::Frame(frame) if frame.close() == at(3)) {
                    cx.stop.stop(StopReason::Caller);
                }
            }
            Ok(())
        })
        .build()
        .unwrap();
    let report = block_on(engine.run()).unwrap();
    assert_eq!((report.frames, report.ended.as_str()), (3, "caller"));
}

#[test]
fn a_bus_that_somebody_else_closes_is_an_error_and_the_end() {
    let (bus, gate) = (bus(), Gate::closed());
    let feed = ScriptedFeed::new(&bus, [Do::Frame(1), Do::Gate(gate.clone()), Do::Frame(2)]);
    let mut engine = task::spawn(builder(&bus, feed).build().unwrap());
    assert!(assert_ready!(engine.poll_next()).is_some());
    assert_pending!(engine.poll_next());
    bus.close(Drain::Deliver);
    gate.open();
    let error = assert_ready!(engine.poll_next()).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "bus is closed, cannot publish to topic `frame`");
    assert_eq!(error.report().frames, 1);
    assert!(engine.is_terminated());
}

#[test]
fn r30_an_engine_that_is_dropped_aborts_and_leaks_nothing() {
    let (bus, seen) = (bus(), Seen::default());
    let feed = ScriptedFeed::new(&bus, [Do::Frame(1), Do::Gate(Gate::closed())]);
    let (feed_alive, service_alive) = (Arc::downgrade(&feed.alive), Arc::new(()));
    let held = service_alive.clone();
    let engine = builder(&bus, feed)
        .service("record", [topic::FRAME], recording(&seen, vec![]))
        .service("holds", [topic::FRAME], |mut cx| async move {
            let _held = held;
            let _first = cx.next().await;
            cx.next().await;
            Ok(())
        })
        .build()
        .unwrap();
    let stop = engine.stop_handle();
    let mut engine = task::spawn(engine);
    assert_pending!(engine.poll_next());
    assert_eq!(Arc::strong_count(&service_alive), 2);
    drop(engine);
    assert_eq!(Arc::strong_count(&service_alive), 1);
    assert!(feed_alive.upgrade().is_none());
    assert_eq!(seen.all(), strings(&["frame 1"]), "no end event");
    assert_eq!(bus.stats().subscriptions.iter().map(|s| s.unacknowledged).sum::<usize>(), 0);
    stop.stop(StopReason::Caller);
}

#[test]
fn a_next_that_is_given_up_loses_nothing() {
    let (bus, seen) = (bus(), Seen::default());
    let script = (1..=20).flat_map(|n| [Do::Pending, Do::Log(n), Do::Pending, Do::Frame(n)]);
    let engine = builder(&bus, ScriptedFeed::new(&bus, script))
        .queue_capacity(1)
        .service("record", [topic::FRAME, topic::LOG], recording(&seen, vec![1, 0]))
        .build()
        .unwrap();
    let mut engine = std::pin::pin!(engine);
    let mut steps = 0;
    block_on(async {
        loop {
            // Each future is polled once and dropped.
            let polled = futures::poll!(engine.next());
            match polled {
                std::task::Poll::Ready(None) => break,
                std::task::Poll::Ready(Some(step)) => {
                    steps += 1;
                    assert_eq!(step.unwrap().number, steps);
                }
                std::task::Poll::Pending => {}
            }
        }
    });
    assert_eq!((steps, seen.len()), (20, 43));
}
