//! What all connections of a venue share.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bt_core::{Candle, ConfigError, Series, TimeRange, Timestamp, Trades};
use tokio::time::Instant;

use crate::clock::Present;
use crate::config::{ServeConfig, Speed};
use crate::counter::Counter;
use crate::listing::{Listed, Listing, NANOS};
use crate::quota::{Quota, Verdict};
use crate::roster::Roster;
use crate::stats::Tally;
use crate::venue::Archive;

pub(crate) struct Desk {
    pub(crate) listing: Listing,
    /// A series that nobody asked for.
    pub(crate) stranger: Listing,
    pub(crate) config: ServeConfig,
    pub(crate) range: TimeRange,
    pub(crate) archive: Box<dyn Archive>,
    pub(crate) present: Present,
    pub(crate) roster: Arc<Roster>,
    pub(crate) counter: Counter,
    pub(crate) tally: Tally,
    quota: Mutex<Quota>,
    began: Instant,
    /// The last price of each series, as bits.
    prices: Vec<AtomicU64>,
}

impl Desk {
    pub(crate) fn new(
        listing: Listing,
        stranger: Series,
        config: ServeConfig,
        range: TimeRange,
        archive: Box<dyn Archive>,
    ) -> Result<Self, ConfigError> {
        Ok(Desk {
            prices: listing.iter().map(|_| AtomicU64::default()).collect(),
            listing,
            stranger: Listing::new([stranger])?,
            present: Present::new(range.from().as_nanos() / NANOS),
            roster: Arc::default(),
            counter: Counter::default(),
            tally: Tally::default(),
            quota: Mutex::new(Quota::new(config.requests_per_minute)),
            began: Instant::now(),
            config,
            range,
            archive,
        })
    }

    /// A request from `address`.
    pub(crate) fn ask(&self, address: IpAddr) -> Verdict {
        let mut quota = self.quota.lock().unwrap_or_else(PoisonError::into_inner);
        quota.ask(address, self.began.elapsed())
    }

    /// Beats that may wait for a connection.
    pub(crate) fn room(&self) -> usize {
        match self.config.speed {
            Speed::Max => self.config.ahead,
            Speed::Times(_) => self.config.behind,
        }
    }

    /// Prices of series: open klines go on from them.
    pub(crate) fn note(&self, prices: impl IntoIterator<Item = (usize, f64)>) {
        for (number, price) in prices {
            self.prices[number].store(price.to_bits(), Ordering::Relaxed);
        }
    }

    /// The kline of a series that is open at `at` (milliseconds), in which nothing has been traded yet.
    pub(crate) fn open_kline(&self, number: usize, at: i64) -> (&Listed, Candle) {
        let listed = self.listing.at(number);
        let at = Timestamp::from_millis(at).unwrap_or(Timestamp::MAX);
        let close = f64::from_bits(self.prices[number].load(Ordering::Relaxed));
        let candle = Candle {
            start: listed.timeframe().floor(at).unwrap_or(at),
            open: close,
            high: close,
            low: close,
            close,
            volume: 0.0,
            trades: Trades::ZERO,
            partial: false,
        };
        (listed, candle)
    }
}
