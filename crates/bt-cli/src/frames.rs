//! `bt frames`: the feed alone, written out.

use std::time::Instant;

use bt_core::FrameFeed;
use futures::TryStreamExt;

use crate::args::{Format, FramesArgs, Ui};
use crate::failure::{Failure, chain};
use crate::output::Output;
use crate::progress::Meter;
use crate::report::{Parts, stillborn};
use crate::run::journal;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::tally::Tally;
use crate::watch::Watch;

pub(crate) async fn frames(args: FramesArgs, ui: &Ui) -> Result<(), Failure> {
    let began = Instant::now();
    let FramesArgs { input, feed, format, output, record, machine, .. } = args;
    let settings = Settings::new(input, &feed, &machine)?;
    let journal = journal(&record)?;
    let tally = Tally::default();
    let signals = Signals::listen(|_| {})?;
    let opened = settings
        .open(|component| Ok(tally.sink(component, journal.as_ref().map(|journal| journal.sink(component)))))
        .await
        .and_then(|feed| Ok((Output::create(format.unwrap_or(Format::Csv), &output, feed.series())?, feed)));
    let (mut output, mut feed) = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            if let (Some(path), Failure::Run(_)) = (&record.report, &failure) {
                stillborn(&failure, tally.totals(), began.elapsed()).write(path)?;
            }
            return Err(failure);
        }
    };
    let watch = Watch::new(feed.series(), Meter::new(ui, "frames").over(settings.range));

    let mut result = Ok(());
    while signals.first().is_none() {
        match feed.try_next().await {
            Ok(Some(frame)) => {
                watch.see(&frame);
                if let Some(output) = &mut output
                    && let Err(error) = output.write(frame).await
                {
                    result = Err(error);
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                result = Err(Failure::Run(chain(&error)));
                break;
            }
        }
    }
    watch.end();
    if let Some(number) = signals.first() {
        result = result.and(Err(Failure::Signal(number)));
    }
    let series = feed.stats();
    // The sources' and the feed's sinks go before the journal that they write to.
    drop(feed);
    let journalled = match journal {
        Some(journal) => journal.close().await.map(drop).map_err(|error| Failure::Run(chain(&error))),
        None => Ok(()),
    };
    result = result.and(journalled);
    if let Some(output) = output
        && result.is_ok()
    {
        result = output.complete().await;
    }
    if let Some(path) = &record.report {
        let (ended, error) = ending(&result);
        let (logs, elapsed) = (tally.totals(), began.elapsed());
        let drained = !matches!(result, Err(Failure::Run(_)));
        Parts { watch: &watch, logs, series, services: Vec::new(), drained, ended, error, elapsed }
            .report()
            .write(path)?;
    }
    result
}

/// How the report names an end that no engine has named.
fn ending(result: &Result<(), Failure>) -> (&'static str, Option<String>) {
    match result {
        Ok(()) | Err(Failure::ClosedPipe) => ("data", None),
        Err(Failure::Signal(_)) => ("signal", None),
        Err(error) => ("error", Some(error.to_string())),
    }
}
