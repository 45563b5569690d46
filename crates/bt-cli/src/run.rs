//! `bt run`: the feed through the engine to services.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bt_bus::{Bus, Journal};
use bt_core::{BoxError, Control, Event, EventBus, FrameFeed, Level, LogEvent, SimClock, topic};
use bt_engine::{Ended, Engine, RunReport, ServiceContext, StopReason};
use tokio::sync::oneshot;

use crate::args::{Format, OutputArgs, RecordArgs, RunArgs, Sma, Ui};
use crate::failure::{Failure, chain};
use crate::output::Output;
use crate::progress::Meter;
use crate::report::{Parts, Report, Service, stillborn};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::strategy::Crossings;
use crate::tally::Tally;
use crate::watch::{Watch, Watched};

pub(crate) async fn run(args: RunArgs, ui: &Ui) -> Result<(), Failure> {
    let RunArgs { input, feed, engine, format, output, record, machine, .. } = args;
    let report = record.report.clone();
    let plan = Plan {
        settings: Settings::new(input, &feed, &machine)?,
        strategy: engine.strategy,
        max_frames: engine.max_frames,
        barrier_limit: engine.barrier_limit,
        format: format.unwrap_or(Format::None),
        output,
        record,
    };
    let outcome = plan.execute(Meter::new(ui, "run")).await?;
    outcome.finish(report)?;
    Ok(())
}

/// A run, ready to begin.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) strategy: Option<Sma>,
    pub(crate) max_frames: Option<u64>,
    pub(crate) barrier_limit: Duration,
    pub(crate) format: Format,
    pub(crate) output: OutputArgs,
    pub(crate) record: RecordArgs,
}

/// A run that has ended, one way or another.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) report: Report,
    pub(crate) failure: Option<Failure>,
}

impl Outcome {
    /// Writes the report, if it is wanted, and says how the run failed, if it did.
    pub(crate) fn finish(self, report: Option<PathBuf>) -> Result<Report, Failure> {
        if let Some(path) = report {
            self.report.write(&path)?;
        }
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.report),
        }
    }
}

impl Plan {
    /// Runs it to its end. An error is one of the time before the run began.
    pub(crate) async fn execute(self, meter: Meter) -> Result<Outcome, Failure> {
        let began = Instant::now();
        let Plan { settings, strategy, max_frames, barrier_limit, format, output, record } = self;
        let bus: Bus<Event> = Bus::new(topic::ALL)?;
        let tally = Tally::default();
        let journal = journal(&record)?;
        let opened = settings
            .open(|component| bus.log_sink(component).map_err(|error| Failure::Run(chain(&error))))
            .await
            .and_then(|feed| Ok((Output::create(format, &output, feed.series())?, feed)));
        let (output, feed) = match opened {
            Ok(opened) => opened,
            Err(failure @ Failure::Run(_)) => {
                let report = stillborn(&failure, tally.totals(), began.elapsed());
                return Ok(Outcome { report, failure: Some(failure) });
            }
            Err(failure) => return Err(failure),
        };
        let watch = Watch::new(feed.series(), meter.over(settings.range));
        let feed = Watched { feed, watch: watch.clone() };

        let mut builder = Engine::builder()
            .feed(feed)
            .bus(bus)
            .clock(SimClock::new(settings.range.from()))
            .barrier_limit(barrier_limit)
            .service("tally", [topic::LOG], {
                let tally = tally.clone();
                move |cx| tally.serve(cx)
            });
        if let Some(journal) = journal {
            builder = builder.service("journal", [topic::LOG], move |cx| async move {
                journal.run(cx.subscription).await?;
                Ok(())
            });
        }
        if let Some(lengths) = strategy {
            builder = builder.service("sma", [topic::FRAME], move |cx| trade(cx, lengths));
        }
        let mut written = None;
        if let Some(output) = output {
            let (back, given_back) = oneshot::channel();
            builder = builder.service("frames", [topic::FRAME], move |cx| output.serve(cx, back));
            written = Some(given_back);
        }
        if let Some(frames) = max_frames {
            builder = builder.max_frames(frames);
        }
        let engine = builder.build()?;

        let stop = engine.stop_handle();
        let signals = Signals::listen(move |number| {
            stop.stop(if number == SIGTERM { StopReason::Terminate } else { StopReason::Interrupt });
        })?;
        let (report, mut failure) = match engine.run().await {
            Ok(report) => (report, None),
            Err(error) => {
                let (failure, report) = error.into_parts();
                (report, Some(closed_pipe(&failure).unwrap_or_else(|| Failure::Run(chain(&failure)))))
            }
        };
        watch.end();
        if let Some(written) = written
            && matches!(report.ended, Ended::Data | Ended::MaxFrames)
            && let Ok(output) = written.await
        {
            failure = failure.or(output.complete().await.err());
        }
        if matches!(report.ended, Ended::Stopped(_)) {
            failure = failure.or(signals.first().map(Failure::Signal));
        }
        let RunReport { series, services, drained, ended, .. } = report;
        let (ended, error) = match &failure {
            Some(failure @ (Failure::Run(_) | Failure::Usage(_))) => ("error", Some(failure.to_string())),
            _ => (ended.as_str(), None),
        };
        let services = services.iter().map(|service| Service {
            name: service.name.to_owned(),
            delivered: service.delivered,
            undelivered: service.undelivered,
        });
        let (logs, services, elapsed) = (tally.totals(), services.collect(), began.elapsed());
        let report = Parts { watch: &watch, logs, series, services, drained, ended, error, elapsed }.report();
        Ok(Outcome { report, failure })
    }
}

const SIGTERM: i32 = 15;

/// The journal, if one is wanted.
pub(crate) fn journal(record: &RecordArgs) -> Result<Option<Journal>, Failure> {
    record.log.as_ref().map(Journal::create).transpose().map_err(|error| Failure::Run(chain(&error)))
}

/// Whether a service failed because nobody reads stdout any more.
fn closed_pipe(error: &(dyn std::error::Error + 'static)) -> Option<Failure> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if matches!(error.downcast_ref(), Some(Failure::ClosedPipe)) {
            return Some(Failure::ClosedPipe);
        }
        cause = error.source();
    }
    None
}

/// The sample strategy as a service: sees every frame, and says at the end what it counted.
async fn trade<B>(mut cx: ServiceContext<B>, lengths: Sma) -> Result<(), BoxError>
where
    B: EventBus<Payload = Event>,
{
    let mut crossings = Crossings::new(lengths);
    while let Some(delivery) = cx.next().await {
        match &delivery.payload {
            Event::Frame(frame) => crossings.see(frame),
            Event::Control(Control::End) => {
                let Crossings { up, down, .. } = crossings;
                let event =
                    LogEvent::new(Level::Info, "sma", "STRATEGY_SIGNALS", "crossings of the moving averages")
                        .with("up", up)
                        .with("down", down);
                cx.log(event).await?;
            }
            _ => {}
        }
    }
    Ok(())
}
