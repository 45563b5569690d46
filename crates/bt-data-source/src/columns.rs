//! What the columns of a candle file are called.

use std::sync::Arc;

/// The names of the columns in a Parquet file of candles. The default is the layout's own names.
///
/// Names are compared exactly. `trades` and `is_final` are optional: with their default names they are used
/// if the file has them; once [named](ColumnNames::with_trades), a file without them is refused, so that a
/// misspelt name is not taken for a missing column. There is no name for an end column: the end of a candle
/// is its start plus the timeframe, whatever a file says (R4).
///
/// Accepted types: `start` int64 (milliseconds, unless a timestamp type says otherwise); prices and volume
/// float, double, and integers of 32 and 64 bits; trades integers of 32 and 64 bits; `is_final` boolean.
/// Cloning is cheap: names are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnNames {
    pub(crate) start: Arc<str>,
    pub(crate) open: Arc<str>,
    pub(crate) high: Arc<str>,
    pub(crate) low: Arc<str>,
    pub(crate) close: Arc<str>,
    pub(crate) volume: Arc<str>,
    pub(crate) trades: Option<OptionalName>,
    pub(crate) is_final: Option<OptionalName>,
}

/// The name of a column that a file may lack, unless it was asked for by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OptionalName {
    pub(crate) name: Arc<str>,
    pub(crate) required: bool,
}

impl Default for ColumnNames {
    fn default() -> Self {
        let optional = |name: &str| Some(OptionalName { name: name.into(), required: false });
        ColumnNames {
            start: "start_ms".into(),
            open: "open".into(),
            high: "high".into(),
            low: "low".into(),
            close: "close".into(),
            volume: "volume".into(),
            trades: optional("trades"),
            is_final: optional("is_final"),
        }
    }
}

impl ColumnNames {
    /// The column with the first instant of each candle.
    #[must_use]
    pub fn with_start(self, name: &str) -> Self {
        ColumnNames { start: name.into(), ..self }
    }

    /// The column with the first prices.
    #[must_use]
    pub fn with_open(self, name: &str) -> Self {
        ColumnNames { open: name.into(), ..self }
    }

    /// The column with the highest prices.
    #[must_use]
    pub fn with_high(self, name: &str) -> Self {
        ColumnNames { high: name.into(), ..self }
    }

    /// The column with the lowest prices.
    #[must_use]
    pub fn with_low(self, name: &str) -> Self {
        ColumnNames { low: name.into(), ..self }
    }

    /// The column with the last prices.
    #[must_use]
    pub fn with_close(self, name: &str) -> Self {
        ColumnNames { close: name.into(), ..self }
    }

    /// The column with the volumes.
    #[must_use]
    pub fn with_volume(self, name: &str) -> Self {
        ColumnNames { volume: name.into(), ..self }
    }

    /// The column with the numbers of trades; a file without it is refused.
    #[must_use]
    pub fn with_trades(self, name: &str) -> Self {
        ColumnNames { trades: Some(OptionalName { name: name.into(), required: true }), ..self }
    }

    /// No column with numbers of trades is read: they are unknown.
    #[must_use]
    pub fn without_trades(self) -> Self {
        ColumnNames { trades: None, ..self }
    }

    /// The column that says whether a candle is final; a file without it is refused.
    #[must_use]
    pub fn with_is_final(self, name: &str) -> Self {
        ColumnNames { is_final: Some(OptionalName { name: name.into(), required: true }), ..self }
    }

    /// No column that says whether a candle is final is read: all are.
    #[must_use]
    pub fn without_is_final(self) -> Self {
        ColumnNames { is_final: None, ..self }
    }
}
