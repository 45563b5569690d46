//! The command line: every option, in one place. A configuration file has the same keys.

mod examples;
mod input;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bt_serve::Speed;
use clap::{Arg, ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use self::examples::{FRAMES_EXAMPLES, LIVE_EXAMPLES, RUN_EXAMPLES, SERVE_EXAMPLES, SYNTH_EXAMPLES};
pub(crate) use self::input::{CandleArgs, InputArgs, Missing, VenueArgs};
use crate::serve::speed;
use crate::strategy::Strategy;
use crate::values::{address, chance, duration, memory, whole};

/// Historical candles of many instruments, resampled and aligned in time, fed to services on a bus.
#[derive(Debug, Parser)]
#[command(name = "bt", version, arg_required_else_help = true, args_override_self = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) ui: Ui,
}

impl Cli {
    /// The definition of the command line.
    pub(crate) fn definition() -> clap::Command {
        // So that who asks for fewer than none is told what is wrong with it.
        let signed = |arg: Arg| {
            let takes_value = arg.get_action().takes_values();
            arg.allow_negative_numbers(takes_value)
        };
        Cli::command().mut_subcommands(|command| command.mut_args(signed))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole pipeline on a data set made for it: 8 instruments, 12 months of one-minute candles
    #[command(args_override_self = true)]
    Demo(DemoArgs),
    /// Feed candles through the engine to services: a strategy, the journal, the writer of frames
    #[command(args_override_self = true, after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Write the aligned frames out, without an engine
    #[command(args_override_self = true, after_help = FRAMES_EXAMPLES)]
    Frames(FramesArgs),
    /// Feed candles as they happen, from a venue's WebSockets, after those of the past
    #[command(args_override_self = true, after_help = LIVE_EXAMPLES)]
    Live(LiveArgs),
    /// Serve candles of the past as a venue's WebSockets and REST, to try services on
    #[command(args_override_self = true, after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Make a seeded data set
    #[command(args_override_self = true, after_help = SYNTH_EXAMPLES)]
    Synth(SynthArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Ui {
    /// Progress bars on stderr
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    pub(crate) progress: Progress,
    /// Say more on stderr: how runs begin and end; twice for files too. RUST_LOG, if set, decides instead
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Say nothing on stderr but errors: no warnings, progress or statistics. RUST_LOG decides on warnings, if set
    #[arg(short, long, global = true, conflicts_with = "verbose", action = ArgAction::Set, num_args = 0..=1)]
    #[arg(
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// If stderr is a terminal
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where the demo keeps its data and results [default: a directory under the system's cache]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) feed: FeedArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// What is written of the frames [default: none]
    #[arg(long, value_enum, help_heading = "Output")]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FramesArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) feed: FeedArgs,
    /// What is written of the frames; `none` drains them [default: csv]
    #[arg(long, value_enum, help_heading = "Output")]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    #[command(flatten)]
    pub(crate) input: VenueArgs,
    #[command(flatten)]
    pub(crate) feed: FeedArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// What is written of the frames [default: none]
    #[arg(long, value_enum, help_heading = "Output")]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// How many times as fast as real time, such as 60x; max: as fast as clients take it
    #[arg(long, value_name = "X", default_value = "1x", value_parser = speed, help_heading = "Venue")]
    pub(crate) speed: Speed,
    /// How many clients are waited for before time begins
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole(1_u32, 10_000), help_heading = "Venue")]
    pub(crate) clients: u32,
    /// Where to listen; port 0 is a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = address, help_heading = "Venue")]
    pub(crate) listen: SocketAddr,
    /// Do what lines and venues do on bad days, the same for the same seed
    #[arg(long, value_name = "SEED", value_parser = whole(0, u64::MAX), help_heading = "Venue")]
    pub(crate) faults: Option<u64>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    /// Root of the data set to write
    #[arg(long, value_name = "ROOT")]
    pub(crate) out: PathBuf,
    /// Number of instruments
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = whole(1_u32, 10_000))]
    pub(crate) instruments: u32,
    /// Number of months, from 2024-01 on
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = whole(1_u32, 1_200))]
    pub(crate) months: u32,
    /// Seed: the same seed makes the same candles
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = whole(0, u64::MAX))]
    pub(crate) seed: u64,
    /// Chance that a minute is missing, from 0 up to but not 1
    #[arg(long, value_name = "P", default_value_t = 0.001, value_parser = chance)]
    pub(crate) gaps: f64,
    /// Compression of the Parquet files
    #[arg(long, value_enum, value_name = "C", default_value_t)]
    pub(crate) compression: Codec,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Codec {
    #[default]
    Zstd,
    Snappy,
    Gzip,
    Lz4,
    None,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArg {
    /// TOML file with the options of this command; the command line overrides it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Feed")]
pub(crate) struct FeedArgs {
    /// At which closes there is a frame
    #[arg(long, value_enum, default_value_t)]
    pub(crate) align: AlignArg,
    /// What stands in for a bar that a series does not have
    #[arg(long, value_enum, default_value_t)]
    pub(crate) fill: FillArg,
    /// Fill at most N slots of a series in a row, with 0 none [default: no limit]
    #[arg(long, value_name = "N", value_parser = whole(0, u64::MAX))]
    pub(crate) fill_limit: Option<u64>,
    /// What becomes of bars that lack inputs
    #[arg(long, value_enum, default_value_t)]
    pub(crate) partial: PartialArg,
    /// What an error in one source means
    #[arg(long, value_enum, default_value_t)]
    pub(crate) on_source_error: OnSourceErrorArg,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AlignArg {
    /// Wherever at least one series has a bar
    #[default]
    Outer,
    /// Only where every due series has a bar
    Inner,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FillArg {
    /// The close before
    #[default]
    Forward,
    /// Nothing
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartialArg {
    /// They are handed on, flagged
    #[default]
    Emit,
    /// They are left out
    Drop,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnSourceErrorArg {
    /// The run ends
    #[default]
    Fail,
    /// The series ends, the others go on
    Isolate,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Engine")]
pub(crate) struct EngineArgs {
    /// Run the sample strategy, a cross of two moving averages of closes: sma:FAST,SLOW
    #[arg(long, value_name = "sma:FAST,SLOW")]
    pub(crate) strategy: Option<Strategy>,
    /// End after N frames
    #[arg(long, value_name = "N", value_parser = whole(1, u64::MAX))]
    pub(crate) max_frames: Option<u64>,
    /// How long services may take over one frame
    #[arg(long, value_name = "D", default_value = "30s", value_parser = duration)]
    pub(crate) barrier_limit: Duration,
    /// Print where the run stands on stderr this often, such as 5s [default: off]
    #[arg(long, value_name = "D", value_parser = duration)]
    pub(crate) stats_every: Option<Duration>,
    /// How often the journal is forced to the disk
    #[arg(long, value_enum, default_value_t)]
    pub(crate) fsync: FsyncArg,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FsyncArg {
    /// When the system sees fit
    #[default]
    Never,
    /// Every second
    Interval,
    /// Before an event counts as written
    Always,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Where frames are written; `-` is stdout
    #[arg(long, value_name = "PATH", default_value = "-")]
    pub(crate) out: PathBuf,
    /// How instants are written in csv and jsonl
    #[arg(long, value_enum, default_value_t)]
    pub(crate) time_unit: TimeUnit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Csv,
    Jsonl,
    Parquet,
    /// Nothing
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeUnit {
    #[default]
    Rfc3339,
    S,
    Ms,
    Us,
    Ns,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Record")]
pub(crate) struct RecordArgs {
    /// Write the journal, one log event a line, as the run goes
    #[arg(long, value_name = "PATH")]
    pub(crate) log: Option<PathBuf>,
    /// Write the report, as JSON, at the end, however it ends
    #[arg(long, value_name = "PATH")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Machine (changes no byte of any output)")]
pub(crate) struct MachineArgs {
    /// Rows decoded at a time
    #[arg(long, value_name = "N", default_value_t = 8192, value_parser = whole(1_u32, 1_048_576))]
    pub(crate) batch_rows: u32,
    /// Memory for candles read ahead, such as 256MiB
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = memory)]
    pub(crate) memory: u64,
    /// Threads that read and decode [default: cores]
    #[arg(long, value_name = "N", value_parser = whole(1_u32, 1024))]
    pub(crate) threads: Option<u32>,
    /// Kind of runtime
    #[arg(long, value_enum, default_value_t)]
    pub(crate) runtime: RuntimeArg,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuntimeArg {
    /// One thread
    #[default]
    Current,
    /// A thread per core
    Multi,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::definition().debug_assert();
    }
}
