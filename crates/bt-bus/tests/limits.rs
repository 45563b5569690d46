//! The limit of a queue that blocks, in tokio's time.

use std::time::Duration;

use bt_bus::{Bus, Policy, Subscription, SubscriptionConfig};
use bt_core::{Message, Timestamp};
use tokio::time::{Instant, sleep, timeout};

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn message(payload: u32) -> Message<u32> {
    Message { instant: Timestamp::EPOCH, payload }
}

/// A subscription to `a` with a queue of one, and a limit of so many seconds.
fn limited(bus: &Bus<u32>, name: &str, limit: Option<u64>) -> Subscription<u32> {
    let config = SubscriptionConfig::new(name, ["a"]).with_capacity(1);
    let config = limit.into_iter().fold(config, |c, limit| c.with_block_limit(seconds(limit)));
    bus.subscribe_with(config).expect("a name of its own")
}

#[tokio::test(start_paused = true)]
async fn r27_a_queue_that_blocks_for_too_long_is_an_error() {
    let bus = Bus::new(["a"]).unwrap();
    let mut patient = limited(&bus, "patient", None);
    let mut hasty = limited(&bus, "hasty", Some(5));
    let mut publisher = bus.publisher("a").unwrap();
    publisher.publish(message(0)).await.unwrap();
    for attempt in 0..2 {
        let start = Instant::now();
        let error = publisher.publish(message(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "subscription `hasty` left no room on topic `a` for 5s");
        assert_eq!(start.elapsed(), seconds(5), "attempt {attempt}");
    }
    // It has left the line, and what comes later is held up by the patient one only.
    drop(hasty.recv().await);
    let next = tokio::spawn(async move { publisher.publish(message(2)).await });
    sleep(seconds(3600)).await;
    assert!(!next.is_finished());
    drop(patient.recv().await);
    assert_eq!(next.await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn r27_the_limit_is_that_of_the_queue_that_blocks() {
    let bus = Bus::new(["a"]).unwrap();
    let mut short = limited(&bus, "short", Some(5));
    let _long = limited(&bus, "long", Some(60));
    bus.publish("a", message(0)).await.unwrap();
    let start = Instant::now();
    let mut messages = vec![message(1)];
    let mut publisher = bus.publisher("a").unwrap();
    let (blocked, ()) = tokio::join!(publisher.publish_batch(&mut messages), async {
        sleep(seconds(4)).await;
        drop(short.recv().await);
    });
    let error = blocked.unwrap_err().to_string();
    assert_eq!(error, "subscription `long` left no room on topic `a` for 60s");
    assert_eq!((start.elapsed(), messages.len()), (seconds(60), 1));
}

#[test]
fn without_timers_a_publisher_waits_without_a_limit() {
    let bus = Bus::new(["a"]).unwrap();
    let waiting = futures::executor::block_on(async {
        let _full = limited(&bus, "full", Some(1));
        bus.publish("a", message(0)).await.unwrap();
        let waiting = bus.publish("a", message(1));
        futures::poll!(std::pin::pin!(waiting))
    });
    assert!(waiting.is_pending());
}

#[tokio::test(start_paused = true)]
async fn r27_each_wait_is_measured_for_itself() {
    let bus = Bus::new(["a"]).unwrap();
    let mut sub = limited(&bus, "s", Some(10));
    let mut publisher = bus.publisher("a").unwrap();
    publisher.publish(message(0)).await.unwrap();
    assert!(timeout(seconds(1), publisher.publish(message(1))).await.is_err(), "given up");
    drop(sub.recv().await);
    sleep(seconds(60)).await;
    bus.publish("a", message(2)).await.unwrap();
    let start = Instant::now();
    assert!(publisher.publish(message(3)).await.is_err());
    assert_eq!(start.elapsed(), seconds(10));
}

#[tokio::test(start_paused = true)]
async fn r27_a_batch_that_gets_on_is_not_blocked() {
    let bus = Bus::new(["a"]).unwrap();
    let mut sub = limited(&bus, "s", Some(1));
    let mut publisher = bus.publisher("a").unwrap();
    let mut messages: Vec<_> = (0..100).map(message).collect();
    let consumer = tokio::spawn(async move {
        for _ in 0..100 {
            sleep(Duration::from_millis(100)).await;
            drop(sub.recv().await);
        }
    });
    publisher.publish_batch(&mut messages).await.unwrap();
    consumer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn r27_a_queue_that_fills_while_another_is_waited_for_is_heard_and_not_blamed_too_soon() {
    let bus = Bus::new(["a", "b"]).unwrap();
    let mut patient = limited(&bus, "patient", None);
    let config = SubscriptionConfig::new("strict", ["a", "b"]).with_capacity(1).with_block_limit(seconds(1));
    let mut strict = bus.subscribe_with(config).unwrap();
    bus.publish("a", message(0)).await.unwrap();
    drop(strict.recv().await);
    let start = Instant::now();
    let other = bus.clone();
    let waiting = tokio::spawn(async move { (other.publish("a", message(1)).await, Instant::now()) });
    sleep(Duration::from_millis(9_500)).await;
    bus.publish("b", message(2)).await.unwrap();
    drop(patient.recv().await);
    let (blocked, at) = waiting.await.unwrap();
    assert_eq!(blocked.unwrap_err().to_string(), "subscription `strict` left no room on topic `a` for 1s");
    let waited = at - start;
    assert!((seconds(10)..=seconds(12)).contains(&waited), "full since 9.5 s, and {waited:?}");
    drop(strict);
}

#[test]
fn a_limit_goes_with_a_policy_that_blocks() {
    let bus = Bus::<u32>::new(["a"]).unwrap();
    let config =
        SubscriptionConfig::new("s", ["a"]).with_policy(Policy::DropOldest).with_block_limit(seconds(1));
    let error = bus.subscribe_with(config).unwrap_err().to_string();
    assert_eq!(error, "invalid block_limit `1s`, expected none with a policy that drops");
    let config = SubscriptionConfig::new("s", ["a"]).with_block_limit(seconds(0));
    let error = bus.subscribe_with(config).unwrap_err().to_string();
    assert_eq!(error, "invalid block_limit `0`, expected more than zero");
}
