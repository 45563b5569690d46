//! Looking on while a run goes.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::time::Duration;

use bt_core::{SubscriptionStats, topic};
use bt_engine::StopReason;
use bt_testkit::Gate;
use support::*;
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, task};

#[tokio::test(start_paused = true)]
async fn a_snapshot_tells_where_a_run_stands_also_while_somebody_is_stuck() {
    let (bus, gate) = (bus(), Gate::with_permits(1));
    let hold = gate.clone();
    let engine = builder(&bus, ScriptedFeed::new(&bus, [Do::Log(1), Do::Frame(1), Do::Frame(2)]))
        .service("slow", [topic::FRAME], |mut cx| async move {
            while let Some(_held) = cx.next().await {
                pass(&hold).await;
            }
            Ok(())
        })
        .build()
        .unwrap();
    let stop = engine.stop_handle();
    let before = engine.snapshot();
    assert_eq!((before.state, before.frames, before.last_close), ("starting", 0, None));

    let mut engine = task::spawn(engine);
    assert!(assert_ready!(engine.poll_next()).is_some());
    let between = engine.snapshot();
    assert_eq!((between.state, between.frames, between.waiting), ("pulling", 1, None));

    assert_pending!(engine.poll_next());
    advance(Duration::from_secs(3)).await;
    let stuck = engine.snapshot();
    assert_eq!((stuck.state, stuck.frames, stuck.last_close), ("draining", 2, Some(at(2))));
    assert_eq!((stuck.waiting, stuck.waits.count), (Some(Duration::from_secs(3)), 0));
    assert_eq!(stuck.series[0].slots.bars, 2);
    assert_eq!(stuck.bus.published(topic::LOG), 2);
    let SubscriptionStats { delivered, unacknowledged, .. } = stuck.bus.subscriptions[0];
    assert_eq!((delivered, unacknowledged), (1, 1));

    gate.admit(1);
    assert!(assert_ready!(engine.poll_next()).is_some());
    stop.stop(StopReason::Caller);
    assert_pending!(engine.poll_next());
    let ending = engine.snapshot();
    assert_eq!((ending.state, ending.waits.count), ("ending", 1));
    assert_eq!(ending.waits.longest, Duration::from_secs(3));
    assert_eq!(ending.series, stuck.series, "the feed is gone, what it did is known");

    gate.open();
    assert!(assert_ready!(engine.poll_next()).is_none());
    let done = engine.snapshot();
    assert_eq!((done.state, done.frames, &done.series), ("done", 2, &stuck.series));
    assert_eq!(done.waits, engine.report().unwrap().wall.waits);
}
