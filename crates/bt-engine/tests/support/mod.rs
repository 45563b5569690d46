//! What the engine's tests share: a feed that plays a script, and services that keep a record.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bt_bus::Bus;
use bt_core::{
    BoxError, Candle, Event, FeedError, Frame, FrameBlock, FrameFeed, Level, LogEvent, Outbox, Series,
    SeriesStats, SimClock, Slot, SlotCounts, SourceStats, Timestamp, Trades,
};
use bt_engine::{Engine, EngineBuilder, ServiceContext};
use bt_testkit::Gate;
use futures::Stream;

pub(crate) type TestBus = Bus<Event>;
pub(crate) type BoxService = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;
pub(crate) type TestEngine = Engine<ScriptedFeed, TestBus>;

pub(crate) fn bus() -> TestBus {
    Bus::for_engine()
}

/// Close of the frame called `n`.
pub(crate) fn at(n: u64) -> Timestamp {
    Timestamp::from_secs(60 * n as i64).unwrap()
}

pub(crate) fn series() -> Series {
    "test.spot:A@1m".parse().unwrap()
}

pub(crate) fn frame(n: u64) -> Frame {
    let candle = Candle {
        start: at(n - 1),
        open: n as f64,
        high: n as f64,
        low: n as f64,
        close: n as f64,
        volume: 1.0,
        trades: Trades::UNKNOWN,
        partial: false,
    };
    let mut block = FrameBlock::new(Arc::from([series()]));
    block.begin(at(n));
    block.push(Slot::Bar(candle));
    Frame::new(Arc::new(block), 0)
}

/// One thing that a [`ScriptedFeed`] does.
#[derive(Clone, Debug)]
pub(crate) enum Do {
    Frame(u64),
    /// Logs, and goes on when that has been accepted.
    Log(u64),
    /// Returns `Pending` once, having woken its task.
    Pending,
    /// Waits for a permit.
    Gate(Gate),
    Fail,
}

pub(crate) fn frames(n: u64) -> Vec<Do> {
    (1..=n).map(Do::Frame).collect()
}

pub(crate) struct ScriptedFeed {
    series: Vec<Series>,
    script: VecDeque<Do>,
    outbox: Outbox,
    slots: SlotCounts,
    pub(crate) polls: Arc<AtomicUsize>,
    pub(crate) alive: Arc<()>,
    seen: Option<Seen>,
}

impl ScriptedFeed {
    pub(crate) fn new(bus: &TestBus, script: impl IntoIterator<Item = Do>) -> Self {
        ScriptedFeed {
            series: vec![series()],
            script: script.into_iter().collect(),
            outbox: Outbox::new(bus.component_log("feed").unwrap()),
            slots: SlotCounts::default(),
            polls: Arc::default(),
            alive: Arc::default(),
            seen: None,
        }
    }

    /// Notes in the record when a frame leaves.
    pub(crate) fn noting(mut self, seen: &Seen) -> Self {
        self.seen = Some(seen.clone());
        self
    }
}

impl Stream for ScriptedFeed {
    type Item = Result<Frame, FeedError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        loop {
            match self.outbox.poll_accepted(cx) {
                Poll::Ready(accepted) => accepted?,
                Poll::Pending => return Poll::Pending,
            }
            if let Some(Do::Gate(gate)) = self.script.front() {
                ready!(gate.poll_pass(cx));
            }
            match self.script.pop_front() {
                None => return Poll::Ready(None),
                Some(Do::Gate(_)) => {}
                Some(Do::Pending) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Do::Log(n)) => {
                    self.outbox.push(LogEvent::new(Level::Info, "feed", "FEED", "").with("n", n))
                }
                Some(Do::Frame(n)) => {
                    if let Some(seen) = &self.seen {
                        seen.push(format!("pull {n}"));
                    }
                    let frame = frame(n);
                    self.slots.bars += 1;
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Do::Fail) => return Poll::Ready(Some(Err(FeedError::Other("no such file".into())))),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.script.len()))
    }
}

impl FrameFeed for ScriptedFeed {
    fn series(&self) -> &[Series] {
        &self.series
    }

    fn stats(&self) -> Vec<SeriesStats> {
        vec![SeriesStats { series: series(), slots: self.slots, source: SourceStats::default() }]
    }
}

/// A record that several write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn push(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Option<String> {
        self.0.lock().unwrap().last().cloned()
    }
}

pub(crate) fn show(event: &Event) -> String {
    match event {
        Event::Frame(frame) => format!("frame {}", frame.close().as_nanos() / 60_000_000_000),
        Event::Log(log) => match log.fields.first() {
            Some(("n", bt_core::Value::Count(n))) => format!("{} {n}", log.event),
            _ => log.event.to_owned(),
        },
        other => format!("{other:?}"),
    }
}

/// Is `Pending` so many times, having woken itself.
pub(crate) async fn pend(times: usize) {
    let mut left = times;
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

pub(crate) async fn pass(gate: &Gate) {
    poll_fn(|cx| gate.poll_pass(cx)).await
}

/// A service that records what it takes until there is no more, with `pendings` while it holds a delivery.
pub(crate) fn recording(
    seen: &Seen,
    pendings: Vec<usize>,
) -> impl FnOnce(ServiceContext<TestBus>) -> BoxService + Send + 'static {
    let seen = seen.clone();
    move |mut cx| {
        Box::pin(async move {
            let mut pendings = pendings.into_iter().cycle();
            while let Some(delivery) = cx.next().await {
                pend(pendings.next().unwrap_or(0)).await;
                seen.push(show(&delivery.payload));
            }
            Ok(())
        })
    }
}

/// A service that answers each frame with a log, and records neither.
pub(crate) fn answering(
    pendings: Vec<usize>,
) -> impl FnOnce(ServiceContext<TestBus>) -> BoxService + Send + 'static {
    move |mut cx| {
        Box::pin(async move {
            let mut pendings = pendings.into_iter().cycle();
            while let Some(delivery) = cx.next().await {
                if let Event::Frame(frame) = &delivery.payload {
                    pend(pendings.next().unwrap_or(0)).await;
                    let n = frame.close().as_nanos() as u64 / 60_000_000_000;
                    cx.log(LogEvent::new(Level::Info, "", "ANSWER", "").with("n", n)).await?;
                    pend(pendings.next().unwrap_or(0)).await;
                    cx.log(LogEvent::new(Level::Info, "", "AGAIN", "").with("n", n)).await?;
                }
            }
            Ok(())
        })
    }
}

pub(crate) fn builder(bus: &TestBus, feed: ScriptedFeed) -> EngineBuilder<ScriptedFeed, TestBus> {
    Engine::builder().feed(feed).bus(bus.clone()).clock(SimClock::new(Timestamp::EPOCH))
}

pub(crate) fn strings(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|entry| (*entry).to_owned()).collect()
}
