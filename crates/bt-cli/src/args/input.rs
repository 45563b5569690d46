//! Options on where candles come from.

use std::path::PathBuf;
use std::time::Duration;

use bt_core::{Series, Timeframe, Timestamp};
use bt_data_source::{ColumnNames, ROW_LOGS};
use clap::{ArgAction, Args, ValueEnum};

use crate::values::{columns, duration, series, whole};

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    /// Root of the data set: exchange=E/market=M/symbol=S/type=candle/timeframe=TF/year=YYYY/S-TF-YYYY-M.parquet
    #[arg(long, value_name = "ROOT")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) candles: CandleArgs,
    /// First instant of the range: RFC 3339 or a date
    #[arg(long, value_name = "T")]
    pub(crate) from: Option<Timestamp>,
    /// First instant after the range: RFC 3339 or a date
    #[arg(long, value_name = "T")]
    pub(crate) to: Option<Timestamp>,
    /// What a month without a file means
    #[arg(long, value_enum, default_value_t)]
    pub(crate) missing: Missing,
    /// Names of the columns in the files, as start=ts,open=o,…
    #[arg(long, value_name = "NAMES", value_parser = columns)]
    pub(crate) columns: Option<ColumnNames>,
    /// Make a page without a checksum an error; those that are there are verified in any case
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    #[arg(default_value_t = false, default_missing_value = "true")]
    pub(crate) require_checksums: bool,
}

/// Which candles, wherever they come from.
#[derive(Debug, Args)]
pub(crate) struct CandleArgs {
    /// A series to feed, such as binance.spot:BTCUSDT@5m; repeated for more, in any order
    #[arg(long, value_name = "E.M:S@TF", value_parser = series)]
    pub(crate) series: Vec<Series>,
    /// Timeframe of the candles that bars are made of
    #[arg(long, value_name = "TF", default_value = "1m")]
    pub(crate) source_timeframe: Timeframe,
    /// Make any failed or dropped row an error
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    #[arg(default_value_t = false, default_missing_value = "true")]
    pub(crate) strict: bool,
    /// Log so many bad rows of a kind and gaps one by one in a month of a series, and how many more there were
    #[arg(long, value_name = "N", default_value_t = ROW_LOGS, value_parser = whole(0, u64::MAX))]
    pub(crate) row_logs: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Missing {
    /// An error, found before anything is read
    #[default]
    Error,
    /// A log event
    Skip,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct VenueArgs {
    /// The venue's WebSockets, in Binance's format, such as wss://stream.binance.com:9443
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Where candles are fetched from that were missed, such as `https://api.binance.com` [default: the files of --history]
    #[arg(long, value_name = "URL")]
    pub(crate) rest_url: Option<String>,
    /// Root of a data set with the candles of the past; what it does not have is fetched
    #[arg(long, value_name = "ROOT")]
    pub(crate) history: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) candles: CandleArgs,
    /// First instant: RFC 3339 or a date
    #[arg(long, value_name = "T")]
    pub(crate) from: Option<Timestamp>,
    /// First instant that is no longer wanted: RFC 3339 or a date [default: none]
    #[arg(long, value_name = "T")]
    pub(crate) until: Option<Timestamp>,
    /// How long a bar is waited for after its end, in the venue's time
    #[arg(long, value_name = "D", default_value = "2s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// After so long without a message, series follow the time of other connections
    #[arg(long, value_name = "D", default_value = "10s", value_parser = duration)]
    pub(crate) stale_after: Duration,
    /// After so long without a message, a connection is made anew
    #[arg(long, value_name = "D", default_value = "30s", value_parser = duration)]
    pub(crate) idle_limit: Duration,
    /// PEM file of certificates to trust besides those that browsers trust
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Names of the columns in the files of --history, as start=ts,open=o,…
    #[arg(long, value_name = "NAMES", value_parser = columns)]
    pub(crate) columns: Option<ColumnNames>,
}
