//! What is traded, and the series of bars of it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{NameError, Timeframe};

/// What is traded where: exchange, market and symbol, written `binance.spot:BTCUSDT` (R18).
///
/// The parts become directory names of a data set, so they are checked: none is empty or over 100 bytes, and
/// there are no path separators, no `..`, no control characters, no white space. The exchange holds neither
/// `.` nor `:`, the market no `:`, the symbol no `@`, which makes the written form unambiguous. Ordered by
/// the bytes of the written form (R20). Cloning is cheap.
///
/// ```
/// use bt_core::Instrument;
/// let btc: Instrument = "binance.spot:BTCUSDT".parse()?;
/// assert_eq!((btc.exchange(), btc.market(), btc.symbol()), ("binance", "spot", "BTCUSDT"));
/// assert!("binance.spot:../etc".parse::<Instrument>().is_err());
/// # Ok::<(), bt_core::NameError>(())
/// ```
#[derive(Clone)]
pub struct Instrument {
    name: Arc<str>,
    /// Length of the exchange, and of exchange and market together with the dot.
    exchange: u16,
    market: u16,
}

const LONGEST_PART: usize = 100;

impl Instrument {
    /// The instrument of these three names.
    pub fn new(exchange: &str, market: &str, symbol: &str) -> Result<Self, NameError> {
        check(exchange, "exchange", &['.', ':', '@'])?;
        check(market, "market", &[':', '@'])?;
        check(symbol, "symbol", &['@'])?;
        Ok(Instrument {
            name: format!("{exchange}.{market}:{symbol}").into(),
            exchange: exchange.len() as u16,
            market: (exchange.len() + 1 + market.len()) as u16,
        })
    }

    /// Name of the venue, such as `binance`.
    pub fn exchange(&self) -> &str {
        &self.name[..usize::from(self.exchange)]
    }

    /// Name of the venue's market, such as `spot`.
    pub fn market(&self) -> &str {
        &self.name[usize::from(self.exchange) + 1..usize::from(self.market)]
    }

    /// Name of what is traded, such as `BTCUSDT`.
    pub fn symbol(&self) -> &str {
        &self.name[usize::from(self.market) + 1..]
    }

    /// The written form, `binance.spot:BTCUSDT`.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The series of this instrument at `timeframe`.
    pub fn at(&self, timeframe: Timeframe) -> Series {
        Series { timeframe, instrument: self.clone() }
    }
}

fn check(part: &str, role: &'static str, reserved: &[char]) -> Result<(), NameError> {
    let refuse = |expected| Err(NameError::Part { role, text: part.to_owned(), expected });
    if part.is_empty() || part.len() > LONGEST_PART {
        refuse("1 to 100 bytes")
    } else if part.contains(['/', '\\']) || part.contains("..") || part.starts_with('.') {
        refuse("no path separator, no leading `.` and no `..`")
    } else if part.contains(|c: char| c.is_control() || c.is_whitespace()) {
        refuse("no white space and no control character")
    } else if part.contains(reserved) {
        refuse("none of the separators `.` (exchange), `:` (exchange, market), `@`")
    } else {
        Ok(())
    }
}

impl FromStr for Instrument {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let parts = text.split_once('.').and_then(|(e, rest)| rest.split_once(':').map(|(m, s)| (e, m, s)));
        let (exchange, market, symbol) =
            parts.ok_or_else(|| NameError::Instrument { text: text.to_owned() })?;
        Instrument::new(exchange, market, symbol)
    }
}

impl fmt::Display for Instrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Instrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instrument({})", self.name)
    }
}

impl PartialEq for Instrument {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.name, &other.name) || self.name == other.name
    }
}

impl Eq for Instrument {}

impl PartialOrd for Instrument {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Instrument {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name.cmp(&other.name)
    }
}

impl std::hash::Hash for Instrument {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// An instrument at a timeframe, written `binance.spot:BTCUSDT@5m` (R18).
///
/// Ordered by timeframe, then by the instrument's bytes: the order of the slots of a frame (R20).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    // The order of these fields is R20.
    timeframe: Timeframe,
    instrument: Instrument,
}

impl Series {
    /// The series of `instrument` at `timeframe`.
    pub fn new(instrument: Instrument, timeframe: Timeframe) -> Self {
        Series { timeframe, instrument }
    }

    /// What is traded.
    pub fn instrument(&self) -> &Instrument {
        &self.instrument
    }

    /// Length of the bars.
    pub fn timeframe(&self) -> Timeframe {
        self.timeframe
    }
}

impl FromStr for Series {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (instrument, timeframe) =
            text.rsplit_once('@').ok_or_else(|| NameError::Series { text: text.to_owned() })?;
        let timeframe =
            timeframe.parse().map_err(|source| NameError::Timeframe { text: text.to_owned(), source })?;
        Ok(Series { timeframe, instrument: instrument.parse()? })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.instrument, self.timeframe)
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Series({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(text: &str) -> Series {
        text.parse().unwrap()
    }

    #[test]
    fn r18_names_are_read_and_written() {
        for text in [
            "binance.spot:BTCUSDT@5m",
            "usa.spot:BRK.B@1d",
            "x.perp.linear:BTC:USD@1m",
            "cme.futures:6EH4@250ms",
        ] {
            assert_eq!(series(text).to_string(), text);
        }
        let odd = series("x.perp.linear:BTC:USD@1m");
        let odd = odd.instrument();
        assert_eq!((odd.exchange(), odd.market(), odd.symbol()), ("x", "perp.linear", "BTC:USD"));
    }

    #[test]
    fn r18_names_that_could_leave_the_data_set_are_refused() {
        for bad in [
            "binance.spot:../x",
            "binance.spot:a/b",
            "binance.spot:a\\b",
            "..spot:x",
            "a.b:c\n",
            "a.b:c d",
            "a.b:c\0",
            ".spot:x",
            "a.:x",
            "a.b:",
            "ab:c",
            "a.b",
            "",
            "a.b:c@d",
            "a..b:c",
        ] {
            assert!(bad.parse::<Instrument>().is_err(), "{bad:?}");
        }
        assert!(Instrument::new("a.b", "c", "d").is_err() && Instrument::new("a", "b:c", "d").is_err());
        assert!(Instrument::new("a", "b", &"x".repeat(101)).is_err());
        let error = "a.b:c@5x".parse::<Series>().unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("`5x`"));
    }

    #[test]
    fn r20_small_timeframes_come_first_then_instruments_by_bytes() {
        let mut all = ["b.s:A@1h", "b.s:B@5m", "b.s:A@5m", "a.s:Z@5m", "a-b.s:A@5m"].map(series).to_vec();
        all.sort();
        let names: Vec<_> = all.iter().map(Series::to_string).collect();
        assert_eq!(names, ["a-b.s:A@5m", "a.s:Z@5m", "b.s:A@5m", "b.s:B@5m", "b.s:A@1h"]);
    }
}
