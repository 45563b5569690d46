//! How late a heartbeat is while a feed drains on the same thread, and how late the runtime is for who knocks.

use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::feeds::count;
use super::{Told, runtime};
use crate::data_set::DataSet;
use crate::logs::Logs;
use crate::words::{Error, Words};

const TICK: Duration = Duration::from_millis(1);

/// What is timed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pulse {
    /// A timer of the runtime, which counts in whole milliseconds.
    Timer,
    /// Knocks from a thread of their own.
    Knock,
}

impl Pulse {
    /// By the argument `knock`.
    pub(super) fn of(words: &mut Words) -> Result<Self, Error> {
        Ok(if words.or("knock", false)? { Pulse::Knock } else { Pulse::Timer })
    }
}

/// A heartbeat of 1 ms for so long, or knocks every millisecond (`knock=true`), beside a feed that drains over and over,
/// or nothing (`idle=true`), or nothing but a thread that wakes the runtime now and then (`stirred=true`):
/// `data … seconds idle stirred knock`.
pub(super) fn heartbeat(words: &mut Words) -> Result<Told, Error> {
    let (data, target) = (DataSet::of(words)?, words.or("target", "5m".parse()?)?);
    let (seconds, idle) = (words.or("seconds", 3.0)?, words.or("idle", false)?);
    let (stirred, pulse) = (words.or("stirred", false)?, Pulse::of(words)?);
    words.end()?;
    runtime()?.block_on(beside(pulse, async {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        if stirred {
            let mut knocks = knocks(Duration::from_micros(1370));
            while Instant::now() < until && knocks.recv().await.is_some() {}
        } else if idle {
            sleep_until(until).await;
        }
        while Instant::now() < until {
            let feed = data.feed(target, &Logs::Nowhere).await?;
            let feed = feed.with_yield(bt_engine::TokioYield::new()).build()?;
            count(feed, &Logs::Nowhere).await?;
        }
        Ok(())
    }))
}

/// How late a pulse is beside some work on the same thread.
pub(super) async fn beside(
    pulse: Pulse,
    work: impl Future<Output = Result<(), Error>>,
) -> Result<Told, Error> {
    let (stop, stopped) = oneshot::channel();
    let beating = match pulse {
        Pulse::Timer => tokio::spawn(beat(stopped)),
        Pulse::Knock => tokio::spawn(answer(stopped)),
    };
    work.await?;
    // It ends by itself only if this end is gone.
    let _ = stop.send(());
    let mut late = beating.await?;
    late.sort_unstable();
    let at = |share: f64| {
        let late = late.get((late.len() as f64 * share) as usize).or(late.last());
        late.map_or(f64::NAN, |late| late.as_secs_f64() * 1e3)
    };
    let told = Told::new().with("ticks", late.len() as f64);
    Ok(told.with("p50_ms", at(0.5)).with("p99_ms", at(0.99)).with("p999_ms", at(0.999)))
}

/// Ticks until it is stopped; how late each tick was.
async fn beat(mut stopped: oneshot::Receiver<()>) -> Vec<Duration> {
    let mut late = Vec::new();
    loop {
        let due = Instant::now() + TICK;
        sleep_until(due).await;
        late.push(due.elapsed());
        if stopped.try_recv().is_ok() {
            return late;
        }
    }
}

/// Answers knocks until it is stopped; how late each was heard.
async fn answer(mut stopped: oneshot::Receiver<()>) -> Vec<Duration> {
    let mut knocks = knocks(TICK);
    let mut late = Vec::new();
    while let Some(knocked) = knocks.recv().await {
        late.push(knocked.elapsed());
        if stopped.try_recv().is_ok() {
            break;
        }
    }
    late
}

/// The instants at which a thread of their own sends them, so often, until nobody listens.
fn knocks(every: Duration) -> mpsc::UnboundedReceiver<Instant> {
    let (knock, knocks) = mpsc::unbounded_channel();
    thread::spawn(move || {
        while knock.send(Instant::now()).is_ok() {
            thread::sleep(every);
        }
    });
    knocks
}
