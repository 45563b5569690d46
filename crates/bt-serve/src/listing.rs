//! What a venue lists: series, by the names that clients have for them.

use std::collections::BTreeMap;

use bt_core::{ConfigError, Series, Timeframe, Timestamp};

/// The series of a venue. Each has a number, its place in the order given.
#[derive(Debug)]
pub(crate) struct Listing {
    all: Vec<Listed>,
    by_stream: BTreeMap<String, usize>,
}

/// A series, as clients call it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) series: Series,
    /// `btcusdt@kline_1m`
    pub(crate) stream: String,
    /// `BTCUSDT`
    pub(crate) symbol: String,
    /// `1m`
    pub(crate) interval: String,
}

/// Why something asked for is not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unlisted {
    Symbol,
    Interval,
}

impl Listing {
    /// The listing of `series`.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] if there are none, [`ConfigError::DuplicateSeries`] if clients could not tell two of
    /// them apart.
    pub(crate) fn new(series: impl IntoIterator<Item = Series>) -> Result<Self, ConfigError> {
        let all: Vec<Listed> = series.into_iter().map(Listed::new).collect();
        if all.is_empty() {
            return Err(ConfigError::Missing { what: "series" });
        }
        let mut by_stream = BTreeMap::new();
        for (number, listed) in all.iter().enumerate() {
            if by_stream.insert(listed.stream.clone(), number).is_some() {
                return Err(ConfigError::DuplicateSeries { series: listed.series.clone() });
            }
        }
        Ok(Listing { all, by_stream })
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Listed> {
        self.all.iter()
    }

    /// The series of this number.
    pub(crate) fn at(&self, number: usize) -> &Listed {
        &self.all[number]
    }

    /// The number of the series that goes out on `stream`.
    pub(crate) fn stream(&self, stream: &str) -> Option<usize> {
        self.by_stream.get(stream).copied()
    }

    /// The number of the series of `symbol` at `interval`.
    pub(crate) fn find(&self, symbol: &str, interval: &str) -> Result<usize, Unlisted> {
        if !self.all.iter().any(|listed| listed.symbol == symbol) {
            return Err(Unlisted::Symbol);
        }
        let found = self.all.iter().position(|listed| listed.symbol == symbol && listed.interval == interval);
        found.ok_or(Unlisted::Interval)
    }
}

impl Listed {
    fn new(series: Series) -> Self {
        let symbol = series.instrument().symbol().to_owned();
        let interval = series.timeframe().to_string();
        Listed { stream: format!("{}@kline_{interval}", symbol.to_lowercase()), series, symbol, interval }
    }

    pub(crate) fn timeframe(&self) -> Timeframe {
        self.series.timeframe()
    }
}

/// The milliseconds of an instant that is a whole number of them.
pub(crate) fn millis(at: Timestamp) -> Option<i64> {
    (at.as_nanos() % NANOS == 0).then_some(at.as_nanos() / NANOS)
}

/// Nanoseconds of a millisecond.
pub(crate) const NANOS: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(series: &[&str]) -> Result<Listing, ConfigError> {
        Listing::new(series.iter().map(|series| series.parse().unwrap()))
    }

    #[test]
    fn series_have_the_names_of_streams() {
        let listing = listing(&["binance.spot:BTCUSDT@60s", "binance.spot:ETHUSDT@1h"]).unwrap();
        assert_eq!((listing.stream("btcusdt@kline_1m"), listing.stream("BTCUSDT@kline_1m")), (Some(0), None));
        assert_eq!(listing.find("ETHUSDT", "1h"), Ok(1));
        assert_eq!(listing.find("ETHUSDT", "1m"), Err(Unlisted::Interval));
        assert_eq!(listing.find("ethusdt", "1m"), Err(Unlisted::Symbol));
    }

    #[test]
    fn a_stream_is_of_one_series() {
        assert!(matches!(listing(&[]), Err(ConfigError::Missing { .. })));
        for twice in ["binance.spot:BTCUSDT@1m", "other.spot:BTCUSDT@1m", "binance.spot:btcusdt@1m"] {
            let error = listing(&["binance.spot:BTCUSDT@1m", twice]).unwrap_err();
            assert!(error.to_string().contains(twice), "{error}");
        }
    }

    #[test]
    fn instants_are_whole_milliseconds_or_none() {
        assert_eq!(millis(Timestamp::from_nanos(-2_000_000)), Some(-2));
        assert_eq!(millis(Timestamp::from_nanos(1)), None);
    }
}
