//! The barrier (R28).

use std::thread;

use bt_core::{Event, EventBus};
use futures::executor::block_on;
use futures::{FutureExt, SinkExt, StreamExt};

use super::BusContract;
use super::helpers::{id, is_busy, message};

impl<B, F> BusContract<F>
where
    B: EventBus<Payload = Event>,
    F: Fn(&[&str]) -> B + Clone + Send + 'static,
{
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
}
