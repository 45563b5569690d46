//! Running programs, and reading what they say of themselves.
//!
//! A command line is one of
//! - `measure PROGRAM …`: the example `measure` of the crate `benches`, which prints its numbers;
//! - `bt …`: the binary, whose time is taken from outside;
//! - `watched bt …`: the same, whose memory, files and threads are looked at while it runs;
//! - `python SCRIPT …`: a script in `benches/peers`, which prints its numbers.
//!
//! A word in braces stands for the directory of a data set, `{scratch}` for one that is thrown away.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::data;
use crate::command::{cargo, root, run as run_command, shown};

/// What a program said, by name.
pub(super) type Numbers = BTreeMap<String, f64>;

/// Why there are no numbers.
#[derive(Debug)]
pub(super) enum Lack {
    /// Something that this machine does not have.
    Tool(String),
    /// Something that went wrong.
    Failure(String),
}

impl Lack {
    pub(super) fn failure(error: impl std::fmt::Display) -> Self {
        Lack::Failure(error.to_string())
    }
}

/// How often a watched program is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// Where everything is kept.
pub(super) fn directory() -> PathBuf {
    root().join("target/bench")
}

/// Builds what is to be run.
pub(super) fn build() -> crate::Outcome {
    run_command(cargo(&["build", "--release", "-p", "benches", "--example", "measure"]))?;
    run_command(cargo(&["build", "--release", "-p", "bt-cli"]))
}

/// The command of a command line, with the data sets that it speaks of made.
pub(super) fn command(line: &str) -> Result<Command, Lack> {
    let mut words = line.split(' ').map(resolve);
    let first = words.next().transpose()?.unwrap_or_default();
    let mut command = match first.as_str() {
        "watched" => return self::command(line.trim_start_matches("watched ")),
        "measure" => Command::new(release().join("examples/measure")),
        "bt" => Command::new(release().join("bt")),
        "python" => {
            let script = words.next().transpose()?.unwrap_or_default();
            let mut command = Command::new(python());
            command.arg(root().join("benches/peers").join(script));
            command
        }
        other => return Err(Lack::failure(format_args!("unknown program `{other}` in `{line}`"))),
    };
    for word in words {
        command.arg(word?);
    }
    command.stdin(Stdio::null());
    Ok(command)
}

/// A word with what stands in braces put in.
fn resolve(word: &str) -> Result<String, Lack> {
    let Some((before, rest)) = word.split_once('{') else { return Ok(word.to_owned()) };
    let (name, after) = rest.split_once('}').ok_or_else(|| Lack::failure(format_args!("`{word}`")))?;
    let path = match name {
        "scratch" => {
            // Empty: to write over a file makes some file systems wait for the disk.
            let scratch = directory().join("scratch");
            if scratch.exists() {
                fs::remove_dir_all(&scratch).map_err(Lack::failure)?;
            }
            fs::create_dir_all(&scratch).map_err(Lack::failure)?;
            scratch
        }
        set => data::ready(set)?,
    };
    Ok(format!("{before}{}{after}", path.display()))
}

/// The interpreter of Python scripts: `BT_PYTHON`, else what the system calls `python3`.
pub(super) fn python() -> PathBuf {
    env::var_os("BT_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

/// Where release builds are.
fn release() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(target.unwrap_or_else(|| "target".into())).join("release")
}

/// Runs a command line; what it said, and what was seen from outside.
pub(super) fn run(line: &str) -> Result<Numbers, Lack> {
    let mut command = command(line)?;
    let (watched, python) = (line.starts_with("watched "), line.starts_with("python "));
    let began = Instant::now();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| lack(python, format!("{}: {error}", shown(&command))))?;
    let mut seen = Numbers::new();
    if watched {
        watch(&mut child, &mut seen).map_err(Lack::failure)?;
    }
    let output = child.wait_with_output().map_err(Lack::failure)?;
    let wall = began.elapsed().as_secs_f64();
    succeeded(output.status, &output.stderr)
        .map_err(|why| lack(python, format!("{}: {why}", shown(&command))))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let mut numbers: Numbers = match printed.lines().last() {
        Some(line) if line.starts_with('{') => serde_json::from_str(line).map_err(Lack::failure)?,
        _ => Numbers::from([("wall_s".to_owned(), wall)]),
    };
    numbers.append(&mut seen);
    if let (Some(cpu), Some(candles)) = (numbers.get("cpu_s"), numbers.get("candles")) {
        numbers.insert("cpu_ns_per_candle".to_owned(), cpu * 1e9 / candles);
    }
    Ok(numbers)
}

/// Python and its packages may be missing; what this project builds may not.
fn lack(python: bool, why: String) -> Lack {
    if python { Lack::Tool(why) } else { Lack::Failure(why) }
}

/// An error with the last line of what was said on stderr, unless all went well.
pub(super) fn succeeded(status: ExitStatus, stderr: &[u8]) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(stderr);
    Err(format!("{status}: {}", text.lines().last().unwrap_or_default()))
}

/// Looks at a program until it ends: the most memory, open files and threads it has had.
fn watch(child: &mut Child, seen: &mut Numbers) -> std::io::Result<()> {
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let cores = thread::available_parallelism()?.get() as f64;
    let mut most = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            let known = seen.entry(name.to_owned()).or_insert(value);
            *known = known.max(value);
        }
    };
    while child.try_wait()?.is_none() {
        most("peak_mib", peak_mib(&process));
        most("files", entries(&process.join("fd")));
        most("threads_beyond_cores", entries(&process.join("task")).map(|threads| threads - cores));
        thread::sleep(LOOK);
    }
    Ok(())
}

fn peak_mib(process: &Path) -> Option<f64> {
    let status = fs::read_to_string(process.join("status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib / 1024.0)
}

fn entries(directory: &Path) -> Option<f64> {
    Some(fs::read_dir(directory).ok()?.count() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_put_together() {
        let shown = |line: &str| shown(&command(line).unwrap());
        assert_eq!(shown("measure prepare series=1"), "measure prepare series=1");
        assert_eq!(shown("watched bt frames --to 2025"), "bt frames --to 2025");
        assert!(shown("measure engine journal={scratch}/j").ends_with("target/bench/scratch/j"));
        assert!(matches!(command("sh -c true"), Err(Lack::Failure(why)) if why.contains("`sh`")));
        assert!(matches!(command("bt {nothing}"), Err(Lack::Failure(why)) if why.contains("nothing")));
    }
}
