//! What is to be fed, checked: made of the options before any work.

use std::path::PathBuf;
use std::thread::available_parallelism;

use bt_core::{BoxLogSink, CandleSource, Series, SourceError, TimeRange, Timeframe};
use bt_data_source::{ColumnNames, Live, MissingPolicy, ParquetBuilder, ParquetSource, ReadPool};
use bt_engine::TokioYield;
use bt_feeder::{Align, BarFeed, Fill, OnSourceError};
use bt_resample::{PartialPolicy, Resample};
use futures::future::join_all;

use crate::args::{
    AlignArg, CandleArgs, FeedArgs, FillArg, InputArgs, MachineArgs, Missing, OnSourceErrorArg, PartialArg,
};
use crate::failure::Failure;
use crate::faults::Faults;
use crate::live::Venue;

/// What is to be fed, and with what means.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) origin: Origin,
    pub(crate) series: Vec<Series>,
    pub(crate) source_timeframe: Timeframe,
    pub(crate) range: TimeRange,
    pub(crate) strict: bool,
    pub(crate) row_logs: u64,
    pub(crate) align: Align,
    pub(crate) fill: Fill,
    pub(crate) partial: PartialPolicy,
    pub(crate) on_source_error: OnSourceError,
    pub(crate) batch_rows: usize,
    pub(crate) memory: u64,
    pub(crate) threads: usize,
}

/// Where candles come from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    Files(Files),
    Venue(Box<Venue>),
}

/// A data set, and how to read it.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) data: PathBuf,
    pub(crate) missing: MissingPolicy,
    pub(crate) columns: ColumnNames,
    pub(crate) require_checksums: bool,
}

/// A feed that has its sources.
pub(crate) struct Opened {
    pub(crate) feed: BarFeed,
    /// The connections, if there are any.
    pub(crate) live: Option<Live>,
}

impl Settings {
    /// What the options amount to, or all that is wrong with them together.
    pub(crate) fn new(input: &InputArgs, feed: &FeedArgs, machine: &MachineArgs) -> Result<Self, Faults> {
        let (files, range) = Files::of(input, machine)?;
        Ok(Settings::of(Origin::Files(files), range, &input.candles, feed, machine))
    }

    /// The options that are the same wherever candles come from.
    pub(crate) fn of(
        origin: Origin,
        range: TimeRange,
        candles: &CandleArgs,
        feed: &FeedArgs,
        machine: &MachineArgs,
    ) -> Self {
        Settings {
            origin,
            series: candles.series.clone(),
            source_timeframe: candles.source_timeframe,
            range,
            strict: candles.strict,
            row_logs: candles.row_logs,
            align: match feed.align {
                AlignArg::Outer => Align::Outer,
                AlignArg::Inner => Align::Inner,
            },
            fill: match feed.fill {
                FillArg::Forward => Fill::Forward { limit: feed.fill_limit },
                FillArg::None => Fill::None,
            },
            partial: match feed.partial {
                PartialArg::Emit => PartialPolicy::Emit,
                PartialArg::Drop => PartialPolicy::Drop,
            },
            on_source_error: match feed.on_source_error {
                OnSourceErrorArg::Fail => OnSourceError::Fail,
                OnSourceErrorArg::Isolate => OnSourceError::Isolate,
            },
            batch_rows: machine.batch_rows as usize,
            memory: machine.memory,
            threads: machine.threads(),
        }
    }

    /// Opens all sources and puts the feed on them; `log` makes the sink for a component's logs.
    pub(crate) async fn open(&self, log: impl Log) -> Result<Opened, Failure> {
        let pool = ReadPool::builder().threads(self.threads).memory(self.memory).build()?;
        match &self.origin {
            Origin::Files(files) => {
                let sources = self.read(files, self.range, &pool, &log).await?;
                Ok(Opened { feed: self.feed(sources, &log)?, live: None })
            }
            Origin::Venue(venue) => {
                let history = match venue.history(self.range) {
                    Some((files, past)) => Some(self.read(files, past, &pool, &log).await?),
                    None => None,
                };
                let (sources, live) = venue.connect(self, history, &pool, &log)?;
                Ok(Opened { feed: self.feed(sources, &log)?, live: Some(live) })
            }
        }
    }

    /// The series of the candles that a bar is made of.
    pub(crate) fn input(&self, bars: &Series) -> Series {
        bars.instrument().at(self.source_timeframe)
    }

    async fn read(
        &self,
        files: &Files,
        range: TimeRange,
        pool: &ReadPool,
        log: &impl Log,
    ) -> Result<Vec<ParquetSource>, Failure> {
        let mut opening = Vec::with_capacity(self.series.len());
        for series in &self.series {
            let source = files
                .source(self.input(series), range)
                .strict(self.strict)
                .row_logs(self.row_logs)
                .late_faults(self.on_source_error == OnSourceError::Isolate)
                .batch_rows(self.batch_rows)
                .pool(pool)
                .log(log("source")?)
                .with_yield(TokioYield::new());
            opening.push(source.open());
        }
        // All at once, and the first in the order given that cannot be opened is the one that is named.
        let sources = join_all(opening).await.into_iter().collect::<Result<_, SourceError>>()?;
        pool.check_budget()?;
        Ok(sources)
    }

    fn feed<S>(&self, sources: Vec<S>, log: &impl Log) -> Result<BarFeed, Failure>
    where
        S: CandleSource + 'static,
    {
        let mut builder = BarFeed::builder()
            .align(self.align)
            .fill(self.fill)
            .on_source_error(self.on_source_error)
            .log(log("feed")?)
            .with_yield(TokioYield::new());
        for (source, series) in sources.into_iter().zip(&self.series) {
            let bars = Resample::new(source, series.timeframe())?
                .with_partial(self.partial)
                .with_yield(TokioYield::new());
            builder = builder.subscribe(bars);
        }
        Ok(builder.build()?)
    }
}

impl Files {
    /// A data set and the range that is wanted of it, or all that is wrong with the options together.
    pub(crate) fn of(input: &InputArgs, machine: &MachineArgs) -> Result<(Self, TimeRange), Faults> {
        let InputArgs { data, candles, from, to, missing, columns, require_checksums } = input;
        let mut faults = Faults::default();
        faults.of_candles(candles, machine);
        let given = [("data", data.is_some()), ("from", from.is_some()), ("to", to.is_some())];
        given.iter().filter(|(_, given)| !given).for_each(|(option, _)| faults.missing(option));
        let range = from.zip(*to).map(|(from, to)| TimeRange::new(from, to));
        if let Some(Err(error)) = &range {
            faults.add(&["to", "from"], 0, error.to_string());
        }
        let (Some(data), Some(Ok(range))) = (data, range) else { return Err(faults) };
        faults.check()?;
        let files = Files {
            data: data.clone(),
            missing: match missing {
                Missing::Error => MissingPolicy::Error,
                Missing::Skip => MissingPolicy::Skip,
            },
            columns: columns.clone().unwrap_or_default(),
            require_checksums: *require_checksums,
        };
        Ok((files, range))
    }

    /// A source of the candles of `series` that start in `range`.
    pub(crate) fn source(&self, series: Series, range: TimeRange) -> ParquetBuilder {
        ParquetSource::builder(&self.data, series)
            .range(range)
            .missing(self.missing)
            .columns(self.columns.clone())
            .require_checksums(self.require_checksums)
    }
}

/// Makes the sink for a component's logs.
pub(crate) trait Log: Fn(&'static str) -> Result<BoxLogSink, Failure> {}

impl<F: Fn(&'static str) -> Result<BoxLogSink, Failure>> Log for F {}

impl MachineArgs {
    /// Threads that read and decode.
    pub(crate) fn threads(&self) -> usize {
        self.threads
            .map_or_else(|| available_parallelism().map_or(1, usize::from), |threads| threads as usize)
    }
}
