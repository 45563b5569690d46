//! `bt`: historical candles of many instruments, resampled and aligned in time, fed to services on a bus.

mod args;
mod aside;
mod config;
mod demo;
mod drive;
mod failure;
mod faults;
mod files;
mod format;
mod frames;
mod heartbeat;
mod journal;
mod live;
mod output;
mod places;
mod progress;
mod report;
mod run;
mod serve;
mod settings;
mod signals;
mod stats;
mod strategy;
mod synth;
mod tally;
mod values;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use args::{Cli, Command, RuntimeArg, Ui};
use failure::Failure;

fn main() -> ExitCode {
    let result = signals::outlive_size_limit().and_then(|()| run(std::env::args_os().collect()));
    // Of a thread that has been given up, say, because nobody took what it wrote.
    files::abandon();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure::tell(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(command_line: Vec<std::ffi::OsString>) -> Result<(), Failure> {
    let Cli { command, ui } = config::parse(command_line)?;
    diagnostics(&ui);
    match command {
        Command::Demo(args) => runtime(args.machine.runtime)?.block_on(demo::demo(args, &ui)),
        Command::Run(args) => runtime(args.machine.runtime)?.block_on(run::run(args, &ui)),
        Command::Frames(args) => runtime(args.machine.runtime)?.block_on(frames::frames(args, &ui)),
        Command::Live(args) => runtime(args.machine.runtime)?.block_on(live::live(args, &ui)),
        Command::Serve(args) => runtime(args.machine.runtime)?.block_on(serve::serve(args, &ui)),
        Command::Synth(args) => runtime(RuntimeArg::Current)?.block_on(synth::synth(args, &ui)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::definition(), "bt", &mut script);
            match std::io::stdout().write_all(&script) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    Err(Failure::run("cannot write the completion script", &error))
                }
                _ => Ok(()),
            }
        }
    }
}

fn runtime(kind: RuntimeArg) -> Result<Runtime, Failure> {
    let mut builder = match kind {
        RuntimeArg::Current => Builder::new_current_thread(),
        RuntimeArg::Multi => Builder::new_multi_thread(),
    };
    builder.enable_all().build().map_err(|error| Failure::run("cannot start the runtime", &error))
}

/// Operational diagnostics go to stderr: warnings unless more is asked for.
fn diagnostics(ui: &Ui) {
    use tracing_subscriber::EnvFilter;
    let default = match (ui.quiet, ui.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = EnvFilter::try_new(if asked.is_empty() { default } else { &asked });
    let (filter, error) = match filter {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(default), Some(error)),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| progress::Aside).init();
    if let Some(error) = error {
        tracing::warn!(%error, "RUST_LOG is not understood");
    }
}
