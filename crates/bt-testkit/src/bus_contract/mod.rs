//! What every [`EventBus`] keeps to, rule by rule.

#![expect(clippy::unwrap_used, reason = "a check panics where the bus is not as it should be")]

mod acceptance;
mod barrier;
mod helpers;
mod order;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bt_core::{BusError, Drain, Event, EventBus, SubscriptionStats, Timestamp, topic};
use futures::executor::block_on;
use futures::future::join;
use futures::{SinkExt, StreamExt};

use self::helpers::message;

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
            bus.close(Drain::Deliver);
            bus.close(Drain::Deliver);
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
                    delivered: 1,
                    queued: 3,
                    high_water: 5,
                    unacknowledged: 1,
                    watermark: Some(Timestamp::from_nanos(1)),
                    lag: Some(Duration::from_nanos(3)),
                    ..SubscriptionStats::new("sub")
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
