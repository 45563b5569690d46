//! The barrier's limit, in tokio's time.

use std::time::Duration;

use bt_bus::Bus;
use bt_core::{BusError, Control, Drain, Event, Level, LogEvent, Message, Timestamp, topic};
use futures::SinkExt;
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

#[tokio::test(start_paused = true)]
async fn r28_a_consumer_that_logs_inside_a_barrier_does_not_deadlock_it() {
    let bus: Bus<Event> = Bus::for_engine();
    let mut logs = bus.subscribe("logs", &[topic::LOG], 1).unwrap();
    let mut frames = bus.subscribe("frames", &[topic::CONTROL], 1).unwrap();
    let mut log = bus.component_log("strategy").unwrap();
    let consumer = tokio::spawn(async move {
        while let Some(delivery) = frames.recv().await {
            for _ in 0..3 {
                log.send(LogEvent::new(Level::Info, "", "SEEN", "")).await.unwrap();
            }
            drop(delivery);
        }
    });
    let slow = tokio::spawn(async move {
        let mut seen = 0;
        while let Some(delivery) = logs.recv().await {
            sleep(Duration::from_secs(1)).await;
            seen += 1;
            drop(delivery);
        }
        seen
    });
    for round in 1..=4 {
        let message = Message { instant: Timestamp::EPOCH, payload: Event::Control(Control::End) };
        bus.publish(topic::CONTROL, message).await.unwrap();
        bus.barrier(LIMIT).await.unwrap();
        let stats = bus.stats();
        assert_eq!((stats.published(topic::LOG), stats.subscriptions[0].delivered), (3 * round, 3 * round));
    }
    bus.close(Drain::Deliver);
    consumer.await.unwrap();
    assert_eq!(slow.await.unwrap(), 12);
}
