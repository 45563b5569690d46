//! The bus on threads, in the orders in which they may take turns: all with so many preemptions or fewer.
//!
//! A wake-up that is lost leaves threads that wait for ever, which is reported as a deadlock. What a test sees of
//! another thread's work it sees through an atomic that orders nothing by itself, so it holds what is handled
//! before the barrier against what is visible behind it.
#![cfg(bt_loom)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod barrier;
mod ends;
mod room;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bt_bus::{Bus, Subscription};
use bt_core::{Message, SubscriptionStats, Timestamp};
use loom::future::block_on;

/// Runs `model` in every interleaving of its threads in which at most `preemptions` times one has to stop that
/// could go on. `LOOM_MAX_PREEMPTIONS` sets another number.
fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} interleavings", runs.load(Ordering::Relaxed));
}

/// A bus with topics `a` and `b`.
fn bus() -> Bus<u64> {
    Bus::new(["a", "b"]).unwrap()
}

/// A message whose instant is as many nanoseconds as it has payload.
fn message(payload: u64) -> Message<u64> {
    Message { instant: Timestamp::from_nanos(payload as i64), payload }
}

/// Publishes what there must be room for.
fn fill(bus: &Bus<u64>, topic: &str, payloads: impl IntoIterator<Item = u64>) {
    let mut publisher = bus.publisher(topic).unwrap();
    for payload in payloads {
        publisher.try_publish(message(payload)).unwrap();
    }
}

/// Waits for the next delivery and acknowledges it.
fn receive(subscription: &mut Subscription<u64>) -> Option<u64> {
    block_on(subscription.recv()).map(|delivery| delivery.payload)
}

/// Everything up to the end, each acknowledged before the next is waited for.
fn receive_all(subscription: &mut Subscription<u64>) -> Vec<u64> {
    std::iter::from_fn(|| receive(subscription)).collect()
}

/// Polls a future once, for nobody.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The counters of the subscription called `name`.
fn counters(bus: &Bus<u64>, name: &str) -> SubscriptionStats {
    bus.stats().subscriptions.into_iter().find(|counters| &*counters.name == name).unwrap()
}
