//! What can be sent, shared and moved.

use std::rc::Rc;

use bt_bus::{
    Bus, BusBuilder, ComponentLog, Deliveries, Delivery, Drops, Envelopes, Idle, Journal, JournalConfig,
    JournalEntry, JournalError, JournalReader, JournalSink, Policy, Publish, Publisher, ReadError,
    Subscription, SubscriptionConfig, TryPublishError,
};
use bt_core::{BoxLogSink, Event, EventBus, LogSink};

fn send_sync_unpin<T: Send + Sync + Unpin + 'static>() {}
fn send_unpin<T: Send + Unpin>() {}
fn unpin<T: Unpin>() {}
fn send<T: Send>(_: T) {}

#[test]
fn handles_may_be_sent_shared_and_moved() {
    send_sync_unpin::<Bus<Event>>();
    send_sync_unpin::<BusBuilder<Event>>();
    send_sync_unpin::<Publisher<Event>>();
    send_unpin::<Publish<'_, Event>>();
    send_sync_unpin::<Subscription<Event>>();
    send_sync_unpin::<Delivery<Event>>();
    send_sync_unpin::<Deliveries<Event>>();
    send_sync_unpin::<Envelopes<'static, Event>>();
    send_sync_unpin::<Idle<Event>>();
    send_sync_unpin::<ComponentLog<Event>>();
    send_sync_unpin::<TryPublishError<Event>>();
    send_sync_unpin::<(Policy, SubscriptionConfig, Drops)>();
    send_sync_unpin::<(Journal, JournalConfig, JournalSink)>();
    send_sync_unpin::<(JournalEntry, JournalError, ReadError, JournalReader<&'static [u8]>)>();
}

#[test]
fn payloads_need_not_be_unpin() {
    unpin::<Publisher<std::marker::PhantomPinned>>();
    unpin::<Subscription<std::marker::PhantomPinned>>();
    unpin::<Delivery<std::marker::PhantomPinned>>();
    unpin::<Deliveries<std::marker::PhantomPinned>>();
    // Nor Send, on one thread.
    unpin::<Bus<Rc<()>>>();
}

#[test]
fn it_is_the_bus_of_the_trait() {
    fn bus<B: EventBus<Payload = Event>>() {}
    fn sink<S: LogSink + 'static>() {}
    bus::<Bus<Event>>();
    sink::<ComponentLog<Event>>();
    sink::<JournalSink>();
    sink::<BoxLogSink>();
}

#[test]
fn futures_may_be_sent() {
    let bus = Bus::<Event>::new(["a"]).unwrap();
    let mut publisher = bus.publisher("a").unwrap();
    let mut subscription = bus.subscribe("s", &["a"], 1).unwrap();
    let mut into = Deliveries::new();
    send(bus.barrier(std::time::Duration::ZERO));
    send(publisher.publish_batch(&mut Vec::new()));
    send(subscription.recv_many(&mut into, 1));
    send(subscription.recv());
    let journal = Journal::create("/dev/null").unwrap();
    send(journal.run(bus.subscribe("j", &["a"], 1).unwrap()));
}
