//! `bt frames`: the feed alone, written out.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use bt_bus::JournalError;
use bt_core::{FeedError, Frame, FrameFeed};
use bt_feeder::BarFeed;
use futures::StreamExt;

use crate::args::{Format, FramesArgs, OutputArgs, RecordArgs, Ui};
use crate::failure::{Failure, chain, is_by};
use crate::journal::JournalSlot;
use crate::output::{Output, OutputEnd, Stopped};
use crate::places;
use crate::progress::Meter;
use crate::report::{Outcome, Parts, Report};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::tally::Tally;
use crate::watch::Watch;

pub(crate) async fn frames(args: FramesArgs, ui: &Ui) -> Result<(), Failure> {
    let FramesArgs { config, input, feed, format, output, record, machine } = args;
    let settings = Settings::new(&input, &feed, &machine)?;
    let kept = record.clone();
    let format = format.unwrap_or(Format::Csv);
    places::distinct(places::of(config.config.as_deref(), format, &output, &record))?;
    Report::check(kept.report.as_deref())?;
    let signals = Signals::listen()?;
    let work = Work { settings, format, output, record };
    let outcome = work.execute(Meter::new(ui, "frames"), &signals).await;
    outcome.finish(kept.report.as_deref(), &signals, LIMIT).await?.logs.remind(&kept);
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
}

impl Work {
    async fn execute(&self, meter: Meter, signals: &Signals) -> Outcome {
        let began = Instant::now();
        let (tally, journal) = (Tally::default(), JournalSlot::default());
        let Begun { mut feed, output } = match self.begin(&tally, &journal, signals).await {
            Ok(begun) => begun,
            Err(failure) => return Outcome::stillborn(failure, &tally, began),
        };
        let watch = Watch::new(feed.series(), meter.over(self.settings.range));
        let (writer, end) = output.unzip();
        let drained = drain(&mut feed, writer.zip(end.as_ref()), &watch, signals).await;
        watch.end();

        let series = feed.stats();
        // The sinks of the sources and of the feed go before the journal that they write to.
        drop(feed);
        let kept = journal.close(signals, LIMIT).await;
        let (complete, by_output) = (drained.is_ok(), matches!(drained, Err(Cut::Output)));
        let mut result = match drained {
            // The journal says so itself, with what became of its events in the end.
            Err(Cut::Feed(error)) if kept.is_err() && is_by::<JournalError>(&*error) => Ok(()),
            Err(Cut::Output) => Err(Failure::Run(Stopped::Failed.to_string())),
            Err(Cut::Feed(error)) => Err(Failure::Run(chain(&*error))),
            Err(Cut::Other(failure)) => Err(failure),
            Ok(()) => Ok(()),
        };
        if let Some(end) = end {
            let written = end.finish(result.is_ok() && kept.is_ok(), signals, LIMIT).await;
            result = Failure::of_both(result, by_output, written);
        }
        result = Failure::of_record(result, kept);
        let (ended, error) = match &result {
            Ok(()) => ("data", None),
            Err(Failure::ClosedPipe) if complete => ("data", None),
            Err(Failure::Signal(_) | Failure::ClosedPipe) => ("signal", None),
            Err(error) => ("error", Some(error.to_string())),
        };
        let drained = error.is_none();
        let (logs, elapsed) = (tally.totals(), began.elapsed());
        let services = Vec::new();
        let parts = Parts {
            watch: &watch,
            logs,
            series,
            services,
            drained,
            ended,
            error,
            elapsed,
            engine: None,
            connections: Vec::new(),
        };
        Outcome { report: parts.report(), failure: result.err() }
    }

    async fn begin(&self, tally: &Tally, journal: &JournalSlot, signals: &Signals) -> Result<Begun, Failure> {
        let opened = self.settings.open(|component| Ok(tally.sink(component, journal.clone()))).await?;
        let feed = opened.feed;
        // Only what can work touches files that are there.
        journal.create(&self.record, signals).await?;
        let output = Output::create(self.format, &self.output, feed.series(), signals).await?;
        Ok(Begun { feed, output })
    }
}

/// How long whoever reads what is written may take after a signal.
const LIMIT: Duration = Duration::from_secs(30);

/// Why not all frames were taken.
enum Cut {
    Feed(Box<FeedError>),
    /// Frames are not written any more; the [`OutputEnd`] knows why.
    Output,
    Other(Failure),
}

impl From<Stopped> for Cut {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Left => Cut::Other(Failure::ClosedPipe),
            Stopped::Failed => Cut::Output,
        }
    }
}

/// Takes all frames, until the end, an error or a signal.
async fn drain(
    feed: &mut BarFeed,
    mut output: Option<(Output, &OutputEnd)>,
    watch: &Watch,
    signals: &Signals,
) -> Result<(), Cut> {
    loop {
        if let Some((_, end)) = &output {
            end.room(signals).await;
        }
        let Some(frame) = next(feed, signals).await else { break };
        let frame = frame.map_err(|error| Cut::Feed(Box::new(error)))?;
        watch.see(&frame);
        if let Some((output, _)) = &mut output {
            output.write(frame)?;
        }
    }
    if let Some((output, _)) = &mut output {
        output.flush()?;
    }
    signals.first().map_or(Ok(()), |number| Err(Cut::Other(Failure::Signal(number))))
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
