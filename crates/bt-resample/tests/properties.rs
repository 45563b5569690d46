//! R12 to R17 against the naive reference.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use bt_core::{Candle, CandleBatch, CandleSource, CandleSourceExt, Timeframe, Timestamp};
use bt_resample::{PartialPolicy, Resample};
use bt_testkit::reference::{self, resample};
use bt_testkit::{Chop, ScriptedSource, Step, strategies};
use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt};
use proptest::prelude::*;

fn tf(text: &str) -> Timeframe {
    text.parse().unwrap()
}

fn source(candles: &[Candle], chop: &Chop) -> ScriptedSource {
    chop.source(&"a.b:C@1m".parse().unwrap(), None, candles, &[])
}

fn collect(source: impl CandleSource) -> Vec<Candle> {
    block_on(source.candles().try_collect()).unwrap()
}

fn chop() -> impl Strategy<Value = Chop> {
    (strategies::sizes(), strategies::pendings(), any::<bool>()).prop_map(|(sizes, pendings, ticks)| Chop {
        sizes,
        pendings,
        ticks,
    })
}

fn policies(policy: reference::PartialPolicy) -> PartialPolicy {
    match policy {
        reference::PartialPolicy::Emit => PartialPolicy::Emit,
        reference::PartialPolicy::Drop => PartialPolicy::Drop,
    }
}

proptest! {
    #[test]
    fn r13_to_r16_equal_the_reference_however_cut(
        candles in strategies::candles(tf("1m"), 300),
        target in prop::sample::select(vec!["1m", "3m", "5m", "1h"]),
        policy in strategies::partial_policy(),
        chop in chop(),
    ) {
        let made = Resample::new(source(&candles, &chop), tf(target)).unwrap().with_partial(policies(policy));
        prop_assert_eq!(collect(made), resample(&candles, tf("1m"), tf(target), policy));
    }

    #[test]
    fn r17_steps_equal_one_step_flags_included(candles in strategies::candles(tf("1m"), 300), chop in chop()) {
        let one = Resample::new(source(&candles, &chop), tf("1h")).unwrap();
        let five = Resample::new(source(&candles, &chop), tf("5m")).unwrap();
        let two = Resample::new(five, tf("1h")).unwrap();
        prop_assert_eq!(collect(one), collect(two));
    }

    /// Whatever is known of time goes on: no bar contradicts a watermark, and none is held longer than R14 says.
    #[test]
    fn r14_watermarks_are_true_and_bars_are_prompt(candles in strategies::candles(tf("1m"), 200), chop in chop()) {
        let input = source(&candles, &chop);
        let batches: Vec<CandleBatch> = block_on(Resample::new(input, tf("5m")).unwrap().try_collect()).unwrap();
        let mut known = Timestamp::MIN;
        for batch in batches {
            for candle in batch.iter() {
                prop_assert!(tf("5m").end_of(candle.start).unwrap() > known);
            }
            known = batch.progress(tf("5m")).unwrap_or(known).max(known);
        }
    }
}

/// The bars, the last watermark before an error, and the error.
fn until_error(source: impl CandleSource) -> (Vec<Candle>, Option<(Timestamp, String)>) {
    let (mut bars, mut known, mut error) = (Vec::new(), None, None);
    for item in block_on(source.collect::<Vec<_>>()) {
        match item {
            Ok(batch) => {
                bars.extend(batch.iter());
                known = batch.watermark();
            }
            Err(told) => error = Some((known.unwrap(), told.to_string())),
        }
    }
    (bars, error)
}

proptest! {
    /// Near the ends of time, where hours begin or end beyond what can be represented and their minutes do not.
    #[test]
    fn r35_an_error_comes_when_its_row_begins_however_cut(
        gaps in prop::collection::vec(prop_oneof![9 => Just(1), 1 => 1..200i64], 0..200),
        late in any::<bool>(),
        by in 0..90i64,
        wrong in prop::option::weighted(0.2, 0..200usize),
        chop in chop(),
    ) {
        let mut minutes = vec![0];
        minutes.extend(gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }));
        let (first, last) = (i64::MIN / MINUTE, i64::MAX / MINUTE - 1);
        let base = if late { last - by - minutes[minutes.len() - 1] } else { first + by };
        let mut candles: Vec<_> = minutes.iter().map(|at| starting((base + at) * MINUTE)).collect();
        if let Some(candle) = wrong.and_then(|row| candles.get_mut(row)) {
            candle.start = candle.start.saturating_add_nanos(1);
        }
        let is_bad = |candle: &Candle| {
            !tf("1m").is_on_grid(candle.start)
                || tf("1h").floor(candle.start).and_then(|floor| tf("1h").end_of(floor)).is_none()
        };
        let bad = candles.iter().position(is_bad);
        let sound = &candles[..bad.unwrap_or(candles.len())];
        let mut bars = resample(sound, tf("1m"), tf("1h"), reference::PartialPolicy::Emit);
        let (made, error) = until_error(Resample::new(source(&candles, &chop), tf("1h")).unwrap());
        if let Some(bad) = bad {
            // The bar in the making is not handed on, unless the row at fault lies beyond it.
            bars.retain(|bar| tf("1h").end_of(bar.start).unwrap() <= candles[bad].start
                || tf("1h").end_of(bar.start) == tf("1m").end_of(sound[bad - 1].start));
        }
        prop_assert_eq!(made, bars);
        prop_assert_eq!(error.map(|(reached, _)| reached), bad.map(|bad| candles[bad].start));
    }
}

const MINUTE: i64 = 60_000_000_000;

fn starting(nanos: i64) -> Candle {
    Candle { start: Timestamp::from_nanos(nanos), ..minute(0) }
}

fn minute(minute: i64) -> Candle {
    Candle {
        start: Timestamp::from_secs(60 * minute).unwrap(),
        open: 1.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        volume: 1.0,
        trades: bt_core::Trades::ZERO,
        partial: false,
    }
}

/// How many bars came after each step of the script.
fn bars_after_each(script: Vec<Step>) -> Vec<usize> {
    let steps = script.len();
    let gate = bt_testkit::Gate::closed();
    let gated = script.into_iter().flat_map(|step| [Step::Gate(gate.clone()), step]);
    let end = Step::Gate(gate.clone());
    let source = ScriptedSource::new("a.b:C@1m".parse().unwrap(), None, gated.chain([end]));
    let mut bars = tokio_test::task::spawn(Resample::new(source, tf("5m")).unwrap());
    let mut counts = Vec::new();
    for _ in 0..=steps {
        let mut count = 0;
        while let std::task::Poll::Ready(Some(batch)) = bars.poll_next() {
            count += batch.unwrap().len();
        }
        counts.push(count);
        gate.admit(1);
    }
    // What came before the first step was let through is nothing.
    assert_eq!(counts.remove(0), 0);
    counts
}

#[test]
fn r14_a_bar_comes_as_soon_as_it_is_decided() {
    let batch = |minutes: &[i64]| Step::Batch(minutes.iter().map(|m| minute(*m)).collect());
    let tick = |m: i64| Step::Batch(CandleBatch::tick(Timestamp::from_secs(60 * m).unwrap()));
    // By the input that ends where the bucket does.
    assert_eq!(bars_after_each(vec![batch(&[0, 1, 2, 3]), batch(&[4])]), [0, 1]);
    // By an input of a later bucket.
    assert_eq!(bars_after_each(vec![batch(&[0, 1]), batch(&[7])]), [0, 1]);
    // By the watermark, once it reaches the end of the bucket and not before.
    assert_eq!(bars_after_each(vec![batch(&[0, 1]), tick(4), tick(5)]), [0, 0, 1]);
    // By a watermark on the batch itself.
    let with_watermark =
        CandleBatch::from_iter([minute(0)]).with_watermark(Timestamp::from_secs(300).unwrap());
    assert_eq!(bars_after_each(vec![Step::Batch(with_watermark)]), [1]);
}

#[test]
fn r12_only_whole_multiples() {
    for bad in ["30s", "90s", "61s"] {
        let error = Resample::new(source(&[], &Chop::whole()), tf(bad)).unwrap_err().to_string();
        assert!(error.contains("a.b:C@1m") && error.contains(&tf(bad).to_string()), "{error}");
    }
}

#[test]
fn r25_candles_that_go_back_are_an_error_after_what_was_decided() {
    for minutes in [vec![0, 1, 2, 3, 4, 5, 3], vec![0, 1, 2, 3, 4, 5, 5]] {
        let batch: CandleBatch = minutes.iter().map(|m| minute(*m)).collect();
        let source = ScriptedSource::new("a.b:C@1m".parse().unwrap(), None, [Step::Batch(batch)]);
        let items: Vec<_> = block_on(Resample::new(source, tf("5m")).unwrap().collect());
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].as_ref().unwrap().len(), 1);
        let error = items[1].as_ref().unwrap_err().to_string();
        assert!(error.contains("a.b:C@1m") && error.contains("1970-01-01T00:06:00Z"), "{error}");
    }
}

#[test]
fn r36_a_poll_works_on_a_bounded_number_of_candles() {
    let candles: CandleBatch = (0..100_000).map(minute).collect();
    let source = ScriptedSource::new("a.b:C@1m".parse().unwrap(), None, [Step::Batch(candles)]);
    let mut bars = tokio_test::task::spawn(Resample::new(source, tf("5m")).unwrap());
    let mut sizes = Vec::new();
    loop {
        match bars.poll_next() {
            std::task::Poll::Ready(Some(batch)) => sizes.push(batch.unwrap().work()),
            std::task::Poll::Ready(None) => break,
            std::task::Poll::Pending => {
                assert!(bars.is_woken(), "the stream gives the thread back and asks for it again");
                sizes.push(0);
            }
        }
    }
    let polls: Vec<usize> = sizes.split(|work| *work == 0).map(|batches| batches.iter().sum()).collect();
    assert_eq!(polls, [vec![4096; 24], vec![1696]].concat());
}

#[test]
fn times_beyond_the_representable_are_an_error() {
    let last = Timestamp::from_nanos(i64::MAX - i64::MAX % 60_000_000_000 - 60_000_000_000);
    let batch = CandleBatch::from_iter([Candle { start: last, ..minute(0) }]);
    let source = ScriptedSource::new("a.b:C@1m".parse().unwrap(), None, [Step::Batch(batch)]);
    let items: Vec<_> = block_on(Resample::new(source, tf("1d")).unwrap().collect());
    assert!(items.last().unwrap().as_ref().unwrap_err().to_string().contains("representable"));
}

/// What a source promises is held against it, as it would be without a resampler between (R23, R25).
#[test]
fn r25_a_source_that_breaks_its_word_is_an_error() {
    let batch = |minutes: &[i64]| Step::Batch(minutes.iter().map(|m| minute(*m)).collect());
    let tick = |m: i64| Step::Batch(CandleBatch::tick(Timestamp::from_secs(60 * m).unwrap()));
    let off_grid = CandleBatch::from_iter([Candle { start: Timestamp::from_secs(30).unwrap(), ..minute(0) }]);
    let end = Some(Timestamp::from_secs(120).unwrap());
    for (end, script, expected) in [
        (None, vec![batch(&[0, 1]), tick(5), batch(&[3])], "went back"),
        (None, vec![batch(&[0]), tick(4), batch(&[1])], "went back"),
        (None, vec![Step::Batch(off_grid)], "grid"),
        (end, vec![batch(&[0, 1, 2])], "declared end"),
    ] {
        let source = ScriptedSource::new("a.b:C@1m".parse().unwrap(), end, script);
        let items: Vec<_> = block_on(Resample::new(source, tf("5m")).unwrap().collect());
        let error = items.last().unwrap().as_ref().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn r22_a_source_that_ends_while_cut_off_stays_stale() {
    let stale = CandleBatch::tick(Timestamp::from_secs(420).unwrap()).with_stale(true);
    let rows: CandleBatch = [0, 1, 2, 3, 4, 5].into_iter().map(minute).collect();
    let source =
        ScriptedSource::new("a.b:C@1m".parse().unwrap(), None, [Step::Batch(rows), Step::Batch(stale)]);
    let batches: Vec<CandleBatch> = block_on(Resample::new(source, tf("5m")).unwrap().try_collect()).unwrap();
    assert_eq!(
        batches.iter().map(|b| (b.len(), b.is_stale())).collect::<Vec<_>>(),
        [(1, false), (0, true), (1, true)]
    );
}
