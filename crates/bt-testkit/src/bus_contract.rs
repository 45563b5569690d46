//! What every [`EventBus`] keeps to, rule by rule.

#![expect(clippy::unwrap_used, reason = "a check panics where the bus is not as it should be")]

use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bt_core::{
    BusError, Envelope, Event, EventBus, Level, LogError, LogEvent, Message, SubscriptionStats, Timestamp,
    topic,
};
use futures::executor::block_on;
use futures::future::join;
use futures::{FutureExt, Sink, SinkExt, StreamExt};

/// The contract of a bus, as a suite to run on an implementation of one's own.
///
/// `make` builds a bus with the topics it is given; [`topic::LOG`] takes the logs. Each check is a method that
/// panics where the bus is not as it should be; [`check`](BusContract::check) is all of them. What a bus must do
/// in the end is waited for, so that a bus over a network may take its time; what it must never do is asked
/// once. A check that waits for too long fails.
#[derive(Clone, Debug)]
pub struct BusContract<F> {
    make: F,
}

/// How long a check may take. It is real time, and only a bus that hangs ever takes so long.
const LIMIT: Duration = Duration::from_secs(30);

impl<B, F> BusContract<F>
where
    B: EventBus<Payload = Event>,
    F: Fn(&[&str]) -> B + Clone + Send + 'static,
{
    /// The contract of the buses that `make` builds.
    pub fn new(make: F) -> Self {
        BusContract { make }
    }

    /// Checks everything.
    pub fn check(&self) {
        self.r26_numbers_are_per_topic_and_without_holes();
        self.r26_every_subscriber_sees_one_order();
        self.r28_the_barrier_is_exact();
        self.r28_the_barrier_counts_what_consumers_publish();
        self.r28_the_stuck_are_named();
        self.r29_accepted_is_enqueued_everywhere();
        self.r29_two_loggers_and_a_slow_subscriber();
        self.r29_a_reservation_that_is_dropped_goes_to_the_next();
        self.r30_what_was_accepted_is_delivered_after_close();
        self.r31_refusals();
        self.r34_a_subscription_that_is_dropped_holds_up_nobody();
        self.counters_add_up();
    }

    /// R26: sequence numbers are per topic, from 1, without holes; a late subscriber gets what comes after it.
    pub fn r26_numbers_are_per_topic_and_without_holes(&self) {
        self.run(|bus| {
            let (mut a, mut b) = (bus.publisher("a").unwrap(), bus.publisher("b").unwrap());
            let mut early = bus.subscribe("early", &["a", "b"], 8).unwrap();
            block_on(async {
                for n in 0..3 {
                    a.send(message(n)).await.unwrap();
                }
                b.send(message(3)).await.unwrap();
                let mut late = bus.subscribe("late", &["a"], 8).unwrap();
                a.send(message(4)).await.unwrap();
                let expected = [("a", 1, 0), ("a", 2, 1), ("a", 3, 2), ("b", 1, 3), ("a", 4, 4)];
                for expected in expected {
                    assert_eq!(place(&early.next().await.unwrap()), expected);
                }
                let delivery = late.next().await.unwrap();
                assert_eq!(place(&delivery), ("a", 4, 4));
                assert_eq!(delivery.instant, Timestamp::from_nanos(4), "the instant is the publisher's");
            });
        });
    }

    /// R26: whoever publishes, and whatever the queues, all subscribers see one order across their topics.
    pub fn r26_every_subscriber_sees_one_order(&self) {
        const EACH: i64 = 200;
        self.run(|bus| {
            let publishers = ["a", "b", "a", "b"];
            let sizes = [1, 3, 64];
            let readers = sizes.map(|size| {
                let mut all = bus.subscribe(&format!("queue of {size}"), &["a", "b"], size).unwrap();
                thread::spawn(move || {
                    block_on(async {
                        let mut seen = Vec::new();
                        while let Some(delivery) = all.next().await {
                            seen.push((delivery.topic.to_string(), delivery.seq, id(&delivery)));
                        }
                        seen
                    })
                })
            });
            let mut only_b = bus.subscribe("only b", &["b"], 2).unwrap();
            let only_b = thread::spawn(move || {
                block_on(async {
                    let mut seen = Vec::new();
                    while let Some(delivery) = only_b.next().await {
                        seen.push((delivery.topic.to_string(), delivery.seq, id(&delivery)));
                    }
                    seen
                })
            });
            let writers: Vec<_> = publishers
                .into_iter()
                .zip(0..)
                .map(|(topic, writer)| {
                    let mut publisher = bus.publisher(topic).unwrap();
                    thread::spawn(move || {
                        for n in 0..EACH {
                            block_on(publisher.send(message(writer * EACH + n))).unwrap();
                        }
                    })
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            bus.close();
            let [first, second, third] = readers.map(|reader| reader.join().unwrap());
            assert_eq!(first.len(), publishers.len() * EACH as usize);
            assert!(first == second && second == third, "subscribers saw different orders");
            for topic in ["a", "b"] {
                let numbers = first.iter().filter(|(t, ..)| t == topic).map(|(_, seq, _)| *seq);
                assert!(numbers.eq(1..=2 * EACH as u64), "numbers of `{topic}` have holes");
            }
            for writer in 0..publishers.len() as i64 {
                let own = first.iter().map(|(.., id)| *id).filter(|id| id / EACH == writer);
                assert!(own.eq(writer * EACH..(writer + 1) * EACH), "a publisher's messages changed places");
            }
            let b: Vec<_> = first.into_iter().filter(|(topic, ..)| topic == "b").collect();
            assert_eq!(only_b.join().unwrap(), b);
        });
    }

    /// R28: idle exactly when nothing is queued and nothing unacknowledged.
    pub fn r28_the_barrier_is_exact(&self) {
        self.run(|bus| {
            block_on(bus.idle());
            let mut a = bus.publisher("a").unwrap();
            block_on(a.send(message(0))).unwrap();
            block_on(bus.idle());
            let mut one = bus.subscribe("one", &["a"], 4).unwrap();
            let two = bus.subscribe("two", &["a"], 4).unwrap();
            block_on(a.send(message(1))).unwrap();
            assert!(is_busy(&bus), "two envelopes are queued");
            let delivery = block_on(one.next()).unwrap();
            assert!(is_busy(&bus), "one is queued, one unacknowledged");
            drop(two);
            assert!(is_busy(&bus), "one is unacknowledged");
            drop(one);
            assert!(is_busy(&bus), "one is unacknowledged, though its subscription is gone");
            let waiting = thread::spawn({
                let idle = bus.idle();
                move || block_on(idle)
            });
            drop(delivery);
            waiting.join().unwrap();
            block_on(bus.idle());
        });
    }

    /// R28: a consumer that publishes before it acknowledges leaves the bus no idle moment.
    pub fn r28_the_barrier_counts_what_consumers_publish(&self) {
        self.run(|bus| {
            let mut first = bus.publisher("a").unwrap();
            let mut ring = bus.subscribe("ring", &["a"], 2).unwrap();
            let mut next = bus.publisher("a").unwrap();
            block_on(first.send(message(0))).unwrap();
            let mut idle = bus.idle();
            block_on(async {
                for n in 1..50 {
                    let delivery = ring.next().await.unwrap();
                    assert_eq!(id(&delivery), n - 1);
                    next.send(message(n)).await.unwrap();
                    drop(delivery);
                    assert!((&mut idle).now_or_never().is_none(), "idle while {n} is queued");
                }
                drop(ring.next().await);
                idle.await;
            });
        });
    }

    /// R28: what holds up the barrier is named, with the oldest envelope that is not acknowledged.
    pub fn r28_the_stuck_are_named(&self) {
        self.run(|bus| {
            let (mut a, mut b) = (bus.publisher("a").unwrap(), bus.publisher("b").unwrap());
            let mut slow = bus.subscribe("slow", &["a", "b"], 4).unwrap();
            let mut quick = bus.subscribe("quick", &["a"], 4).unwrap();
            block_on(async {
                a.send(message(0)).await.unwrap();
                b.send(message(1)).await.unwrap();
                b.send(message(2)).await.unwrap();
                drop(quick.next().await);
                drop(slow.next().await);
                let held = slow.next().await.unwrap();
                let stuck = bus.stuck();
                assert_eq!(stuck.len(), 1);
                assert_eq!((&*stuck[0].subscription, &*stuck[0].topic, stuck[0].seq), ("slow", "b", 1));
                assert_eq!((stuck[0].queued, stuck[0].unacknowledged), (1, 1));
                drop(held);
                assert_eq!((bus.stuck()[0].seq, bus.stuck()[0].queued), (2, 1));
                drop(slow.next().await);
                assert!(bus.stuck().is_empty());
            });
        });
    }

    /// R29: there is room for a log when there is room in every log subscriber's queue.
    pub fn r29_accepted_is_enqueued_everywhere(&self) {
        self.run(|bus| {
            let mut one = bus.subscribe("one", &[topic::LOG], 1).unwrap();
            let mut two = bus.subscribe("two", &[topic::LOG], 1).unwrap();
            let mut sink = bus.log_sink("component").unwrap();
            block_on(sink.send(log(0))).unwrap();
            assert_eq!(bus.stats().published(topic::LOG), 1);
            assert!(bus.stats().subscriptions.iter().all(|s| s.queued == 1));
            assert!(!is_ready(&mut sink), "both queues are full");
            let event = block_on(one.next()).unwrap();
            let Event::Log(event) = &event.payload else { panic!("a log was sent") };
            assert_eq!(event.component, "component");
            assert!(!is_ready(&mut sink), "one queue is full");
            drop(block_on(two.next()));
            block_on(sink.send(log(1))).unwrap();
            assert_eq!(id(&block_on(one.next()).unwrap()), 1);
            assert_eq!(id(&block_on(two.next()).unwrap()), 1);
        });
    }

    /// R29: queues of one, two loggers and a slow subscriber: nothing is lost, out of order or deadlocked.
    pub fn r29_two_loggers_and_a_slow_subscriber(&self) {
        const EACH: i64 = 100;
        self.run(|bus| {
            let mut quick = bus.subscribe("quick", &[topic::LOG], 1).unwrap();
            let mut slow = bus.subscribe("slow", &[topic::LOG], 1).unwrap();
            let loggers: Vec<_> = ["x", "y"]
                .into_iter()
                .zip(0..)
                .map(|(name, logger)| {
                    let mut sink = bus.log_sink(name).unwrap();
                    thread::spawn(move || {
                        for n in 0..EACH {
                            block_on(sink.send(log(logger * EACH + n))).unwrap();
                        }
                    })
                })
                .collect();
            let quick = thread::spawn(move || {
                let mut seen = Vec::new();
                while let Some(delivery) = block_on(quick.next()) {
                    seen.push(id(&delivery));
                }
                seen
            });
            let slow = thread::spawn(move || {
                let mut seen = Vec::new();
                while let Some(delivery) = block_on(slow.next()) {
                    thread::yield_now();
                    seen.push(id(&delivery));
                }
                seen
            });
            loggers.into_iter().for_each(|logger| logger.join().unwrap());
            bus.close();
            let (quick, slow) = (quick.join().unwrap(), slow.join().unwrap());
            assert_eq!(quick, slow);
            for logger in 0..2 {
                let own = quick.iter().copied().filter(|id| id / EACH == logger);
                assert!(own.eq(logger * EACH..(logger + 1) * EACH));
            }
        });
    }

    /// R29: room that was reserved and not used is given back, and the next who waits gets it.
    pub fn r29_a_reservation_that_is_dropped_goes_to_the_next(&self) {
        self.run(|bus| {
            let mut log_of = bus.subscribe("log of", &[topic::LOG], 1).unwrap();
            let mut holder = bus.log_sink("holder").unwrap();
            let mut next = bus.log_sink("next").unwrap();
            block_on(futures::future::poll_fn(|cx| holder.poll_ready_unpin(cx))).unwrap();
            assert!(!is_ready(&mut next), "the only place is taken");
            assert!(!is_busy(&bus), "a reservation is no envelope");
            let waiting = thread::spawn(move || block_on(next.send(log(1))));
            drop(holder);
            waiting.join().unwrap().unwrap();
            assert_eq!(id(&block_on(log_of.next()).unwrap()), 1);
        });
    }

    /// R30: what was accepted before the close is delivered after it; then subscriptions end.
    pub fn r30_what_was_accepted_is_delivered_after_close(&self) {
        self.run(|bus| {
            let mut sub = bus.subscribe("sub", &["a", topic::LOG], 2).unwrap();
            let mut a = bus.publisher("a").unwrap();
            let mut sink = bus.log_sink("component").unwrap();
            block_on(a.send(message(0))).unwrap();
            block_on(sink.send(log(1))).unwrap();
            assert!(!is_ready(&mut sink), "the queue is full");
            bus.close();
            assert!(matches!(block_on(sink.send(log(2))), Err(LogError::Refused(BusError::Closed { .. }))));
            assert!(is_busy(&bus));
            assert_eq!(id(&block_on(sub.next()).unwrap()), 0);
            assert_eq!(id(&block_on(sub.next()).unwrap()), 1);
            assert!(block_on(sub.next()).is_none());
            assert!(block_on(sub.next()).is_none(), "the end is the end");
            block_on(bus.idle());
            assert_eq!(bus.stats().published(topic::LOG), 1);
        });
    }

    /// R31: unknown topics, names that are taken, and a bus that is closed.
    pub fn r31_refusals(&self) {
        self.run(|bus| {
            let unknown = bus.publisher("c").err().expect("there is no such topic");
            assert_eq!(unknown.to_string(), "unknown topic `c`, expected one of: a, b, log");
            let unknown = bus.subscribe("sub", &["a", "c"], 1).err().expect("there is no such topic");
            assert!(matches!(unknown, BusError::UnknownTopic { topic, .. } if topic == "c"));
            let sub = bus.subscribe("sub", &["a"], 1).unwrap();
            let taken = bus.subscribe("sub", &["b"], 1).err().expect("the name is taken");
            assert!(matches!(taken, BusError::DuplicateSubscription { name } if name == "sub"));
            drop(sub);
            let mut a = bus.publisher("a").unwrap();
            bus.close();
            bus.close();
            let closed = block_on(a.send(message(0))).unwrap_err();
            assert_eq!(closed.to_string(), "bus is closed, cannot publish to topic `a`");
            let closed = bus.subscribe("late", &["a"], 1).err().expect("the bus is closed");
            assert!(matches!(closed, BusError::Closed { .. }));
            assert_eq!(bus.stats().published("a"), 0);
        });
    }

    /// R34: a subscription that is dropped gives back its room; what lay in its queue counts as undelivered.
    pub fn r34_a_subscription_that_is_dropped_holds_up_nobody(&self) {
        self.run(|bus| {
            let mut a = bus.publisher("a").unwrap();
            let mut stays = bus.subscribe("stays", &["a"], 2).unwrap();
            let leaves = bus.subscribe("leaves", &["a"], 1).unwrap();
            block_on(a.send(message(0))).unwrap();
            let waiting = thread::spawn(move || block_on(a.send(message(1))));
            drop(block_on(stays.next()));
            drop(leaves);
            waiting.join().unwrap().unwrap();
            drop(block_on(stays.next()));
            block_on(bus.idle());
            let stats = bus.stats();
            assert_eq!((stats.subscriptions[1].delivered, stats.subscriptions[1].undelivered), (0, 1));
            assert_eq!((stats.subscriptions[0].delivered, stats.subscriptions[0].undelivered), (2, 0));
        });
    }

    /// Published is delivered, dropped, undelivered, queued or unacknowledged.
    pub fn counters_add_up(&self) {
        self.run(|bus| {
            let mut a = bus.publisher("a").unwrap();
            let mut sub = bus.subscribe("sub", &["a", "b"], 8).unwrap();
            block_on(async {
                for n in 0..5 {
                    a.send(message(n)).await.unwrap();
                }
                let (first, second) = (sub.next().await.unwrap(), sub.next().await.unwrap());
                drop(first);
                let expected = SubscriptionStats {
                    name: "sub".into(),
                    delivered: 1,
                    dropped: 0,
                    undelivered: 0,
                    queued: 3,
                    high_water: 5,
                    unacknowledged: 1,
                };
                assert_eq!(bus.stats().subscriptions, std::slice::from_ref(&expected));
                drop(sub);
                let gone = SubscriptionStats { undelivered: 3, queued: 0, ..expected };
                assert_eq!(bus.stats().subscriptions, std::slice::from_ref(&gone));
                let idle = bus.idle();
                join(async { drop(second) }, idle).await;
                let done = SubscriptionStats { delivered: 2, unacknowledged: 0, ..gone };
                assert_eq!(bus.stats().subscriptions, [done]);
                let published: Vec<_> =
                    bus.stats().topics.iter().map(|t| (t.topic.to_string(), t.published)).collect();
                assert_eq!(published, [("a".into(), 5), ("b".into(), 0), ("log".into(), 0)]);
            });
        });
    }

    /// Runs a check on a bus of its own, in a thread of its own so that a bus that hangs fails.
    fn run(&self, check: impl FnOnce(B) + Send + 'static) {
        let make = self.make.clone();
        let (done, wait) = mpsc::channel();
        let thread = thread::spawn(move || {
            check(make(&["a", "b", topic::LOG]));
            // The receiver is gone only if this took too long.
            let _ = done.send(());
        });
        if wait.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            panic!("the bus hangs: not done within {LIMIT:?}");
        }
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

fn log(id: i64) -> LogEvent {
    LogEvent::new(Level::Info, "", "TEST", "").with("id", id)
}

fn message(id: i64) -> Message<Event> {
    Message { instant: Timestamp::from_nanos(id), payload: Event::Log(log(id)) }
}

fn id(envelope: &Envelope<Event>) -> i64 {
    match &envelope.payload {
        Event::Log(LogEvent { fields, .. }) => match fields[..] {
            [("id", bt_core::Value::Int(id))] => id,
            _ => panic!("the payload was changed: {fields:?}"),
        },
        other => panic!("the payload was changed: {other:?}"),
    }
}

fn place(envelope: &Envelope<Event>) -> (&str, u64, i64) {
    (&envelope.topic, envelope.seq, id(envelope))
}

/// Whether the barrier, asked once, is not ready.
fn is_busy<B: EventBus>(bus: &B) -> bool {
    bus.idle().now_or_never().is_none()
}

/// Whether a sink, asked once, has room.
fn is_ready(sink: &mut (impl Sink<LogEvent, Error = LogError> + Unpin)) -> bool {
    let ready = pin!(futures::future::poll_fn(|cx| sink.poll_ready_unpin(cx)));
    ready.now_or_never().is_some()
}
