//! The machine, the day and the code that figures belong to.

use std::fs;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::command::root;

/// Where and when it was measured, and what.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    /// Load averages of one minute, before and after. Our own programs are among it.
    pub(super) load: [String; 2],
    pub(super) commit: String,
    /// Whether there were changes beyond that commit.
    pub(super) changed: bool,
    pub(super) date: String,
}

impl Machine {
    pub(super) fn look() -> Self {
        let load = load();
        Machine {
            cpu: cpu(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            load: [load.clone(), load],
            commit: said("git", &["rev-parse", "HEAD"]),
            changed: !said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty(),
            date: said("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
        }
    }

    pub(super) fn look_again(&mut self) {
        self.load[1] = load();
    }
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "unknown".to_owned(), |(_, model)| model.trim().to_owned())
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

/// The first line that a command prints; nothing if there is no such command.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}
