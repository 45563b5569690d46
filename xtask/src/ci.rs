//! `cargo xtask ci`: every check. The one place that says what they are; `.ci/run` only fetches what they need
//! and calls this.

mod demo;

use std::process::Command;
use std::time::Instant;

use crate::Outcome;
use crate::command::{cargo, no_arguments, run as run_command, shown};

/// A crate and a set of features that must compile alone and without warnings, as in another workspace.
const ALONE: [&[&str]; 10] = [
    &["-p", "bt-core"],
    &["-p", "bt-resample"],
    &["-p", "bt-feeder"],
    &["-p", "bt-bus"],
    &["-p", "bt-engine"],
    &["-p", "bt-serve"],
    &["-p", "bt-data-source"],
    &["-p", "bt-data-source", "--no-default-features"],
    &["-p", "bt-data-source", "--no-default-features", "--features", "synth"],
    &["-p", "bt-data-source", "--no-default-features", "--features", "live"],
];

pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments(arguments)?;
    step("tidy", || crate::tidy::run(&[]))?;
    step("supply", || crate::supply::run(&[]))?;
    for command in checks() {
        step(&shown(&command), || run_command(command))?;
    }
    step("demo, twice", demo::run)?;
    println!("== all checks passed");
    Ok(())
}

/// The checks that are a command each: quick ones first, and those that share compiled code together.
fn checks() -> Vec<Command> {
    let mut checks = vec![
        cargo(&["fmt", "--all", "--check"]),
        cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]),
    ];
    checks.extend(ALONE.iter().map(|which| {
        let mut check = cargo(&["clippy"]);
        check.args(*which).args(["--", "-D", "warnings"]);
        check
    }));
    let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    checks.push(doc);
    // The binary asks for all features of its siblings, so this tests them all; doctests are among them.
    // Benches are checked by clippy, like all targets: to build them optimized would cost minutes.
    checks.push(cargo(&["test", "--workspace"]));
    checks
}

fn step(name: &str, work: impl FnOnce() -> Outcome) -> Outcome {
    println!("== {name}");
    let begin = Instant::now();
    work()?;
    println!("== {name}: passed in {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_the_readme_are_among_the_checks() {
        let shown: Vec<String> = checks().iter().map(shown).collect();
        assert!(shown.contains(&"cargo test --workspace".to_owned()), "{shown:?}");
        assert!(
            shown.contains(&"cargo clippy -p bt-data-source --no-default-features -- -D warnings".to_owned())
        );
    }
}
