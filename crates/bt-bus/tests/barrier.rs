//! The limits of the barrier and of a queue that blocks, in tokio's time.

use std::time::Duration;

use bt_bus::{Bus, Subscription, SubscriptionConfig};
use bt_core::{BusError, Message, Timestamp};
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(30);

fn message(payload: u32) -> Message<u32> {
    Message { instant: Timestamp::EPOCH, payload }
}

#[tokio::test(start_paused = true)]
async fn r28_a_barrier_that_outlasts_its_limit_names_the_stuck() {
    let bus = Bus::new(["frame", "log"]).unwrap();
    let _quick = bus.subscribe("quick", &["log"], 4).unwrap();
    let mut slow = bus.subscribe("slow", &["frame"], 4).unwrap();
    for n in 0..3 {
        bus.publish("frame", message(n)).await.unwrap();
    }
    drop(slow.recv().await);
    let held = slow.recv().await.unwrap();
    let start = Instant::now();
    let error = bus.barrier(LIMIT).await.unwrap_err();
    assert_eq!(start.elapsed(), LIMIT);
    assert!(matches!(&error, BusError::Stuck { stuck, .. } if stuck.len() == 1));
    assert_eq!(
        error.to_string(),
        "bus was not idle within 30s, stuck: subscription `slow` on topic `frame` at sequence number 2 \
         (1 queued, 1 unacknowledged)"
    );
    drop(held);
    drop(slow);
    bus.barrier(LIMIT).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn r28_a_consumer_that_waits_on_its_own_queue_is_reported() {
    let bus = Bus::new(["a"]).unwrap();
    let mut own = bus.subscribe("ring", &["a"], 1).unwrap();
    let mut publisher = bus.publisher("a").unwrap();
    publisher.publish(message(0)).await.unwrap();
    let ring = tokio::spawn(async move {
        let delivery = own.recv().await.unwrap();
        publisher.publish(message(1)).await.unwrap();
        publisher.publish(message(2)).await.unwrap();
        drop((delivery, own));
    });
    let error = bus.barrier(LIMIT).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "bus was not idle within 30s, stuck: subscription `ring` on topic `a` at sequence number 1 \
         (1 queued, 1 unacknowledged, 1 publisher waits for room in its queue)"
    );
    ring.abort();
    assert!(ring.await.unwrap_err().is_cancelled());
    bus.barrier(LIMIT).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn r28_a_barrier_in_time_is_no_error() {
    let bus = Bus::new(["a"]).unwrap();
    let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
    bus.publish("a", message(0)).await.unwrap();
    let consumer = tokio::spawn(async move {
        sleep(LIMIT - Duration::from_secs(1)).await;
        drop(sub.recv().await);
        sub
    });
    let start = Instant::now();
    bus.barrier(LIMIT).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(29));
    drop(consumer.await.unwrap());
}

#[test]
fn a_barrier_that_need_not_wait_needs_no_timer() {
    let bus = Bus::<u32>::new(["a"]).unwrap();
    futures::executor::block_on(bus.barrier(LIMIT)).unwrap();
}

/// A subscription to `a` with a queue of one that is full, and a limit of so many seconds.
async fn full(bus: &Bus<u32>, name: &str, limit: Option<u64>) -> Subscription<u32> {
    let config = SubscriptionConfig::new(name, ["a"]).with_capacity(1);
    let config = limit.into_iter().fold(config, |c, limit| c.with_block_limit(Duration::from_secs(limit)));
    bus.subscribe_with(config).expect("a name of its own")
}

#[tokio::test(start_paused = true)]
async fn r27_a_queue_that_blocks_for_too_long_is_an_error() {
    let bus = Bus::new(["a"]).unwrap();
    let mut patient = full(&bus, "patient", None).await;
    let mut hasty = full(&bus, "hasty", Some(5)).await;
    let mut publisher = bus.publisher("a").unwrap();
    publisher.publish(message(0)).await.unwrap();
    for attempt in 0..2 {
        let start = Instant::now();
        let error = publisher.publish(message(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "subscription `hasty` left no room on topic `a` for 5s");
        assert_eq!(start.elapsed(), Duration::from_secs(5), "attempt {attempt}");
    }
    // It has left the line, and what comes later is held up by the patient one only.
    drop(hasty.recv().await);
    let next = tokio::spawn(async move { publisher.publish(message(2)).await });
    sleep(Duration::from_secs(3600)).await;
    assert!(!next.is_finished());
    drop(patient.recv().await);
    assert_eq!(next.await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn r27_the_limit_is_that_of_the_queue_that_blocks() {
    let bus = Bus::new(["a"]).unwrap();
    let mut short = full(&bus, "short", Some(5)).await;
    let _long = full(&bus, "long", Some(60)).await;
    bus.publish("a", message(0)).await.unwrap();
    let start = Instant::now();
    let mut messages = vec![message(1)];
    let mut publisher = bus.publisher("a").unwrap();
    let (blocked, ()) = tokio::join!(publisher.publish_batch(&mut messages), async {
        sleep(Duration::from_secs(4)).await;
        drop(short.recv().await);
    });
    let error = blocked.unwrap_err().to_string();
    assert_eq!(error, "subscription `long` left no room on topic `a` for 60s");
    assert_eq!((start.elapsed(), messages.len()), (Duration::from_secs(60), 1));
}

#[test]
fn without_timers_a_publisher_waits_without_a_limit() {
    let bus = Bus::new(["a"]).unwrap();
    let waiting = futures::executor::block_on(async {
        let _full = full(&bus, "full", Some(0)).await;
        bus.publish("a", message(0)).await.unwrap();
        let waiting = bus.publish("a", message(1));
        futures::poll!(std::pin::pin!(waiting))
    });
    assert!(waiting.is_pending());
}
