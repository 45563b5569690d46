//! The report of a run, as JSON.

use std::path::Path;
use std::time::{Duration, Instant};

use bt_core::{BusStats, SeriesStats, SlotCounts, Timestamp};
use bt_data_source::ConnectionStats;
use bt_engine::{RunReport, Waits};
use serde::Serialize;

use crate::aside;
use crate::failure::Failure;
use crate::files;
use crate::progress::Meter;
use crate::signals::Signals;
use crate::tally::{LogTotals, Tally};
use crate::watch::{FrameTotals, Watch};

/// What a run did. Everything but `wall` is equal for equal input and configuration (R35).
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) version: &'static str,
    pub(crate) decoder: &'static str,
    pub(crate) frames: u64,
    pub(crate) bars: u64,
    pub(crate) filled: u64,
    pub(crate) empty: u64,
    pub(crate) first_close: Option<String>,
    pub(crate) last_close: Option<String>,
    pub(crate) drained: bool,
    pub(crate) ended: &'static str,
    pub(crate) error: Option<String>,
    pub(crate) fingerprint_frames: String,
    pub(crate) fingerprint_log: String,
    pub(crate) logs: LogTotals,
    pub(crate) series: Vec<Series>,
    pub(crate) services: Vec<Service>,
    pub(crate) wall: Wall,
}

#[derive(Debug, Serialize)]
pub(crate) struct Series {
    pub(crate) series: String,
    pub(crate) bars: u64,
    pub(crate) filled: u64,
    pub(crate) empty: u64,
    pub(crate) source: Source,
}

#[derive(Debug, Serialize)]
pub(crate) struct Source {
    pub(crate) rows_read: u64,
    pub(crate) out_of_range: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) dropped: u64,
    pub(crate) dropped_duplicate: u64,
    pub(crate) dropped_out_of_order: u64,
    pub(crate) emitted: u64,
    pub(crate) gaps: u64,
    pub(crate) missing_bars: u64,
    pub(crate) first_start: Option<String>,
    pub(crate) last_start: Option<String>,
    pub(crate) files: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) delivered: u64,
    pub(crate) undelivered: u64,
}

/// What may differ from run to run.
#[derive(Debug, Serialize)]
pub(crate) struct Wall {
    pub(crate) elapsed_ms: u64,
    pub(crate) candles_per_second: f64,
    /// Where there is an engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) barrier_waits: Option<BarrierWaits>,
    /// Where there is a bus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bus: Option<Bus>,
    /// Of a live run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) connections: Vec<Connection>,
}

/// What came over a connection, in messages unless said otherwise.
#[derive(Debug, Serialize)]
pub(crate) struct Connection {
    pub(crate) state: &'static str,
    pub(crate) connects: u64,
    pub(crate) messages: u64,
    pub(crate) malformed: u64,
    pub(crate) foreign: u64,
    /// Candles.
    pub(crate) dropped: u64,
    pub(crate) event_time: Option<String>,
}

/// What went over the bus.
#[derive(Debug, Serialize)]
pub(crate) struct Bus {
    pub(crate) topics: Vec<Topic>,
    pub(crate) subscriptions: Vec<Subscription>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Topic {
    pub(crate) topic: &'static str,
    pub(crate) published: u64,
    pub(crate) watermark: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Subscription {
    pub(crate) name: String,
    pub(crate) depth: usize,
    pub(crate) high_water: usize,
    pub(crate) delivered: u64,
    pub(crate) dropped_newest: u64,
    pub(crate) dropped_oldest: u64,
    pub(crate) undelivered: u64,
    pub(crate) unacknowledged: usize,
    pub(crate) watermark: Option<String>,
    pub(crate) lag_ms: Option<u64>,
}

/// Waits for services that had to give the thread away.
#[derive(Debug, Serialize)]
pub(crate) struct BarrierWaits {
    pub(crate) count: u64,
    pub(crate) total_us: u64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) max_us: u64,
    /// The buckets that are not empty.
    pub(crate) histogram: Vec<Bucket>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Bucket {
    pub(crate) up_to_us: u64,
    pub(crate) count: u64,
}

impl Wall {
    pub(crate) fn new(
        elapsed: Duration,
        candles: u64,
        engine: Option<&RunReport>,
        connections: &[ConnectionStats],
    ) -> Self {
        Wall {
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            candles_per_second: (candles as f64 / elapsed.as_secs_f64().max(1e-9)).round(),
            barrier_waits: engine.map(|report| BarrierWaits::from(&report.wall.waits)),
            bus: engine.map(|report| Bus::from(&report.bus)),
            connections: connections.iter().map(Connection::from).collect(),
        }
    }
}

impl From<&ConnectionStats> for Connection {
    fn from(stats: &ConnectionStats) -> Self {
        Connection {
            state: stats.state.as_str(),
            connects: stats.connects,
            messages: stats.messages,
            malformed: stats.malformed,
            foreign: stats.foreign,
            dropped: stats.dropped,
            event_time: stats.event_time.map(|t| t.to_string()),
        }
    }
}

impl From<&Waits> for BarrierWaits {
    fn from(waits: &Waits) -> Self {
        let micros = |wait: Duration| u64::try_from(wait.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        let filled = waits.buckets().filter(|(_, count)| *count > 0);
        BarrierWaits {
            count: waits.count,
            total_us: micros(waits.total),
            p50_us: micros(waits.quantile(0.5)),
            p99_us: micros(waits.quantile(0.99)),
            max_us: micros(waits.longest),
            histogram: filled.map(|(upper, count)| Bucket { up_to_us: micros(upper), count }).collect(),
        }
    }
}

impl From<&BusStats> for Bus {
    fn from(stats: &BusStats) -> Self {
        let time = |instant: Timestamp| instant.to_string();
        let topics = stats.topics.iter().map(|t| Topic {
            topic: t.topic.as_str(),
            published: t.published,
            watermark: t.watermark.map(time),
        });
        let subscriptions = stats.subscriptions.iter().map(|s| Subscription {
            name: s.name.to_string(),
            depth: s.queued,
            high_water: s.high_water,
            delivered: s.delivered,
            dropped_newest: s.dropped_newest,
            dropped_oldest: s.dropped_oldest,
            undelivered: s.undelivered,
            unacknowledged: s.unacknowledged,
            watermark: s.watermark.map(time),
            lag_ms: s.lag.map(|lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
        });
        Bus { topics: topics.collect(), subscriptions: subscriptions.collect() }
    }
}

impl From<&SeriesStats> for Series {
    fn from(stats: &SeriesStats) -> Self {
        let SeriesStats { series, slots: SlotCounts { bars, filled, empty }, source } = stats;
        Series {
            series: series.to_string(),
            bars: *bars,
            filled: *filled,
            empty: *empty,
            source: Source {
                rows_read: source.rows_read(),
                out_of_range: source.out_of_range,
                failed: source.failed,
                skipped: source.skipped,
                dropped: source.dropped(),
                dropped_duplicate: source.dropped_duplicate,
                dropped_out_of_order: source.dropped_out_of_order,
                emitted: source.emitted,
                gaps: source.gaps,
                missing_bars: source.missing_bars,
                first_start: source.first_start.map(|t| t.to_string()),
                last_start: source.last_start.map(|t| t.to_string()),
                files: source.files,
            },
        }
    }
}

impl Report {
    /// Candles that the sources handed on.
    pub(crate) fn candles(&self) -> u64 {
        self.series.iter().map(|series| series.source.emitted).sum()
    }

    /// Finds out, before any work, whether a report can be written.
    pub(crate) fn check(path: Option<&Path>) -> Result<(), Failure> {
        let Some(path) = path else { return Ok(()) };
        files::check(path)
            .map_err(|error| Failure::run(format_args!("cannot write report {}", path.display()), &error))
    }

    /// Writes the report, complete or not at all. It waits for whoever reads it, but not for longer than `limit`
    /// after a signal.
    async fn write(&self, path: &Path, signals: &Signals, limit: Duration) -> Result<(), Failure> {
        let what = format!("cannot write report {}", path.display());
        let text = serde_json::to_vec_pretty(self).map_err(|error| Failure::run(&what, &error))?;
        let write = {
            let (path, what) = (path.to_owned(), what.clone());
            move || files::write_whole(&path, &text).map_err(|error| Failure::run(what, &error))
        };
        if !aside::may_wait(path) {
            return write();
        }
        let written = signals.or_late(aside::aside(write)?, limit).await;
        written.unwrap_or_else(|| {
            let limit = humantime::format_duration(limit);
            Err(Failure::Run(format!("{what}: its reader did not take it within {limit} of the end")))
        })
    }
}

/// What a report is made of.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) watch: &'a Watch,
    pub(crate) logs: LogTotals,
    pub(crate) series: Vec<SeriesStats>,
    pub(crate) services: Vec<Service>,
    pub(crate) drained: bool,
    pub(crate) ended: &'static str,
    pub(crate) error: Option<String>,
    pub(crate) elapsed: Duration,
    /// Where there is an engine.
    pub(crate) engine: Option<&'a RunReport>,
    /// Of a live run.
    pub(crate) connections: Vec<ConnectionStats>,
}

/// Work that has ended, one way or another.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) report: Report,
    pub(crate) failure: Option<Failure>,
}

impl Outcome {
    /// Of work that failed, or was stopped, before its first frame.
    pub(crate) fn stillborn(failure: Failure, tally: &Tally, began: Instant) -> Self {
        let watch = Watch::new(&[], Meter::hidden());
        let (ended, error) = match &failure {
            Failure::Signal(_) => ("signal", None),
            failure => ("error", Some(failure.to_string())),
        };
        let parts = Parts {
            watch: &watch,
            logs: tally.totals(),
            series: Vec::new(),
            services: Vec::new(),
            drained: error.is_none(),
            ended,
            error,
            elapsed: began.elapsed(),
            engine: None,
            connections: Vec::new(),
        };
        Outcome { report: parts.report(), failure: Some(failure) }
    }

    /// Writes the report, if it is wanted, and says how the work failed, if it did. What was wrong from the
    /// start is no work, and has no report.
    pub(crate) async fn finish(
        self,
        path: Option<&Path>,
        signals: &Signals,
        limit: Duration,
    ) -> Result<Report, Failure> {
        let Outcome { report, failure } = self;
        if matches!(failure, Some(Failure::Usage(_))) {
            return failure.map_or(Ok(report), Err);
        }
        let written = match path {
            Some(path) => report.write(path, signals, limit).await,
            None => Ok(()),
        };
        match (failure, written) {
            (None, Ok(())) => Ok(report),
            (Some(failure), Ok(())) | (None, Err(failure)) => Err(failure),
            (Some(failure), Err(more)) => Err(failure.and(&more)),
        }
    }
}

impl Parts<'_> {
    pub(crate) fn report(self) -> Report {
        let Parts { watch, logs, series, services, drained, ended, error, elapsed, engine, connections } =
            self;
        let FrameTotals { frames, slots: SlotCounts { bars, filled, empty }, first_close, last_close } =
            watch.totals();
        let candles = series.iter().map(|series| series.source.emitted).sum();
        Report {
            version: env!("CARGO_PKG_VERSION"),
            decoder: DECODER,
            frames,
            bars,
            filled,
            empty,
            first_close: first_close.map(|t| t.to_string()),
            last_close: last_close.map(|t| t.to_string()),
            drained,
            ended,
            error,
            fingerprint_frames: watch.fingerprint(),
            fingerprint_log: logs.fingerprint.clone(),
            logs,
            series: series.iter().map(Series::from).collect(),
            services,
            wall: Wall::new(elapsed, candles, engine, &connections),
        }
    }
}

/// What reads the files.
const DECODER: &str = "bt-data-source 1";
