//! Running other programs, and arguments.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use crate::Outcome;

/// Wrong arguments.
#[derive(Debug)]
pub(crate) struct Usage(String);

impl Usage {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Usage(text.into())
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Refuses arguments to a command that takes none.
pub(crate) fn no_arguments(arguments: &[String]) -> Result<(), Usage> {
    match arguments.first() {
        None => Ok(()),
        Some(argument) => Err(Usage::new(format!("unexpected argument `{argument}`, expected none"))),
    }
}

/// The directory of the workspace.
pub(crate) fn root() -> PathBuf {
    let xtask = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().map(PathBuf::from).unwrap_or(xtask)
}

/// The cargo that runs this program, in the workspace's directory.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Outcome {
    let status = command.status().map_err(|e| format!("cannot run {}: {e}", shown(&command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed: {status}", shown(&command)).into()) }
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}
