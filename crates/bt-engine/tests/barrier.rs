//! Limits on waiting (R28), in paused time.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bt_core::{BoxError, BusError, Event, EventBus, Level, LogEvent, topic};
use bt_engine::{Ended, RunFailure};
use bt_testkit::Gate;
use futures::{SinkExt, StreamExt};
use support::*;
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn r28_a_service_that_never_answers_is_named_and_dropped_and_the_rest_ends_in_order() {
    let (bus, seen, alive) = (bus(), Seen::default(), Arc::new(()));
    let held = alive.clone();
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(3)))
        .service("stuck", [topic::FRAME], |mut cx| async move {
            let _held = held;
            while let Some(delivery) = cx.next().await {
                if delivery.seq == 2 {
                    pending::<()>().await;
                }
            }
            Ok(())
        })
        .service("record", [topic::FRAME, topic::LOG], recording(&seen, vec![1]))
        .build()
        .unwrap();
    let begun = Instant::now();
    let error = engine.run().await.unwrap_err();
    let waited = begun.elapsed();
    assert!(waited >= LIMIT && waited < LIMIT + Duration::from_millis(10), "{waited:?}");
    assert_eq!(
        error.to_string(),
        "bus was not idle within 30s, stuck: subscription `stuck` on topic `frame` at sequence number 2 \
         (0 queued, 1 unacknowledged)"
    );
    assert_eq!(Arc::strong_count(&alive), 1);
    let expected = ["ENGINE_STARTED", "frame 1", "frame 2", "ENGINE_FAILED", "Control(End)", "ENGINE_ENDED"];
    assert_eq!(seen.all(), strings(&expected));
    let report = error.report();
    assert_eq!((report.frames, report.ended, report.drained), (2, Ended::Error, false));
    assert_eq!(report.wall.waits.count, 1);
    assert!(report.wall.waits.longest >= LIMIT);
}

#[tokio::test(start_paused = true)]
async fn r28_a_slow_service_within_the_limit_is_waited_for_each_time_anew() {
    let bus = bus();
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(3)))
        .barrier_limit(Duration::from_secs(10))
        .service("slow", [topic::FRAME], |mut cx| async move {
            while let Some(_held) = cx.next().await {
                sleep(Duration::from_secs(9)).await;
            }
            Ok(())
        })
        .build()
        .unwrap();
    let report = engine.run().await.unwrap();
    assert_eq!((report.frames, report.drained), (3, true));
    assert_eq!(report.wall.waits.count, 4);
    assert!(report.wall.waits.total >= Duration::from_secs(36));
}

#[tokio::test(start_paused = true)]
async fn a_feed_may_wait_for_the_world_as_long_as_it_likes() {
    let (bus, gate) = (bus(), Gate::closed());
    let feed = ScriptedFeed::new(&bus, [Do::Log(1), Do::Gate(gate.clone()), Do::Frame(1)]);
    let seen = Seen::default();
    let engine =
        builder(&bus, feed).service("record", [topic::LOG], recording(&seen, vec![])).build().unwrap();
    let run = tokio::spawn(engine.run());
    sleep(LIMIT * 100).await;
    gate.open();
    assert_eq!(run.await.unwrap().unwrap().frames, 1);
}

#[tokio::test(start_paused = true)]
async fn r28_a_feed_that_waits_for_room_behind_a_stuck_service_is_not_waited_for() {
    let bus = bus();
    let feed = ScriptedFeed::new(&bus, (1..=9).map(Do::Log).chain([Do::Frame(1)]));
    let seen = Seen::default();
    let engine = builder(&bus, feed)
        .queue_capacity(2)
        .service("stuck", [topic::LOG], |mut cx| async move {
            cx.next().await;
            let _second = cx.next().await;
            pending().await
        })
        .service("record", [topic::LOG], recording(&seen, vec![0, 1]))
        .build()
        .unwrap();
    let begun = Instant::now();
    let error = engine.run().await.unwrap_err();
    assert!(begun.elapsed() < LIMIT + Duration::from_millis(10));
    let RunFailure::Bus(BusError::Stuck { stuck, .. }) = error.failure() else { panic!("{error:?}") };
    assert_eq!((&*stuck[0].subscription, &*stuck[0].topic, stuck[0].seq), ("stuck", "log", 2));
    assert_eq!(error.report().frames, 0);
    assert_eq!(seen.last().unwrap(), "ENGINE_ENDED");
}

#[tokio::test(start_paused = true)]
async fn a_stuck_subscriber_that_is_no_service_is_named_and_the_run_ends_all_the_same() {
    let (bus, seen) = (bus(), Seen::default());
    let mut outside = bus.subscribe("outside", &[topic::FRAME], 8).unwrap();
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(3)))
        .service("record", [topic::FRAME, topic::LOG], recording(&seen, vec![]))
        .build()
        .unwrap();
    let begun = Instant::now();
    let error = engine.run().await.unwrap_err();
    assert!(
        error.to_string().contains("subscription `outside` on topic `frame` at sequence number 1"),
        "{error}"
    );
    assert!(begun.elapsed() <= LIMIT * 3 + Duration::from_millis(50), "{:?}", begun.elapsed());
    assert_eq!(
        seen.all(),
        strings(&["ENGINE_STARTED", "frame 1", "ENGINE_FAILED", "Control(End)", "ENGINE_ENDED"])
    );
    assert!(!error.report().drained);
    assert!(outside.next().await.is_some(), "what was accepted is still there");
    assert!(outside.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ignores_the_end_is_named_and_dropped() {
    let (bus, seen) = (bus(), Seen::default());
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(1)))
        .service("deaf", [topic::FRAME], |mut cx| async move {
            while cx.next().await.is_some() {}
            pending::<Result<(), BoxError>>().await
        })
        .service("record", [topic::LOG], recording(&seen, vec![]))
        .build()
        .unwrap();
    let error = engine.run().await.unwrap_err();
    assert_eq!(error.to_string(), "not finished within 30s of the end: service `deaf`");
    assert_eq!(seen.last().unwrap(), "ENGINE_ENDED");
    assert_eq!((error.report().frames, error.report().drained), (1, false));
}

/// A service that takes a second for each delivery.
fn slow(seen: &Seen) -> impl FnOnce(bt_engine::ServiceContext<TestBus>) -> BoxService + Send + 'static {
    let seen = seen.clone();
    move |mut cx| {
        Box::pin(async move {
            while let Some(delivery) = cx.next().await {
                sleep(Duration::from_secs(1)).await;
                seen.push(show(&delivery.payload));
            }
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn r30_a_service_that_still_moves_at_the_end_gets_all_that_was_accepted() {
    let (bus, seen) = (bus(), Seen::default());
    let engine = builder(&bus, ScriptedFeed::new(&bus, []))
        .barrier_limit(Duration::from_secs(10))
        .service("deaf", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                // More than can be taken before the barrier gives up and the bus is closed.
                if let Event::Control(_) = delivery.payload {
                    for n in 0..60_u64 {
                        cx.log(LogEvent::new(Level::Info, "", "LAST", "").with("n", n)).await?;
                    }
                }
            }
            pending::<Result<(), BoxError>>().await
        })
        .service("slow", [topic::LOG], slow(&seen))
        .build()
        .unwrap();
    let error = engine.run().await.unwrap_err();
    assert!(error.to_string().contains("stuck: subscription `slow`"), "{error}");
    // ENGINE_STARTED, the end, what was said, that the barrier gave up, and ENGINE_ENDED.
    assert_eq!((seen.len(), &*seen.last().unwrap()), (64, "ENGINE_ENDED"));
    let report = error.report();
    assert!(report.services.iter().all(|service| service.undelivered == 0), "{report:?}");
    assert!(!report.drained);
}

#[tokio::test(start_paused = true)]
async fn a_service_stuck_on_the_end_event_does_not_keep_the_last_log_from_the_others() {
    let (bus, seen) = (bus(), Seen::default());
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(1)))
        .queue_capacity(1)
        .service("stuck", [topic::LOG], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if let Event::Control(_) = delivery.payload {
                    pending::<()>().await;
                }
            }
            Ok(())
        })
        .service("record", [topic::LOG], recording(&seen, vec![]))
        .build()
        .unwrap();
    let begun = Instant::now();
    let error = engine.run().await.unwrap_err();
    assert!(error.to_string().contains("`stuck` on topic `control`"), "{error}");
    assert!(begun.elapsed() < LIMIT + Duration::from_millis(50));
    assert_eq!(seen.all(), strings(&["ENGINE_STARTED", "Control(End)", "ENGINE_FAILED", "ENGINE_ENDED"]));
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_when_who_left_no_room_for_it_is_gone() {
    let (bus, seen) = (bus(), Seen::default());
    let engine = builder(&bus, ScriptedFeed::new(&bus, (1..=9).map(Do::Log)))
        .queue_capacity(1)
        .service("stuck", [topic::LOG], |mut cx| async move {
            drop(cx.next().await);
            let _held = cx.next().await;
            pending().await
        })
        .service("record", [topic::FRAME], recording(&seen, vec![]))
        .build()
        .unwrap();
    let stop = engine.stop_handle();
    let run = tokio::spawn(engine.run());
    sleep(Duration::from_secs(1)).await;
    stop.stop(bt_engine::StopReason::Caller);
    let error = run.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("`stuck` on topic `log`"), "{error}");
    assert_eq!(seen.all(), strings(&["Control(End)"]));
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_found_no_room_keeps_no_place_from_the_end() {
    let (bus, seen) = (bus(), Seen::default());
    let engine = builder(&bus, ScriptedFeed::new(&bus, [Do::Log(1), Do::Log(2), Do::Frame(1)]))
        .queue_capacity(1)
        .service("stuck", [topic::LOG, topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if matches!(&delivery.payload, Event::Log(log) if log.event == "FEED") {
                    pending::<()>().await;
                }
            }
            Ok(())
        })
        .service("record", [topic::FRAME, topic::LOG], recording(&seen, vec![]))
        .build()
        .unwrap();
    let begun = Instant::now();
    let error = engine.run().await.unwrap_err();
    assert!(begun.elapsed() < LIMIT + Duration::from_millis(50), "{:?}", begun.elapsed());
    assert!(error.to_string().contains("`stuck` on topic `log`"), "{error}");
    let expected = ["ENGINE_STARTED", "FEED 1", "FEED 2", "ENGINE_FAILED", "Control(End)", "ENGINE_ENDED"];
    assert_eq!(seen.all(), strings(&expected));
    assert_eq!((error.report().frames, error.report().wall.waits.count), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_found_no_room_keeps_no_place_from_the_last_words_of_services() {
    let (bus, seen) = (bus(), Seen::default());
    let mut outside = bus.subscribe("outside", &[topic::LOG], 1).unwrap();
    let script = [Do::Frame(1), Do::Log(1), Do::Log(2), Do::Frame(2)];
    let engine = builder(&bus, ScriptedFeed::new(&bus, script))
        .service("last-words", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if let Event::Control(_) = delivery.payload {
                    cx.log(LogEvent::new(Level::Info, "", "TOTAL", "")).await?;
                }
            }
            Ok(())
        })
        .build()
        .unwrap();
    let run = tokio::spawn(engine.run());
    // ENGINE_STARTED goes through; nobody takes what the feed says, so there is no room for the failure either.
    drop(outside.next().await);
    sleep(LIMIT * 2 + Duration::from_secs(1)).await;
    while let Some(delivery) = outside.next().await {
        seen.push(show(&delivery.payload));
    }
    let error = run.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("`outside` on topic `log`"), "{error}");
    assert_eq!(seen.all(), strings(&["FEED 1", "TOTAL", "ENGINE_FAILED", "ENGINE_ENDED"]));
    assert_eq!(error.report().services[0].delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn r28_two_services_that_wait_for_each_other_are_reported_not_hung_on() {
    let bus = bus();
    // Each answers every log with two more, into queues of one: a cycle.
    let engine = builder(&bus, ScriptedFeed::new(&bus, [Do::Log(1), Do::Frame(1)]))
        .queue_capacity(1)
        .service("echo", [topic::LOG], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if let Event::Log(log) = &delivery.payload {
                    cx.log(log.clone()).await?;
                    cx.log(log.clone()).await?;
                }
            }
            Ok(())
        })
        .build()
        .unwrap();
    let error = engine.run().await.unwrap_err();
    assert!(error.to_string().contains("stuck: subscription `echo` on topic `log`"), "{error}");
}

/// A service that holds a place in the log from its beginning to its end, and never uses it.
async fn hoard(mut cx: bt_engine::ServiceContext<TestBus>) -> Result<(), BoxError> {
    let mut sink = cx.bus.log_sink("hoards")?;
    std::future::poll_fn(|task| sink.poll_ready_unpin(task)).await?;
    while let Some(delivery) = cx.next().await {
        if let Event::Control(_) = delivery.payload {
            break;
        }
    }
    drop(sink);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn r28_a_feed_that_waits_for_room_that_another_holds_is_not_waited_for() {
    let (bus, seen) = (bus(), Seen::default());
    let mut outside = bus.subscribe("outside", &[topic::LOG], 1).unwrap();
    let engine = builder(&bus, ScriptedFeed::new(&bus, [Do::Frame(1), Do::Log(1), Do::Frame(2)]))
        .service("hoards", [topic::FRAME], hoard)
        .build()
        .unwrap();
    let record = seen.clone();
    let taking = tokio::spawn(async move {
        while let Some(delivery) = outside.next().await {
            record.push(show(&delivery.payload));
        }
    });
    let error = tokio::time::timeout(LIMIT * 9, engine.run()).await.expect("it ends").unwrap_err();
    assert_eq!(
        error.to_string(),
        "bus was not idle within 30s, stuck: subscription `outside` on topic `log` at sequence number 2 \
         (0 queued, 0 unacknowledged, 1 publisher waits for room in its queue)"
    );
    taking.await.unwrap();
    assert_eq!(seen.all(), strings(&["ENGINE_STARTED", "ENGINE_FAILED", "ENGINE_ENDED"]));
    assert_eq!(error.report().frames, 1);
}

#[tokio::test(start_paused = true)]
async fn r30_a_service_in_whose_queue_another_holds_the_room_is_not_dropped() {
    let (bus, seen) = (bus(), Seen::default());
    let record = seen.clone();
    let engine = builder(&bus, ScriptedFeed::new(&bus, [Do::Frame(1), Do::Log(1), Do::Frame(2)]))
        .service("hoards", [topic::FRAME], hoard)
        .queue_capacity(1)
        .service("record", [topic::LOG], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                record.push(show(&delivery.payload));
            }
            record.push("closed");
            Ok(())
        })
        .build()
        .unwrap();
    let error = tokio::time::timeout(LIMIT * 9, engine.run()).await.expect("it ends").unwrap_err();
    assert!(error.to_string().contains("stuck: subscription `record` on topic `log`"), "{error}");
    assert_eq!(seen.all(), strings(&["ENGINE_STARTED", "closed"]));
}

/// With a service that wakes itself over and over, limits hold, and barriers are passed.
#[tokio::test(start_paused = true)]
async fn r28_a_service_that_spins_hides_nobody_who_is_stuck() {
    for (stick, expected) in [(false, None), (true, Some("`stuck` on topic `frame` at sequence number 2"))] {
        let bus = bus();
        let engine = builder(&bus, ScriptedFeed::new(&bus, frames(3)))
            .service("spins", [topic::FRAME], |mut cx| async move {
                loop {
                    // Looks at its subscription in every round, like one that busies itself meanwhile.
                    let next = std::future::poll_fn(|task| {
                        let polled = cx.subscription.poll_next_unpin(task);
                        task.waker().wake_by_ref();
                        polled
                    });
                    if next.await.is_none() {
                        return Ok(());
                    }
                }
            })
            .service("stuck", [topic::FRAME], move |mut cx| async move {
                while let Some(delivery) = cx.next().await {
                    if stick && delivery.seq == 2 {
                        pending::<()>().await;
                    }
                }
                Ok(())
            })
            .build()
            .unwrap();
        // Paused time moves on only when everything sleeps, and a spinning service never does.
        let run = tokio::spawn(engine.run());
        for _ in 0..40 {
            if run.is_finished() {
                break;
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        match (run.await.unwrap(), expected) {
            (Ok(report), None) => assert_eq!(report.frames, 3),
            (Err(error), Some(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (result, _) => panic!("{result:?}"),
        }
    }
}
