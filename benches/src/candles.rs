//! Candles made up of nothing but arithmetic.

use bt_core::{Candle, Columns, Timestamp, Trades};

const MINUTE: i64 = 60_000_000_000;

/// One-minute candles from the epoch on: a walk of prices that is the same for the same `seed`.
///
/// Prices are whole quarters and volumes whole numbers, so sums of them are exact in any order.
pub fn minutes(count: usize, seed: u64) -> Columns {
    let mut random = seed;
    let mut next = |bound: u64| {
        // Knuth's MMIX generator; its upper bits are good enough for prices.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    let mut price = 400 + next(400);
    (0..count as i64)
        .map(|minute| {
            let open = price;
            price = (price + next(9)).saturating_sub(4).max(8);
            let (high, low) = (open.max(price) + next(4), open.min(price) - next(4));
            let quarters = |n: u64| n as f64 * 0.25;
            Candle {
                start: Timestamp::from_nanos(minute * MINUTE),
                open: quarters(open),
                high: quarters(high),
                low: quarters(low),
                close: quarters(price),
                volume: next(1000) as f64,
                trades: Trades::from(next(50) as u32),
                partial: false,
            }
        })
        .collect()
}

/// The same without some: each candle is missing with the chance `gaps`, from 0 to 1.
pub fn minutes_with_gaps(count: usize, seed: u64, gaps: f64) -> Columns {
    let all = minutes(count, seed);
    let mut random = !seed;
    let kept = (0..all.len()).filter(|_| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as f64 >= gaps * (1u64 << 31) as f64
    });
    kept.map(|row| all.candle(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_candles_are_missing() {
        let columns = minutes_with_gaps(10_000, 7, 0.1);
        assert!((8_800..9_200).contains(&columns.len()), "{}", columns.len());
        assert_eq!(minutes_with_gaps(10_000, 7, 0.0), minutes(10_000, 7));
    }

    #[test]
    fn candles_are_sound_and_the_same_for_the_same_seed() {
        let columns = minutes(5_000, 7);
        for row in 0..columns.len() {
            let Candle { open, high, low, close, .. } = columns.candle(row);
            assert!(low > 0.0 && low <= open.min(close) && high >= open.max(close), "row {row}");
        }
        assert_eq!(columns, minutes(5_000, 7));
        assert_ne!(columns, minutes(5_000, 8));
    }
}
