//! Services that do not do as they should (R34).
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bt_core::{BoxError, Event, topic};
use bt_engine::{Ended, RunError, RunFailure, ServiceContext};
use futures::FutureExt;
use futures::executor::block_on;
use support::*;

/// What a service does with the frame called `at`, in a run of ten with a service that records all.
fn run(frame_at: u64, misdeed: fn() -> Option<Result<(), BoxError>>) -> (RunError, Vec<String>) {
    let (bus, seen) = (bus(), Seen::default());
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(10)))
        .service("before", [topic::FRAME], answering(vec![0, 2]))
        .service("bad", [topic::FRAME, topic::LOG], move |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if matches!(&delivery.payload, Event::Frame(frame) if frame.close() == at(frame_at)) {
                    pend(1).await;
                    if let Some(result) = misdeed() {
                        return result;
                    }
                }
            }
            Ok(())
        })
        .service("record", [topic::FRAME, topic::LOG], recording(&seen, vec![1, 0, 0]))
        .build()
        .unwrap();
    let error = block_on(engine.run()).unwrap_err();
    (error, seen.all())
}

/// The frame in hand and what follows from it comes to its end, and then the run does.
fn assert_ended_in_order(frame_at: u64, error: &RunError, seen: &[String]) {
    let mut expected = vec!["ENGINE_STARTED".to_owned()];
    for n in 1..=frame_at {
        expected.extend([format!("frame {n}"), format!("ANSWER {n}"), format!("AGAIN {n}")]);
    }
    expected.extend(strings(&["ENGINE_FAILED", "Control(End)", "ENGINE_ENDED"]));
    assert_eq!(seen, expected);
    let report = error.report();
    assert_eq!((report.frames, report.ended, report.drained), (frame_at, Ended::Error, true));
    assert_eq!(report.services[2].delivered, seen.len() as u64, "nothing accepted is lost");
    assert_eq!(report.services[2].undelivered, 0);
    assert_eq!(report.services[1].name, "bad");
    // One envelope was in its hands; the first answer may have been in its queue.
    assert!(report.services[1].undelivered <= 2, "{report:?}");
}

#[test]
fn r34_a_panic_is_named_with_its_message() {
    for frame_at in 1..=10 {
        let (error, seen) = run(frame_at, || panic!("lost my {}", "marbles"));
        assert_eq!(error.to_string(), "service `bad` panicked: lost my marbles");
        assert!(matches!(error.failure(), RunFailure::ServicePanicked { service: "bad", .. }));
        assert_ended_in_order(frame_at, &error, &seen);
    }
}

#[test]
fn r34_an_error_is_named_and_its_source_kept() {
    let (error, seen) = run(3, || Some(Err("no window".into())));
    assert_eq!(error.to_string(), "service `bad` failed");
    assert_eq!(error.source().unwrap().to_string(), "no window");
    assert_ended_in_order(3, &error, &seen);
}

#[test]
fn r34_an_early_return_is_an_error() {
    let (error, seen) = run(10, || Some(Ok(())));
    assert_eq!(
        error.to_string(),
        "service `bad` returned before the end of the run, expected it to wait for the end event"
    );
    assert_ended_in_order(10, &error, &seen);
}

#[test]
fn r34_what_lay_in_the_queue_of_a_finished_service_is_undelivered() {
    let bus = bus();
    let engine = builder(&bus, ScriptedFeed::new(&bus, [Do::Log(1), Do::Log(2), Do::Frame(1), Do::Frame(2)]))
        .service("bad", [topic::FRAME, topic::LOG], |mut cx| async move {
            drop(cx.next().await);
            let _first = cx.next().await;
            panic!("{}", "at the first log of the feed".to_owned());
        })
        .build()
        .unwrap();
    let (failure, report) = block_on(engine.run()).unwrap_err().into_parts();
    assert_eq!(failure.to_string(), "service `bad` panicked: at the first log of the feed");
    // The feed said both and handed out its frame before the service was looked at.
    assert_eq!((report.frames, report.services[0].delivered, report.services[0].undelivered), (1, 2, 2));
}

#[test]
fn r34_the_first_failure_counts_and_a_failure_in_the_end_is_one_too() {
    let bus = bus();
    let at_end = |result: fn() -> Result<(), BoxError>| {
        move |mut cx: ServiceContext<TestBus>| async move {
            while let Some(delivery) = cx.next().await {
                if let Event::Control(_) = delivery.payload {
                    return result();
                }
            }
            Ok(())
        }
    };
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(2)))
        .service("fine", [topic::FRAME], at_end(|| Ok(())))
        .service("late", [topic::FRAME], at_end(|| Err("disk full".into())))
        .service("later", [topic::FRAME], at_end(|| panic!("too")))
        .build()
        .unwrap();
    let error = block_on(engine.run()).unwrap_err();
    assert!(matches!(error.failure(), RunFailure::ServiceFailed { service: "late", .. }));
    let report = error.report();
    assert_eq!((report.frames, report.ended, report.drained), (2, Ended::Error, true));
}

#[test]
fn r34_a_panic_while_a_service_begins_or_is_dropped_is_caught() {
    struct Grenade(Arc<()>);
    impl Drop for Grenade {
        fn drop(&mut self) {
            panic!("boom, {} left", Arc::strong_count(&self.0) - 1);
        }
    }
    let begins = |_: ServiceContext<TestBus>| -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> {
        panic!("not today")
    };
    let bus1 = bus();
    let engine = builder(&bus1, ScriptedFeed::new(&bus1, frames(1)))
        .service("bad", [topic::FRAME], begins)
        .build()
        .unwrap();
    assert_eq!(block_on(engine.run()).unwrap_err().to_string(), "service `bad` panicked: not today");

    let bus2 = bus();
    let grenade = Grenade(Arc::new(()));
    let engine = builder(&bus2, ScriptedFeed::new(&bus2, frames(1)))
        .service("bad", [topic::FRAME], move |mut cx| async move {
            let _grenade = grenade;
            cx.next().await;
            Ok(())
        })
        .build()
        .unwrap();
    let error = block_on(engine.run()).unwrap_err();
    assert!(error.to_string().starts_with("service `bad` panicked: boom"), "{error}");
}

#[test]
fn a_service_publishes_on_topics_of_its_choice_at_the_clocks_instant() {
    let bus: TestBus = bt_bus::Bus::builder()
        .topics(["frame", "control", "log", "signal"])
        .log_topic("log")
        .build()
        .unwrap();
    let seen = Seen::default();
    let record = seen.clone();
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(2)))
        .service("sees", ["signal"], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                record.push(format!("{}#{} at {}", delivery.topic, delivery.seq, delivery.instant));
            }
            Ok(())
        })
        .service("signals", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if let Event::Frame(_) = delivery.payload {
                    cx.publish("signal", delivery.payload.clone()).await?;
                }
            }
            assert!(cx.publish("nope", Event::Control(bt_core::Control::End)).await.is_err());
            Ok(())
        })
        .build()
        .unwrap();
    block_on(engine.run()).unwrap();
    let expected = [
        "signal#1 at 1970-01-01T00:01:00Z",
        "signal#2 at 1970-01-01T00:02:00Z",
        "control#1 at 1970-01-01T00:02:00Z",
    ];
    assert_eq!(seen.all(), strings(&expected));
}

#[tokio::test(start_paused = true)]
async fn one_who_gives_up_publishing_leaves_the_line() {
    let bus: TestBus = bt_bus::Bus::builder()
        .topics(["frame", "control", "log", "signal"])
        .log_topic("log")
        .build()
        .unwrap();
    let seen = Seen::default();
    let record = seen.clone();
    let engine = builder(&bus, ScriptedFeed::new(&bus, frames(1)))
        .queue_capacity(1)
        .service("gives up", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if let Event::Frame(_) = delivery.payload {
                    cx.publish("signal", delivery.payload.clone()).await?;
                    assert!(cx.publish("signal", delivery.payload.clone()).now_or_never().is_none());
                }
            }
            Ok(())
        })
        .service("waits", [topic::FRAME], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                if let Event::Frame(_) = delivery.payload {
                    cx.publish("signal", delivery.payload.clone()).await?;
                }
            }
            Ok(())
        })
        .service("sees", ["signal"], |mut cx| async move {
            while let Some(delivery) = cx.next().await {
                record.push(format!("{}#{}", delivery.topic, delivery.seq));
            }
            Ok(())
        })
        .build()
        .unwrap();
    engine.run().await.unwrap();
    assert_eq!(seen.all(), strings(&["signal#1", "signal#2", "control#1"]));
}
