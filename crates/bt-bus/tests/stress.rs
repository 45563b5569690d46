//! Many at once on real threads.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bt_bus::{Bus, Deliveries, Subscription};
use bt_core::{Drain, Message, Timestamp, TopicName};

const TOPICS: [&str; 3] = ["a", "b", "c"];
const PUBLISHERS: usize = 8;
const SUBSCRIBERS: usize = 64;
const EACH: u64 = 200;

/// What a subscriber has seen: topic, number, publisher and its count.
type Seen = Vec<(TopicName, u64, (usize, u64))>;

/// Takes everything, one of the ways that there are.
async fn consume(mut sub: Subscription<(usize, u64)>, n: usize) -> Seen {
    let mut seen = Vec::new();
    match n % 3 {
        0 => {
            let mut batch = Deliveries::new();
            while sub.recv_many(&mut batch, n + 1).await > 0 {
                seen.extend(batch.iter().map(|d| (d.topic, d.seq, d.payload)));
            }
        }
        1 => {
            while let Some(d) = sub.recv().await {
                seen.push((d.topic, d.seq, d.payload));
            }
        }
        _ => {
            // Some are kept for a while, and acknowledged by another task, out of order.
            let mut kept = VecDeque::new();
            loop {
                let next = match sub.try_recv() {
                    Some(next) => next,
                    None => {
                        let all = std::mem::take(&mut kept);
                        tokio::spawn(async move { drop(all) });
                        let Some(next) = sub.recv().await else { break };
                        next
                    }
                };
                seen.push((next.topic, next.seq, next.payload));
                kept.push_front(next);
                kept.truncate(n % 5);
            }
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r26_r27_one_order_no_hole_no_loss() {
    let bus = Bus::<(usize, u64)>::new(TOPICS).unwrap();
    // Every subset of the topics that is not empty, with queues of 1 to 1024.
    let subscribers: Vec<_> = (0..SUBSCRIBERS)
        .map(|n| {
            let topics: Vec<_> = (0..3).filter(|t| (n % 7 + 1) >> t & 1 == 1).map(|t| TOPICS[t]).collect();
            let sub = bus.subscribe(&format!("s{n}"), &topics, 1 << (n % 11)).unwrap();
            (topics, tokio::spawn(consume(sub, n)))
        })
        .collect();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|p| {
            let mut publisher = bus.publisher(TOPICS[p % 3]).unwrap();
            tokio::spawn(async move {
                let message = |n| Message { instant: Timestamp::EPOCH, payload: (p, n) };
                let mut n = 0;
                while n < EACH {
                    if p % 2 == 0 {
                        publisher.publish(message(n)).await.unwrap();
                        n += 1;
                    } else {
                        let mut batch: Vec<_> = (n..n + 5).map(message).collect();
                        publisher.publish_batch(&mut batch).await.unwrap();
                        n += 5;
                    }
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
        bus.barrier(Duration::from_secs(30)).await.unwrap();
    }
    bus.barrier(Duration::from_secs(30)).await.unwrap();
    bus.close(Drain::Deliver);

    let mut order: HashMap<(&str, &str), Vec<_>> = HashMap::new();
    for (topics, task) in subscribers {
        let seen = task.await.unwrap();
        for topic in &topics {
            let publishers = (0..PUBLISHERS).filter(|p| TOPICS[p % 3] == *topic);
            let expected = publishers.clone().count() as u64 * EACH;
            let numbers = seen.iter().filter(|(t, ..)| &**t == *topic).map(|(_, seq, _)| *seq);
            assert!(numbers.eq(1..=expected), "topic {topic} has holes");
            for p in publishers {
                let own = seen.iter().filter(|(.., (by, _))| *by == p).map(|(.., (_, n))| *n);
                assert!(own.eq(0..EACH), "publisher {p} out of order");
            }
        }
        // Of each pair of topics, every subscriber of both saw the same order.
        for x in &topics {
            for y in &topics {
                let both: Vec<_> = seen.iter().filter(|(t, ..)| &**t == *x || &**t == *y).cloned().collect();
                let first = order.entry((x, y)).or_insert_with(|| both.clone());
                assert!(*first == both, "two orders of {x} and {y}");
            }
        }
    }
    let stats = bus.stats();
    let published: u64 = stats.topics.iter().map(|t| t.published).sum();
    assert_eq!(published, PUBLISHERS as u64 * EACH);
    for (s, n) in stats.subscriptions.iter().zip(0..) {
        let topics = (0..3).filter(|t| (n % 7 + 1) >> t & 1 == 1);
        assert_eq!(s.delivered, topics.map(|t| stats.topics[t].published).sum::<u64>());
        assert_eq!((s.queued, s.unacknowledged, s.dropped(), s.undelivered), (0, 0, 0, 0));
    }
    assert!(stats.subscriptions.iter().zip(0..).all(|(s, n)| s.high_water <= 1 << (n % 11)));
}
