//! How a command fails, and with which exit code.

use std::error::Error;
use std::fmt;
use std::io::Write;

pub(crate) use bt_core::error_chain as chain;
use bt_core::{ConfigError, SourceError};

/// What went wrong, as one readable chain, and whose fault it is.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong arguments or configuration, found before any work: exit code 2.
    Usage(String),
    /// The command line's parser has it: its own message and exit code (help and version are no failure).
    Parse(clap::Error),
    /// Data, I/O or a service: exit code 1.
    Run(String),
    /// Stopped by this signal after an orderly end.
    Signal(i32),
    /// Whoever read stdout has gone: nothing is wrong.
    ClosedPipe,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure::Usage(message.into())
    }

    /// `what` failed because of `error`.
    pub(crate) fn run(what: impl fmt::Display, error: &(dyn Error + 'static)) -> Self {
        Failure::Run(format!("{what}: {}", chain(error)))
    }

    /// The parser's verdict, without what it adds for a terminal.
    pub(crate) fn parsed(error: &clap::Error) -> String {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    }

    /// What became of work whose frames were written, or not; `by_output` says whether the work failed because
    /// they were not.
    pub(crate) fn of_both(
        work: Result<(), Failure>,
        by_output: bool,
        written: Result<(), Failure>,
    ) -> Result<(), Failure> {
        match (work, written) {
            (Err(Failure::Run(work)), Err(Failure::Run(written))) if !by_output => {
                Err(Failure::Run(format!("{work}; {written}")))
            }
            (_, Err(failure @ Failure::Run(_))) => Err(failure),
            // That nobody reads any more hides nothing else.
            (Ok(()) | Err(Failure::ClosedPipe), written) => written,
            (failed, _) => failed,
        }
    }

    /// What became of work whose record was kept, or not: if not, that outranks a signal and a reader that has
    /// left, and comes on top of whatever else went wrong.
    pub(crate) fn of_record(work: Result<(), Failure>, kept: Result<(), Failure>) -> Result<(), Failure> {
        match (work, kept) {
            (Err(Failure::Run(work)), Err(kept)) => Err(Failure::Run(format!("{work}; {kept}"))),
            (_, Err(kept)) => Err(kept),
            (work, Ok(())) => work,
        }
    }

    /// This failure, and another that it led to or that came on top of it.
    pub(crate) fn and(self, more: &Failure) -> Self {
        match self {
            Failure::Run(message) => Failure::Run(format!("{message}\nerror: {more}")),
            Failure::Signal(_) | Failure::ClosedPipe => Failure::Run(more.to_string()),
            failure => {
                // Its exit code counts, and its message has no room.
                tell(more);
                failure
            }
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Parse(error) => u8::try_from(error.exit_code()).unwrap_or(2),
            Failure::Run(_) => 1,
            Failure::Signal(number) => u8::try_from(128 + number).unwrap_or(1),
            Failure::ClosedPipe => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message) | Failure::Run(message) => f.write_str(message),
            Failure::Parse(error) => error.fmt(f),
            Failure::Signal(number) => write!(f, "stopped by signal {number}"),
            Failure::ClosedPipe => f.write_str("output was closed"),
        }
    }
}

impl Error for Failure {}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Failure::Parse(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let message = chain(&error);
        Failure::Usage(match error {
            // A setting of the libraries by the name of its option.
            ConfigError::Invalid { option, .. } => message.replacen(option, &option.replace('_', "-"), 1),
            _ => message,
        })
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Config(config) => config.into(),
            error => Failure::Run(chain(&error)),
        }
    }
}

/// Whether an `E` is among the causes of `error`.
pub(crate) fn is_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    error.is::<E>() || error.source().is_some_and(is_by::<E>)
}

/// Says on stderr what went wrong. If even this cannot be written, there is nobody left to tell.
pub(crate) fn tell(failure: &Failure) {
    let _ = match failure {
        // Help, version and usage errors come with their own layout, on the stream that is theirs.
        Failure::Parse(error) => error.print(),
        Failure::ClosedPipe => Ok(()),
        failure => writeln!(std::io::stderr(), "error: {failure}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_called_as_their_options_are() {
        let error = ConfigError::Invalid { option: "rest_url", value: "a_b".into(), expected: "a URL" };
        assert_eq!(Failure::from(error).to_string(), "invalid rest-url `a_b`, expected a URL");
    }

    #[test]
    fn what_could_not_be_written_comes_first_and_a_closed_pipe_last() {
        let run = |what: &str| Err(Failure::Run(what.into()));
        let told = |result: Result<(), Failure>| {
            result.map_or_else(|failure| failure.to_string(), |()| String::new())
        };
        for (work, written, expected) in [
            (Ok(()), Ok(()), ""),
            (run("work"), Ok(()), "work"),
            (run("work"), run("written"), "work; written"),
            (run("work"), Err(Failure::ClosedPipe), "work"),
            (Err(Failure::Signal(2)), run("written"), "written"),
            (Err(Failure::Signal(2)), Err(Failure::ClosedPipe), "stopped by signal 2"),
            (Err(Failure::ClosedPipe), run("written"), "written"),
            (Err(Failure::ClosedPipe), Err(Failure::ClosedPipe), "output was closed"),
            (Ok(()), Err(Failure::ClosedPipe), "output was closed"),
        ] {
            assert_eq!(told(Failure::of_both(work, false, written)), expected);
        }
        assert_eq!(told(Failure::of_both(run("stopped"), true, run("written"))), "written");
        assert_eq!(told(Failure::of_both(run("stopped"), true, Ok(()))), "stopped");
    }

    #[test]
    fn a_report_that_could_not_be_written_is_never_hidden() {
        let report = Failure::Run("report".into());
        for failure in [Failure::Signal(15), Failure::ClosedPipe] {
            let failure = failure.and(&report);
            assert_eq!((&*failure.to_string(), failure.exit_code()), ("report", 1));
        }
    }

    #[test]
    fn a_record_that_was_not_kept_is_never_hidden() {
        let run = |what: &str| Failure::Run(what.into());
        for (work, told, code) in [
            (Ok(()), "record", 1),
            (Err(run("work")), "work; record", 1),
            (Err(Failure::Signal(15)), "record", 1),
            (Err(Failure::ClosedPipe), "record", 1),
        ] {
            let failure = Failure::of_record(work, Err(run("record"))).unwrap_err();
            assert_eq!((&*failure.to_string(), failure.exit_code()), (told, code));
        }
        let kept = Failure::of_record(Err(Failure::Signal(15)), Ok(())).unwrap_err();
        assert_eq!(kept.exit_code(), 143);
    }
}
