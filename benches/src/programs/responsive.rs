//! How late a heartbeat is while a feed drains on the same thread.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::feeds::count;
use super::{Told, runtime};
use crate::data_set::DataSet;
use crate::logs::Logs;
use crate::words::{Error, Words};

const TICK: Duration = Duration::from_millis(1);

/// A heartbeat of 1 ms for so long, beside a feed that drains over and over, or nothing: `data … seconds idle`.
pub(super) fn heartbeat(words: &mut Words) -> Result<Told, Error> {
    let (data, target) = (DataSet::of(words)?, words.or("target", "5m".parse()?)?);
    let (seconds, idle) = (words.or("seconds", 3.0)?, words.or("idle", false)?);
    words.end()?;
    runtime()?.block_on(beside(async {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        if idle {
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

/// How late a heartbeat is beside some work on the same thread.
pub(super) async fn beside(work: impl Future<Output = Result<(), Error>>) -> Result<Told, Error> {
    let (stop, stopped) = oneshot::channel();
    let beating = tokio::spawn(beat(stopped));
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
