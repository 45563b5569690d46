//! Closing and dropping against publishing and receiving: nothing is lost but what is counted.

use bt_bus::{Deliveries, Policy, SubscriptionConfig};
use bt_core::{BusError, Drain};
use loom::future::block_on;
use loom::thread;

use crate::{bus, counters, explore, fill, message, receive_all};

#[test]
fn r30_what_was_accepted_before_closing_is_delivered() {
    explore(3, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
        let mut publisher = bus.publisher("a").unwrap();
        let consumer = thread::spawn(move || receive_all(&mut sub));
        let producer = thread::spawn(move || {
            let mut publish = |payload: u64| match block_on(publisher.publish(message(payload))) {
                Ok(seq) => seq == payload,
                Err(BusError::Closed { .. }) => false,
                Err(other) => panic!("{other}"),
            };
            (1..=2).take_while(|&payload| publish(payload)).collect::<Vec<_>>()
        });
        bus.close(Drain::Deliver);
        block_on(bus.idle());
        let (accepted, received) = (producer.join().unwrap(), consumer.join().unwrap());
        assert_eq!(accepted, received);
        assert_eq!(counters(&bus, "s").delivered, received.len() as u64);
    });
}

#[test]
fn r30_what_is_discarded_is_delivered_or_counted() {
    explore(4, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 3).unwrap();
        fill(&bus, "a", 1..=3);
        let consumer = thread::spawn(move || receive_all(&mut sub));
        bus.close(Drain::Discard);
        block_on(bus.idle());
        let counters = counters(&bus, "s");
        assert_eq!(counters.delivered + counters.undelivered, 3);
        assert_eq!((counters.unacknowledged, counters.queued), (0, 0));
        assert!(consumer.join().unwrap().into_iter().eq(1..=counters.delivered));
    });
}

#[test]
fn r30_what_is_discarded_in_bulk_is_delivered_or_counted() {
    explore(4, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 5).unwrap();
        fill(&bus, "a", 1..=5);
        let consumer = thread::spawn(move || {
            let (mut seen, mut batch) = (Vec::new(), Deliveries::new());
            while block_on(sub.recv_many(&mut batch, 2)) > 0 {
                seen.extend(batch.iter().map(|envelope| envelope.payload));
            }
            seen
        });
        bus.close(Drain::Discard);
        block_on(bus.idle());
        let counters = counters(&bus, "s");
        assert_eq!(counters.delivered + counters.undelivered, 5);
        assert!(consumer.join().unwrap().into_iter().eq(1..=counters.delivered));
    });
}

#[test]
fn r27_the_newest_is_received_where_the_oldest_is_dropped() {
    explore(4, || {
        let bus = bus();
        let config = SubscriptionConfig::new("s", ["a"]).with_capacity(1).with_policy(Policy::DropOldest);
        let mut sub = bus.subscribe_with(config).unwrap();
        let consumer = thread::spawn(move || receive_all(&mut sub));
        fill(&bus, "a", 1..=3);
        bus.close(Drain::Deliver);
        let seen = consumer.join().unwrap();
        assert!(seen.is_sorted(), "{seen:?}");
        assert_eq!(seen.last(), Some(&3));
        let counters = counters(&bus, "s");
        assert_eq!(seen.len() as u64 + counters.dropped_oldest, 3);
    });
}

#[test]
fn counters_add_up_at_any_moment() {
    explore(5, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 3).unwrap();
        fill(&bus, "a", 1..=3);
        let consumer = thread::spawn(move || {
            let first = sub.try_recv();
            drop(sub.try_recv());
            drop(first);
        });
        let now = counters(&bus, "s");
        let handed = now.delivered + now.unacknowledged as u64;
        assert_eq!(handed + now.queued as u64 + now.undelivered, 3);
        consumer.join().unwrap();
        let end = counters(&bus, "s");
        assert_eq!((end.delivered, end.undelivered, end.unacknowledged), (2, 1, 0));
    });
}
