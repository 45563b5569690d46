//! Payloads whose dropping panics: nobody else is to suffer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bt_bus::Bus;
use bt_core::{Drain, Message, Timestamp};
use futures::FutureExt;
use tokio_test::task;

struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "boom");
    }
}

fn fill(bus: &Bus<Bomb>, bombs: &[bool]) {
    for &bomb in bombs {
        let message = Message { instant: Timestamp::EPOCH, payload: Bomb(bomb) };
        bus.publish("a", message).now_or_never().expect("there is room").expect("it is open");
    }
}

#[test]
fn whoever_waits_for_room_is_woken() {
    let bus = Bus::new(["a"]).unwrap();
    let mut sub = bus.subscribe("s", &["a"], 2).unwrap();
    fill(&bus, &[false, true]);
    let held = sub.try_recv();
    fill(&bus, &[false]);
    let mut publisher = bus.publisher("a").unwrap();
    let message = Message { instant: Timestamp::EPOCH, payload: Bomb(false) };
    let mut waiting = task::spawn(publisher.publish(message));
    assert!(waiting.poll().is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(sub))).is_err(), "it is not hushed up");
    assert!(waiting.is_woken());
    drop(held);
}

#[test]
fn a_queue_that_was_discarded_stays_empty() {
    let bus = Bus::new(["a"]).unwrap();
    let mut sub = bus.subscribe("s", &["a"], 3).unwrap();
    fill(&bus, &[false, true, false]);
    drop(sub.try_recv());
    bus.close(Drain::Discard);
    assert!(catch_unwind(AssertUnwindSafe(|| sub.try_recv().is_none())).is_err());
    assert!(sub.try_recv().is_none());
    bus.idle().now_or_never().expect("nothing is left");
}
