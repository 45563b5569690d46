//! What is wrong with options of which each by itself is sound.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bt_core::{ConfigError, Series, Timeframe};

use crate::args::{CandleArgs, Cli, Command, Format, LiveArgs, MachineArgs, OutputArgs, RunArgs};
use crate::failure::Failure;
use crate::live;
use crate::settings::{Files, Settings};

/// The least that a series takes of the memory: less than its rows ever do, and known without a look at its files.
const LEAST_PER_SERIES: u64 = 4096;

/// All that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

/// One thing that is wrong.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The options that it is about, first the one to look at.
    pub(crate) options: Vec<&'static str>,
    /// Which of the values of that option.
    pub(crate) value: usize,
    pub(crate) what: String,
}

impl Faults {
    /// What is wrong with the options of a command, as far as they tell before any work.
    pub(crate) fn of(cli: &Cli) -> Self {
        match &cli.command {
            Command::Run(args) => Faults::of_run(args),
            Command::Frames(args) => {
                Settings::new(&args.input, &args.feed, &args.machine).err().unwrap_or_default()
            }
            Command::Live(args) => Faults::of_live(args),
            Command::Serve(args) => Files::of(&args.input, &args.machine).err().unwrap_or_default(),
            Command::Demo(_) | Command::Synth(_) | Command::Completions { .. } => Faults::default(),
        }
    }

    /// What is wrong with the options of a run.
    pub(crate) fn of_run(args: &RunArgs) -> Self {
        let mut faults = Settings::new(&args.input, &args.feed, &args.machine).err().unwrap_or_default();
        faults.of_output(args.format, &args.output);
        faults
    }

    /// What is wrong with the options of a live run.
    pub(crate) fn of_live(args: &LiveArgs) -> Self {
        let mut faults = live::settings(args).err().unwrap_or_default();
        faults.of_output(args.format, &args.output);
        faults
    }

    pub(crate) fn add(&mut self, options: &[&'static str], value: usize, what: String) {
        self.0.push(Fault { options: options.to_vec(), value, what });
    }

    /// An option that was not given and is needed.
    pub(crate) fn missing(&mut self, option: &'static str) {
        let what = format!("no --{option} given, on the command line or as `{option}` in a configuration");
        self.add(&[option], 0, what);
    }

    /// What is wrong with what is to be fed, and how much memory there is for it.
    pub(crate) fn of_candles(&mut self, candles: &CandleArgs, machine: &MachineArgs) {
        if candles.series.is_empty() {
            self.missing("series");
        }
        self.of_series(&candles.series, candles.source_timeframe);
        self.of_memory(candles.series.len(), machine.memory);
    }

    /// Bars are made of whole candles, and each series is there once.
    fn of_series(&mut self, series: &[Series], candles: Timeframe) {
        let mut seen = BTreeMap::new();
        for (at, series) in series.iter().enumerate() {
            if series.timeframe().ratio(candles).is_none() {
                let (input, target) = (series.instrument().at(candles), series.timeframe());
                let error = ConfigError::NotAMultiple { input, target };
                self.add(&["series", "source-timeframe"], at, error.to_string());
            }
            if seen.insert(series, at).is_some() {
                let error = ConfigError::DuplicateSeries { series: series.clone() };
                self.add(&["series"], at, error.to_string());
            }
        }
    }

    /// So many series cannot do with so little memory, whatever their files hold.
    fn of_memory(&mut self, series: usize, memory: u64) {
        let least = LEAST_PER_SERIES.saturating_mul(series as u64);
        if memory < least {
            let what = format!(
                "memory of {memory} bytes is too small for {series} series, expected at least {least} bytes"
            );
            self.add(&["memory", "series"], 0, what);
        }
    }

    /// A file for frames wants a format.
    pub(crate) fn of_output(&mut self, format: Option<Format>, output: &OutputArgs) {
        let out = &output.out;
        if format.is_none() && out != Path::new("-") {
            let what = format!(
                "--out {} without --format, expected csv, jsonl, parquet or none as a format",
                out.display()
            );
            self.add(&["out", "format"], 0, what);
        }
    }

    /// All of them, or that there is none.
    pub(crate) fn check(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(|fault| &*fault.what).collect();
        f.write_str(&all.join("\nerror: "))
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Failure::usage(faults.to_string())
    }
}
