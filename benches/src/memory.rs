//! Many series of candles in memory, and the feeds over them.

use std::sync::Arc;

use bt_core::{Columns, NameError, Series, TimeRange, Timeframe, Timestamp};
use bt_data_source::MemorySource;
use bt_feeder::{BarFeed, BarFeedBuilder};
use bt_resample::Resample;

use crate::logs::Logs;
use crate::words::{Error, Words};
use crate::{Prepared, minutes_with_gaps};

const MINUTE: i64 = 60_000_000_000;

/// Rows in a batch, as sources have them unless set otherwise.
const BATCH_ROWS: usize = 8192;

/// Candles of one minute of several series, from the epoch on.
#[derive(Clone, Debug)]
pub struct MemoryData {
    columns: Vec<Arc<Columns>>,
    range: TimeRange,
}

impl MemoryData {
    /// So many minutes of so many series; each candle is missing with the chance `gaps`.
    ///
    /// # Panics
    /// If there are to be no minutes.
    pub fn new(series: usize, minutes: usize, gaps: f64) -> Self {
        let columns = (0..series).map(|n| Arc::new(minutes_with_gaps(minutes, n as u64 + 1, gaps)));
        let to = Timestamp::from_nanos(minutes as i64 * MINUTE);
        let range = TimeRange::new(Timestamp::EPOCH, to).expect("at least a minute");
        MemoryData::from_columns(columns.collect(), range)
    }

    /// These candles, of which those in `range` are wanted.
    pub fn from_columns(columns: Vec<Arc<Columns>>, range: TimeRange) -> Self {
        MemoryData { columns, range }
    }

    /// By the arguments `series`, `minutes` and `gaps`.
    ///
    /// # Errors
    /// One of them is missing or wrong.
    pub fn of(words: &mut Words) -> Result<Self, Error> {
        Ok(MemoryData::new(words.required("series")?, words.required("minutes")?, words.or("gaps", 0.0)?))
    }

    /// The candles of each series.
    pub fn columns(&self) -> Vec<&Columns> {
        self.columns.iter().map(|columns| &**columns).collect()
    }

    /// Number of candles.
    pub fn candles(&self) -> usize {
        self.columns.iter().map(|columns| columns.len()).sum()
    }

    /// What is wanted of them.
    pub fn range(&self) -> TimeRange {
        self.range
    }

    /// Sources that check the rows, resampled to `target` and lined up.
    ///
    /// # Errors
    /// As their builders have them.
    pub fn feed(&self, target: Timeframe, logs: &Logs) -> Result<BarFeedBuilder, Error> {
        let mut feed = BarFeed::builder();
        for (number, columns) in self.columns.iter().enumerate() {
            let series = name(number, Timeframe::MINUTE)?;
            let mut source = MemorySource::from_columns(series, Arc::clone(columns)).range(self.range);
            if let Some(sink) = logs.sink("source")? {
                source = source.log(sink);
            }
            feed = feed.subscribe(Resample::new(source.build()?, target)?);
        }
        Ok(feed)
    }

    /// The candles as they are, lined up. With `mixed` every other series is taken for one of another timeframe:
    /// 5, 15 and 60 minutes.
    ///
    /// # Errors
    /// As the feed's builder has them.
    pub fn merge(&self, mixed: bool) -> Result<BarFeedBuilder, Error> {
        let lengths = if mixed { [1, 5, 15, 60] } else { [1; 4] };
        let mut feed = BarFeed::builder();
        for (number, columns) in self.columns.iter().enumerate() {
            let length = lengths[number % lengths.len()];
            let series = name(number, Timeframe::from_nanos(length * MINUTE)?)?;
            let columns = if length == 1 { Arc::clone(columns) } else { stretched(columns, length) };
            feed = feed.subscribe(Prepared::new(series, columns, BATCH_ROWS));
        }
        Ok(feed)
    }
}

/// The first of the candles, each `length` times as long, in the same time.
fn stretched(columns: &Columns, length: i64) -> Arc<Columns> {
    let rows = columns.len() / length as usize;
    let candles = (0..rows).map(|row| {
        let mut candle = columns.candle(row);
        candle.start = Timestamp::from_nanos(candle.start.as_nanos() * length);
        candle
    });
    Arc::new(candles.collect())
}

fn name(number: usize, timeframe: Timeframe) -> Result<Series, NameError> {
    Ok(bt_core::Instrument::new("bench", "spot", &format!("S{number:04}"))?.at(timeframe))
}
