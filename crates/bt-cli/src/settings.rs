//! What is to be fed, checked: made of the options before any work.

use std::path::PathBuf;
use std::thread::available_parallelism;

use bt_core::{BoxLogSink, Series, SourceError, TimeRange, Timeframe};
use bt_data_source::{ColumnNames, MissingPolicy, ParquetSource, ReadPool};
use bt_engine::TokioYield;
use bt_feeder::{Align, BarFeed, Fill, OnSourceError};
use bt_resample::{PartialPolicy, Resample};
use futures::future::join_all;

use crate::args::{
    AlignArg, FeedArgs, FillArg, InputArgs, MachineArgs, Missing, OnSourceErrorArg, PartialArg,
};
use crate::failure::Failure;
use crate::faults::Faults;

/// What is to be fed, and with what means.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    pub(crate) series: Vec<Series>,
    pub(crate) source_timeframe: Timeframe,
    pub(crate) range: TimeRange,
    pub(crate) missing: MissingPolicy,
    pub(crate) columns: ColumnNames,
    pub(crate) strict: bool,
    pub(crate) row_logs: u64,
    pub(crate) require_checksums: bool,
    pub(crate) align: Align,
    pub(crate) fill: Fill,
    pub(crate) partial: PartialPolicy,
    pub(crate) on_source_error: OnSourceError,
    pub(crate) batch_rows: usize,
    pub(crate) memory: u64,
    pub(crate) threads: usize,
}

impl Settings {
    /// What the options amount to, or all that is wrong with them together.
    pub(crate) fn new(input: &InputArgs, feed: &FeedArgs, machine: &MachineArgs) -> Result<Self, Faults> {
        let InputArgs {
            data,
            series,
            source_timeframe,
            from,
            to,
            missing,
            columns,
            strict,
            row_logs,
            require_checksums,
        } = input;
        let mut faults = Faults::default();
        let given = [
            ("data", data.is_some()),
            ("series", !series.is_empty()),
            ("from", from.is_some()),
            ("to", to.is_some()),
        ];
        given.iter().filter(|(_, given)| !given).for_each(|(option, _)| faults.missing(option));
        faults.of_series(series, *source_timeframe);
        faults.of_memory(series.len(), machine.memory);
        let range = from.zip(*to).map(|(from, to)| TimeRange::new(from, to));
        if let Some(Err(error)) = &range {
            faults.add(&["to", "from"], 0, error.to_string());
        }
        let (Some(data), Some(Ok(range))) = (data, range) else { return Err(faults) };
        faults.check()?;
        Ok(Settings {
            data: data.clone(),
            series: series.clone(),
            source_timeframe: *source_timeframe,
            range,
            missing: match missing {
                Missing::Error => MissingPolicy::Error,
                Missing::Skip => MissingPolicy::Skip,
            },
            columns: columns.clone().unwrap_or_default(),
            strict: *strict,
            row_logs: *row_logs,
            require_checksums: *require_checksums,
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
        })
    }

    /// Opens all sources and puts the feed on them; `log` makes the sink for a component's logs.
    pub(crate) async fn open(
        &self,
        log: impl Fn(&'static str) -> Result<BoxLogSink, Failure>,
    ) -> Result<BarFeed, Failure> {
        let pool = ReadPool::builder().threads(self.threads).memory(self.memory).build()?;
        let mut opening = Vec::with_capacity(self.series.len());
        for series in &self.series {
            let input = series.instrument().at(self.source_timeframe);
            let source = ParquetSource::builder(&self.data, input)
                .range(self.range)
                .missing(self.missing)
                .columns(self.columns.clone())
                .strict(self.strict)
                .row_logs(self.row_logs)
                .late_faults(self.on_source_error == OnSourceError::Isolate)
                .require_checksums(self.require_checksums)
                .batch_rows(self.batch_rows)
                .pool(&pool)
                .log(log("source")?)
                .with_yield(TokioYield::new());
            opening.push(source.open());
        }
        // All at once, and the first in the order given that cannot be opened is the one that is named.
        let sources: Vec<ParquetSource> =
            join_all(opening).await.into_iter().collect::<Result<_, SourceError>>()?;
        pool.check_budget()?;
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

impl MachineArgs {
    /// Threads that read and decode.
    pub(crate) fn threads(&self) -> usize {
        self.threads
            .map_or_else(|| available_parallelism().map_or(1, usize::from), |threads| threads as usize)
    }
}
