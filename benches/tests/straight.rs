//! The straight-line loop makes the frames of the pipeline, and counts its rows alike: else it would be no reference.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::sync::Arc;

use benches::straight::{Counts, Job};
use benches::{Logs, MemoryData, minutes};
use bt_core::{Candle, Columns, FrameFeed, Slot, SourceStats, TimeRange, Timeframe, Timestamp};
use bt_feeder::BarFeed;
use futures::TryStreamExt;
use futures::executor::block_on;

const MINUTE: i64 = 60_000_000_000;

type Frames = Vec<(Timestamp, Vec<Slot>)>;

fn drain(mut feed: BarFeed) -> (Frames, Vec<SourceStats>) {
    let mut frames = Vec::new();
    while let Some(frame) = block_on(feed.try_next()).unwrap() {
        frames.push((frame.close(), frame.slots().collect()));
    }
    (frames, feed.stats().into_iter().map(|series| series.source).collect())
}

fn straight(series: &[&Columns], target: Timeframe, range: TimeRange) -> (Frames, Vec<Counts>) {
    let mut frames = Vec::new();
    let job = Job { source: Timeframe::MINUTE, target, range };
    let counts = job.frames(series, |close, slots| frames.push((close, slots.to_vec())));
    (frames, counts)
}

fn counts(stats: &SourceStats) -> Counts {
    Counts {
        out_of_range: stats.out_of_range,
        failed: stats.failed,
        dropped: stats.dropped_duplicate + stats.dropped_out_of_order,
        emitted: stats.emitted,
        missing: stats.missing_bars,
    }
}

/// Candles with every fault there is, and gaps of all lengths.
fn dirty(seed: u64) -> Columns {
    let sound = minutes(6_000, seed);
    let mut rows: Vec<Candle> = Vec::new();
    for row in 0..sound.len() {
        let candle = sound.candle(row);
        let step = |nanos: i64| Candle { start: candle.start.saturating_add_nanos(nanos), ..candle };
        match (row as u64 * 7919 + seed * 104_729) % 401 {
            1 => rows.push(Candle { high: f64::NAN, ..candle }),
            2 => rows.push(Candle { low: candle.high + 1.0, ..candle }),
            3 => rows.push(Candle { volume: -1.0, ..candle }),
            4 => rows.extend([candle, candle]),
            5 => rows.extend([candle, step(-10 * MINUTE)]),
            6 => rows.push(step(1)),
            7 => rows.push(step(20 * MINUTE)),
            8 => rows.push(Candle { close: f64::INFINITY, ..candle }),
            9 => rows.push(step(100_000 * MINUTE)),
            10 => rows.push(Candle { partial: true, ..candle }),
            11..30 => {}
            _ if row / 100 == 20 + seed as usize => {}
            _ => rows.push(candle),
        }
    }
    rows.into_iter().collect()
}

#[test]
fn it_makes_the_frames_of_the_pipeline() {
    for (series, rows, gaps) in [(1, 1000, 0.0), (8, 3000, 0.001), (5, 2000, 0.7)] {
        let data = MemoryData::new(series, rows, gaps);
        for target in ["1m", "5m", "1h"] {
            let target: Timeframe = target.parse().unwrap();
            let (frames, stats) = drain(data.feed(target, &Logs::Nowhere).unwrap().build().unwrap());
            let (expected, counted) = straight(&data.columns(), target, data.range());
            assert!(frames == expected, "{series} {gaps} {target}");
            assert_eq!(stats.iter().map(counts).collect::<Vec<_>>(), counted);
        }
    }
}

#[test]
fn it_judges_rows_as_a_source_does() {
    let range = TimeRange::new(Timestamp::from_nanos(90 * MINUTE), Timestamp::from_nanos(5_003 * MINUTE));
    let range = range.unwrap();
    let columns = [1, 2, 3].map(|seed| Arc::new(dirty(seed)));
    let data = MemoryData::from_columns(columns.to_vec(), range);
    let target: Timeframe = "5m".parse().unwrap();
    let (frames, stats) = drain(data.feed(target, &Logs::Nowhere).unwrap().build().unwrap());
    let (expected, counted) = straight(&data.columns(), target, range);
    for (frame, expected) in frames.iter().zip(&expected) {
        assert_eq!(frame, expected);
    }
    assert_eq!(frames.len(), expected.len());
    assert_eq!(stats.iter().map(counts).collect::<Vec<_>>(), counted);
    let sum = |count: fn(&Counts) -> u64| counted.iter().map(count).min().unwrap();
    assert!(sum(|c| c.failed) > 10 && sum(|c| c.dropped) > 10 && sum(|c| c.missing) > 100, "{counted:?}");
    assert!(frames.iter().any(|(_, slots)| slots.iter().any(|slot| matches!(slot, Slot::Filled { .. }))));
}
