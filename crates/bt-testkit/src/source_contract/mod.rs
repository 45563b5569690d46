//! What every [`CandleSource`] keeps to, as one suite that every implementation runs.

mod checks;
mod driver;
mod ledger;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use bt_core::{BoxSource, Candle, CandleSource, CandleSourceExt, SourceStats};

use crate::RecordingSink;

type Make = Box<dyn Fn(RecordingSink) -> BoxSource>;

/// The suite for one kind of source over one input.
///
/// It needs a closure that makes a fresh source over the same input each time, and the candles that it must
/// yield. The closure is given a sink for the source's logs; a source that logs nothing ignores it. Sources
/// with threads of their own are welcome: the suite waits for wake-ups in real time. One that needs a runtime
/// is checked inside its context.
///
/// ```
/// use bt_core::{Candle, Timestamp, Trades, from_candles};
/// use bt_testkit::source_contract::SourceContract;
/// use futures::{StreamExt, stream};
///
/// let candle = |minute: i64| Candle {
///     start: Timestamp::from_secs(60 * minute).unwrap(),
///     open: 1.0, high: 1.0, low: 1.0, close: 1.0, volume: 1.0,
///     trades: Trades::UNKNOWN, partial: false,
/// };
/// let candles = vec![candle(0), candle(1), candle(5)];
/// let rows = candles.clone();
/// let make = move |_log| {
///     from_candles("a.spot:A@1m".parse().unwrap(), None, stream::iter(rows.clone()).map(Ok))
/// };
/// SourceContract::new(make, candles).check();
/// ```
#[must_use = "a contract does nothing unless checked"]
pub struct SourceContract {
    make: Make,
    candles: Vec<Candle>,
    stats: Option<SourceStats>,
    failing: Option<(Make, Vec<Candle>)>,
    dropped: Option<Box<dyn Fn()>>,
    patience: Duration,
}

impl SourceContract {
    /// The suite for the sources that `make` makes, which must yield `candles`.
    pub fn new<S: CandleSource + 'static>(
        make: impl Fn(RecordingSink) -> S + 'static,
        candles: Vec<Candle>,
    ) -> Self {
        SourceContract {
            make: Box::new(move |log| make(log).boxed_source()),
            candles,
            stats: None,
            failing: None,
            dropped: None,
            patience: Duration::from_secs(10),
        }
    }

    /// Also checks the counters at the end.
    pub fn with_stats(mut self, stats: SourceStats) -> Self {
        self.stats = Some(stats);
        self
    }

    /// Also checks sources that yield `candles` and then an error.
    pub fn with_failing<S: CandleSource + 'static>(
        mut self,
        make: impl Fn(RecordingSink) -> S + 'static,
        candles: Vec<Candle>,
    ) -> Self {
        self.failing = Some((Box::new(move |log| make(log).boxed_source()), candles));
        self
    }

    /// Calls `dropped` each time a source was dropped, to check that its background work is withdrawn and
    /// nothing leaked (R38).
    pub fn with_dropped(mut self, dropped: impl Fn() + 'static) -> Self {
        self.dropped = Some(Box::new(dropped));
        self
    }

    /// How long a pending source may take to wake its task, 10 seconds unless set.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs every check.
    ///
    /// # Panics
    /// If the source breaks the contract, with what it broke.
    pub fn check(&self) {
        self.check_rows_and_counters();
        self.check_wakers();
        self.check_threads();
        self.check_drops();
        self.check_logs();
        self.check_failure();
    }
}

impl fmt::Debug for SourceContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceContract")
            .field("candles", &self.candles.len())
            .field("stats", &self.stats)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
