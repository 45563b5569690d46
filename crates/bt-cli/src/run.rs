//! `bt run`: the feed through the engine to services.

use std::path::Path;
use std::time::{Duration, Instant};

use bt_bus::{Bus, FsyncPolicy, JournalError, JournalSink};
use bt_core::{BoxError, Control, Event, EventBus, FrameFeed, Level, LogEvent, SimClock, topic};
use bt_data_source::Live;
use bt_engine::{Ended, Engine, RunReport, ServiceContext};
use bt_feeder::BarFeed;

use crate::args::{EngineArgs, Format, FsyncArg, OutputArgs, RecordArgs, RunArgs, Ui};
use crate::drive::Drive;
use crate::failure::{Failure, chain, is_by};
use crate::faults::Faults;
use crate::journal;
use crate::output::{Output, OutputEnd, Stopped};
use crate::places;
use crate::progress::Meter;
use crate::report::{Outcome, Parts, Report, Service};
use crate::settings::{Opened, Settings};
use crate::signals::{self, Signals};
use crate::stats::Stats;
use crate::strategy::{Crossings, Sma, Strategy};
use crate::tally::Tally;
use crate::watch::{Watch, Watched};

pub(crate) async fn run(args: RunArgs, ui: &Ui) -> Result<(), Failure> {
    Faults::of_run(&args).check()?;
    let RunArgs { config, input, feed, engine, format, output, record, machine } = args;
    let settings = Settings::new(&input, &feed, &machine)?;
    Plan::new(settings, engine, format, output, record, ui)
        .carry_out(config.config.as_deref(), "run", ui)
        .await
}

/// A run, ready to begin.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) max_frames: Option<u64>,
    pub(crate) barrier_limit: Duration,
    pub(crate) stats_every: Option<Duration>,
    pub(crate) fsync: FsyncPolicy,
    pub(crate) format: Format,
    pub(crate) output: OutputArgs,
    pub(crate) record: RecordArgs,
}

/// What is there when a run begins.
struct Begun {
    engine: Engine<Watched<BarFeed>, Bus<Event>>,
    output: Option<OutputEnd>,
    watch: Watch,
    /// Knows what became of the journal.
    record: Option<JournalSink>,
    live: Option<Live>,
}

impl Plan {
    pub(crate) fn new(
        settings: Settings,
        engine: EngineArgs,
        format: Option<Format>,
        output: OutputArgs,
        record: RecordArgs,
        ui: &Ui,
    ) -> Self {
        Plan {
            settings,
            strategy: engine.strategy,
            max_frames: engine.max_frames,
            barrier_limit: engine.barrier_limit,
            stats_every: engine.stats_every.filter(|_| !ui.quiet),
            fsync: match engine.fsync {
                FsyncArg::Never => FsyncPolicy::Never,
                FsyncArg::Interval => FsyncPolicy::Interval(Duration::from_secs(1)),
                FsyncArg::Always => FsyncPolicy::Always,
            },
            format: format.unwrap_or(Format::None),
            output,
            record,
        }
    }

    /// Runs it, as the command `name`, and reports on it.
    pub(crate) async fn carry_out(
        self,
        config: Option<&Path>,
        name: &'static str,
        ui: &Ui,
    ) -> Result<(), Failure> {
        places::distinct(places::of(config, self.format, &self.output, &self.record))?;
        let record = self.record.clone();
        Report::check(record.report.as_deref())?;
        let (signals, limit) = (Signals::listen()?, self.barrier_limit);
        let outcome = self.execute(Meter::new(ui, name), &signals).await;
        outcome.finish(record.report.as_deref(), &signals, limit).await?.logs.remind(&record);
        Ok(())
    }

    /// Runs it to its end.
    pub(crate) async fn execute(self, meter: Meter, signals: &Signals) -> Outcome {
        let began = Instant::now();
        let tally = Tally::default();
        let (limit, stats_every) = (self.barrier_limit, self.stats_every);
        let Begun { engine, output, watch, record, live } = match self.begin(&tally, meter, signals).await {
            Ok(begun) => begun,
            Err(failure) => return Outcome::stillborn(failure, &tally, began),
        };
        signals.end(engine.stop_handle());
        let drive = Drive { output: output.as_ref(), signals, stats: Stats::new(stats_every) };
        let mut by_output = false;
        let (report, mut result, mut kept) = match drive.run(engine).await {
            Ok(report) => (report, Ok(()), Ok(())),
            Err(error) => {
                let (failure, report) = error.into_parts();
                let failed = Err(Failure::Run(chain(&failure)));
                by_output = is_by::<Stopped>(&failure);
                if is_by::<JournalError>(&failure) {
                    (report, Ok(()), failed)
                } else {
                    (report, failed, Ok(()))
                }
            }
        };
        watch.end();
        if let (Some(record), Ok(())) = (record, &kept) {
            // It may have failed after something else, or have been given up for it.
            kept = journal::check(&record);
        }
        if let Ended::Stopped(reason) = report.ended {
            result = signals::number(reason).map_or(result, |number| Err(Failure::Signal(number)));
        }
        let RunReport { mut drained, ended, .. } = report;
        if let Some(output) = output {
            let keep = matches!(ended, Ended::Data | Ended::MaxFrames);
            let written = output.finish(keep, signals, limit).await;
            drained &= !matches!(written, Err(Failure::Run(_)));
            result = Failure::of_both(result, by_output, written);
        }
        result = Failure::of_record(result, kept);
        let (ended, error) = match &result {
            Err(failure @ (Failure::Run(_) | Failure::Usage(_))) => ("error", Some(failure.to_string())),
            _ => (ended.as_str(), None),
        };
        let services = report.services.iter().map(|service| Service {
            name: service.name.to_owned(),
            delivered: service.delivered,
            undelivered: service.undelivered,
        });
        let parts = Parts {
            watch: &watch,
            logs: tally.totals(),
            services: services.collect(),
            series: report.series.clone(),
            drained,
            ended,
            error,
            elapsed: began.elapsed(),
            engine: Some(&report),
            connections: live.map(|live| live.stats()).unwrap_or_default(),
        };
        Outcome { report: parts.report(), failure: result.err() }
    }

    async fn begin(self, tally: &Tally, meter: Meter, signals: &Signals) -> Result<Begun, Failure> {
        let Plan { settings, strategy, max_frames, barrier_limit, fsync, format, output, record, .. } = self;
        let bus: Bus<Event> = Bus::for_engine();
        let Opened { feed, live } = settings
            .open(|component| bus.log_sink(component).map_err(|error| Failure::Run(chain(&error))))
            .await?;
        let watch = Watch::new(feed.series(), meter.over(settings.range));
        // Only what can work touches files that are there.
        let journal = journal::create(&record, fsync, signals).await?;
        let record = journal.as_ref().map(|journal| journal.sink("bt"));
        let (writer, end) = Output::create(format, &output, feed.series(), signals).await?.unzip();

        let mut builder = Engine::builder()
            .feed(Watched { feed, watch: watch.clone() })
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
        builder = match strategy {
            Some(Strategy::Sma(lengths)) => {
                builder.service("sma", [topic::FRAME], move |cx| trade(cx, lengths))
            }
            Some(Strategy::Drill(drill)) => {
                builder.service("drill", [topic::FRAME], move |cx| drill.serve(cx))
            }
            None => builder,
        };
        if let Some(writer) = writer {
            let writer = if live.is_some() { writer.promptly() } else { writer };
            builder = builder.service("frames", [topic::FRAME], move |cx| writer.serve(cx));
        }
        if let Some(frames) = max_frames {
            builder = builder.max_frames(frames);
        }
        Ok(Begun { engine: builder.build()?, output: end, watch, record, live })
    }
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
