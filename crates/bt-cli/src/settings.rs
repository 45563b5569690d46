//! What is to be fed, checked: made of the options before any work.

use std::path::PathBuf;
use std::thread::available_parallelism;

use bt_core::{BoxLogSink, ConfigError, Series, SourceError, TimeRange, Timeframe};
use bt_data_source::{ColumnNames, MissingPolicy, ParquetSource, ReadPool};
use bt_engine::TokioYield;
use bt_feeder::{Align, BarFeed, Fill, OnSourceError};
use bt_resample::{PartialPolicy, Resample};
use futures::future::join_all;

use crate::args::{
    AlignArg, FeedArgs, FillArg, InputArgs, MachineArgs, Missing, OnSourceErrorArg, PartialArg,
};
use crate::failure::Failure;

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
    pub(crate) align: Align,
    pub(crate) fill: Fill,
    pub(crate) partial: PartialPolicy,
    pub(crate) on_source_error: OnSourceError,
    pub(crate) batch_rows: usize,
    pub(crate) memory: u64,
    pub(crate) threads: usize,
}

impl Settings {
    pub(crate) fn new(input: InputArgs, feed: &FeedArgs, machine: &MachineArgs) -> Result<Self, Failure> {
        let InputArgs { data, series, source_timeframe, from, to, missing, columns, strict, row_logs } =
            input;
        let required = |option: &str| {
            Failure::usage(format!(
                "no --{option} given, on the command line or as `{option}` in a configuration"
            ))
        };
        let (from, to) = (from.ok_or_else(|| required("from"))?, to.ok_or_else(|| required("to"))?);
        if series.is_empty() {
            return Err(required("series"));
        }
        for series in &series {
            if series.timeframe().ratio(source_timeframe).is_none() {
                let input = series.instrument().at(source_timeframe);
                return Err(ConfigError::NotAMultiple { input, target: series.timeframe() }.into());
            }
        }
        let mut sorted = series.clone();
        sorted.sort();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ConfigError::DuplicateSeries { series: twice[0].clone() }.into());
        }
        Ok(Settings {
            data: data.ok_or_else(|| required("data"))?,
            series,
            source_timeframe,
            range: TimeRange::new(from, to).map_err(ConfigError::from)?,
            missing: match missing {
                Missing::Error => MissingPolicy::Error,
                Missing::Skip => MissingPolicy::Skip,
            },
            columns: columns.as_deref().map_or_else(|| Ok(ColumnNames::default()), column_names)?,
            strict,
            row_logs,
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
            memory: machine.memory.as_u64(),
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

/// Column names as `start=ts,open=o`.
fn column_names(text: &str) -> Result<ColumnNames, Failure> {
    text.split(',').try_fold(ColumnNames::default(), |names, pair| {
        let invalid =
            |expected| Failure::usage(format!("invalid --columns `{text}`: `{pair}`, expected {expected}"));
        let (column, name) = pair.split_once('=').ok_or_else(|| invalid("COLUMN=NAME"))?;
        if name.is_empty() {
            return Err(invalid("a name after `=`"));
        }
        Ok(match column.trim() {
            "start" => names.with_start(name),
            "open" => names.with_open(name),
            "high" => names.with_high(name),
            "low" => names.with_low(name),
            "close" => names.with_close(name),
            "volume" => names.with_volume(name),
            "trades" => names.with_trades(name),
            "is_final" => names.with_is_final(name),
            // The end of a candle is its start plus the timeframe, whatever a column says (R4).
            "end" => names,
            _ => {
                return Err(invalid(
                    "one of start, open, high, low, close, volume, trades, is_final, end before `=`",
                ));
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_names_are_pairs() {
        assert_eq!(
            column_names("start=ts,open=o").unwrap(),
            ColumnNames::default().with_start("ts").with_open("o")
        );
        for bad in ["start", "high_ms=e", "start=", "", "start=a,,open=b"] {
            assert!(column_names(bad).is_err(), "{bad}");
        }
    }
}
