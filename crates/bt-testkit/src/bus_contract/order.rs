//! Numbers and the one order (R26).

use std::thread;

use bt_core::{Drain, Event, EventBus, Timestamp};
use futures::executor::block_on;
use futures::{SinkExt, StreamExt};

use super::BusContract;
use super::helpers::{id, message, place};

impl<B, F> BusContract<F>
where
    B: EventBus<Payload = Event>,
    F: Fn(&[&str]) -> B + Clone + Send + 'static,
{
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
            bus.close(Drain::Deliver);
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
}
