//! `cargo xtask supply`: what the build takes in from outside, against `deny.toml`.
//!
//! `cargo deny` checks the same and more; but it is a program that has to be there, and its advisories come by the
//! network. What can be known without both is checked here, and whatever it adds is asked for where it is installed.

mod checks;
mod graph;
mod licences;
mod policy;

use std::process::{Command, Stdio};

use crate::Outcome;
use crate::command::{cargo, no_arguments, root, run as run_command};
use graph::Graph;
use policy::Policy;

/// A check: what it finds wrong.
type Check = fn(&Policy, &Graph) -> Vec<String>;

/// Every check, by name.
const CHECKS: [(&str, Check); 6] = [
    ("everything has a reason", checks::reasons),
    ("licences are allowed", checks::licences),
    ("sources are known", checks::sources),
    ("no duplicates", checks::duplicates),
    ("nothing banned", checks::bans),
    ("features are allowed", checks::features),
];

pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments(arguments)?;
    let text = std::fs::read_to_string(root().join("deny.toml")).map_err(|e| format!("deny.toml: {e}"))?;
    let policy: Policy = toml::from_str(&text).map_err(|e| format!("deny.toml: {e}"))?;
    let graph = Graph::of_workspace()?;
    let mut found = 0;
    for (name, check) in CHECKS {
        for finding in check(&policy, &graph) {
            println!("{finding} [{name}]");
            found += 1;
        }
    }
    if found > 0 {
        return Err(format!("{found} findings").into());
    }
    println!("{} checks hold for {} packages", CHECKS.len(), graph.packages.len());
    advisories()
}

/// What only `cargo deny` knows, if it is there and can learn of it.
fn advisories() -> Outcome {
    if !succeeds(cargo(&["deny", "--version"])) {
        println!("advisories were not checked: cargo-deny is not installed");
        return Ok(());
    }
    if !succeeds(cargo(&["deny", "fetch", "db"])) {
        println!("advisories were not checked: their database cannot be fetched");
        return run_command(cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]));
    }
    run_command(cargo(&["deny", "check"]))
}

fn succeeds(mut command: Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
