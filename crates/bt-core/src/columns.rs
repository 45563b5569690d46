//! Candles as columns.

use std::ops::Range;

use crate::{Candle, Timestamp, Trades};

/// Candles as a set of columns of equal length.
///
/// The columns are public so that code that works on them can run over plain slices; whoever writes them
/// keeps them equal in length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// First instant of each candle.
    pub start: Vec<Timestamp>,
    /// First prices.
    pub open: Vec<f64>,
    /// Highest prices.
    pub high: Vec<f64>,
    /// Lowest prices.
    pub low: Vec<f64>,
    /// Last prices.
    pub close: Vec<f64>,
    /// Volumes.
    pub volume: Vec<f64>,
    /// Numbers of trades.
    pub trades: Vec<Trades>,
    /// Which bars lack inputs (R15).
    pub partial: Vec<bool>,
}

impl Columns {
    /// Bytes that one row takes.
    pub const ROW_BYTES: usize = 7 * 8 + 1;

    /// Empty columns with room for `rows` rows.
    pub fn with_capacity(rows: usize) -> Self {
        Columns {
            start: Vec::with_capacity(rows),
            open: Vec::with_capacity(rows),
            high: Vec::with_capacity(rows),
            low: Vec::with_capacity(rows),
            close: Vec::with_capacity(rows),
            volume: Vec::with_capacity(rows),
            trades: Vec::with_capacity(rows),
            partial: Vec::with_capacity(rows),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.start.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.start.is_empty()
    }

    /// Removes all rows and keeps the room.
    pub fn clear(&mut self) {
        let Columns { start, open, high, low, close, volume, trades, partial } = self;
        start.clear();
        for column in [open, high, low, close, volume] {
            column.clear();
        }
        trades.clear();
        partial.clear();
    }

    /// Makes room for `rows` more rows.
    pub fn reserve(&mut self, rows: usize) {
        let Columns { start, open, high, low, close, volume, trades, partial } = self;
        start.reserve(rows);
        for column in [open, high, low, close, volume] {
            column.reserve(rows);
        }
        trades.reserve(rows);
        partial.reserve(rows);
    }

    /// Adds a row.
    pub fn push(&mut self, candle: Candle) {
        let Candle { start, open, high, low, close, volume, trades, partial } = candle;
        self.start.push(start);
        self.open.push(open);
        self.high.push(high);
        self.low.push(low);
        self.close.push(close);
        self.volume.push(volume);
        self.trades.push(trades);
        self.partial.push(partial);
    }

    /// The candle in `row`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn candle(&self, row: usize) -> Candle {
        Candle {
            start: self.start[row],
            open: self.open[row],
            high: self.high[row],
            low: self.low[row],
            close: self.close[row],
            volume: self.volume[row],
            trades: self.trades[row],
            partial: self.partial[row],
        }
    }

    /// The candles in `rows`, in order.
    ///
    /// # Panics
    /// If there are not so many rows.
    pub fn candles(&self, rows: Range<usize>) -> impl Iterator<Item = Candle> + '_ {
        let starts = self.start[rows.clone()].iter();
        let [open, high, low, close, volume] = [&self.open, &self.high, &self.low, &self.close, &self.volume]
            .map(|column| column[rows.clone()].iter());
        let prices = open.zip(high).zip(low).zip(close);
        let rest = volume.zip(&self.trades[rows.clone()]).zip(&self.partial[rows]);
        starts.zip(prices).zip(rest).map(
            |((start, (((open, high), low), close)), ((volume, trades), partial))| Candle {
                start: *start,
                open: *open,
                high: *high,
                low: *low,
                close: *close,
                volume: *volume,
                trades: *trades,
                partial: *partial,
            },
        )
    }
}

impl Extend<Candle> for Columns {
    fn extend<I: IntoIterator<Item = Candle>>(&mut self, candles: I) {
        candles.into_iter().for_each(|c| self.push(c));
    }
}

impl FromIterator<Candle> for Columns {
    fn from_iter<I: IntoIterator<Item = Candle>>(candles: I) -> Self {
        let mut columns = Columns::default();
        columns.extend(candles);
        columns
    }
}
