//! Feeds drained, bare and by an engine.

use std::path::PathBuf;

use bt_bus::Bus;
use bt_core::{Event, Timeframe, Timestamp, topic};
use bt_engine::TokioYield;
use bt_feeder::{BarFeed, BarFeedBuilder};
use futures::TryStreamExt;

use super::{Told, runtime};
use crate::data_set::DataSet;
use crate::logs::Logs;
use crate::memory::MemoryData;
use crate::meter::Meter;
use crate::strategy::drive;
use crate::words::{Error, Words};

/// Parquet files to frames, counted: `data from to threads mib target logs`.
pub(super) fn frames(words: &mut Words) -> Result<Told, Error> {
    let (data, target, logs) = (DataSet::of(words)?, target(words)?, words.or("logs", Logs::Nowhere)?);
    words.end()?;
    let meter = Meter::start();
    runtime()?.block_on(async {
        let feed = with_log(data.feed(target, &logs).await?, &logs)?;
        Ok(count(feed.build()?, &logs).await?.taken(&meter))
    })
}

/// Parquet files to frames to an engine: `data from to threads mib target journal`.
pub(super) fn engine(words: &mut Words) -> Result<Told, Error> {
    let (data, target) = (DataSet::of(words)?, target(words)?);
    let journal: PathBuf = words.required("journal")?;
    words.end()?;
    let meter = Meter::start();
    runtime()?.block_on(async {
        let bus = Bus::for_engine();
        let logs = Logs::Bus(bus.clone());
        let feed = with_log(data.feed(target, &logs).await?, &logs)?;
        Ok(run(feed.build()?, bus, journal, data.from()).await?.taken(&meter))
    })
}

/// How long the first frame takes: `data from to threads mib target`.
pub(super) fn first(words: &mut Words) -> Result<Told, Error> {
    let (data, target) = (DataSet::of(words)?, target(words)?);
    words.end()?;
    let meter = Meter::start();
    runtime()?.block_on(async {
        let mut feed = data.feed(target, &Logs::Nowhere).await?.build()?;
        let frame = feed.try_next().await?.ok_or("no frame")?;
        Ok(Told::new().with("frames", 1.0).with("slots", frame.len() as f64).taken(&meter))
    })
}

/// Columns in memory through source, resampler and feed, counted: `series minutes gaps target logs`.
pub(super) fn memory_frames(words: &mut Words) -> Result<Told, Error> {
    let (data, target, logs) = (MemoryData::of(words)?, target(words)?, words.or("logs", Logs::Nowhere)?);
    words.end()?;
    let meter = Meter::start();
    runtime()?.block_on(async {
        let feed = with_log(data.feed(target, &logs)?, &logs)?;
        Ok(count(feed.build()?, &logs).await?.with("candles", data.candles() as f64).taken(&meter))
    })
}

/// The same to an engine: `series minutes gaps target journal`.
pub(super) fn memory_engine(words: &mut Words) -> Result<Told, Error> {
    let (data, target) = (MemoryData::of(words)?, target(words)?);
    let journal: PathBuf = words.required("journal")?;
    words.end()?;
    let meter = Meter::start();
    runtime()?.block_on(async {
        let bus = Bus::for_engine();
        let logs = Logs::Bus(bus.clone());
        let feed = with_log(data.feed(target, &logs)?, &logs)?;
        let told = run(feed.build()?, bus, journal, Timestamp::EPOCH).await?;
        Ok(told.with("candles", data.candles() as f64).taken(&meter))
    })
}

/// Columns in memory lined up as they are, counted: `series minutes gaps mixed logs`.
pub(super) fn merge(words: &mut Words) -> Result<Told, Error> {
    let data = MemoryData::of(words)?;
    let (mixed, logs) = (words.or("mixed", false)?, words.or("logs", Logs::Nowhere)?);
    words.end()?;
    let feed = with_log(data.merge(mixed)?, &logs)?.build()?;
    let meter = Meter::start();
    runtime()?.block_on(async { Ok(count(feed, &logs).await?.taken(&meter)) })
}

fn target(words: &mut Words) -> Result<Timeframe, Error> {
    words.or("target", "5m".parse()?)
}

fn with_log(feed: BarFeedBuilder, logs: &Logs) -> Result<BarFeedBuilder, Error> {
    let feed = feed.with_yield(TokioYield::new());
    Ok(match logs.sink("feed")? {
        Some(sink) => feed.log(sink),
        None => feed,
    })
}

/// Takes all frames.
pub(super) async fn count(mut feed: BarFeed, logs: &Logs) -> Result<Told, Error> {
    let (mut frames, mut bars) = (0u64, 0);
    while let Some(frame) = feed.try_next().await? {
        frames += 1;
        std::hint::black_box(frame);
    }
    let mut candles = 0;
    for series in bt_core::FrameFeed::stats(&feed) {
        candles += series.source.emitted;
        bars += series.slots.bars;
    }
    let told = Told::new().with("frames", frames as f64).with("bars", bars as f64);
    // A source that counts nothing handed its candles on as they were.
    let candles = if candles > 0 { candles } else { bars };
    Ok(told.with("candles", candles as f64).with("logs", logs.count() as f64))
}

/// Has an engine take all frames, with a strategy and a journal.
async fn run(feed: BarFeed, bus: Bus<Event>, journal: PathBuf, from: Timestamp) -> Result<Told, Error> {
    let report = drive(feed, bus, from, true, Some(journal)).await?;
    let candles: u64 = report.series.iter().map(|series| series.source.emitted).sum();
    let logs = report.bus.published(topic::LOG);
    Ok(Told::new()
        .with("frames", report.frames as f64)
        .with("candles", candles as f64)
        .with("logs", logs as f64))
}
