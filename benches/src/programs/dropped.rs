//! What goes on, and what is left, when a feed is dropped in the middle.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use futures::TryStreamExt;

use super::{Told, runtime};
use crate::data_set::DataSet;
use crate::logs::Logs;
use crate::words::{Error, Words};

/// Frames that are taken first.
const FRAMES: u64 = 100;

/// How long what is to end may take; what is there after that is left.
const LIMIT: Duration = Duration::from_secs(10);

/// A feed that is dropped after a hundred frames, so many times over; all counts are sums: `data … target times`.
pub(super) fn dropped(words: &mut Words) -> Result<Told, Error> {
    let (data, target) = (DataSet::of(words)?, words.or("target", "5m".parse()?)?);
    let times: u32 = words.or("times", 1)?;
    words.end()?;
    let mut told = Told::new();
    for _ in 0..times {
        let before = held();
        told = told.plus(drop_a_feed(&data, target)?);
        // Nobody waits for the threads of a pool.
        wait_until(|| held() == before);
        if let (Some(before), Some(after)) = (before, held()) {
            let [threads, files] = [0, 1].map(|kind| after[kind] as f64 - before[kind] as f64);
            told = told.plus(Told::new().with("threads_left", threads).with("files_left", files));
        }
    }
    Ok(told)
}

/// Drops a feed, and a while later its pool and runtime.
fn drop_a_feed(data: &DataSet, target: bt_core::Timeframe) -> Result<Told, Error> {
    let (pool, runtime) = (data.pool()?, runtime()?);
    let (frames, at_drop) = runtime.block_on(async {
        let mut feed = data.feed_on(&pool, target, &Logs::Nowhere).await?.build()?;
        let mut frames = 0;
        // While the pool rests there is nothing that a drop would have to end.
        while frames < FRAMES || !pool.stats().busy {
            feed.try_next().await?.ok_or("the feed ended before it could be dropped")?;
            frames += 1;
        }
        drop(feed);
        Ok::<_, Error>((frames, pool.stats()))
    })?;
    // Units that threads are at run out. They were started, and so counted, before.
    wait_until(|| !pool.stats().busy);
    let after = pool.stats();
    Ok(Told::new()
        .with("frames", frames as f64)
        .with("units", at_drop.units_started as f64)
        .with("units_afterwards", (after.units_started - at_drop.units_started) as f64)
        .with("tasks_left", runtime.metrics().num_alive_tasks() as f64)
        .with("sources_left", after.sources as f64)
        .with("bytes_left", after.reserved as f64))
}

/// Threads and open files of this process; nothing where the system does not tell.
fn held() -> Option<[usize; 2]> {
    let entries = |of: &str| fs::read_dir(format!("/proc/self/{of}")).ok().map(Iterator::count);
    Some([entries("task")?, entries("fd")?])
}

fn wait_until(so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() && begun.elapsed() < LIMIT {
        thread::sleep(Duration::from_millis(1));
    }
}
