//! `bt live`: what happens, after what has happened, through the engine to services.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bt_core::{BoxSource, CandleSourceExt, TimeRange, Timestamp};
use bt_data_source::{
    Backfill, Handover, Live, LiveConfig, LiveError, MissingPolicy, ParquetBackfill, ParquetSource, ReadPool,
    RestBackfill, RestConfig,
};
use bt_engine::TokioYield;

use crate::args::{LiveArgs, Ui, VenueArgs};
use crate::failure::{Failure, chain};
use crate::faults::Faults;
use crate::run::Plan;
use crate::settings::{Files, Log, Origin, Settings};

pub(crate) async fn live(args: LiveArgs, ui: &Ui) -> Result<(), Failure> {
    Faults::of_live(&args).check()?;
    let settings = settings(&args)?;
    let LiveArgs { config, engine, format, output, record, .. } = args;
    Plan::new(settings, engine, format, output, record, ui)
        .carry_out(config.config.as_deref(), "live", ui)
        .await
}

/// What the options amount to, or all that is wrong with them together.
pub(crate) fn settings(args: &LiveArgs) -> Result<Settings, Faults> {
    let VenueArgs { url, rest_url, history, candles, from, until, tls_ca, columns, .. } = &args.input;
    let mut faults = Faults::default();
    faults.of_candles(candles, &args.machine);
    let given = [("url", url.is_some()), ("from", from.is_some())];
    given.iter().filter(|(_, given)| !given).for_each(|(option, _)| faults.missing(option));
    let range = from.and_then(|from| range(from, *until, &mut faults));
    let (Some(url), Some(range)) = (url, range) else { return Err(faults) };
    faults.check()?;
    let history = history.as_ref().map(|data| Files {
        data: data.clone(),
        missing: MissingPolicy::Skip,
        columns: columns.clone().unwrap_or_default(),
        require_checksums: false,
    });
    let config = LiveConfig::default()
        .with_grace(args.input.grace)
        .with_stale_after(args.input.stale_after)
        .with_idle_limit(args.input.idle_limit);
    let venue =
        Venue { url: url.clone(), rest_url: rest_url.clone(), history, tls_ca: tls_ca.clone(), config };
    Ok(Settings::of(Origin::Venue(Box::new(venue)), range, candles, &args.feed, &args.machine))
}

fn range(from: Timestamp, until: Option<Timestamp>, faults: &mut Faults) -> Option<TimeRange> {
    let until = until.unwrap_or(Timestamp::MAX);
    let range = TimeRange::new(from, until).ok();
    if range.is_none() {
        let what = format!("range from {from} until {until} is empty, expected `from` before `until`");
        faults.add(&["until", "from"], 0, what);
    }
    range
}

/// Where live candles come from, and those before them.
#[derive(Clone, Debug)]
pub(crate) struct Venue {
    url: String,
    rest_url: Option<String>,
    history: Option<Files>,
    tls_ca: Option<PathBuf>,
    config: LiveConfig,
}

impl Venue {
    /// The files of the past, and what of `range` is past.
    pub(crate) fn history(&self, range: TimeRange) -> Option<(&Files, TimeRange)> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let now = Timestamp::from_secs(i64::try_from(now.as_secs()).ok()?).ok()?;
        Some((self.history.as_ref()?, TimeRange::new(range.from(), range.to().min(now)).ok()?))
    }

    /// Connects, and makes a source of each series, which begins with its `history`.
    pub(crate) fn connect(
        &self,
        settings: &Settings,
        history: Option<Vec<ParquetSource>>,
        pool: &ReadPool,
        log: &impl Log,
    ) -> Result<(Vec<BoxSource>, Live), Failure> {
        let inputs: Vec<_> = settings.series.iter().map(|series| settings.input(series)).collect();
        let archive = self.archive(pool)?;
        let mut builder = Live::builder(&self.url, inputs.iter().cloned()).config(self.config.clone());
        if let Some(path) = &self.tls_ca {
            builder = builder.tls_ca(path);
        }
        let mut live = builder.build()?;
        let mut history = history.map(Vec::into_iter);
        let mut sources = Vec::with_capacity(inputs.len());
        for input in &inputs {
            let mut source = live
                .source(input, settings.range.from())?
                .strict(settings.strict)
                .row_logs(settings.row_logs)
                .log(log("source")?)
                .with_yield(TokioYield::new());
            if settings.range.to() != Timestamp::MAX {
                source = source.until(settings.range.to());
            }
            if let Some(archive) = &archive {
                source = source.backfill(Arc::clone(archive));
            }
            sources.push(match history.as_mut().and_then(Iterator::next) {
                Some(history) => Handover::new(history, source)?.boxed_source(),
                None => source.build()?.boxed_source(),
            });
        }
        Ok((sources, live))
    }

    /// Where candles are fetched from that were missed.
    fn archive(&self, pool: &ReadPool) -> Result<Option<Arc<dyn Backfill>>, Failure> {
        if let Some(url) = &self.rest_url {
            let rest = RestBackfill::new(url, self.tls_ca.as_deref(), RestConfig::default())?;
            return Ok(Some(Arc::new(rest)));
        }
        Ok(self.history.as_ref().map(|files| -> Arc<dyn Backfill> {
            let archive = ParquetBackfill::new(&files.data, pool).columns(files.columns.clone());
            Arc::new(archive)
        }))
    }
}

impl From<LiveError> for Failure {
    fn from(error: LiveError) -> Self {
        match error {
            LiveError::Config(config) => config.into(),
            LiveError::Certificates { .. } => Failure::Usage(chain(&error)),
            error => Failure::Run(chain(&error)),
        }
    }
}
