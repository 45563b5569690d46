//! Candles out of a venue's archive, by Binance's public REST interface.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bt_core::{Candle, ConfigError, Series, Timestamp};
use rand_pcg::Pcg64;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::backfill::{Backfill, BackfillError, Fetch};
use super::backoff::Backoff;
use super::config::{after, with};
use super::rate::Rate;
use super::{LiveError, kline, tls};

/// Limits and patience of a [`RestBackfill`]. The defaults suit a public venue.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestConfig {
    /// How long a fetch may take, with all its attempts; 20 s. It counts from when the venue last gave candles to
    /// anybody before it was this one's turn. What it waits for then is missing.
    pub patience: Duration,
    /// How long an attempt may take once it is its turn; 5 s.
    pub attempt: Duration,
    /// Requests under way at a time; 4.
    pub at_once: usize,
    /// Requests in a minute; 1200.
    pub per_minute: u32,
    /// The first wait before a new attempt is up to so long, and doubles with each; 250 ms.
    pub backoff: Duration,
    /// No wait before a new attempt is longer, unless the venue asks for it; 5 s.
    pub backoff_limit: Duration,
}

impl Default for RestConfig {
    fn default() -> Self {
        RestConfig {
            patience: Duration::from_secs(20),
            attempt: Duration::from_secs(5),
            at_once: 4,
            per_minute: 1200,
            backoff: Duration::from_millis(250),
            backoff_limit: Duration::from_secs(5),
        }
    }
}

impl RestConfig {
    with! {
        /// Sets [`patience`](RestConfig::patience).
        with_patience: patience: Duration;
        /// Sets [`attempt`](RestConfig::attempt).
        with_attempt: attempt: Duration;
        /// Sets [`at_once`](RestConfig::at_once).
        with_at_once: at_once: usize;
        /// Sets [`per_minute`](RestConfig::per_minute).
        with_per_minute: per_minute: u32;
        /// Sets [`backoff`](RestConfig::backoff).
        with_backoff: backoff: Duration;
        /// Sets [`backoff_limit`](RestConfig::backoff_limit).
        with_backoff_limit: backoff_limit: Duration;
    }
}

/// A [`Backfill`] from `GET BASE/api/v3/klines`.
///
/// It keeps to its own limits, and to those that the venue answers with: after 429 or 418, nothing is asked before the
/// time in `Retry-After` is over. Attempts that fail are repeated, with back-off, for as long as patience lasts; other
/// refusals, and redirections, are final. When patience was over, one attempt has to do until the venue answers, and none
/// is made for a while after one that failed.
///
/// Source of the format: "Kline/Candlestick data", Binance Spot API documentation.
#[derive(Clone)]
pub struct RestBackfill {
    venue: Arc<Venue>,
}

struct Venue {
    client: Client,
    klines: Url,
    config: RestConfig,
    turns: Semaphore,
    rate: Mutex<Rate>,
    seed: u64,
    /// How often it was asked so far.
    asked: AtomicU64,
}

/// Rows that a venue hands out at a time.
const PAGE: usize = 1000;

/// Bytes of the longest answer: a page takes some 200 kB.
const LONGEST: usize = 4 << 20;

/// Characters of an answer that are shown.
const EXCERPT: usize = 200;

/// One row: start, open, high, low, close, volume, end, quote volume, trades, and what takers bought.
#[derive(Deserialize)]
struct Row(
    i64,
    String,
    String,
    String,
    String,
    String,
    IgnoredAny,
    IgnoredAny,
    Option<i64>,
    IgnoredAny,
    IgnoredAny,
    IgnoredAny,
);

impl RestBackfill {
    /// The archive at `base`, such as `https://api.binance.com`. `tls_ca` is a PEM file of certificates to trust,
    /// besides those that browsers trust.
    ///
    /// # Errors
    /// [`LiveError::Config`] for a URL or a setting that cannot be, [`LiveError::Certificates`].
    pub fn new(base: &str, tls_ca: Option<&Path>, config: RestConfig) -> Result<Self, LiveError> {
        let invalid = |option, value: &str, expected| ConfigError::Invalid {
            option,
            value: value.to_owned(),
            expected,
        };
        for (option, zero) in [("at_once", config.at_once == 0), ("per_minute", config.per_minute == 0)] {
            if zero {
                return Err(invalid(option, "0", "at least 1").into());
            }
        }
        let klines = Url::parse(&format!("{}/api/v3/klines", base.trim_end_matches('/'))).ok();
        let klines = klines.filter(|url| ["http", "https"].contains(&url.scheme()));
        let expected = "a URL that begins with `http://` or `https://`";
        let klines = klines.ok_or_else(|| invalid("rest_url", base, expected))?;
        let tls = Arc::unwrap_or_clone(tls::client(tls_ca)?);
        let client = Client::builder().tls_backend_preconfigured(tls).redirect(Policy::none()).no_proxy();
        let client = client.build().map_err(|_| invalid("rest_url", base, expected))?;
        let (turns, rate) = (Semaphore::new(config.at_once), Mutex::new(Rate::new(config.per_minute)));
        let seed = super::source::seed();
        Ok(RestBackfill {
            venue: Arc::new(Venue { client, klines, config, turns, rate, seed, asked: AtomicU64::new(0) }),
        })
    }
}

impl Backfill for RestBackfill {
    fn fetch(&self, series: &Series, range: Range<Timestamp>, limit: usize) -> Fetch {
        let (venue, series) = (Arc::clone(&self.venue), series.clone());
        Box::pin(async move { venue.fetch(&series, range, limit).await })
    }
}

impl Venue {
    async fn fetch(
        &self,
        series: &Series,
        range: Range<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Candle>, BackfillError> {
        let mut until = None;
        let mut rows: Vec<Candle> = Vec::new();
        let (mut from, step) = (range.start, series.timeframe().as_nanos());
        while rows.len() < limit && from < range.end {
            let page = (limit - rows.len()).min(PAGE);
            let more = self.page(&self.question(series, from..range.end, page), &mut until).await?;
            let any = !more.is_empty();
            rows.extend(more.into_iter().filter(|row| range.contains(&row.start)));
            match rows.last() {
                // A venue may hand out fewer at a time than it is asked for.
                Some(last) if any && last.start >= from => from = last.start.saturating_add_nanos(step),
                _ => break,
            }
        }
        Ok(rows)
    }

    fn question(&self, series: &Series, range: Range<Timestamp>, limit: usize) -> Url {
        // The venue counts in milliseconds, and takes the last one in.
        let (first, last) = (millis_up(range.start), millis_up(range.end) - 1);
        let mut url = self.klines.clone();
        url.query_pairs_mut()
            .append_pair("symbol", series.instrument().symbol())
            .append_pair("interval", &series.timeframe().to_string())
            .append_pair("startTime", &first.to_string())
            .append_pair("endTime", &last.to_string())
            .append_pair("limit", &limit.to_string());
        url
    }

    /// Asks until there is an answer or patience is over, which is at `until` from its first turn on.
    async fn page(&self, url: &Url, until: &mut Option<Instant>) -> Result<Vec<Candle>, BackfillError> {
        let RestConfig { backoff, backoff_limit, attempt, .. } = self.config;
        let rng = Pcg64::new(self.seed.into(), self.asked.fetch_add(1, Ordering::Relaxed).into());
        let mut backoff = Backoff::new(backoff, backoff_limit, rng);
        let mut failed = late(url);
        // Series wait for one another: that all of them have patience would hold up everything.
        let away = self.rate(|rate| rate.away());
        if away.is_some_and(|since| Instant::now() < after(since, backoff_limit)) {
            return Err(failed);
        }
        while let Some((turn, until)) = self.turn(until).await {
            let limit = until.min(after(Instant::now(), attempt));
            match timeout_at(limit, self.send(url)).await.unwrap_or_else(|_| Err(late(url))) {
                Ok(rows) => {
                    self.rate(|rate| rate.heard(Instant::now()));
                    return Ok(rows);
                }
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => failed = error,
            }
            drop(turn);
            if away.is_some() {
                break;
            }
            tracing::debug!(url = url.as_str(), error = %failed, "asks again");
            sleep_until(until.min(after(Instant::now(), backoff.next()))).await;
        }
        self.rate(|rate| rate.gave_up(Instant::now()));
        Err(failed)
    }

    /// Waits until it may ask, and returns when patience is over then; none if it is over before that.
    async fn turn(&self, until: &mut Option<Instant>) -> Option<(SemaphorePermit<'_>, Instant)> {
        let patience = self.config.patience;
        let begun = Instant::now();
        if until.is_some_and(|until| until <= begun) {
            return None;
        }
        let mut turn = pin!(async {
            // The semaphore is never closed.
            let turn = self.turns.acquire().await.ok()?;
            while let Err(wait) = self.rate(|rate| rate.take(Instant::now())) {
                sleep_until(wait).await;
            }
            Some(turn)
        });
        let limit = |until: &Option<Instant>| {
            let alive = self.rate(|rate| rate.alive()).map_or(begun, |alive| alive.max(begun));
            until.unwrap_or(after(alive, patience))
        };
        loop {
            let so_far = limit(until);
            match timeout_at(so_far, turn.as_mut()).await {
                Ok(turn) => return Some((turn?, *until.insert(limit(until)))),
                // Meanwhile it was others' turn.
                Err(_) if limit(until) > so_far => {}
                Err(_) => return None,
            }
        }
    }

    async fn send(&self, url: &Url) -> Result<Vec<Candle>, BackfillError> {
        let broken = |error: reqwest::Error| BackfillError::Unreachable {
            url: url.to_string(),
            source: Box::new(error.without_url()),
        };
        let mut answer = self.client.get(url.clone()).send().await.map_err(broken)?;
        let status = answer.status();
        if let StatusCode::TOO_MANY_REQUESTS | StatusCode::IM_A_TEAPOT = status {
            let wait = retry_after(answer.headers()).unwrap_or(self.config.backoff_limit);
            self.rate(|rate| rate.pause(after(Instant::now(), wait)));
        }
        let body = read(url, &mut answer, broken).await?;
        if status != StatusCode::OK {
            let excerpt = String::from_utf8_lossy(&body).chars().take(EXCERPT).collect();
            return Err(BackfillError::Refused { url: url.to_string(), status: status.as_u16(), excerpt });
        }
        parse(&body).map_err(|reason| BackfillError::Malformed { url: url.to_string(), reason })
    }

    fn rate<T>(&self, f: impl FnOnce(&mut Rate) -> T) -> T {
        f(&mut self.rate.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for RestBackfill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestBackfill").field("klines", &self.venue.klines.as_str()).finish_non_exhaustive()
    }
}

fn late(url: &Url) -> BackfillError {
    BackfillError::Unreachable { url: url.to_string(), source: "no answer in time".into() }
}

/// Another attempt would not mend it.
fn is_final(error: &BackfillError) -> bool {
    match error {
        BackfillError::Refused { status, .. } => {
            (300..500).contains(status) && !matches!(status, 408 | 418 | 429)
        }
        error => tls::is_distrust(error),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The first millisecond at or after `t`.
fn millis_up(t: Timestamp) -> i64 {
    let nanos = t.as_nanos();
    nanos.div_euclid(1_000_000) + i64::from(nanos.rem_euclid(1_000_000) > 0)
}

/// The answer's body, as far as it may be long.
async fn read(
    url: &Url,
    answer: &mut Response,
    broken: impl Fn(reqwest::Error) -> BackfillError,
) -> Result<Vec<u8>, BackfillError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(&broken)? {
        if body.len() + piece.len() > LONGEST {
            let reason = format!("it is longer than {LONGEST} bytes");
            return Err(BackfillError::Malformed { url: url.to_string(), reason });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The rows of an answer, which ascend.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Candle>, String> {
    let rows: Vec<Row> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let rows =
        rows.into_iter().map(|Row(t, o, h, l, c, v, _, _, n, ..)| kline::candle(t, [&o, &h, &l, &c, &v], n));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    match rows.windows(2).find(|pair| pair[0].start >= pair[1].start) {
        Some(pair) => Err(format!("the row of {} comes behind that of {}", pair[1].start, pair[0].start)),
        None => Ok(rows),
    }
}
