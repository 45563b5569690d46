//! Who is woken when, polled by hand.

use bt_bus::{Bus, Deliveries, Policy, Publisher, Subscription, SubscriptionConfig, TryPublishError};
use bt_core::{BusError, ConfigError, Drain, Event, EventBus, Level, LogEvent, Message, Timestamp};
use futures::stream::FusedStream;
use futures::{FutureExt, SinkExt, Stream};
use std::pin::Pin;
use tokio_test::task::{self, Spawn};
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, assert_ready_err, assert_ready_ok};

fn bus() -> Bus<u32> {
    Bus::new(["a", "b", "c"]).expect("three topics")
}

fn message(payload: u32) -> Message<u32> {
    Message { instant: Timestamp::EPOCH, payload }
}

/// A task that polls a publisher's sink.
fn polled<'a>(publisher: &'a mut Publisher<u32>) -> Spawn<impl Future<Output = Result<(), BusError>> + 'a> {
    task::spawn(std::future::poll_fn(move |cx| publisher.poll_ready_unpin(cx)))
}

fn fill(bus: &Bus<u32>, topic: &str, payload: u32) {
    bus.publish(topic, message(payload)).now_or_never().expect("there is room").expect("it is open");
}

fn payloads(subscription: &mut Subscription<u32>) -> Vec<u32> {
    std::iter::from_fn(|| subscription.try_recv()).map(|d| d.payload).collect()
}

#[test]
fn a_subscriber_is_woken_by_what_it_waits_for_and_once() {
    let bus = bus();
    let mut sub = task::spawn(bus.subscribe("s", &["a"], 4).unwrap());
    assert_pending!(sub.poll_next());
    fill(&bus, "b", 0);
    assert!(!sub.is_woken(), "not its topic");
    fill(&bus, "a", 1);
    assert!(sub.is_woken());
    assert_eq!(assert_ready!(sub.poll_next()).unwrap().payload, 1);
    assert_pending!(sub.poll_next());
    bus.close(Drain::Deliver);
    assert!(sub.is_woken());
    assert!(assert_ready!(sub.poll_next()).is_none());
    assert!(sub.is_terminated());
    assert_eq!(sub.size_hint(), (0, Some(0)));
    assert!(assert_ready!(sub.poll_next()).is_none());
}

#[test]
fn r29_waiters_are_served_in_order_and_hold_nothing_while_they_wait() {
    let bus = bus();
    let mut one = bus.subscribe("one", &["a"], 1).unwrap();
    let mut two = bus.subscribe("two", &["a", "b"], 1).unwrap();
    let [mut p, mut q, mut r] = [(); 3].map(|()| bus.publisher("a").unwrap());
    fill(&bus, "a", 0);
    let mut first = polled(&mut p);
    let mut second = polled(&mut q);
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    drop(one.try_recv());
    assert!(!first.is_woken(), "one queue is full still");
    drop(two.try_recv());
    assert!(first.is_woken() && !second.is_woken(), "first come, first served");
    let mut third = polled(&mut r);
    assert_pending!(third.poll());
    assert_ready_ok!(first.poll());
    drop(first);
    p.start_send_unpin(message(1)).unwrap();
    // Both queues are full again; "two" makes room, and b may have it: a's waiters hold nothing.
    drop(two.try_recv());
    assert!(!second.is_woken());
    fill(&bus, "b", 2);
    drop(one.try_recv());
    drop(two.try_recv());
    assert!(second.is_woken() && !third.is_woken());
    assert_ready_ok!(second.poll());
    drop(second);
    drop(q);
    assert!(third.is_woken(), "a reservation that is dropped goes to the next");
    assert_ready_ok!(third.poll());
}

#[test]
fn r28_a_place_that_is_held_and_not_used_is_seen_by_who_looks_for_the_stuck() {
    let bus = bus();
    let mut sub = bus.subscribe("s", &["b", "a"], 1).unwrap();
    let (mut p, mut q) = (bus.publisher("a").unwrap(), bus.publisher("a").unwrap());
    fill(&bus, "a", 0);
    assert_eq!(payloads(&mut sub), [0]);
    assert_ready_ok!(polled(&mut p).poll());
    assert!(bus.stuck().is_empty(), "nobody waits");
    let mut waiting = polled(&mut q);
    assert_pending!(waiting.poll());
    let stuck: Vec<_> = bus.stuck().iter().map(ToString::to_string).collect();
    assert_eq!(
        stuck,
        ["subscription `s` on topic `a` at sequence number 2 \
          (0 queued, 0 unacknowledged, 1 publisher waits for room in its queue)"]
    );
    bus.idle().now_or_never().expect("that holds up no barrier");
    drop(p);
    assert!(waiting.is_woken() && bus.stuck().is_empty());
}

#[test]
fn nobody_overtakes_a_line() {
    let bus = bus();
    let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
    let (mut p, mut q) = (bus.publisher("a").unwrap(), bus.publisher("a").unwrap());
    fill(&bus, "a", 0);
    let mut waiting = polled(&mut p);
    assert_pending!(waiting.poll());
    drop(sub.try_recv());
    assert!(matches!(q.try_publish(message(9)), Err(TryPublishError::Full(m)) if m.payload == 9));
    let mut publish = task::spawn(q.publish(message(2)));
    assert_pending!(publish.poll());
    assert_ready_ok!(waiting.poll());
    drop(waiting);
    p.start_send_unpin(message(1)).unwrap();
    assert_eq!(payloads(&mut sub), [1]);
    assert!(publish.is_woken());
    assert_eq!(assert_ready_ok!(publish.poll()), 3);
    assert_eq!(payloads(&mut sub), [2]);
}

#[test]
fn one_whose_turn_came_may_use_its_place_without_being_polled() {
    let bus = bus();
    let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
    let (mut p, mut q) = (bus.publisher("a").unwrap(), bus.publisher("a").unwrap());
    fill(&bus, "a", 0);
    assert_pending!(polled(&mut p).poll());
    assert!(matches!(p.try_publish(message(1)), Err(TryPublishError::Full(_))), "not its turn yet");
    let mut next = polled(&mut q);
    assert_pending!(next.poll());
    assert_eq!(payloads(&mut sub), [0]);
    assert_eq!(p.try_publish(message(1)).unwrap(), 2);
    assert!(matches!(p.try_publish(message(2)), Err(TryPublishError::Full(_))), "one turn, one place");
    assert_eq!(payloads(&mut sub), [1]);
    assert!(next.is_woken());
}

#[test]
fn one_who_leaves_the_line_is_passed_over() {
    let bus = bus();
    let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
    let (mut p, mut q) = (bus.publisher("a").unwrap(), bus.publisher("a").unwrap());
    fill(&bus, "a", 0);
    let mut publish = task::spawn(p.publish(message(1)));
    assert_pending!(publish.poll());
    let mut next = polled(&mut q);
    assert_pending!(next.poll());
    drop(publish);
    drop(sub.try_recv());
    assert!(next.is_woken(), "the first has left");
    drop(next);
    // The place that was served to it is given back by closing, and the publisher that left may have it.
    q.close().now_or_never().unwrap().unwrap();
    assert_eq!(p.try_publish(message(3)).unwrap(), 2);
}

#[test]
fn a_full_queue_keeps_nobody_from_another() {
    // The consumer of "slow" must publish to b before it takes from its queue. One who waits for both queues
    // must not keep it from the one that has room.
    let bus = bus();
    let mut slow = bus.subscribe("slow", &["a"], 1).unwrap();
    let mut both = bus.subscribe("both", &["a", "b"], 2).unwrap();
    let mut p = bus.publisher("a").unwrap();
    fill(&bus, "a", 0);
    let mut waiting = polled(&mut p);
    assert_pending!(waiting.poll());
    fill(&bus, "b", 1);
    drop(both.try_recv());
    drop(slow.try_recv());
    assert!(waiting.is_woken());
}

#[test]
fn the_barrier_wakes_everyone_who_waits_and_looks_again() {
    let bus = bus();
    let mut sub = bus.subscribe("s", &["a"], 4).unwrap();
    let (mut one, mut two) = (task::spawn(bus.idle()), task::spawn(bus.idle()));
    fill(&bus, "a", 0);
    assert_pending!(one.poll());
    assert_pending!(two.poll());
    let delivery = sub.try_recv();
    assert!(!one.is_woken());
    drop(delivery);
    assert!(one.is_woken() && two.is_woken());
    assert_ready!(one.poll());
    fill(&bus, "a", 1);
    assert_pending!(two.poll());
    drop(two);
    drop(sub);
    assert_ready!(one.poll());
}

#[test]
fn a_publisher_that_waits_is_refused_by_close_and_a_reservation_is_void() {
    let bus = bus();
    let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
    let (mut p, mut q) = (bus.publisher("a").unwrap(), bus.publisher("a").unwrap());
    assert_ready_ok!(polled(&mut p).poll());
    let mut waiting = polled(&mut q);
    assert_pending!(waiting.poll());
    bus.close(Drain::Deliver);
    assert!(waiting.is_woken());
    assert!(matches!(assert_ready_err!(waiting.poll()), BusError::Closed { topic } if topic == "a"));
    assert!(matches!(p.start_send_unpin(message(0)), Err(BusError::Closed { .. })));
    assert!(matches!(p.try_publish(message(0)), Err(TryPublishError::Refused(_))));
    assert!(sub.recv().now_or_never().unwrap().is_none());
    drop((p, waiting));
    assert_eq!(bus.stats().published("a"), 0);
}

#[test]
fn a_subscription_made_under_a_reservation_gets_what_is_sent_on_it() {
    let bus = bus();
    let mut early = bus.subscribe("early", &["a"], 1).unwrap();
    let mut p = bus.publisher("a").unwrap();
    assert_ready_ok!(polled(&mut p).poll());
    let mut late = bus.subscribe("late", &["a"], 1).unwrap();
    let mut q = bus.publisher("a").unwrap();
    assert!(matches!(q.try_publish(message(1)), Err(TryPublishError::Full(_))));
    p.start_send_unpin(message(0)).unwrap();
    assert_eq!((payloads(&mut early), payloads(&mut late)), (vec![0], vec![0]));
    assert!(q.try_publish(message(1)).is_ok());
}

#[test]
fn sending_without_a_reservation_needs_room() {
    let bus = bus();
    let _sub = bus.subscribe("s", &["a"], 1).unwrap();
    let mut p = bus.publisher("a").unwrap();
    p.start_send_unpin(message(0)).unwrap();
    let error = p.start_send_unpin(message(1)).unwrap_err();
    assert_eq!(error.to_string(), "no room reserved on topic `a`, expected a ready `poll_ready` first");
}

#[test]
fn a_batch_goes_out_together_and_waits_with_its_rest() {
    let bus = bus();
    let mut sub = bus.subscribe("s", &["a"], 3).unwrap();
    let mut p = bus.publisher("a").unwrap();
    let mut messages: Vec<_> = (0..5).map(message).collect();
    let mut batch = task::spawn(p.publish_batch(&mut messages));
    assert_pending!(batch.poll());
    assert_eq!(bus.stats().published("a"), 3);
    assert_eq!(sub.try_recv().unwrap().payload, 0);
    assert!(batch.is_woken());
    assert_pending!(batch.poll());
    let mut q = bus.publisher("a").unwrap();
    let mut next = polled(&mut q);
    assert_pending!(next.poll());
    drop(batch);
    assert_eq!(messages, [message(4)], "what was not published is still there");
    assert_eq!(sub.try_recv().unwrap().payload, 1);
    assert!(next.is_woken(), "the batch has left the line");
    drop(next);
    drop(q);
    let mut deliveries = Deliveries::new();
    assert_eq!(sub.recv_many(&mut deliveries, 1).now_or_never(), Some(1));
    p.publish_batch(&mut messages).now_or_never().unwrap().unwrap();
    assert_eq!(bus.stats().subscriptions[0].unacknowledged, 1);
    assert_eq!(sub.recv_many(&mut deliveries, 8).now_or_never(), Some(2));
    assert_eq!(deliveries.iter().map(|d| d.payload).collect::<Vec<_>>(), [3, 4]);
    let mut envelopes = (&deliveries).into_iter();
    for left in [2, 1, 0] {
        assert_eq!(envelopes.len(), left);
        assert_eq!(envelopes.next().is_some(), left > 0);
    }
    assert!(bus.idle().now_or_never().is_none(), "held until the buffer is used again");
    assert_eq!(sub.recv_many(&mut deliveries, 0).now_or_never(), Some(0));
    bus.idle().now_or_never().expect("all are acknowledged");
    let mut many = task::spawn(sub.recv_many(&mut deliveries, 8));
    assert_pending!(many.poll());
    bus.close(Drain::Deliver);
    assert!(many.is_woken());
    assert_ready_eq!(many.poll(), 0);
    messages = vec![message(5)];
    assert!(p.publish_batch(&mut messages).now_or_never().unwrap().is_err());
    assert_eq!(messages, [message(5)]);
}

#[test]
fn a_large_batch_stays_in_order_and_keeps_its_space() {
    let bus = bus();
    let mut sub = bus.subscribe("s", &["a"], 5_000).unwrap();
    let mut p = bus.publisher("a").unwrap();
    let mut messages: Vec<_> = (0..9_000).map(message).collect();
    let space = messages.capacity();
    assert!(p.publish_batch(&mut messages).now_or_never().is_none());
    assert_eq!(messages, (5_000..9_000).map(message).collect::<Vec<_>>());
    assert_eq!(payloads(&mut sub), Vec::from_iter(0..5_000));
    p.publish_batch(&mut messages).now_or_never().unwrap().unwrap();
    assert_eq!(payloads(&mut sub), Vec::from_iter(5_000..9_000));
    assert_eq!((messages.len(), messages.capacity()), (0, space));
}

#[test]
fn r27_policies_drop_and_count() {
    let bus = bus();
    let lossy = |name: &str, policy| {
        bus.subscribe_with(SubscriptionConfig::new(name, ["a", "b"]).with_capacity(2).with_policy(policy))
    };
    let mut newest = lossy("newest", Policy::DropNewest).unwrap();
    let mut oldest = lossy("oldest", Policy::DropOldest).unwrap();
    for (topic, payload) in [("a", 0), ("b", 1), ("b", 2), ("a", 3)] {
        fill(&bus, topic, payload);
    }
    assert_eq!(bus.stuck().len(), 2);
    assert_eq!(payloads(&mut newest), [0, 1]);
    assert_eq!(payloads(&mut oldest), [2, 3]);
    bus.idle().now_or_never().expect("what was dropped holds up nothing");
    let drops: Vec<_> =
        bus.drops().iter().map(|d| format!("{} {} {}", d.subscription, d.topic, d.dropped)).collect();
    assert_eq!(drops, ["newest a 1", "newest b 1", "oldest a 1", "oldest b 1"]);
    assert!(bus.stats().subscriptions.iter().all(|s| s.dropped() == 2 && s.delivered == 2));
}

#[test]
fn r27_logs_are_lossy_only_in_so_many_words() {
    let bus = Bus::<Event>::builder().topic("log").log_topic("log").build().unwrap();
    let config = SubscriptionConfig::new("s", ["log"]).with_policy(Policy::DropOldest);
    let refused = bus.subscribe_with(config.clone()).unwrap_err();
    assert!(
        matches!(refused, BusError::Other(e) if e.to_string().starts_with("invalid policy `DropOldest`"))
    );
    let lossy = bus.subscribe_with(config.with_lossy_log()).unwrap();
    assert_eq!(lossy.name(), "s");
    drop(lossy);
    let refused = bus.subscribe("t", &["log"], 0).unwrap_err();
    assert!(matches!(refused, BusError::Other(e) if e.downcast_ref::<ConfigError>().is_some()));
    assert!(bus.subscribe("u", &[], 1).is_err());
}

#[test]
fn logs_are_stamped() {
    let bus = Bus::<Event>::builder().topics(["frame", "log"]).log_topic("log").build().unwrap();
    let mut sub = bus.subscribe("s", &["log"], 8).unwrap();
    let mut sink = bus.log_sink("feed").unwrap();
    let mut send = |event: LogEvent| {
        sink.send(event).now_or_never().unwrap().unwrap();
        let delivery = sub.try_recv().unwrap();
        let Event::Log(event) = &delivery.payload else { panic!("a log was sent") };
        assert_eq!(event.component, "feed");
        delivery.instant.as_nanos()
    };
    let event = LogEvent::new(Level::Info, "", "E", "");
    assert_eq!(send(event.clone()), 0, "the epoch, before anything");
    assert_eq!(send(event.clone().with_sim_time(Timestamp::from_nanos(7))), 7);
    assert_eq!(send(event.clone().with_sim_time(Timestamp::from_nanos(5))), 5);
    assert_eq!(send(event), 7, "the latest so far");
}

#[test]
fn a_task_that_dies_with_its_waker_may_call_the_bus() {
    // The waker of this task owns a subscription; replacing the waker drops it. Under the lock, that would hang.
    struct Owner(#[expect(dead_code, reason = "dropped with the waker")] Subscription<u32>);
    impl std::task::Wake for Owner {
        fn wake(self: std::sync::Arc<Self>) {}
    }
    let bus = bus();
    let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
    let owned = bus.subscribe("owned", &["a"], 1).unwrap();
    let waker = std::task::Waker::from(std::sync::Arc::new(Owner(owned)));
    let poll = |sub: &mut Subscription<u32>, waker: &std::task::Waker| {
        Pin::new(sub).poll_next(&mut std::task::Context::from_waker(waker)).is_pending()
    };
    assert!(poll(&mut sub, &waker));
    drop(waker);
    assert!(poll(&mut sub, std::task::Waker::noop()));
    assert_eq!(bus.stats().subscriptions.len(), 2);
    fill(&bus, "a", 0);
    assert_eq!(bus.stats().subscriptions[1].queued, 0, "the other is gone");
}

#[test]
fn a_waker_that_panics_costs_the_consumer_no_delivery() {
    struct Grenade;
    impl std::task::Wake for Grenade {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("boom");
        }
    }
    let bus = bus();
    let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
    let mut p = bus.publisher("a").unwrap();
    fill(&bus, "a", 0);
    let waker = std::sync::Arc::new(Grenade).into();
    assert_pending!(p.poll_ready_unpin(&mut std::task::Context::from_waker(&waker)));
    let mut deliveries = Deliveries::new();
    for n in 0..3 {
        let take = std::panic::AssertUnwindSafe(|| sub.try_recv());
        assert!(std::panic::catch_unwind(take).is_err());
        assert_eq!(bus.stats().subscriptions[0].unacknowledged, 1 + deliveries.len());
        match n {
            0 => assert_eq!(payloads(&mut sub), [0]),
            1 => assert_eq!(sub.recv_many(&mut deliveries, 8).now_or_never(), Some(1)),
            _ => break,
        }
        p.start_send_unpin(message(n + 1)).unwrap();
        assert_pending!(p.poll_ready_unpin(&mut std::task::Context::from_waker(&waker)));
    }
    assert_eq!(deliveries.iter().map(|d| d.payload).collect::<Vec<_>>(), [1]);
    drop((deliveries, sub));
    bus.idle().now_or_never().expect("all are acknowledged");
}

#[test]
fn a_payload_that_cannot_be_made_costs_nobody_a_wake_up() {
    #[derive(Debug)]
    struct Words;
    impl From<LogEvent> for Words {
        fn from(_: LogEvent) -> Self {
            panic!("lost for words");
        }
    }
    let bus = Bus::<Words>::builder().topics(["a", "log"]).log_topic("log").build().unwrap();
    let lossy = SubscriptionConfig::new("lossy", ["a"]).with_capacity(1).with_policy(Policy::DropNewest);
    let _lossy = bus.subscribe_with(lossy).unwrap();
    let mut sub = task::spawn(bus.subscribe("s", &["a"], 4).unwrap());
    let mut p = bus.publisher("a").unwrap();
    let words = || Message { instant: Timestamp::EPOCH, payload: Words };
    p.try_publish(words()).unwrap();
    assert!(assert_ready!(sub.poll_next()).is_some());
    assert_pending!(sub.poll_next());
    let publish = std::panic::AssertUnwindSafe(|| {
        let mut p = p;
        p.try_publish(words())
    });
    assert!(std::panic::catch_unwind(publish).is_err());
    assert!(sub.is_woken());
    assert!(assert_ready!(sub.poll_next()).is_some());
}

#[test]
fn what_is_known_of_room_does_not_outlast_those_who_come() {
    let bus = bus();
    let mut publisher = bus.publisher("a").unwrap();
    let _wide = bus.subscribe("wide", &["a"], 8).unwrap();
    publisher.try_publish(message(0)).unwrap();
    let mut narrow = bus.subscribe("narrow", &["a", "b"], 2).unwrap();
    publisher.try_publish(message(1)).unwrap();
    fill(&bus, "b", 2);
    assert!(matches!(
        publisher.try_publish(message(3)),
        Err(TryPublishError::Full(Message { payload: 3, .. }))
    ));
    assert_eq!(payloads(&mut narrow), [1, 2]);
    publisher.try_publish(message(4)).unwrap();
}
