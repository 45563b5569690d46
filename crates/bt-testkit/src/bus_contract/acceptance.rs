//! What it means that a log was accepted (R29, R30).

use std::thread;

use bt_core::{BusError, Drain, Event, EventBus, LogError, topic};
use futures::executor::block_on;
use futures::{SinkExt, StreamExt};

use super::BusContract;
use super::helpers::{id, is_busy, is_ready, log, message};

impl<B, F> BusContract<F>
where
    B: EventBus<Payload = Event>,
    F: Fn(&[&str]) -> B + Clone + Send + 'static,
{
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
            bus.close(Drain::Deliver);
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
            bus.close(Drain::Deliver);
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
}
