//! `bt frames`: the feed alone, written out.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use bt_core::{FeedError, Frame, FrameFeed};
use bt_feeder::BarFeed;
use futures::StreamExt;

use crate::args::{Format, FramesArgs, OutputArgs, RecordArgs, Ui};
use crate::failure::{Failure, chain};
use crate::journal::JournalSlot;
use crate::output::{Output, OutputEnd, Stopped};
use crate::progress::Meter;
use crate::report::{Outcome, Parts};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::tally::Tally;
use crate::watch::Watch;

pub(crate) async fn frames(args: FramesArgs, ui: &Ui) -> Result<(), Failure> {
    let FramesArgs { input, feed, format, output, record, machine, .. } = args;
    let settings = Settings::new(input, &feed, &machine)?;
    let report = record.report.clone();
    let work = Work { settings, format: format.unwrap_or(Format::Csv), output, record };
    work.execute(Meter::new(ui, "frames")).await.finish(report.as_deref())?;
    Ok(())
}

struct Work {
    settings: Settings,
    format: Format,
    output: OutputArgs,
    record: RecordArgs,
}

/// What is there when work begins.
struct Begun {
    feed: BarFeed,
    output: Option<(Output, OutputEnd)>,
    signals: Signals,
}

impl Work {
    async fn execute(&self, meter: Meter) -> Outcome {
        let began = Instant::now();
        let (tally, journal) = (Tally::default(), JournalSlot::default());
        let Begun { mut feed, output, signals } = match self.begin(&tally, &journal).await {
            Ok(begun) => begun,
            Err(failure) => return Outcome::stillborn(failure, &tally, began),
        };
        let watch = Watch::new(feed.series(), meter.over(self.settings.range));
        let (writer, end) = output.unzip();
        let mut result = drain(&mut feed, writer.zip(end.as_ref()), &watch, &signals).await;
        watch.end();

        let series = feed.stats();
        // The sinks of the sources and of the feed go before the journal that they write to.
        drop(feed);
        result = result.and(journal.close().await);
        if let Some(end) = end {
            let written = end.finish(result.is_ok(), &signals, LIMIT).await;
            result = Failure::of_both(result, written);
        }
        let (ended, error) = match &result {
            Ok(()) => ("data", None),
            Err(Failure::Signal(_) | Failure::ClosedPipe) => ("signal", None),
            Err(error) => ("error", Some(error.to_string())),
        };
        let drained = error.is_none();
        let (logs, elapsed) = (tally.totals(), began.elapsed());
        let services = Vec::new();
        let parts =
            Parts { watch: &watch, logs, series, services, drained, ended, error, elapsed, engine: None };
        Outcome { report: parts.report(), failure: result.err() }
    }

    async fn begin(&self, tally: &Tally, journal: &JournalSlot) -> Result<Begun, Failure> {
        let signals = Signals::listen()?;
        let feed = self.settings.open(|component| Ok(tally.sink(component, journal.clone()))).await?;
        // Only what can work touches files that are there.
        journal.create(&self.record)?;
        let output = Output::create(self.format, &self.output, feed.series())?;
        Ok(Begun { feed, output, signals })
    }
}

/// How long whoever reads what is written may take after a signal.
const LIMIT: Duration = Duration::from_secs(30);

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Left => Failure::ClosedPipe,
            Stopped::Failed => Failure::Run(stopped.to_string()),
        }
    }
}

/// Takes all frames, until the end, an error or a signal.
async fn drain(
    feed: &mut BarFeed,
    mut output: Option<(Output, &OutputEnd)>,
    watch: &Watch,
    signals: &Signals,
) -> Result<(), Failure> {
    loop {
        if let Some((_, end)) = &output {
            end.room(signals).await;
        }
        let Some(frame) = next(feed, signals).await else { break };
        let frame = frame.map_err(|error| Failure::Run(chain(&error)))?;
        watch.see(&frame);
        if let Some((output, _)) = &mut output {
            output.write(frame)?;
        }
    }
    if let Some((output, _)) = &mut output {
        output.flush()?;
    }
    signals.first().map_or(Ok(()), |number| Err(Failure::Signal(number)))
}

/// The next frame; none after a signal, also while it is waited for.
async fn next(feed: &mut BarFeed, signals: &Signals) -> Option<Result<Frame, FeedError>> {
    poll_fn(|cx| {
        if signals.first().is_some() {
            return Poll::Ready(None);
        }
        let polled = feed.poll_next_unpin(cx);
        if polled.is_pending() {
            signals.wake(cx);
            if signals.first().is_some() {
                return Poll::Ready(None);
            }
        }
        polled
    })
    .await
}
