//! The bus against a naive model of it, step by step.

mod model;

use std::pin::Pin;

use bt_bus::{Bus, Deliveries, Delivery, Idle, Policy, Publisher, Subscription, SubscriptionConfig};
use bt_core::{BusError, Drain, Envelope, LogEvent, Message, Timestamp, Value};
use futures::{FutureExt, SinkExt, Stream};
use proptest::prelude::*;
use std::task::Poll;
use tokio_test::task::{self, Spawn};

use model::{Claim, Model, TOPICS};

/// One step. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Subscribe { topics: u8, capacity: usize, policy: Policy },
    Unsubscribe(usize),
    AddPublisher { topic: usize },
    DropPublisher(usize),
    PollReady(usize),
    Send(usize, i64),
    SendBatch(usize, Vec<i64>),
    Receive(usize),
    ReceiveMany(usize, usize),
    Acknowledge(usize),
    Close(Drain),
}

fn any_step() -> impl Strategy<Value = Step> {
    let policy =
        prop_oneof![6 => Just(Policy::Block), 1 => Just(Policy::DropNewest), 1 => Just(Policy::DropOldest)];
    let instant = 0_i64..9;
    prop_oneof![
        2 => (1_u8..8, 1_usize..4, policy)
            .prop_map(|(topics, capacity, policy)| Step::Subscribe { topics, capacity, policy }),
        1 => any::<usize>().prop_map(Step::Unsubscribe),
        3 => (0..TOPICS.len()).prop_map(|topic| Step::AddPublisher { topic }),
        1 => any::<usize>().prop_map(Step::DropPublisher),
        16 => any::<usize>().prop_map(Step::PollReady),
        16 => (any::<usize>(), instant.clone()).prop_map(|(p, at)| Step::Send(p, at)),
        6 => (any::<usize>(), prop::collection::vec(instant, 0..5)).prop_map(|(p, at)| Step::SendBatch(p, at)),
        8 => any::<usize>().prop_map(Step::Receive),
        8 => (any::<usize>(), 0_usize..4).prop_map(|(n, limit)| Step::ReceiveMany(n, limit)),
        10 => any::<usize>().prop_map(Step::Acknowledge),
    ]
}

/// Topic and number: what the envelope must say too; or what the bus itself says.
#[derive(Clone, Debug, PartialEq)]
enum Payload {
    Sent(usize, u64),
    Said(LogEvent),
}

impl From<LogEvent> for Payload {
    fn from(event: LogEvent) -> Self {
        Payload::Said(event)
    }
}

/// A handle with a task of its own, until it is dropped.
type Polled<T> = (Spawn<()>, Option<T>);

/// The bus and all handles on it.
struct Real {
    bus: Bus<Payload>,
    publishers: Vec<Polled<Publisher<Payload>>>,
    subscribers: Vec<Polled<Subscription<Payload>>>,
    buffers: Vec<Deliveries<Payload>>,
    held: Vec<(usize, Delivery<Payload>)>,
    idle: Spawn<Idle<Payload>>,
}

/// Index of the topic and number of an envelope, which agree with its payload.
fn read(envelope: &Envelope<Payload>, model: &Model) -> (usize, u64) {
    let topic = TOPICS.iter().position(|name| envelope.topic == *name).expect("a known topic");
    match &envelope.payload {
        Payload::Sent(t, seq) => assert_eq!((*t, *seq), (topic, envelope.seq)),
        Payload::Said(event) => {
            let announced = model.announced.iter().find(|(seq, _)| *seq == envelope.seq);
            let (_, (subscriber, lost, first, last, dropped)) = *announced.expect("something was lost");
            let value = |name| event.fields.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
            assert_eq!(value("subscription"), Some(format!("s{subscriber}").into()));
            assert_eq!(value("topic"), Some(TOPICS[lost].into()));
            let numbers = ["first_seq", "last_seq", "dropped"].map(value);
            assert_eq!(numbers, [first, last, dropped].map(|n| Some(Value::Count(n))));
            assert_eq!((topic, event.event), (model::LOG, "BUS_DROPPED"));
        }
    }
    (topic, envelope.seq)
}

/// Takes a step with both and compares what they answer.
fn step(step: &Step, model: &mut Model, real: &mut Real) {
    let (publishers, subscribers) = (model.publishers.len().max(1), model.subscribers.len().max(1));
    match *step {
        Step::Subscribe { topics, capacity, policy } => {
            let topics: Vec<usize> = (0..TOPICS.len()).filter(|t| topics >> t & 1 == 1).collect();
            let name = format!("s{}", real.subscribers.len());
            let config = SubscriptionConfig::new(name, topics.iter().map(|t| TOPICS[*t]));
            let config = config.with_capacity(capacity).with_policy(policy).with_lossy_log();
            let made = real.bus.subscribe_with(config);
            assert_eq!(made.is_err(), model.closed);
            if let Ok(made) = made {
                real.subscribers.push((task::spawn(()), Some(made)));
                real.buffers.push(Deliveries::new());
                model.subscribers.push(model::Subscriber { topics, capacity, policy, ..Default::default() });
            }
        }
        Step::Unsubscribe(n) => {
            if let Some((_, subscription)) = real.subscribers.get_mut(n % subscribers) {
                let s = &mut model.subscribers[n % subscribers];
                if let Some(subscription) = subscription.take() {
                    assert_eq!(subscription.unsubscribe(), s.queue.len());
                }
                s.undelivered += s.queue.len() as u64;
                s.queue.clear();
                (s.gone, s.parked) = (true, false);
            }
        }
        Step::AddPublisher { topic } => {
            let publisher = real.bus.publisher(TOPICS[topic]).expect("a topic");
            real.publishers.push((task::spawn(()), Some(publisher)));
            model.publishers.push(model::Publisher { topic, claim: Claim::Nothing });
        }
        Step::DropPublisher(p) => {
            if let Some((_, publisher)) = real.publishers.get_mut(p % publishers) {
                *publisher = None;
                model.give_up(p % publishers, Claim::Gone);
            }
        }
        Step::PollReady(p) => {
            if let Some((task, Some(publisher))) = real.publishers.get_mut(p % publishers) {
                let polled = task.enter(|cx, _| publisher.poll_ready_unpin(cx)).map(|r| r.is_ok());
                assert_eq!(polled, model.poll_ready(p % publishers), "publisher {p}");
            }
        }
        Step::Send(p, at) => {
            if let Some((_, Some(publisher))) = real.publishers.get_mut(p % publishers) {
                let topic = model.publishers[p % publishers].topic;
                let payload = Payload::Sent(topic, model.published[topic] + 1);
                let instant = Timestamp::from_nanos(at);
                let sent = publisher.start_send_unpin(Message { instant, payload });
                assert_eq!(matches!(sent, Err(BusError::Closed { .. })), model.closed);
                assert_eq!(sent.is_ok(), model.send(p % publishers, instant), "publisher {p}");
            }
        }
        Step::SendBatch(p, ref at) => {
            if let Some((task, Some(publisher))) = real.publishers.get_mut(p % publishers) {
                let topic = model.publishers[p % publishers].topic;
                let instants: Vec<_> = at.iter().map(|at| Timestamp::from_nanos(*at)).collect();
                let messages = instants.iter().zip(model.published[topic] + 1..);
                let mut messages: Vec<_> = messages
                    .map(|(&instant, seq)| Message { instant, payload: Payload::Sent(topic, seq) })
                    .collect();
                {
                    let mut batch = std::pin::pin!(publisher.publish_batch(&mut messages));
                    let polled = task.enter(|cx, _| batch.as_mut().poll(cx));
                    assert_eq!(matches!(polled, Poll::Ready(Err(_))), model.closed && !at.is_empty());
                }
                let accepted = at.len() - messages.len();
                assert_eq!(accepted, model.send_batch(p % publishers, &instants), "publisher {p}");
            }
        }
        Step::Receive(n) => {
            if let Some((task, Some(subscription))) = real.subscribers.get_mut(n % subscribers) {
                let n = n % subscribers;
                let polled = task.enter(|cx, _| Pin::new(subscription).poll_next(cx));
                let expected = model.subscribers[n].take(1, model.closed);
                let polled = polled.map(|delivery| {
                    let entry = delivery.as_ref().map(|d| (read(d, model), d.instant));
                    real.held.extend(delivery.map(|delivery| (n, delivery)));
                    entry.map(|((topic, seq), instant)| (topic, seq, instant)).into_iter().collect()
                });
                assert_eq!(polled, expected, "subscriber {n}");
            }
        }
        Step::ReceiveMany(n, limit) => {
            if let Some((task, Some(subscription))) = real.subscribers.get_mut(n % subscribers) {
                let n = n % subscribers;
                let buffer = &mut real.buffers[n];
                for envelope in buffer.iter() {
                    let read = read(envelope, model);
                    model.subscribers[n].acknowledge(read);
                }
                let polled = task.enter(|cx, _| subscription.poll_recv_many(cx, buffer, limit));
                let expected = model.subscribers[n].take(limit, model.closed);
                assert_eq!(polled, expected.clone().map(|taken| taken.len()));
                let taken = buffer.iter().map(|e| {
                    let (topic, seq) = read(e, model);
                    (topic, seq, e.instant)
                });
                let expected = if let Poll::Ready(expected) = expected { expected } else { Vec::new() };
                assert_eq!(taken.collect::<Vec<_>>(), expected, "subscriber {n}");
            }
        }
        Step::Acknowledge(k) => {
            if !real.held.is_empty() {
                let (n, delivery) = real.held.swap_remove(k % real.held.len());
                let read = read(&delivery, model);
                model.subscribers[n].acknowledge(read);
            }
        }
        Step::Close(drain) => {
            real.bus.close(drain);
            model.close(drain);
        }
    }
    if !model.closed {
        model.serve();
    }
}

/// Compares everything that can be seen from outside.
fn compare(model: &mut Model, real: &mut Real) {
    let stats = real.bus.stats();
    assert!(stats.topics.iter().map(|t| t.published).eq(model.published));
    assert!(stats.topics.iter().map(|t| t.watermark).eq(model.watermarks));
    assert_eq!(stats.subscriptions.len(), model.subscribers.len());
    for (s, m) in stats.subscriptions.iter().zip(&model.subscribers) {
        let by = |policy| if m.policy == policy { m.dropped.iter().sum() } else { 0 };
        let dropped = (by(Policy::DropNewest), by(Policy::DropOldest));
        assert_eq!((s.dropped_newest, s.dropped_oldest), dropped);
        assert_eq!((s.delivered, s.undelivered), (m.delivered, m.undelivered));
        assert_eq!((s.queued, s.high_water, s.unacknowledged), (m.queue.len(), m.high_water, m.taken.len()));
        assert_eq!((s.watermark, s.lag), (m.watermark, m.lag(&model.watermarks)));
    }
    let drops = real.bus.drops();
    let drops = drops.iter().map(|d| (d.subscription.to_string(), d.topic.as_str(), d.dropped));
    let expected = model.subscribers.iter().enumerate().flat_map(|(n, s)| {
        let topics = s.topics.iter().map(|&t| (TOPICS[t], s.dropped[t]));
        topics
            .filter(|(_, dropped)| *dropped > 0)
            .map(move |(topic, n_dropped)| (format!("s{n}"), topic, n_dropped))
    });
    assert!(drops.eq(expected));
    let stuck = real.bus.stuck().into_iter().map(|s| (s.subscription, s.topic, s.seq));
    let expected = model.subscribers.iter().enumerate().filter_map(|(n, s)| {
        let (topic, seq) = model.stuck_on(s)?;
        Some((format!("s{n}"), TOPICS[topic].to_owned(), seq))
    });
    assert!(stuck.eq(expected));
    for (p, m) in model.publishers.iter().enumerate() {
        match m.claim {
            Claim::Waiting => assert_eq!(real.publishers[p].0.is_woken(), model.closed, "publisher {p}"),
            Claim::Served => assert!(real.publishers[p].0.is_woken(), "publisher {p}"),
            Claim::Nothing | Claim::Holding | Claim::Gone => {}
        }
    }
    for (n, m) in model.subscribers.iter_mut().enumerate().filter(|(_, m)| m.parked) {
        let expected = model.closed || !m.queue.is_empty();
        assert_eq!(real.subscribers[n].0.is_woken(), expected, "subscriber {n}");
    }
    let idle = model.is_idle();
    assert!(!idle || real.idle.is_woken() || real.idle.poll().is_ready());
    assert_eq!(real.idle.poll().is_ready(), idle);
    assert_eq!(real.bus.idle().now_or_never().is_some(), idle);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_bus_does_as_the_model_does(
        steps in prop::collection::vec(any_step(), 0..120),
        drain in prop_oneof![Just(Drain::Deliver), Just(Drain::Discard)],
        closing in prop::collection::vec(any_step(), 0..20),
    ) {
        let bus = Bus::builder().topics(TOPICS).log_topic("log").build().unwrap();
        let idle = task::spawn(bus.idle());
        let mut real =
            Real { bus, publishers: vec![], subscribers: vec![], buffers: vec![], held: vec![], idle };
        let mut model = Model::default();
        for next in steps.iter().chain([&Step::Close(drain)]).chain(&closing) {
            step(next, &mut model, &mut real);
            compare(&mut model, &mut real);
        }
    }
}
