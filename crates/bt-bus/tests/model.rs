//! The bus against a naive model of it, step by step.

use std::collections::VecDeque;
use std::pin::Pin;

use bt_bus::{Bus, Delivery, Idle, Policy, Publisher, Subscription, SubscriptionConfig};
use bt_core::{BusError, Message, Timestamp};
use futures::{FutureExt, SinkExt, Stream};
use proptest::prelude::*;
use std::task::Poll;
use tokio_test::task::{self, Spawn};

const TOPICS: [&str; 3] = ["a", "b", "c"];

/// One step. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Subscribe { topics: u8, capacity: usize, policy: Policy },
    Unsubscribe(usize),
    AddPublisher { topic: usize },
    DropPublisher(usize),
    PollReady(usize),
    Send(usize),
    Receive(usize),
    Acknowledge(usize),
    Close,
}

fn any_step() -> impl Strategy<Value = Step> {
    let policy =
        prop_oneof![8 => Just(Policy::Block), 1 => Just(Policy::DropNewest), 1 => Just(Policy::DropOldest)];
    prop_oneof![
        2 => (1_u8..8, 1_usize..4, policy)
            .prop_map(|(topics, capacity, policy)| Step::Subscribe { topics, capacity, policy }),
        1 => any::<usize>().prop_map(Step::Unsubscribe),
        3 => (0..TOPICS.len()).prop_map(|topic| Step::AddPublisher { topic }),
        1 => any::<usize>().prop_map(Step::DropPublisher),
        16 => any::<usize>().prop_map(Step::PollReady),
        16 => any::<usize>().prop_map(Step::Send),
        12 => any::<usize>().prop_map(Step::Receive),
        10 => any::<usize>().prop_map(Step::Acknowledge),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Claim {
    Nothing,
    Waiting,
    /// Has a place, and does not know yet.
    Served,
    Holding,
    Gone,
}

struct ModelPublisher {
    topic: usize,
    claim: Claim,
}

struct ModelSubscriber {
    topics: Vec<usize>,
    capacity: usize,
    policy: Policy,
    living: bool,
    queue: VecDeque<(usize, u64)>,
    taken: Vec<(usize, u64)>,
    delivered: u64,
    dropped: u64,
    undelivered: u64,
    high_water: usize,
    /// It was polled in vain and has not been woken since.
    parked: bool,
}

#[derive(Default)]
struct Model {
    published: [u64; TOPICS.len()],
    publishers: Vec<ModelPublisher>,
    subscribers: Vec<ModelSubscriber>,
    /// Publishers that wait, in order of arrival.
    line: Vec<usize>,
    closed: bool,
}

impl Model {
    fn has_room(&self, topic: usize) -> bool {
        self.subscribers.iter().filter(|s| s.living && s.topics.contains(&topic)).all(|s| {
            let promised = |p: &&ModelPublisher| {
                matches!(p.claim, Claim::Served | Claim::Holding) && s.topics.contains(&p.topic)
            };
            let reserved = self.publishers.iter().filter(promised).count();
            s.policy != Policy::Block || s.queue.len() + reserved < s.capacity
        })
    }

    fn has_line(&self, topic: usize) -> bool {
        self.line.iter().any(|&p| self.publishers[p].topic == topic)
    }

    /// Serves the line: the first that is first of its topic and has room, over and over.
    fn serve(&mut self) {
        loop {
            let found = self.line.iter().enumerate().position(|(at, &p)| {
                let topic = self.publishers[p].topic;
                let first = !self.line[..at].iter().any(|&q| self.publishers[q].topic == topic);
                first && self.has_room(topic)
            });
            let Some(at) = found else { return };
            let p = self.line.remove(at);
            self.publishers[p].claim = Claim::Served;
        }
    }

    fn poll_ready(&mut self, p: usize) -> Poll<bool> {
        let topic = self.publishers[p].topic;
        let (ready, claim) = match self.publishers[p].claim {
            _ if self.closed => (Poll::Ready(false), Claim::Nothing),
            Claim::Holding | Claim::Served => (Poll::Ready(true), Claim::Holding),
            Claim::Nothing if !self.has_line(topic) && self.has_room(topic) => {
                (Poll::Ready(true), Claim::Holding)
            }
            Claim::Nothing => {
                self.line.push(p);
                (Poll::Pending, Claim::Waiting)
            }
            claim @ (Claim::Waiting | Claim::Gone) => (Poll::Pending, claim),
        };
        self.publishers[p].claim = claim;
        ready
    }

    /// The sequence number if the message is accepted.
    fn send(&mut self, p: usize) -> bool {
        let ModelPublisher { topic, claim } = self.publishers[p];
        let free = claim == Claim::Nothing && !self.has_line(topic) && self.has_room(topic);
        if self.closed || !(claim == Claim::Holding || free) {
            if self.closed {
                self.publishers[p].claim = Claim::Nothing;
            }
            return false;
        }
        self.publishers[p].claim = Claim::Nothing;
        self.published[topic] += 1;
        let seq = self.published[topic];
        for s in self.subscribers.iter_mut().filter(|s| s.living && s.topics.contains(&topic)) {
            let full = s.queue.len() >= s.capacity;
            match s.policy {
                Policy::DropNewest if full => {
                    s.dropped += 1;
                    continue;
                }
                Policy::DropOldest if full => {
                    s.dropped += 1;
                    s.queue.pop_front();
                }
                _ => {}
            }
            s.queue.push_back((topic, seq));
            s.high_water = s.high_water.max(s.queue.len());
        }
        true
    }

    fn outstanding(&self) -> usize {
        self.subscribers.iter().map(|s| s.queue.len() + s.taken.len()).sum()
    }
}

/// Topic and number: what the envelope must say too.
type Payload = (usize, u64);
/// A handle with a task of its own, until it is dropped.
type Polled<T> = (Spawn<()>, Option<T>);

/// The bus and all handles on it.
struct Real {
    bus: Bus<Payload>,
    publishers: Vec<Polled<Publisher<Payload>>>,
    subscribers: Vec<Polled<Subscription<Payload>>>,
    held: Vec<(usize, Delivery<Payload>)>,
    idle: Spawn<Idle<Payload>>,
}

/// Takes a step with both and compares what they answer.
fn step(step: &Step, model: &mut Model, real: &mut Real) {
    match *step {
        Step::Subscribe { topics, capacity, policy } => {
            let topics: Vec<usize> = (0..TOPICS.len()).filter(|t| topics >> t & 1 == 1).collect();
            let name = format!("s{}", real.subscribers.len());
            let config = SubscriptionConfig::new(name, topics.iter().map(|t| TOPICS[*t]));
            let made = real.bus.subscribe_with(config.with_capacity(capacity).with_policy(policy));
            assert_eq!(made.is_err(), model.closed);
            if let Ok(made) = made {
                real.subscribers.push((task::spawn(()), Some(made)));
                model.subscribers.push(ModelSubscriber {
                    topics,
                    capacity,
                    policy,
                    living: true,
                    queue: VecDeque::new(),
                    taken: Vec::new(),
                    delivered: 0,
                    dropped: 0,
                    undelivered: 0,
                    high_water: 0,
                    parked: false,
                });
            }
        }
        Step::Unsubscribe(n) if !model.subscribers.is_empty() => {
            let n = n % model.subscribers.len();
            let s = &mut model.subscribers[n];
            if let Some(subscription) = real.subscribers[n].1.take() {
                assert_eq!(subscription.unsubscribe(), s.queue.len());
            }
            s.undelivered += s.queue.len() as u64;
            s.queue.clear();
            s.living = false;
            s.parked = false;
        }
        Step::AddPublisher { topic } => {
            real.publishers
                .push((task::spawn(()), Some(real.bus.publisher(TOPICS[topic]).expect("a topic"))));
            model.publishers.push(ModelPublisher { topic, claim: Claim::Nothing });
        }
        Step::DropPublisher(p) if !model.publishers.is_empty() => {
            let p = p % model.publishers.len();
            real.publishers[p].1 = None;
            model.publishers[p].claim = Claim::Gone;
            model.line.retain(|other| *other != p);
        }
        Step::PollReady(p) if !model.publishers.is_empty() => {
            let p = p % model.publishers.len();
            let (task, publisher) = &mut real.publishers[p];
            if let Some(publisher) = publisher {
                let polled = task.enter(|cx, _| publisher.poll_ready_unpin(cx)).map(|r| r.is_ok());
                assert_eq!(polled, model.poll_ready(p), "publisher {p}");
            }
        }
        Step::Send(p) if !model.publishers.is_empty() => {
            let p = p % model.publishers.len();
            let topic = model.publishers[p].topic;
            if let Some(publisher) = &mut real.publishers[p].1 {
                let payload = (topic, model.published[topic] + 1);
                let sent = publisher.start_send_unpin(Message { instant: Timestamp::EPOCH, payload });
                assert_eq!(matches!(sent, Err(BusError::Closed { .. })), model.closed);
                assert_eq!(sent.is_ok(), model.send(p), "publisher {p}");
            }
        }
        Step::Receive(n) if !model.subscribers.is_empty() => {
            let n = n % model.subscribers.len();
            let (task, subscription) = &mut real.subscribers[n];
            let s = &mut model.subscribers[n];
            if let Some(subscription) = subscription {
                let polled = task.enter(|cx, _| Pin::new(subscription).poll_next(cx));
                let expected = match s.queue.pop_front() {
                    Some(next) => Poll::Ready(Some(next)),
                    None if model.closed => Poll::Ready(None),
                    None => Poll::Pending,
                };
                s.parked = expected.is_pending();
                if let Poll::Ready(Some(next)) = expected {
                    s.taken.push(next);
                }
                let polled = polled.map(|delivery| {
                    delivery.map(|delivery| {
                        let (topic, seq) = delivery.payload;
                        assert_eq!((&*delivery.topic, delivery.seq), (TOPICS[topic], seq));
                        real.held.push((n, delivery));
                        (topic, seq)
                    })
                });
                assert_eq!(polled, expected, "subscriber {n}");
            }
        }
        Step::Acknowledge(k) if !real.held.is_empty() => {
            let (n, delivery) = real.held.swap_remove(k % real.held.len());
            let s = &mut model.subscribers[n];
            s.taken.retain(|taken| *taken != delivery.payload);
            s.delivered += 1;
        }
        Step::Close => {
            real.bus.close();
            model.closed = true;
            model.line.clear();
        }
        _ => {}
    }
    if !model.closed {
        model.serve();
    }
}

/// Compares everything that can be seen from outside.
fn compare(model: &mut Model, real: &mut Real) {
    let stats = real.bus.stats();
    assert!(stats.topics.iter().map(|t| t.published).eq(model.published));
    assert_eq!(stats.subscriptions.len(), model.subscribers.len());
    for (s, m) in stats.subscriptions.iter().zip(&model.subscribers) {
        assert_eq!((s.delivered, s.dropped, s.undelivered), (m.delivered, m.dropped, m.undelivered));
        assert_eq!((s.queued, s.high_water, s.unacknowledged), (m.queue.len(), m.high_water, m.taken.len()));
    }
    let stuck = real.bus.stuck().into_iter().map(|s| (s.subscription, s.topic, s.seq));
    let expected = model.subscribers.iter().enumerate().filter_map(|(n, s)| {
        let (topic, seq) = s.taken.first().or(s.queue.front())?;
        Some((format!("s{n}"), TOPICS[*topic].to_owned(), *seq))
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
    let idle = model.outstanding() == 0;
    assert!(!idle || real.idle.is_woken() || real.idle.poll().is_ready());
    assert_eq!(real.idle.poll().is_ready(), idle);
    assert_eq!(real.bus.idle().now_or_never().is_some(), idle);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_bus_does_as_the_model_does(
        steps in prop::collection::vec(any_step(), 0..120),
        closing in prop::collection::vec(any_step(), 0..20),
    ) {
        let bus = Bus::new(TOPICS).unwrap();
        let idle = task::spawn(bus.idle());
        let mut real = Real { bus, publishers: vec![], subscribers: vec![], held: vec![], idle };
        let mut model = Model::default();
        for next in steps.iter().chain([&Step::Close]).chain(&closing) {
            step(next, &mut model, &mut real);
            compare(&mut model, &mut real);
        }
    }
}
