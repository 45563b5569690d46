//! Live sources, and the connections that they share.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bt_core::{ConfigError, Recycler, Series, StatsHandle, TimeRange, Timestamp};
use rand_pcg::Pcg64;
use reqwest::Url;
use tokio::runtime::Handle;
use tokio_tungstenite::Connector;

use super::backfill::Backfill;
use super::backoff::Backoff;
use super::config::LiveConfig;
use super::connection::{Connection, Listed, Tasks};
use super::hub::Hub;
use super::stats::ConnectionStats;
use super::tape::Tape;
use super::tls;
use super::units::{BUFFERS, Course, LiveUnits};
use crate::check::Rules;
use crate::row_source::{RowOptions, RowSource, impl_source, row_settings};

/// Why there are no live candles.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// The venue does not serve a series.
    #[error("{series} is refused: {reason}")]
    Refused {
        /// The series.
        series: Series,
        /// What the venue answers.
        reason: String,
    },
    /// A series was not among those that connections were made for, or has all its sources already.
    #[error(
        "no connection carries {series}, expected one of those it was made for, as often as it was named"
    )]
    NotCarried {
        /// The series.
        series: Series,
    },
    /// A certificate is of no use.
    #[error("cannot use the certificates of {}: {reason}", .path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// There is no tokio runtime to connect on.
    #[error("no tokio runtime, expected one: connections are its tasks")]
    NoRuntime,
    /// A setting cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Connections to a venue, each of which carries many series.
///
/// They are tasks of the tokio runtime that they were made on. They end when this and all sources made of it are
/// dropped (R38).
pub struct Live {
    hub: Arc<Hub>,
    tasks: Arc<Tasks>,
    config: Arc<LiveConfig>,
    /// Series without a source, and their places in the hub.
    free: Vec<(Series, usize)>,
}

/// Settings of [`Live`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct LiveBuilder {
    url: String,
    series: Vec<Series>,
    config: LiveConfig,
    tls_ca: Option<PathBuf>,
}

impl Live {
    /// Connections to the venue at `url`, such as `wss://stream.binance.com:9443`, for `series`, whose symbols are
    /// the venue's. A series that is there several times can have as many sources.
    pub fn builder(url: impl Into<String>, series: impl IntoIterator<Item = Series>) -> LiveBuilder {
        let (url, series) = (url.into(), series.into_iter().collect());
        LiveBuilder { url, series, config: LiveConfig::default(), tls_ca: None }
    }

    /// A source of one of the series, which begins with the candles that start at `from`.
    ///
    /// # Errors
    /// [`LiveError::NotCarried`]: each can be had as often as it is there.
    pub fn source(&mut self, series: &Series, from: Timestamp) -> Result<WsBuilder, LiveError> {
        let at = self.free.iter().position(|(free, _)| free == series);
        let at = at.ok_or_else(|| LiveError::NotCarried { series: series.clone() })?;
        let (series, lane) = self.free.swap_remove(at);
        Ok(WsBuilder {
            hub: Arc::clone(&self.hub),
            tasks: Arc::clone(&self.tasks),
            config: Arc::clone(&self.config),
            lane,
            from,
            until: None,
            backfill: None,
            options: RowOptions::new(series),
        })
    }

    /// The counters of all connections.
    pub fn stats(&self) -> Vec<ConnectionStats> {
        self.hub.stats()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("connections", &self.stats()).finish_non_exhaustive()
    }
}

impl LiveBuilder {
    /// Sets limits and patience.
    pub fn config(mut self, config: LiveConfig) -> Self {
        self.config = config;
        self
    }

    /// Trusts the certificates of a PEM file, besides those that browsers trust.
    pub fn tls_ca(mut self, path: impl AsRef<Path>) -> Self {
        self.tls_ca = Some(path.as_ref().to_owned());
        self
    }

    /// Connects, in the background.
    ///
    /// # Errors
    /// [`LiveError::Config`] for a setting that cannot be, [`LiveError::Certificates`], [`LiveError::NoRuntime`].
    pub fn build(self) -> Result<Live, LiveError> {
        let LiveBuilder { url, series, config, tls_ca } = self;
        config.check()?;
        let expected = "a URL that begins with `ws://` or `wss://`, without a query";
        let invalid = || ConfigError::Invalid { option: "url", value: url.clone(), expected };
        let is_socket = ["ws://", "wss://"].iter().any(|scheme| url.starts_with(scheme));
        let base =
            Url::parse(&url).ok().filter(|base| is_socket && base.query().or(base.fragment()).is_none());
        let streams = format!("{}/stream", base.ok_or_else(invalid)?.as_str().trim_end_matches('/'));
        let streams = Url::parse(&streams).map_err(|_| invalid())?;
        check(&series)?;
        let runtime = Handle::try_current().map_err(|_| LiveError::NoRuntime)?;
        let connector = Connector::Rustls(tls::client(tls_ca.as_deref())?);
        let config = Arc::new(config);
        let shares: Vec<&[Series]> = series.chunks(config.series_per_connection).collect();
        let counts: Vec<usize> = shares.iter().map(|share| share.len()).collect();
        let hub = Arc::new(Hub::new(&counts, config.capacity, config.overflow));
        let seed = config.seed.unwrap_or_else(seed);
        let mut lane = 0;
        let tasks = shares.iter().enumerate().map(|(number, share)| {
            let mut listed: BTreeMap<String, Listed> = BTreeMap::new();
            for series in *share {
                let entry = listed.entry(stream(series));
                let one = entry.or_insert_with(|| Listed {
                    lanes: Vec::new(),
                    symbol: series.instrument().symbol().to_owned(),
                    timeframe: series.timeframe(),
                });
                one.lanes.push(lane);
                lane += 1;
            }
            let connection = Connection {
                hub: Arc::clone(&hub),
                number,
                url: streams.clone(),
                series: listed.into_iter().collect::<HashMap<_, _>>(),
                config: Arc::clone(&config),
                connector: connector.clone(),
                backoff: Backoff::new(
                    config.backoff,
                    config.backoff_limit,
                    Pcg64::new(seed.into(), number as u128),
                ),
            };
            runtime.spawn(connection.run())
        });
        let tasks = Arc::new(Tasks(tasks.collect()));
        let free = series.iter().cloned().zip(0..).collect();
        Ok(Live { hub, tasks, config, free })
    }
}

/// There is something to listen to, and no two series have one stream.
fn check(series: &[Series]) -> Result<(), ConfigError> {
    if series.is_empty() {
        return Err(ConfigError::Missing { what: "series" });
    }
    let mut names = BTreeMap::new();
    match series.iter().find(|series| *names.entry(stream(series)).or_insert(*series) != *series) {
        Some(twice) => Err(ConfigError::DuplicateSeries { series: twice.clone() }),
        None => Ok(()),
    }
}

/// What a venue calls a series.
fn stream(series: &Series) -> String {
    format!("{}@kline_{}", series.instrument().symbol().to_lowercase(), series.timeframe())
}

/// A number that differs from run to run.
pub(super) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// Candles of one series as they happen, over a [`Live`] connection.
///
/// Closed klines become candles, once each and in order; updates of an open one only move time on. Time is the
/// venue's: the largest instant on the messages of the connection. A row that does not come is waited for until
/// time is `grace` past its end; if it may have been lost on the way, it is fetched from the
/// [`Backfill`], if there is one, and else it is a gap. One that comes later still is logged (`SOURCE_LATE`),
/// counted and passed over. All rows go through the checks of any source (R7).
///
/// When the connection is silent for too long, time is that of the venue's other connections, and rows are fetched
/// from the [`Backfill`] as it passes them. Without one, or if it fails too, batches say that they are stale (R22).
///
/// # Cancel safety
/// It holds what it has not yet said or handed on: a `next()` that is dropped loses nothing.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct WsCandleSource {
    rows: RowSource<LiveUnits>,
}

impl_source!(WsCandleSource, rows);
row_settings!(WsBuilder);

/// Settings of a [`WsCandleSource`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct WsBuilder {
    hub: Arc<Hub>,
    tasks: Arc<Tasks>,
    config: Arc<LiveConfig>,
    lane: usize,
    from: Timestamp,
    pub(super) until: Option<Timestamp>,
    backfill: Option<Arc<dyn Backfill>>,
    options: RowOptions,
}

impl WsBuilder {
    /// Ends before the candle that starts at `until`, which is the declared end (R23).
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Sets where rows are fetched from that may have been lost, and those that were before the beginning.
    pub fn backfill(mut self, backfill: Arc<dyn Backfill>) -> Self {
        self.backfill = Some(backfill);
        self
    }

    /// The source.
    ///
    /// # Errors
    /// [`ConfigError::Time`] if it ends before it begins.
    pub fn build(self) -> Result<WsCandleSource, ConfigError> {
        let range = self.range()?;
        let WsBuilder { hub, tasks, config, lane, until, backfill, mut options, .. } = self;
        options.range = until.is_some().then_some(range);
        let timeframe = options.series.timeframe();
        let grace = i64::try_from(config.grace.as_nanos()).unwrap_or(i64::MAX);
        let units = LiveUnits {
            series: options.series.clone(),
            rules: Rules { timeframe, range },
            hub,
            _tasks: tasks,
            lane,
            tape: Tape::new(timeframe, range.from()..range.to(), grace),
            backfill,
            page: config.backfill_rows,
            patience: config.archive_limit,
            course: Course::default(),
            recycler: Recycler::new(BUFFERS),
        };
        Ok(WsCandleSource { rows: RowSource::new(units, options) })
    }

    pub(super) fn series(&self) -> &Series {
        &self.options.series
    }

    /// The source of what follows the row that starts at `last`, which counts on from `stats`; none if nothing can
    /// follow.
    pub(super) fn after(mut self, last: Option<Timestamp>, stats: &StatsHandle) -> Option<WsCandleSource> {
        let next = last.map(|last| last.saturating_add_nanos(self.options.series.timeframe().as_nanos()));
        self.from = self.from.max(next.unwrap_or(self.from));
        self.options.stats = stats.clone();
        self.build().ok()
    }

    /// Where its candles start.
    pub(super) fn range(&self) -> Result<TimeRange, ConfigError> {
        Ok(TimeRange::new(self.from, self.until.unwrap_or(Timestamp::MAX))?)
    }
}
