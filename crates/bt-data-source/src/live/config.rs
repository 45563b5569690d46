//! What can be set of live sources.

use std::time::Duration;

use bt_core::ConfigError;
use tokio::time::Instant;

/// What becomes of candles that nobody takes: the socket waits for nobody.
///
/// With a [`Backfill`](super::Backfill), what was lost is fetched again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest in the queue makes way.
    #[default]
    DropOldest,
    /// The one that comes is lost.
    DropNewest,
}

/// Limits and patience of connections. The defaults suit a public venue.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LiveConfig {
    /// How far the venue's time goes past a row's end before the row is waited for no longer; 2 s.
    pub grace: Duration,
    /// How long a handshake may take; 10 s.
    pub handshake_limit: Duration,
    /// After so long without a message, a connection is cut and made anew; 30 s.
    pub idle_limit: Duration,
    /// After so long without a kline, though the venue answers, a connection is made anew too; 10 min.
    pub kline_limit: Duration,
    /// After so long without a kline, series follow the time of other connections; 10 s.
    pub stale_after: Duration,
    /// So long is waited then for rows that are fetched instead; 20 s.
    pub archive_limit: Duration,
    /// How often the venue is pinged; 20 s.
    pub ping_every: Duration,
    /// A connection is made anew after so long, before the venue cuts it; 23 h 50 min.
    pub reconnect_every: Duration,
    /// The first wait before a new attempt is up to so long, and doubles with each; 250 ms.
    pub backoff: Duration,
    /// No wait before a new attempt is longer; 30 s.
    pub backoff_limit: Duration,
    /// Bytes of the longest message; 1 MiB.
    pub max_message: usize,
    /// Candles of a series that wait to be taken; 1024.
    pub capacity: usize,
    /// What becomes of those behind them.
    pub overflow: Overflow,
    /// Series on one connection; 200.
    pub series_per_connection: usize,
    /// Rows that are asked for at a time when some are fetched; 1000.
    pub backfill_rows: usize,
    /// Start of the random numbers that waits before attempts are drawn from; not fixed unless set.
    pub seed: Option<u64>,
}

impl Default for LiveConfig {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        LiveConfig {
            grace: seconds(2),
            handshake_limit: seconds(10),
            idle_limit: seconds(30),
            kline_limit: seconds(600),
            stale_after: seconds(10),
            archive_limit: seconds(20),
            ping_every: seconds(20),
            reconnect_every: seconds(24 * 3600 - 600),
            backoff: Duration::from_millis(250),
            backoff_limit: seconds(30),
            max_message: 1 << 20,
            capacity: 1024,
            overflow: Overflow::DropOldest,
            series_per_connection: 200,
            backfill_rows: 1000,
            seed: None,
        }
    }
}

/// When `wait` has passed after `instant`, or so late that nobody waits for it.
pub(super) fn after(instant: Instant, wait: Duration) -> Instant {
    const YEARS: Duration = Duration::from_secs(30 * 366 * 24 * 3600);
    instant + wait.min(YEARS)
}

/// Setters of fields.
macro_rules! with {
    ($($(#[$doc:meta])* $with:ident: $field:ident: $type:ty;)*) => { $(
        $(#[$doc])*
        #[must_use]
        pub fn $with(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )* };
}
pub(super) use with;

impl LiveConfig {
    with! {
        /// Sets [`grace`](LiveConfig::grace).
        with_grace: grace: Duration;
        /// Sets [`handshake_limit`](LiveConfig::handshake_limit).
        with_handshake_limit: handshake_limit: Duration;
        /// Sets [`idle_limit`](LiveConfig::idle_limit).
        with_idle_limit: idle_limit: Duration;
        /// Sets [`kline_limit`](LiveConfig::kline_limit).
        with_kline_limit: kline_limit: Duration;
        /// Sets [`stale_after`](LiveConfig::stale_after).
        with_stale_after: stale_after: Duration;
        /// Sets [`archive_limit`](LiveConfig::archive_limit).
        with_archive_limit: archive_limit: Duration;
        /// Sets [`ping_every`](LiveConfig::ping_every).
        with_ping_every: ping_every: Duration;
        /// Sets [`reconnect_every`](LiveConfig::reconnect_every).
        with_reconnect_every: reconnect_every: Duration;
        /// Sets [`backoff`](LiveConfig::backoff).
        with_backoff: backoff: Duration;
        /// Sets [`backoff_limit`](LiveConfig::backoff_limit).
        with_backoff_limit: backoff_limit: Duration;
        /// Sets [`max_message`](LiveConfig::max_message).
        with_max_message: max_message: usize;
        /// Sets [`capacity`](LiveConfig::capacity).
        with_capacity: capacity: usize;
        /// Sets [`overflow`](LiveConfig::overflow).
        with_overflow: overflow: Overflow;
        /// Sets [`series_per_connection`](LiveConfig::series_per_connection).
        with_series_per_connection: series_per_connection: usize;
        /// Sets [`backfill_rows`](LiveConfig::backfill_rows).
        with_backfill_rows: backfill_rows: usize;
        /// Sets [`seed`](LiveConfig::seed).
        with_seed: seed: Option<u64>;
    }

    /// Whether all of it can be.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let counts = [
            ("max_message", self.max_message),
            ("capacity", self.capacity),
            ("series_per_connection", self.series_per_connection),
            ("backfill_rows", self.backfill_rows),
        ];
        let times = [
            ("handshake_limit", self.handshake_limit),
            ("idle_limit", self.idle_limit),
            ("kline_limit", self.kline_limit),
            ("stale_after", self.stale_after),
            ("archive_limit", self.archive_limit),
            ("ping_every", self.ping_every),
            ("reconnect_every", self.reconnect_every),
            ("backoff", self.backoff),
            ("backoff_limit", self.backoff_limit),
        ];
        let none =
            counts.into_iter().find(|(_, count)| *count == 0).map(|(option, _)| (option, "at least 1"));
        let no_time =
            times.into_iter().find(|(_, time)| time.is_zero()).map(|(option, _)| (option, "some time"));
        match none.or(no_time) {
            Some((option, expected)) => Err(ConfigError::Invalid { option, value: "0".to_owned(), expected }),
            None if i64::try_from(self.grace.as_nanos()).is_err() => Err(ConfigError::Invalid {
                option: "grace",
                value: format!("{:?}", self.grace),
                expected: "less than 292 years",
            }),
            None => Ok(()),
        }
    }
}
