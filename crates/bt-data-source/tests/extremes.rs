//! From candles in memory to frames at both ends of time, with timeframes of a millisecond to two centuries, volumes
//! and numbers of trades as large as they can be, and declared ends anywhere: as the reference says, or an error.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;

use bt_core::{
    Candle, CandleBatch, Columns, FeedError, Instrument, SourceError, TimeRange, Timeframe, Timestamp, Trades,
};
use bt_data_source::MemorySource;
use bt_feeder::{Align, BarFeed, BarFeedBuilder, Fill, OnSourceError};
use bt_resample::Resample;
use bt_testkit::reference::{self, FrameRules, RefSeries, frames, resample};
use bt_testkit::{Recorder, ScriptedSource, Step, drain_feed, strategies};
use proptest::prelude::*;
use proptest::sample::select;

const NAMES: [&str; 3] = ["a.b:A", "a.b:B", "a.b:C"];

/// Candles of one series, and what is made of them.
#[derive(Clone, Debug)]
struct Input {
    instrument: Instrument,
    timeframe: Timeframe,
    target: Timeframe,
    candles: Vec<Candle>,
    range: Option<TimeRange>,
}

impl Input {
    fn wanted(&self) -> Vec<Candle> {
        let range = self.range.unwrap_or(TimeRange::ALL);
        self.candles.iter().copied().filter(|candle| range.contains(candle.start)).collect()
    }

    /// Whether the bar that a candle goes into is representable.
    fn has_bar(&self, candle: &Candle) -> bool {
        let floor = self.target.floor(candle.start);
        self.target == self.timeframe || floor.is_some_and(|floor| self.target.end_of(floor).is_some())
    }

    fn source(&self, batch_rows: usize) -> Resample<MemorySource> {
        let series = self.instrument.at(self.timeframe);
        let mut builder = MemorySource::builder(series, self.candles.iter().copied()).batch_rows(batch_rows);
        if let Some(range) = self.range {
            builder = builder.range(range);
        }
        Resample::new(builder.build().unwrap(), self.target).unwrap()
    }

    fn reference(&self) -> RefSeries {
        let candles: Vec<_> = self.wanted().into_iter().take_while(|candle| self.has_bar(candle)).collect();
        RefSeries {
            series: self.instrument.at(self.target),
            bars: resample(&candles, self.timeframe, self.target, reference::PartialPolicy::Emit),
            declared_end: self.range.map(TimeRange::to),
        }
    }
}

fn feed(rules: FrameRules) -> BarFeedBuilder {
    BarFeed::builder()
        .align(match rules.align {
            reference::Align::Outer => Align::Outer,
            reference::Align::Inner => Align::Inner,
        })
        .fill(match rules.fill {
            reference::Fill::Forward => Fill::Forward { limit: rules.fill_limit },
            reference::Fill::None => Fill::None,
        })
}

fn candle() -> impl Strategy<Value = Candle> {
    let price = || select(vec![f64::MIN, -1.0, -0.0, 0.0, f64::MIN_POSITIVE, 1.0, f64::MAX]);
    let volume = select(vec![0.0, 1.0, 1e308, f64::MAX]);
    let trades =
        select(vec![Trades::ZERO, Trades::from(1), Trades::new(i64::MAX as u64).unwrap(), Trades::UNKNOWN]);
    (price(), price(), volume, trades, prop::bool::weighted(0.1)).prop_map(
        |(open, close, volume, trades, partial)| Candle {
            start: Timestamp::EPOCH,
            open,
            high: open.max(close),
            low: open.min(close),
            close,
            volume,
            trades,
            partial,
        },
    )
}

/// Numbers of bars of a timeframe, counted from the epoch: some at each end of time and around the epoch.
fn bars(timeframe: Timeframe) -> impl Strategy<Value = BTreeSet<i64>> {
    let step = timeframe.as_nanos();
    // The first that begins and the last that ends in time.
    let (first, last) = (i64::MIN / step, i64::MAX / step - 1);
    let near = move |from: i64, to: i64| {
        let run = from.max(first)..=to.min(last).max(from.max(first));
        let all = Just(run.clone().collect::<BTreeSet<i64>>());
        prop_oneof![prop::collection::btree_set(run, 0..14), all]
    };
    (near(first, first.saturating_add(12)), near(-5, 5), near(last.saturating_sub(12), last)).prop_map(
        move |(a, b, c)| a.into_iter().chain(b).chain(c).filter(|bar| (first..=last).contains(bar)).collect(),
    )
}

fn input(name: &'static str) -> impl Strategy<Value = Input> {
    let timeframe = select(vec!["1ms", "1s", "1m", "1d", "300d", "15000d", "30000d", "53375d", "106751d"]);
    let ratio = select(vec![1, 1, 2, 3, 5, 60]);
    (timeframe, ratio).prop_flat_map(move |(timeframe, ratio)| {
        let timeframe: Timeframe = timeframe.parse().unwrap();
        let target =
            timeframe.as_nanos().checked_mul(ratio).map_or(timeframe, |n| Timeframe::from_nanos(n).unwrap());
        let candles = prop::collection::vec(candle(), 40);
        let ends = select(vec![i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX]);
        let range = (ends, any::<i64>(), any::<bool>()).prop_map(|(end, from, exact)| {
            let to = Timestamp::from_nanos(if exact { end } else { end.saturating_add(from / 4) });
            TimeRange::new(Timestamp::MIN, to).ok()
        });
        (bars(timeframe), candles, range).prop_map(move |(bars, candles, range)| Input {
            instrument: name.parse().unwrap(),
            timeframe,
            target,
            candles: bars
                .iter()
                .zip(candles)
                .map(|(bar, candle)| Candle {
                    start: Timestamp::from_nanos(bar * timeframe.as_nanos()),
                    ..candle
                })
                .collect(),
            range,
        })
    })
}

/// What a source that promises nothing might yield.
fn garbage() -> impl Strategy<Value = Vec<CandleBatch>> {
    let edges =
        select(vec![i64::MIN, i64::MIN + 1, -1, 0, 60_000_000_000, i64::MAX - 60_000_000_000, i64::MAX]);
    let instant = prop_oneof![edges, any::<i64>()];
    let starts = (instant.clone(), 0..5usize, any::<bool>()).prop_map(|(from, rows, on_grid)| {
        let step = 60_000_000_000;
        let from = if on_grid { from - from % step } else { from };
        (0..rows as i64).map(|n| Timestamp::from_nanos(from.wrapping_add(n * step))).collect::<Vec<_>>()
    });
    let batch = (starts, prop::option::of(instant), candle(), any::<bool>()).prop_map(
        |(starts, watermark, candle, stale)| {
            let columns: Columns = starts.into_iter().map(|start| Candle { start, ..candle }).collect();
            let batch = CandleBatch::new(columns).with_stale(stale);
            watermark
                .map_or(batch.clone(), |watermark| batch.with_watermark(Timestamp::from_nanos(watermark)))
        },
    );
    prop::collection::vec(batch, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn frames_at_the_ends_of_time_are_those_of_the_reference(
        mut inputs in (input(NAMES[0]), input(NAMES[1]), input(NAMES[2])).prop_map(|(a, b, c)| vec![a, b, c]),
        count in 1..=3usize,
        rules in strategies::frame_rules(),
        batch_rows in strategies::batch_rows(),
    ) {
        inputs.truncate(count);
        // A bar that begins or ends beyond time is an error, of which another test is.
        for input in &mut inputs {
            let kept = input.clone();
            input.candles.retain(|candle| kept.has_bar(candle));
        }
        let series: Vec<_> = inputs.iter().map(Input::reference).collect();
        let builder = inputs.iter().fold(feed(rules), |builder, input| builder.subscribe(input.source(batch_rows)));
        let (found, error) = drain_feed(builder.build().unwrap(), &Recorder::new());
        prop_assert!(error.is_none(), "{:?}", error);
        prop_assert!(found.iter().flat_map(|frame| &frame.slots).all(|slot| slot.candle().is_none_or(|bar| bar.volume.is_finite())));
        prop_assert_eq!(found, frames(&series, rules));
    }

    #[test]
    fn a_bar_beyond_time_is_an_error_after_the_bars_before_it(
        input in input(NAMES[0]),
        batch_rows in strategies::batch_rows(),
    ) {
        let bad = input.wanted().into_iter().find(|candle| !input.has_bar(candle));
        let builder = feed(FrameRules::default()).subscribe(input.source(batch_rows));
        let (found, error) = drain_feed(builder.build().unwrap(), &Recorder::new());
        prop_assert_eq!(found, frames(&[input.reference()], FrameRules::default()));
        match (error, bad) {
            (None, None) => {}
            (Some(FeedError::Source { source: SourceError::Misplaced { start, .. }, .. }), Some(bad)) => {
                prop_assert_eq!(start, bad.start);
            }
            (error, bad) => prop_assert!(false, "{:?} for {:?}", error, bad),
        }
    }

    /// Whatever a source yields, frames go forward and the feed ends.
    #[test]
    fn nonsense_makes_frames_in_order_or_an_error(
        batches in prop::collection::vec(garbage(), 1..=3),
        targets in prop::collection::vec(select(vec!["1m", "2m", "1d", "106751d"]), 3),
        end in prop::option::of(select(vec![i64::MIN, i64::MIN + 1, 0, i64::MAX])),
        isolate in any::<bool>(),
        rules in strategies::frame_rules(),
    ) {
        let policy = if isolate { OnSourceError::Isolate } else { OnSourceError::Fail };
        let mut builder = feed(rules).on_source_error(policy);
        for ((batches, name), target) in batches.into_iter().zip(NAMES).zip(targets) {
            let series = format!("{name}@1m").parse().unwrap();
            let source = ScriptedSource::new(series, end.map(Timestamp::from_nanos), batches.into_iter().map(Step::Batch));
            let target: Timeframe = target.parse().unwrap();
            builder = builder.subscribe(Resample::new(source, target).unwrap());
        }
        let (found, error) = drain_feed(builder.build().unwrap(), &Recorder::new());
        prop_assert!(found.is_sorted_by(|a, b| a.close < b.close));
        prop_assert!(error.is_none() || !isolate, "{:?}", error);
    }
}
