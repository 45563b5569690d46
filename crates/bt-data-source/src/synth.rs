//! Candles made up from a seed.

use bt_core::{Columns, ConfigError, Instrument, Series, Timeframe, Timestamp, Trades};
use rand_core::Rng;
use rand_pcg::Pcg64;

#[cfg(feature = "write")]
use crate::Compression;
use crate::layout::{month_range, month_start};

/// What a [`Synth`] is to make: by default a year of eight instruments, 2 % of the minutes missing.
///
/// ```
/// use bt_data_source::SynthConfig;
///
/// let synth = SynthConfig::default().with_instruments(2).with_months(3).with_seed(7).build()?;
/// let january = synth.columns(0, 0);
/// assert_eq!(synth.series(0).to_string(), "binance.spot:BTCUSDT@1m");
/// assert!((40_000..=44_640).contains(&january.len()));
/// assert_eq!(january, synth.columns(0, 0));
/// # Ok::<(), bt_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SynthConfig {
    instruments: usize,
    months: usize,
    first: (i32, u32),
    seed: u64,
    gaps: f64,
    #[cfg(feature = "write")]
    compression: Compression,
}

impl Default for SynthConfig {
    fn default() -> Self {
        SynthConfig {
            instruments: 8,
            months: 12,
            first: (2024, 1),
            seed: 1,
            gaps: 0.02,
            #[cfg(feature = "write")]
            compression: Compression::default(),
        }
    }
}

impl SynthConfig {
    /// How many instruments, 1 to 100,000.
    #[must_use]
    pub fn with_instruments(self, instruments: usize) -> Self {
        SynthConfig { instruments, ..self }
    }

    /// How many months, 1 to 1,200.
    #[must_use]
    pub fn with_months(self, months: usize) -> Self {
        SynthConfig { months, ..self }
    }

    /// The first month: a year from 1970 to 2100, and 1 to 12. January 2024 unless said otherwise.
    #[must_use]
    pub fn with_first_month(self, year: i32, month: u32) -> Self {
        SynthConfig { first: (year, month), ..self }
    }

    /// What all random numbers come from.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        SynthConfig { seed, ..self }
    }

    /// The chance that a minute is missing, from 0 up to but not 1. It changes no candle that is there.
    #[must_use]
    pub fn with_gaps(self, gaps: f64) -> Self {
        SynthConfig { gaps, ..self }
    }

    /// How written files are compressed.
    #[cfg(feature = "write")]
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        SynthConfig { compression, ..self }
    }

    /// Checks all of it.
    ///
    /// # Errors
    /// The first value that is out of its range.
    pub fn build(self) -> Result<Synth, ConfigError> {
        let SynthConfig { instruments, months, first: (year, month), seed, gaps, .. } = self;
        let invalid = |option, value: String, expected| Err(ConfigError::Invalid { option, value, expected });
        if !(1..=100_000).contains(&instruments) {
            return invalid("instruments", instruments.to_string(), "1 to 100000");
        }
        if !(1..=1200).contains(&months) {
            return invalid("months", months.to_string(), "1 to 1200");
        }
        if !(1970..=2100).contains(&year) || !(1..=12).contains(&month) {
            return invalid("first month", format!("{year}-{month}"), "1970-1 to 2100-12");
        }
        if !(0.0..1.0).contains(&gaps) {
            return invalid("gaps", gaps.to_string(), "a chance from 0 up to but not 1");
        }
        let timeframe = Timeframe::from_nanos(MINUTE)?;
        let series = (0..instruments).map(|index| {
            let name = match LISTED.get(index) {
                Some(listed) => listed.symbol.to_string(),
                None => format!("SYM{index:03}USDT"),
            };
            Ok(Instrument::new("binance", "spot", &name)?.at(timeframe))
        });
        Ok(Synth {
            series: series.collect::<Result<_, ConfigError>>()?,
            months: (0..months).map(|n| later((year, month), n)).collect(),
            seed,
            gaps,
            #[cfg(feature = "write")]
            compression: self.compression,
        })
    }
}

/// Makes candles of one minute out of a seed.
///
/// Prices are a random walk that is drawn to a level of its own for each month, so that any month can be made
/// without those before it and still follows on from the last one. Prices are positive, have few decimals,
/// and satisfy `low <= open, close <= high`; numbers of trades are known.
///
/// # Stability
/// The same configuration gives the same candles for ever, on every platform: each month of each instrument has
/// its own PCG64 (XSL RR 128/64), seeded with the seed and the month, its stream the instrument's number; and
/// nothing is computed but sums, products and quotients, which IEEE 754 defines to the last bit. Months are
/// counted on the calendar: neither how many are made nor which is the first changes one.
#[derive(Clone, Debug)]
pub struct Synth {
    series: Vec<Series>,
    months: Vec<(i32, u32)>,
    seed: u64,
    gaps: f64,
    #[cfg(feature = "write")]
    compression: Compression,
}

/// What is peculiar to an instrument.
struct Listed {
    symbol: &'static str,
    /// Price in the middle of where it moves.
    price: f64,
    /// Smallest steps of the price in 1.
    steps: f64,
    /// Typical volume of a minute.
    volume: f64,
}

const LISTED: [Listed; 8] = [
    Listed { symbol: "BTCUSDT", price: 42_000.0, steps: 100.0, volume: 20.0 },
    Listed { symbol: "ETHUSDT", price: 2_300.0, steps: 100.0, volume: 200.0 },
    Listed { symbol: "SOLUSDT", price: 100.0, steps: 100.0, volume: 2_000.0 },
    Listed { symbol: "BNBUSDT", price: 310.0, steps: 10.0, volume: 300.0 },
    Listed { symbol: "XRPUSDT", price: 0.62, steps: 10_000.0, volume: 200_000.0 },
    Listed { symbol: "ADAUSDT", price: 0.55, steps: 10_000.0, volume: 150_000.0 },
    Listed { symbol: "DOGEUSDT", price: 0.09, steps: 100_000.0, volume: 800_000.0 },
    Listed { symbol: "LTCUSDT", price: 72.0, steps: 100.0, volume: 400.0 },
];
const UNLISTED: Listed = Listed { symbol: "", price: 25.0, steps: 100.0, volume: 1_000.0 };

const MINUTE: i64 = 60_000_000_000;
/// How far a price moves in a minute, as a part of it.
const MOVE: f64 = 0.001;
/// How fast a price is drawn to its level, per minute.
const PULL: f64 = 0.0005;

impl Synth {
    /// Number of instruments.
    pub fn instruments(&self) -> usize {
        self.series.len()
    }

    /// The series of the instrument with this number, from 0.
    ///
    /// # Panics
    /// If there is no such instrument.
    pub fn series(&self, instrument: usize) -> &Series {
        &self.series[instrument]
    }

    /// The months, in order: year, and month from 1 to 12.
    pub fn months(&self) -> &[(i32, u32)] {
        &self.months
    }

    /// The candles of one month (from 0) of one instrument (from 0), in order.
    ///
    /// # Panics
    /// If there is no such month or instrument.
    pub fn columns(&self, instrument: usize, month: usize) -> Columns {
        assert!(instrument < self.series.len(), "instrument {instrument} of {}", self.series.len());
        let month = self.months[month];
        let Listed { steps, volume: usual, .. } = *LISTED.get(instrument).unwrap_or(&UNLISTED);
        let (Some(range), Some(start)) = (month_range(month.0, month.1), month_start(month.0, month.1))
        else {
            return Columns::default();
        };
        let minutes = (range.to().as_nanos() - start.as_nanos()) / MINUTE;
        let (from, to) = (self.level(instrument, month), self.level(instrument, later(month, 1)));
        let mut random = self.random(instrument, month, 0);
        let mut columns = Columns::with_capacity(minutes as usize);
        let tick = |price: f64| (price * steps).round().max(1.0) / steps;
        let mut price = from;
        for minute in 0..minutes {
            let target = from + (to - from) * (minute + 1) as f64 / minutes as f64;
            // At the last minute it is drawn all the way.
            let pull = PULL.max(1.0 / (minutes - minute) as f64);
            let bell = unit(&mut random) + unit(&mut random) + unit(&mut random) + unit(&mut random) - 2.0;
            let last = price;
            price += last * MOVE * bell + (target - last) * pull;
            let (open, close) = (tick(last), tick(price));
            // Rounding keeps the order, so these stay at or beyond open and close.
            let high = tick(last.max(price) * (1.0 + MOVE * unit(&mut random)));
            let low = tick(last.min(price) * (1.0 - MOVE * unit(&mut random)));
            let busy = unit(&mut random);
            let volume = (usual * (0.1 + 2.0 * busy * busy + bell * bell) * 1000.0).round() / 1000.0;
            let count = 1 + (500.0 * (0.1 + busy) * (0.2 + unit(&mut random))) as u32;
            let missing = unit(&mut random) < self.gaps;
            if !missing {
                columns.start.push(Timestamp::from_nanos(start.as_nanos() + minute * MINUTE));
                columns.open.push(open);
                columns.high.push(high);
                columns.low.push(low);
                columns.close.push(close);
                columns.volume.push(volume);
                columns.trades.push(Trades::from(count));
                columns.partial.push(false);
            }
        }
        columns
    }

    /// Where the price stands when a month begins.
    fn level(&self, instrument: usize, month: (i32, u32)) -> f64 {
        let middle = LISTED.get(instrument).unwrap_or(&UNLISTED).price;
        middle * (0.8 + 0.4 * unit(&mut self.random(instrument, month, 1)))
    }

    /// The random numbers for one `use_` of a month of an instrument.
    fn random(&self, instrument: usize, (year, month): (i32, u32), use_: u64) -> Pcg64 {
        let month = year as u64 * 12 + u64::from(month);
        Pcg64::new(u128::from(self.seed) << 64 | u128::from(month << 8 | use_), instrument as u128)
    }
}

/// The month `n` after this one.
fn later((year, month): (i32, u32), n: usize) -> (i32, u32) {
    let months = month as usize - 1 + n;
    (year + (months / 12) as i32, (months % 12) as u32 + 1)
}

/// A number from 0 up to but not 1.
fn unit(random: &mut Pcg64) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(feature = "write")]
mod dataset {
    use std::path::Path;

    use super::Synth;
    use crate::{WriteError, WriteOptions, write_month};

    /// How far the writing of a data set has come.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct SynthProgress {
        /// Files written.
        pub files: usize,
        /// Files that there will be: one for each month of each instrument.
        pub of_files: usize,
        /// Candles written.
        pub rows: u64,
    }

    impl Synth {
        /// Writes all months of all instruments into the layout under `root`, and calls `progress` after each
        /// file. Files that are there already are replaced.
        ///
        /// # Errors
        /// Whatever the operating system says; files written before that stay.
        pub fn write_dataset(
            &self,
            root: &Path,
            mut progress: impl FnMut(SynthProgress),
        ) -> Result<SynthProgress, WriteError> {
            let options = WriteOptions::default().with_compression(self.compression);
            let mut done =
                SynthProgress { of_files: self.series.len() * self.months.len(), ..Default::default() };
            for (instrument, series) in self.series.iter().enumerate() {
                for (index, &month) in self.months.iter().enumerate() {
                    let candles = self.columns(instrument, index);
                    write_month(root, series, month, &candles, &options)?;
                    done.files += 1;
                    done.rows += candles.len() as u64;
                    progress(done);
                }
            }
            Ok(done)
        }
    }
}

#[cfg(feature = "write")]
pub use dataset::SynthProgress;

#[cfg(test)]
mod tests {
    use bt_core::Candle;

    use super::*;

    fn synth(config: SynthConfig) -> Synth {
        config.build().unwrap()
    }

    /// FNV-1a over the bits of all columns.
    fn fingerprint(columns: &Columns) -> u64 {
        let Columns { start, open, high, low, close, volume, trades, .. } = columns;
        let floats = [open, high, low, close, volume].into_iter().flatten().map(|f| f.to_bits());
        let integers = start.iter().map(|t| t.as_nanos() as u64);
        let counts = trades.iter().map(|t| t.get().unwrap_or(u64::MAX));
        floats
            .chain(integers)
            .chain(counts)
            .flat_map(u64::to_le_bytes)
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }

    #[test]
    fn candles_are_the_same_for_ever() {
        let synth = synth(SynthConfig::default().with_instruments(9).with_seed(42));
        let prints = [(0, 0), (0, 1), (6, 11), (8, 5)].map(|(i, m)| fingerprint(&synth.columns(i, m)));
        assert_eq!(
            prints,
            [0x998a_b636_76ad_e965, 0x34ea_36cd_92ee_1bc4, 0x08e2_7399_d6c9_d8c6, 0x16d5_b68b_26b1_68eb]
        );
    }

    #[test]
    fn candles_are_sound() {
        let synth = synth(SynthConfig::default().with_instruments(9).with_months(2).with_gaps(0.1));
        for instrument in 0..9 {
            let columns = synth.columns(instrument, 1);
            let expected = 29 * 24 * 60; // February 2024
            let share = columns.len() as f64 / f64::from(expected);
            assert!((0.88..0.92).contains(&share), "{share}");
            assert!(columns.start.is_sorted_by(|a, b| a < b));
            let range = month_range(2024, 2).unwrap();
            for row in 0..columns.len() {
                let candle = columns.candle(row);
                let Candle { start, open, high, low, close, volume, trades, partial } = candle;
                assert!(range.contains(start) && start.as_nanos() % MINUTE == 0);
                assert!(0.0 < low && low <= open.min(close) && open.max(close) <= high, "{candle:?}");
                assert!(volume > 0.0 && volume.is_finite() && trades.get() > Some(0) && !partial);
            }
        }
    }

    #[test]
    fn a_month_does_not_depend_on_what_else_is_made() {
        let one = synth(SynthConfig::default().with_instruments(5).with_months(4));
        let other =
            synth(SynthConfig::default().with_instruments(3).with_months(1).with_first_month(2024, 3));
        assert_eq!(one.columns(2, 2), other.columns(2, 0));
        assert_ne!(one.columns(2, 2), synth(SynthConfig::default().with_seed(2)).columns(2, 2));
        assert_ne!(one.columns(2, 2).close, one.columns(1, 2).close);
    }

    #[test]
    fn gaps_change_no_candle_and_months_follow_on() {
        let full = synth(SynthConfig::default().with_gaps(0.0));
        let holes = synth(SynthConfig::default().with_gaps(0.5));
        let (all, some) = (full.columns(1, 3), holes.columns(1, 3));
        assert_eq!(all.len(), 30 * 24 * 60);
        let mut rest = (0..all.len()).map(|row| all.candle(row));
        assert!((0..some.len()).all(|row| rest.any(|candle| candle == some.candle(row))));
        let next = full.columns(1, 4);
        let (last, first) = (all.candle(all.len() - 1).close, next.candle(0).open);
        assert!((last / first - 1.0).abs() < 0.005, "{last} {first}");
        assert_eq!(next.start[0].as_nanos() - all.start[all.len() - 1].as_nanos(), MINUTE);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let good = SynthConfig::default;
        for (config, text) in [
            (good().with_instruments(0), "invalid instruments `0`, expected 1 to 100000"),
            (good().with_months(1201), "invalid months `1201`, expected 1 to 1200"),
            (good().with_first_month(2024, 13), "invalid first month `2024-13`, expected 1970-1 to 2100-12"),
            (good().with_gaps(1.0), "invalid gaps `1`, expected a chance from 0 up to but not 1"),
            (good().with_gaps(f64::NAN), "invalid gaps `NaN`, expected a chance from 0 up to but not 1"),
        ] {
            assert_eq!(config.build().unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn names_are_those_of_the_large_ones_then_numbered() {
        let synth = synth(SynthConfig::default().with_instruments(10).with_months(14));
        let symbol = |i| synth.series(i).instrument().symbol();
        assert_eq!([0, 7, 8, 9].map(symbol), ["BTCUSDT", "LTCUSDT", "SYM008USDT", "SYM009USDT"]);
        assert_eq!((synth.months()[0], synth.months()[13]), ((2024, 1), (2025, 2)));
    }
}
