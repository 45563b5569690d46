//! Tasks that wait for the bus to be idle against acknowledgements (R28).

use std::sync::Arc;

use bt_bus::{Bus, Deliveries, Subscription};
use bt_core::Drain;
use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::{bus, counters, explore, fill, message, poll_once, receive};

/// Envelopes that were handled. It orders nothing: that is left to the bus.
#[derive(Clone)]
struct Handled(Arc<AtomicUsize>);

impl Handled {
    fn new() -> Self {
        Handled(Arc::new(AtomicUsize::new(0)))
    }

    fn add(&self, count: usize) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn wait_until_idle(bus: &Bus<u64>) {
    block_on(bus.idle());
    let stuck = bus.stuck();
    assert!(stuck.is_empty(), "{stuck:?}");
}

/// Handles the next delivery; returns whether there was one.
fn handle(sub: &mut Subscription<u64>, handled: &Handled) -> bool {
    let delivery = block_on(sub.recv());
    handled.add(usize::from(delivery.is_some()));
    delivery.is_some()
}

#[test]
fn deliveries_are_acknowledged_in_any_order() {
    explore(3, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 2).unwrap();
        fill(&bus, "a", [1, 2]);
        let handled = Handled::new();
        let holders = [(); 2].map(|()| {
            let (delivery, handled) = (sub.try_recv().unwrap(), handled.clone());
            thread::spawn(move || {
                handled.add(1);
                drop(delivery);
            })
        });
        wait_until_idle(&bus);
        assert_eq!(handled.count(), 2, "no sooner");
        let counters = counters(&bus, "s");
        assert_eq!((counters.delivered, counters.unacknowledged), (2, 0));
        for holder in holders {
            holder.join().unwrap();
        }
    });
}

#[test]
fn a_step_ends_when_all_of_it_is_handled() {
    explore(3, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 2).unwrap();
        let handled = Handled::new();
        let handling = handled.clone();
        let consumer = thread::spawn(move || while handle(&mut sub, &handling) {});
        for step in 1..=2 {
            fill(&bus, "a", [step]);
            wait_until_idle(&bus);
            assert_eq!(handled.count(), step as usize);
        }
        bus.close(Drain::Deliver);
        consumer.join().unwrap();
    });
}

#[test]
fn what_is_taken_in_bulk_is_acknowledged_in_passing() {
    explore(3, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 3).unwrap();
        let handled = Handled::new();
        let handling = handled.clone();
        let consumer = thread::spawn(move || {
            let mut batch = Deliveries::new();
            while block_on(sub.recv_many(&mut batch, 2)) > 0 {
                handling.add(batch.len());
            }
        });
        fill(&bus, "a", [1, 2, 3]);
        wait_until_idle(&bus);
        assert_eq!(handled.count(), 3);
        bus.close(Drain::Deliver);
        consumer.join().unwrap();
    });
}

#[test]
fn what_follows_from_an_envelope_belongs_to_its_step() {
    explore(2, || {
        let bus = bus();
        let mut causes = bus.subscribe("causes", &["a"], 1).unwrap();
        let mut effects = bus.subscribe("effects", &["b"], 1).unwrap();
        let mut publisher = bus.publisher("b").unwrap();
        let handled = Handled::new();
        let handling = handled.clone();
        fill(&bus, "a", [1]);
        let consumers = [
            thread::spawn(move || {
                let cause = block_on(causes.recv()).unwrap();
                block_on(publisher.publish(message(cause.payload + 1))).unwrap();
                drop(cause);
            }),
            thread::spawn(move || {
                assert!(handle(&mut effects, &handling));
            }),
        ];
        wait_until_idle(&bus);
        assert_eq!(handled.count(), 1);
        for consumer in consumers {
            consumer.join().unwrap();
        }
    });
}

#[test]
fn all_who_wait_are_woken() {
    explore(3, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
        fill(&bus, "a", [1]);
        let waiters = [(); 2].map(|()| {
            let idle = bus.idle();
            thread::spawn(move || block_on(idle))
        });
        assert_eq!(receive(&mut sub), Some(1));
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn one_who_gives_up_waiting_keeps_nobody_from_being_woken() {
    explore(3, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
        fill(&bus, "a", [1]);
        let mut gives_up = bus.idle();
        assert!(poll_once(&mut gives_up).is_pending());
        let consumer = thread::spawn(move || receive(&mut sub));
        let quitter = thread::spawn(move || drop(gives_up));
        wait_until_idle(&bus);
        assert_eq!(consumer.join().unwrap(), Some(1));
        quitter.join().unwrap();
    });
}

#[test]
fn who_gave_up_waiting_costs_no_acknowledgement() {
    explore(5, || {
        let bus = bus();
        let [mut one, mut two] = ["a", "b"].map(|topic| bus.subscribe(topic, &[topic], 2).unwrap());
        fill(&bus, "a", [1]);
        fill(&bus, "b", [1, 2]);
        let (held, first, second) = (one.try_recv(), two.try_recv(), two.try_recv());
        let mut idle = bus.idle();
        assert!(poll_once(&mut idle).is_pending());
        drop(idle);
        // With this the bus finds that nobody waits any more.
        let holder = thread::spawn(move || drop(held));
        drop(first);
        drop(second);
        holder.join().unwrap();
        assert!(poll_once(&mut bus.idle()).is_ready(), "{:?}", bus.stuck());
        // And who comes later waits like the first.
        fill(&bus, "a", [2]);
        let held = one.try_recv();
        let holder = thread::spawn(move || drop(held));
        wait_until_idle(&bus);
        holder.join().unwrap();
    });
}

/// A delivery is out and others are queued while a task waits and the queue goes as `ends` says.
fn a_delivery_outlives(ends: fn(&Bus<u64>, Subscription<u64>) -> Option<Subscription<u64>>) {
    explore(3, move || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 3).unwrap();
        fill(&bus, "a", [1, 2, 3]);
        let handled = Handled::new();
        let (delivery, handling) = (sub.try_recv().unwrap(), handled.clone());
        let holder = thread::spawn(move || {
            handling.add(1);
            drop(delivery);
        });
        let idle = bus.idle();
        let waiter = thread::spawn(move || {
            block_on(idle);
            assert_eq!(handled.count(), 1);
        });
        let _left = ends(&bus, sub);
        waiter.join().unwrap();
        holder.join().unwrap();
        let counters = counters(&bus, "s");
        assert_eq!((counters.delivered, counters.undelivered, counters.unacknowledged), (1, 2, 0));
    });
}

#[test]
fn a_delivery_holds_up_the_barrier_beyond_a_discard() {
    a_delivery_outlives(|bus, sub| {
        bus.close(Drain::Discard);
        Some(sub)
    });
}

#[test]
fn a_delivery_holds_up_the_barrier_beyond_its_subscription() {
    a_delivery_outlives(|_, sub| {
        assert_eq!(sub.unsubscribe(), 2);
        None
    });
}
