//! `cargo xtask soak`: the tests that take long. Runs end at random moments, many times over; the bus is run in
//! the interleavings of its threads; files are changed at random and read; live feeds are cut, confused and misled.

use std::process::Command;

use crate::Outcome;
use crate::command::{Usage, cargo, run as run_command};

/// Runs for each kind of end, unless told otherwise; some are over before they are ended.
const RUNS: u32 = 75;

/// Files that are changed and read.
const MUTANTS: u32 = 5_400;

/// Days of a venue on which much goes wrong.
const SCENARIOS: u32 = 500;

/// Series of a venue that goes as fast as it can, and minutes of each: ten million candles.
const SERIES: u32 = 500;
const MINUTES: u32 = 20_000;

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let runs = runs(arguments)?;
    run_command(interleavings())?;
    run_command(mutants())?;
    run_command(scenarios())?;
    run_command(venue())?;
    // A summary of each kind of end is among what the tests print.
    let mut command = cargo(&["test", "--release", "-p", "bt-cli", "--test", "ends", "--", "--nocapture"]);
    command.env("BT_SOAK_RUNS", runs.to_string());
    run_command(command)?;
    println!("every end was in order, {runs} runs of each; {MUTANTS} changed files were refused or read");
    println!("{SCENARIOS} live feeds from a venue with bad days gave the frames of good ones");
    println!("{SERIES} series of {MINUTES} minutes came from a venue at full speed as they do from files");
    Ok(())
}

/// The models of the bus. The flag is another build of everything, which has a directory of its own.
fn interleavings() -> Command {
    let mut command = cargo(&["test", "-p", "bt-bus", "--test", "loom", "--target-dir", "target/loom"]);
    // A deadlock may end the whole program; then the last words name the model.
    command.args(["--", "--nocapture"]);
    command.env("RUSTFLAGS", "--cfg bt_loom");
    command
}

/// The changed files. A table of what became of them is among what the test prints.
fn mutants() -> Command {
    let mut command = cargo(&["test", "-p", "bt-data-source", "--test", "mutants", "--", "--nocapture"]);
    command.env("BT_SOAK_MUTANTS", MUTANTS.to_string());
    command
}

/// Live feeds with faults. How often each kind happened is among what the test prints.
fn scenarios() -> Command {
    let mut command = cargo(&["test", "-p", "bt-serve", "--test", "scenarios", "--", "--nocapture"]);
    command.env("BT_SOAK_SCENARIOS", SCENARIOS.to_string());
    command
}

/// A venue that is as fast as it can be. What it took is among what the test prints.
fn venue() -> Command {
    let mut command = cargo(&["test", "--release", "-p", "bt-cli", "--test", "venue", "--", "--nocapture"]);
    command.env("BT_SOAK_SERIES", SERIES.to_string()).env("BT_SOAK_MINUTES", MINUTES.to_string());
    command
}

fn runs(arguments: &[String]) -> Result<u32, Usage> {
    let unexpected = || {
        let given = arguments.join(" ");
        Usage::new(format!("unexpected arguments `{given}`, expected nothing or `--runs N` from 1"))
    };
    match arguments {
        [] => Ok(RUNS),
        [option, number] if option == "--runs" => {
            number.parse().ok().filter(|runs| *runs > 0).ok_or_else(unexpected)
        }
        _ => Err(unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_runs_is_taken_and_all_else_refused() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(runs(&[]).unwrap(), RUNS);
        assert_eq!(runs(&words("--runs 7")).unwrap(), 7);
        for bad in ["--runs", "--runs 0", "--runs many", "7", "--runs 7 8"] {
            assert!(runs(&words(bad)).unwrap_err().to_string().contains(bad), "{bad}");
        }
    }
}
