//! Publisher, subscribers and barrier in one loop, over the bus and over what stands in its place.

use std::future::poll_fn;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bt_bus::{Bus, Deliveries};
use bt_core::{Drain, Event, Level, LogEvent, Message, Timestamp, topic};
use futures_sink::Sink;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc};
use tokio::task::unconstrained;

/// Envelopes between two barriers.
pub const ENVELOPES_A_ROUND: u64 = 8;

/// Places in each queue.
const CAPACITY: usize = 64;

/// How a round goes: a publisher publishes [`ENVELOPES_A_ROUND`] envelopes, each subscriber takes and acknowledges
/// them, and the publisher goes on when that is done. All are tasks of one current-thread runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusLoop {
    /// `tokio::sync::mpsc`, a counter of what is outstanding and a `Notify`, as one would write it.
    Mpsc,
    /// The same without tasks.
    MpscJoined,
    /// The bus, one envelope at a time.
    One,
    /// The bus, a batch at a time, received into a buffer.
    Batch,
    /// The same without tasks.
    BatchJoined,
    /// The same, and the barrier has a limit.
    BatchWithLimit,
    /// No bus: tasks that wake each other once a round, which is what the runtime costs in all of these.
    Wakes,
    /// Logs of one component through its sink, drained once a round.
    Logs,
}

impl FromStr for BusLoop {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = BusLoop::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| {
            format!("unknown loop `{name}`, expected one of {:?}", BusLoop::ALL.map(BusLoop::name))
        })
    }
}

impl BusLoop {
    /// All there are.
    pub const ALL: [BusLoop; 8] = [
        BusLoop::Mpsc,
        BusLoop::MpscJoined,
        BusLoop::One,
        BusLoop::Batch,
        BusLoop::BatchJoined,
        BusLoop::BatchWithLimit,
        BusLoop::Wakes,
        BusLoop::Logs,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            BusLoop::Mpsc => "mpsc",
            BusLoop::MpscJoined => "mpsc_joined",
            BusLoop::One => "one",
            BusLoop::Batch => "batch",
            BusLoop::BatchJoined => "batch_joined",
            BusLoop::BatchWithLimit => "batch_with_limit",
            BusLoop::Wakes => "wakes",
            BusLoop::Logs => "logs",
        }
    }

    /// Goes through so many rounds.
    ///
    /// # Panics
    /// If an envelope was lost.
    pub fn run(self, rounds: u64, subscribers: usize) {
        let runtime = runtime();
        let sent = rounds * ENVELOPES_A_ROUND;
        let taken = runtime.block_on(async {
            match self {
                BusLoop::Mpsc => mpsc_loop(rounds, subscribers, Tasks::Spawned).await,
                BusLoop::MpscJoined => mpsc_loop(rounds, subscribers, Tasks::Joined).await,
                BusLoop::One => one(rounds, subscribers).await,
                BusLoop::Batch => batch(rounds, subscribers, None, Tasks::Spawned).await,
                BusLoop::BatchJoined => batch(rounds, subscribers, None, Tasks::Joined).await,
                BusLoop::BatchWithLimit => {
                    batch(rounds, subscribers, Some(Duration::from_secs(30)), Tasks::Spawned).await
                }
                BusLoop::Wakes => wakes(rounds, subscribers).await,
                BusLoop::Logs => logs(rounds, subscribers).await,
            }
        });
        assert_eq!(taken, sent * subscribers as u64, "every envelope reaches every subscriber");
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime without I/O needs nothing")
}

/// What drives publisher and consumers.
#[derive(Clone, Copy)]
enum Tasks {
    /// The runtime: each is a task, the publisher too, so that nothing but their own switching is between them.
    Spawned,
    /// Nothing: they are polled in turn, and waking does nothing. What is left is what the loop itself costs.
    Joined,
}

impl Tasks {
    /// Envelopes that the consumers took.
    async fn run(
        self,
        publisher: impl Future<Output = ()> + Send + 'static,
        consumers: Vec<impl Future<Output = u64> + Send + 'static>,
    ) -> u64 {
        match self {
            Tasks::Spawned => spawned(publisher, consumers).await,
            // Within a task's budget, which nobody renews here, tokio's channels would stop.
            Tasks::Joined => unconstrained(async { joined(publisher, consumers) }).await,
        }
    }
}

async fn spawned(
    publisher: impl Future<Output = ()> + Send + 'static,
    consumers: Vec<impl Future<Output = u64> + Send + 'static>,
) -> u64 {
    let consumers: Vec<_> = consumers.into_iter().map(tokio::spawn).collect();
    tokio::spawn(publisher).await.expect("a publisher does not panic");
    let mut taken = 0;
    for consumer in consumers {
        taken += consumer.await.expect("a consumer does not panic");
    }
    taken
}

fn joined(publisher: impl Future<Output = ()>, consumers: Vec<impl Future<Output = u64>>) -> u64 {
    let mut publisher = pin!(publisher);
    let mut consumers: Vec<_> = consumers.into_iter().map(Box::pin).collect();
    let cx = &mut Context::from_waker(Waker::noop());
    let (mut published, mut taken) = (false, 0);
    while !published || !consumers.is_empty() {
        published = published || publisher.as_mut().poll(cx).is_ready();
        consumers.retain_mut(|consumer| match consumer.as_mut().poll(cx) {
            Poll::Ready(count) => {
                taken += count;
                false
            }
            Poll::Pending => true,
        });
    }
    taken
}

fn message(n: u64) -> Message<u64> {
    Message { instant: Timestamp::from_nanos(n as i64), payload: n }
}

async fn one(rounds: u64, subscribers: usize) -> u64 {
    let bus = Bus::new(["frame"]).expect("a topic");
    let mut publisher = bus.publisher("frame").expect("a known topic");
    let consumers = (0..subscribers).map(|n| {
        let mut subscription = bus.subscribe(&n.to_string(), &["frame"], CAPACITY).expect("distinct names");
        async move {
            let mut taken = 0;
            while let Some(delivery) = subscription.recv().await {
                black_box((delivery.topic, delivery.seq, delivery.instant, delivery.payload));
                taken += 1;
            }
            taken
        }
    });
    let consumers = consumers.collect();
    let publishing = async move {
        for round in 0..rounds {
            for n in 0..ENVELOPES_A_ROUND {
                publisher.publish(message(round + n)).await.expect("an open bus");
            }
            bus.idle().await;
        }
        bus.close(Drain::Deliver);
    };
    Tasks::Spawned.run(publishing, consumers).await
}

async fn batch(rounds: u64, subscribers: usize, limit: Option<Duration>, tasks: Tasks) -> u64 {
    let bus = Bus::new(["frame"]).expect("a topic");
    let mut publisher = bus.publisher("frame").expect("a known topic");
    let consumers = (0..subscribers).map(|n| {
        let mut subscription = bus.subscribe(&n.to_string(), &["frame"], CAPACITY).expect("distinct names");
        async move {
            let (mut taken, mut deliveries) = (0, Deliveries::new());
            while subscription.recv_many(&mut deliveries, CAPACITY).await > 0 {
                for envelope in &deliveries {
                    black_box((envelope.topic, envelope.seq, envelope.instant, envelope.payload));
                }
                taken += deliveries.len() as u64;
            }
            taken
        }
    });
    let consumers = consumers.collect();
    let publishing = async move {
        let mut messages = Vec::new();
        for round in 0..rounds {
            messages.extend((0..ENVELOPES_A_ROUND).map(|n| message(round + n)));
            publisher.publish_batch(&mut messages).await.expect("an open bus");
            match limit {
                None => bus.idle().await,
                Some(limit) => bus.barrier(limit).await.expect("a consumer that keeps up"),
            }
        }
        bus.close(Drain::Deliver);
    };
    tasks.run(publishing, consumers).await
}

struct Envelope {
    topic: Arc<str>,
    seq: u64,
    instant: i64,
    payload: u64,
}

async fn mpsc_loop(rounds: u64, subscribers: usize, tasks: Tasks) -> u64 {
    let outstanding = Arc::new(AtomicUsize::new(0));
    let idle = Arc::new(Notify::new());
    let (senders, consumers): (Vec<_>, Vec<_>) = (0..subscribers)
        .map(|_| {
            let (sender, mut receiver) = mpsc::channel::<Arc<Envelope>>(CAPACITY);
            let (outstanding, idle) = (Arc::clone(&outstanding), Arc::clone(&idle));
            let consumer = async move {
                let mut taken = 0;
                while let Some(envelope) = receiver.recv().await {
                    black_box((&envelope.topic, envelope.seq, envelope.instant, envelope.payload));
                    taken += 1;
                    drop(envelope);
                    if outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
                        idle.notify_waiters();
                    }
                }
                taken
            };
            (sender, consumer)
        })
        .unzip();
    let publishing = async move {
        let (topic, mut seq): (Arc<str>, _) = ("frame".into(), 0);
        for round in 0..rounds {
            for n in 0..ENVELOPES_A_ROUND {
                seq += 1;
                let (instant, payload) = ((round + n) as i64, round + n);
                let envelope = Arc::new(Envelope { topic: Arc::clone(&topic), seq, instant, payload });
                for sender in &senders {
                    outstanding.fetch_add(1, Ordering::AcqRel);
                    let _ = sender.send(Arc::clone(&envelope)).await;
                }
            }
            loop {
                let notified = idle.notified();
                if outstanding.load(Ordering::Acquire) == 0 {
                    break;
                }
                notified.await;
            }
        }
    };
    tasks.run(publishing, consumers).await
}

/// Whose turn it is, and who waits for theirs.
#[derive(Default)]
struct Turns {
    count: AtomicU64,
    waiting: Mutex<Vec<Waker>>,
}

impl Turns {
    async fn reach(&self, count: u64) {
        poll_fn(|cx| {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if self.count.load(Ordering::Acquire) >= count {
                return Poll::Ready(());
            }
            waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn count(&self, until: u64) {
        if self.count.fetch_add(1, Ordering::AcqRel) + 1 == until {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.drain(..).for_each(Waker::wake);
        }
    }
}

async fn wakes(rounds: u64, subscribers: usize) -> u64 {
    let [given, taken]: [Arc<Turns>; 2] = Default::default();
    let consumers = (0..subscribers).map(|_| {
        let (given, taken) = (Arc::clone(&given), Arc::clone(&taken));
        async move {
            for round in 1..=rounds {
                given.reach(round).await;
                taken.count(round * subscribers as u64);
            }
            rounds * ENVELOPES_A_ROUND
        }
    });
    let consumers = consumers.collect();
    let publishing = async move {
        for round in 1..=rounds {
            given.count(round);
            taken.reach(round * subscribers as u64).await;
        }
    };
    Tasks::Spawned.run(publishing, consumers).await
}

async fn logs(rounds: u64, subscribers: usize) -> u64 {
    let bus: Bus<Event> = Bus::for_engine();
    let mut sink = bus.component_log("source").expect("a bus with a log");
    let subscriptions = (0..subscribers).map(|n| bus.subscribe(&n.to_string(), &[topic::LOG], CAPACITY));
    let mut subscriptions: Vec<_> = subscriptions.map(|s| s.expect("distinct names")).collect();
    let (mut taken, mut deliveries) = (0, Deliveries::new());
    for round in 0..rounds {
        for n in 0..ENVELOPES_A_ROUND {
            poll_fn(|cx| Pin::new(&mut sink).poll_ready(cx)).await.expect("an open bus");
            // Without fields, so that the event itself allocates nothing.
            let event = LogEvent::new(Level::Info, "", "BENCH", "an event");
            let event = event.with_sim_time(Timestamp::from_nanos((round + n) as i64));
            Pin::new(&mut sink).start_send(event).expect("room was made");
            poll_fn(|cx| Pin::new(&mut sink).poll_flush(cx)).await.expect("it is accepted");
        }
        for subscription in &mut subscriptions {
            taken += subscription.recv_many(&mut deliveries, CAPACITY).await as u64;
            deliveries.clear();
        }
    }
    taken
}
