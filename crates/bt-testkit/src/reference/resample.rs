//! Candles to bars: R12 to R16.

use bt_core::{Candle, Timeframe, Timestamp};

/// What becomes of a bar that lacks inputs (R15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialPolicy {
    /// It is emitted with its flag.
    Emit,
    /// It is left out.
    Drop,
}

/// The bars of `to` that `candles` of `from`, in order, make.
///
/// # Panics
/// If `to` is no whole multiple of `from` (R12).
pub fn resample(candles: &[Candle], from: Timeframe, to: Timeframe, policy: PartialPolicy) -> Vec<Candle> {
    let ratio = to.ratio(from).expect("the target is a whole multiple of the input");
    if from == to {
        return candles.to_vec();
    }
    let mut buckets: Vec<(Timestamp, Vec<Candle>)> = Vec::new();
    for candle in candles {
        let start = to.floor(candle.start).expect("the bucket's start is representable");
        match buckets.last_mut() {
            Some((bucket, inputs)) if *bucket == start => inputs.push(*candle),
            _ => buckets.push((start, vec![*candle])),
        }
    }
    buckets
        .iter()
        .map(|(start, inputs)| bar(*start, inputs, ratio))
        .filter(|bar| !bar.partial || policy == PartialPolicy::Emit)
        .collect()
}

/// The bar at `start` of the candles in its bucket, of which there is at least one.
fn bar(start: Timestamp, inputs: &[Candle], ratio: u64) -> Candle {
    let mut bar = Candle { start, ..inputs[0] };
    for input in &inputs[1..] {
        bar.high = bar.high.max(input.high);
        bar.low = bar.low.min(input.low);
        bar.close = input.close;
        bar.volume += input.volume;
        bar.trades = bar.trades.plus(input.trades);
    }
    bar.volume = bar.volume.min(f64::MAX);
    bar.partial = inputs.len() as u64 != ratio || inputs.iter().any(|input| input.partial);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use bt_core::Trades;
    use proptest::prelude::*;

    use crate::strategies;

    fn tf(text: &str) -> Timeframe {
        text.parse().unwrap()
    }

    fn candle(minute: i64, ohlc: [f64; 4], volume: f64) -> Candle {
        let [open, high, low, close] = ohlc;
        let start = Timestamp::from_secs(60 * minute).unwrap();
        Candle { start, open, high, low, close, volume, trades: Trades::from(1), partial: false }
    }

    fn flat(minute: i64) -> Candle {
        candle(minute, [1.0; 4], 1.0)
    }

    fn bars(minutes: &[i64], to: &str, policy: PartialPolicy) -> Vec<(i64, bool)> {
        let candles: Vec<_> = minutes.iter().map(|m| flat(*m)).collect();
        resample(&candles, tf("1m"), tf(to), policy)
            .iter()
            .map(|b| (b.start.as_nanos() / 60_000_000_000, b.partial))
            .collect()
    }

    #[test]
    fn r13_each_field_of_a_bar() {
        let inputs = [
            candle(3, [5.0, 6.0, 4.0, 5.5], 0.25),
            candle(4, [5.5, 9.0, 5.0, 6.0], 0.5),
            candle(5, [6.0, 7.0, 2.0, 3.0], 1.0),
        ];
        let bars = resample(&inputs, tf("1m"), tf("3m"), PartialPolicy::Emit);
        let expected = Candle { trades: Trades::from(3), ..candle(3, [5.0, 9.0, 2.0, 3.0], 1.75) };
        assert_eq!(bars, [expected]);
    }

    #[test]
    fn r13_one_unknown_number_of_trades_makes_the_sum_unknown() {
        let unknown = Candle { trades: Trades::UNKNOWN, ..flat(1) };
        let bars = resample(&[flat(0), unknown, flat(2), flat(3)], tf("1m"), tf("2m"), PartialPolicy::Emit);
        assert_eq!(bars.iter().map(|b| b.trades.get()).collect::<Vec<_>>(), [None, Some(2)]);
    }

    #[test]
    fn r13_a_bucket_is_closed_and_labelled_left_before_the_epoch_too() {
        let all: Vec<i64> = (-7..=5).collect();
        assert_eq!(bars(&all, "5m", PartialPolicy::Emit), [(-10, true), (-5, false), (0, false), (5, true)]);
    }

    #[test]
    fn r15_first_last_and_holed_bars_are_partial_and_dropped_on_request() {
        let minutes = [1, 2, 3, 5, 8, 9, 10, 11, 12];
        assert_eq!(
            bars(&minutes, "3m", PartialPolicy::Emit),
            [(0, true), (3, true), (6, true), (9, false), (12, true)]
        );
        assert_eq!(bars(&minutes, "3m", PartialPolicy::Drop), [(9, false)]);
    }

    #[test]
    fn r15_a_partial_input_makes_a_partial_bar() {
        let partial = Candle { partial: true, ..flat(1) };
        let made = resample(&[flat(0), partial, flat(2), flat(3)], tf("1m"), tf("2m"), PartialPolicy::Emit);
        assert_eq!(made.iter().map(|b| b.partial).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn r16_empty_buckets_produce_nothing() {
        assert_eq!(bars(&[0, 1, 6, 7], "2m", PartialPolicy::Emit), [(0, false), (6, false)]);
        assert_eq!(bars(&[], "2m", PartialPolicy::Emit), []);
    }

    #[test]
    fn r12_equal_timeframes_pass_through_untouched() {
        let candles = [flat(0), Candle { partial: true, ..flat(1) }];
        assert_eq!(resample(&candles, tf("1m"), tf("60s"), PartialPolicy::Drop), candles);
    }

    #[test]
    #[should_panic(expected = "whole multiple")]
    fn r12_no_multiple_is_refused() {
        resample(&[flat(0)], tf("2m"), tf("3m"), PartialPolicy::Emit);
    }

    proptest! {
        #[test]
        fn r17_the_algebra(candles in strategies::candles(tf("1m"), 200)) {
            let emit = |candles: &[Candle], from: &str, to: &str| {
                resample(candles, tf(from), tf(to), PartialPolicy::Emit)
            };
            let hours = emit(&candles, "1m", "1h");
            prop_assert_eq!(&emit(&emit(&candles, "1m", "5m"), "5m", "1h"), &hours);
            prop_assert_eq!(&emit(&emit(&candles, "1m", "15m"), "15m", "1h"), &hours);
            let volume = |candles: &[Candle]| candles.iter().map(|c| c.volume).sum::<f64>();
            prop_assert_eq!(volume(&hours), volume(&candles));
            let trades = |candles: &[Candle]| candles.iter().fold(Trades::ZERO, |sum, c| sum.plus(c.trades));
            prop_assert_eq!(trades(&hours), trades(&candles));
        }
    }
}
