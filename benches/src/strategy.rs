//! A run of the engine, with a strategy that sees every bar and trades where two moving averages cross.

use std::collections::VecDeque;
use std::path::PathBuf;

use bt_bus::{Bus, Journal};
use bt_core::{BoxError, Event, EventBus, Frame, SimClock, Slot, Timestamp, topic};
use bt_engine::{Engine, RunReport, ServiceContext};
use bt_feeder::BarFeed;

use crate::words::Error;

const FAST: usize = 12;
const SLOW: usize = 48;

/// Has an engine take all frames of a feed, with a strategy and a journal if they are wanted.
///
/// # Errors
/// A journal that cannot be made, and whatever ends a run early.
pub async fn drive(
    feed: BarFeed,
    bus: Bus<Event>,
    from: Timestamp,
    strategy: bool,
    journal: Option<PathBuf>,
) -> Result<RunReport, Error> {
    let mut engine = Engine::builder().feed(feed).bus(bus).clock(SimClock::new(from));
    if let Some(path) = journal {
        let journal = Journal::create(path)?;
        engine = engine.service("journal", [topic::LOG], move |cx| async move {
            journal.run(cx.subscription).await?;
            Ok(())
        });
    }
    if strategy {
        engine = engine.service("sma", [topic::FRAME], trade);
    }
    Ok(engine.build()?.run().await?)
}

/// Takes frames to the end; what it counts is nobody's business.
async fn trade<B: EventBus<Payload = Event>>(mut cx: ServiceContext<B>) -> Result<(), BoxError> {
    let (mut averages, mut crossings) = (Vec::new(), 0u64);
    while let Some(delivery) = cx.next().await {
        if let Event::Frame(frame) = &delivery.payload {
            crossings += see(&mut averages, frame);
        }
    }
    std::hint::black_box(crossings);
    Ok(())
}

#[derive(Clone, Debug, Default)]
struct Averages {
    closes: VecDeque<f64>,
    fast: f64,
    slow: f64,
    above: bool,
}

/// Takes in the bars of a frame; says how many averages crossed.
fn see(series: &mut Vec<Averages>, frame: &Frame) -> u64 {
    series.resize(frame.len(), Averages::default());
    let mut crossings = 0;
    for (averages, slot) in series.iter_mut().zip(frame.slots()) {
        if let Slot::Bar(bar) = slot {
            crossings += u64::from(averages.crossed(bar.close));
        }
    }
    crossings
}

impl Averages {
    fn crossed(&mut self, close: f64) -> bool {
        self.closes.push_back(close);
        self.fast += close;
        self.slow += close;
        if self.closes.len() > FAST {
            self.fast -= self.closes[self.closes.len() - 1 - FAST];
        }
        if self.closes.len() > SLOW {
            self.slow -= self.closes.pop_front().unwrap_or_default();
        }
        let above = self.fast / FAST as f64 > self.slow / SLOW as f64;
        let crossed = self.closes.len() == SLOW && above != self.above;
        self.above = above;
        crossed
    }
}
