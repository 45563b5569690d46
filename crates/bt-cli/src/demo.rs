//! `bt demo`: the whole pipeline, on a data set made for it.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bt_bus::FsyncPolicy;
use bt_core::{Instrument, TimeRange, Timeframe};
use bt_data_source::{ColumnNames, MissingPolicy, ROW_LOGS, Synth, SynthConfig};
use bt_feeder::{Align, Fill, OnSourceError};
use bt_resample::PartialPolicy;
use etcetera::BaseStrategy;

use crate::args::{DemoArgs, Format, OutputArgs, RecordArgs, TimeUnit, Ui};
use crate::failure::Failure;
use crate::files;
use crate::heartbeat::{Heartbeat, Lateness};
use crate::places;
use crate::progress::Meter;
use crate::report::Report;
use crate::run::Plan;
use crate::settings::{Files, Origin, Settings};
use crate::signals::Signals;
use crate::strategy::{Sma, Strategy};
use crate::synth;

/// What the demo's data set is made of; written beside it once it is complete.
const DATA_SET: &str = "8 instruments, 12 months from 2024-01, seed 1, gaps 0.001, version 1\n";

pub(crate) async fn demo(args: DemoArgs, ui: &Ui) -> Result<(), Failure> {
    let DemoArgs { dir, record, machine } = args;
    let dir = match dir {
        Some(dir) => dir,
        None => cache_dir()?,
    };
    let record = RecordArgs {
        log: Some(record.log.unwrap_or_else(|| dir.join("journal.jsonl"))),
        report: Some(record.report.unwrap_or_else(|| dir.join("report.json"))),
    };
    let output = OutputArgs { out: "-".into(), time_unit: TimeUnit::Rfc3339 };
    places::distinct(places::of(None, Format::None, &output, &record))?;
    let data = dir.join("data");
    std::fs::create_dir_all(&data)
        .map_err(|error| Failure::run(format_args!("cannot create {}", data.display()), &error))?;
    Report::check(record.report.as_deref())?;
    let synth =
        SynthConfig::default().with_instruments(8).with_months(12).with_seed(1).with_gaps(0.001).build()?;
    let plan = Plan {
        settings: Settings {
            origin: Origin::Files(Files {
                data: data.clone(),
                missing: MissingPolicy::Error,
                columns: ColumnNames::default(),
                require_checksums: false,
            }),
            series: series(&synth)?,
            source_timeframe: Timeframe::MINUTE,
            range: TimeRange::new("2024-01-01".parse().map_err(usage)?, "2025-01-01".parse().map_err(usage)?)
                .map_err(usage)?,
            strict: false,
            row_logs: ROW_LOGS,
            align: Align::Outer,
            fill: Fill::default(),
            partial: PartialPolicy::Emit,
            on_source_error: OnSourceError::Fail,
            batch_rows: machine.batch_rows as usize,
            memory: machine.memory,
            threads: machine.threads(),
        },
        strategy: Some(Strategy::Sma(Sma { fast: 12, slow: 48 })),
        max_frames: None,
        barrier_limit: Duration::from_secs(30),
        stats_every: None,
        fsync: FsyncPolicy::Never,
        format: Format::None,
        output,
        record: record.clone(),
    };

    make_once(synth, &data, ui).await?;

    let heartbeat = Heartbeat::start();
    let (signals, limit) = (Signals::listen()?, plan.barrier_limit);
    let outcome = plan.execute(Meter::new(ui, "demo"), &signals).await;
    let lateness = heartbeat.stop().await;
    let report = outcome.finish(record.report.as_deref(), &signals, limit).await?;
    let text = summary(&report, lateness, &data, &record);
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::ClosedPipe),
        written => written.map_err(|error| Failure::run("cannot write to stdout", &error)),
    }
}

fn usage(error: bt_core::TimeError) -> Failure {
    Failure::usage(error.to_string())
}

fn series(synth: &Synth) -> Result<Vec<bt_core::Series>, Failure> {
    let bars: Timeframe = "5m".parse().map_err(usage)?;
    let instrument = |index| -> &Instrument { synth.series(index).instrument() };
    Ok((0..synth.instruments()).map(|index| instrument(index).at(bars)).collect())
}

fn cache_dir() -> Result<PathBuf, Failure> {
    match etcetera::choose_base_strategy() {
        Ok(strategy) => Ok(strategy.cache_dir().join("bt-demo")),
        Err(error) => Err(Failure::usage(format!("no cache directory known ({error}), expected --dir DIR"))),
    }
}

/// Makes the data set, unless it is there already.
async fn make_once(synth: Synth, data: &Path, ui: &Ui) -> Result<(), Failure> {
    let marker = data.join("complete.txt");
    if std::fs::read_to_string(&marker).is_ok_and(|found| found == DATA_SET) {
        return Ok(());
    }
    synth::write(synth, data, Meter::new(ui, "data")).await?;
    files::write_whole(&marker, DATA_SET.as_bytes())
        .map_err(|error| Failure::run(format_args!("cannot write {}", marker.display()), &error))
}

fn summary(report: &Report, lateness: Lateness, data: &Path, record: &RecordArgs) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<20}{value}");
    };
    let seconds = report.wall.elapsed_ms as f64 / 1e3;
    line("candles in", grouped(report.candles()));
    let slots = [report.bars, report.filled, report.empty].map(grouped);
    line("frames", format!("{} of {} slots each", grouped(report.frames), report.series.len()));
    line("slots", format!("{} bars, {} filled, {} empty", slots[0], slots[1], slots[2]));
    line("time", format!("{seconds:.2} s, {} candles/s", grouped(report.wall.candles_per_second as u64)));
    let levels: Vec<_> =
        report.logs.by_level.iter().map(|(level, count)| format!("{} {level}", grouped(*count))).collect();
    line("log events", format!("{} ({})", grouped(report.logs.published), levels.join(", ")));
    let ms = |d: Duration| format!("{:.2} ms", d.as_secs_f64() * 1e3);
    let Lateness { ticks, p50, p99, max } = lateness;
    line(
        "heartbeat",
        format!("{} ticks, late by p50 {}, p99 {}, max {}", grouped(ticks as u64), ms(p50), ms(p99), ms(max)),
    );
    line("fingerprint_frames", report.fingerprint_frames.clone());
    line("fingerprint_log", report.fingerprint_log.clone());
    line("data", data.display().to_string());
    for (name, path) in [("journal", &record.log), ("report", &record.report)] {
        if let Some(path) = path {
            line(name, path.display().to_string());
        }
    }
    text
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1000, 4_215_834].map(grouped), ["0", "999", "1 000", "4 215 834"]);
    }
}
