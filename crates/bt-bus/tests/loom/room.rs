//! Publishers that wait for room against subscriptions that make it.

use bt_bus::{Deliveries, Publisher};
use futures::SinkExt;
use loom::future::block_on;
use loom::thread;

use crate::{bus, counters, explore, fill, message, poll_once, receive};

fn publish(publisher: &mut Publisher<u64>, payload: u64) {
    block_on(publisher.publish(message(payload))).unwrap();
}

#[test]
fn whoever_waits_for_room_is_told_of_it() {
    explore(3, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
        let mut publisher = bus.publisher("a").unwrap();
        let consumer = thread::spawn(move || [(); 3].map(|()| receive(&mut sub)));
        for payload in 1..=3 {
            publish(&mut publisher, payload);
        }
        assert_eq!(consumer.join().unwrap(), [Some(1), Some(2), Some(3)]);
        assert_eq!(counters(&bus, "s").high_water, 1);
    });
}

#[test]
fn a_batch_goes_on_where_room_is_made_in_bulk() {
    explore(3, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 2).unwrap();
        let mut publisher = bus.publisher("a").unwrap();
        let consumer = thread::spawn(move || {
            let (mut seen, mut batch) = (Vec::new(), Deliveries::new());
            while seen.len() < 4 {
                block_on(sub.recv_many(&mut batch, 3));
                seen.extend(batch.iter().map(|envelope| envelope.payload));
            }
            seen
        });
        block_on(publisher.publish_batch(&mut (1..=4).map(message).collect())).unwrap();
        assert_eq!(consumer.join().unwrap(), [1, 2, 3, 4]);
        assert!(counters(&bus, "s").high_water <= 2);
    });
}

#[test]
fn r29_room_in_two_queues_is_found_whichever_makes_it_last() {
    explore(2, || {
        let bus = bus();
        let mut publisher = bus.publisher("a").unwrap();
        let subs = ["one", "two"].map(|name| bus.subscribe(name, &["a"], 1).unwrap());
        fill(&bus, "a", [1]);
        let consumers = subs.map(|mut sub| thread::spawn(move || [(); 2].map(|()| receive(&mut sub))));
        publish(&mut publisher, 2);
        for consumer in consumers {
            assert_eq!(consumer.join().unwrap(), [Some(1), Some(2)]);
        }
    });
}

#[test]
fn r26_publishers_that_need_the_same_queues_do_not_hold_each_other_up() {
    explore(2, || {
        let bus = bus();
        let mut subs = ["one", "two"].map(|name| bus.subscribe(name, &["a", "b"], 1).unwrap());
        let publishers = [("a", 1), ("b", 2)].map(|(topic, payload)| {
            let mut publisher = bus.publisher(topic).unwrap();
            thread::spawn(move || publish(&mut publisher, payload))
        });
        let seen = [(); 2].map(|()| subs.each_mut().map(|sub| receive(sub).unwrap()));
        for [one, two] in seen {
            assert_eq!(one, two, "one order for all");
        }
        assert_ne!(seen[0], seen[1]);
        for publisher in publishers {
            publisher.join().unwrap();
        }
        for name in ["one", "two"] {
            assert_eq!(counters(&bus, name).high_water, 1, "room in every queue or in none");
        }
    });
}

#[test]
fn r29_who_stands_in_line_is_not_overtaken() {
    explore(2, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
        let [mut first, mut second] = [(); 2].map(|()| bus.publisher("a").unwrap());
        fill(&bus, "a", [1]);
        assert!(poll_once(&mut first.feed(message(2))).is_pending());
        let late = thread::spawn(move || publish(&mut second, 3));
        let consumer = thread::spawn(move || [(); 3].map(|()| receive(&mut sub)));
        block_on(first.feed(message(2))).unwrap();
        late.join().unwrap();
        assert_eq!(consumer.join().unwrap(), [Some(1), Some(2), Some(3)]);
    });
}

#[test]
fn a_place_that_is_given_up_goes_to_the_next_in_line() {
    explore(3, || {
        let bus = bus();
        let mut sub = bus.subscribe("s", &["a"], 1).unwrap();
        let [mut first, mut second] = [(); 2].map(|()| bus.publisher("a").unwrap());
        fill(&bus, "a", [1]);
        assert!(poll_once(&mut first.feed(message(2))).is_pending());
        let next = thread::spawn(move || publish(&mut second, 3));
        let consumer = thread::spawn(move || [(); 2].map(|()| receive(&mut sub)));
        drop(first);
        next.join().unwrap();
        assert_eq!(consumer.join().unwrap(), [Some(1), Some(3)]);
    });
}

#[test]
fn who_leaves_holds_up_nobody() {
    explore(3, || {
        let bus = bus();
        let mut stays = bus.subscribe("stays", &["a"], 4).unwrap();
        let mut leaves = bus.subscribe("leaves", &["a"], 1).unwrap();
        let mut publisher = bus.publisher("a").unwrap();
        let leaver = thread::spawn(move || {
            let taken = leaves.try_recv().is_some();
            (taken, leaves.unsubscribe())
        });
        for payload in 1..=3 {
            publish(&mut publisher, payload);
        }
        let (taken, undelivered) = leaver.join().unwrap();
        let counters = counters(&bus, "leaves");
        assert_eq!((counters.delivered, counters.undelivered), (taken.into(), undelivered as u64));
        assert!(undelivered <= 1);
        assert_eq!([(); 3].map(|()| receive(&mut stays)), [Some(1), Some(2), Some(3)]);
    });
}
