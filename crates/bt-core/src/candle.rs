//! One candle.

use std::fmt;

use crate::Timestamp;

/// A candle (bar) of a series whose timeframe is known from where it stands (R4).
///
/// It covers `[start, start + timeframe)`. Prices are in the quote currency, `volume` in whatever unit the
/// data set uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candle {
    /// First instant that the candle covers.
    pub start: Timestamp,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Traded volume.
    pub volume: f64,
    /// Number of trades, if known.
    pub trades: Trades,
    /// Whether inputs were missing when this bar was made from smaller ones (R15).
    pub partial: bool,
}

impl Candle {
    /// What stands in a place that is about to be written.
    pub(crate) const BLANK: Candle = Candle {
        start: Timestamp::EPOCH,
        open: 0.0,
        high: 0.0,
        low: 0.0,
        close: 0.0,
        volume: 0.0,
        trades: Trades::ZERO,
        partial: false,
    };
}

/// A number of trades, from 0 to `i64::MAX`, or unknown.
///
/// Sums with an unknown part are unknown (R13); sums beyond the largest number stay there.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trades(i64);

impl Trades {
    /// No trades.
    pub const ZERO: Trades = Trades(0);
    /// The source has no count.
    pub const UNKNOWN: Trades = Trades(-1);

    /// The number `count`, or `None` if it is above `i64::MAX`.
    pub const fn new(count: u64) -> Option<Self> {
        if count <= i64::MAX as u64 { Some(Trades(count as i64)) } else { None }
    }

    /// The number, or `None` if it is unknown.
    pub const fn get(self) -> Option<u64> {
        if self.0 < 0 { None } else { Some(self.0 as u64) }
    }

    /// The sum of both, held at `i64::MAX`; unknown if either is.
    #[must_use]
    pub const fn plus(self, other: Trades) -> Trades {
        // The sign of the disjunction is the sign of either: one test for "any unknown".
        if self.0 | other.0 < 0 { Trades::UNKNOWN } else { Trades(self.0.saturating_add(other.0)) }
    }
}

impl From<u32> for Trades {
    fn from(count: u32) -> Self {
        Trades(i64::from(count))
    }
}

impl fmt::Debug for Trades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(count) => write!(f, "Trades({count})"),
            None => f.write_str("Trades(unknown)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r13_unknown_trades_stay_unknown_and_large_ones_saturate() {
        let most = Trades::new(i64::MAX as u64).unwrap();
        assert_eq!(Trades::from(2).plus(Trades::from(3)).get(), Some(5));
        assert_eq!(Trades::UNKNOWN.plus(Trades::from(3)), Trades::UNKNOWN);
        assert_eq!(Trades::from(3).plus(Trades::UNKNOWN), Trades::UNKNOWN);
        assert_eq!(most.plus(most), most);
        assert_eq!(Trades::new(i64::MAX as u64 + 1), None);
    }
}
