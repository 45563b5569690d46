//! What ends a run before its time.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bt_core::{BoxError, BusError, FeedError, LogError};
use thiserror::Error;

use crate::RunReport;

/// A run that failed, with the report of how far it came.
///
/// It is what an [`Engine`](crate::Engine) yields last (R33): by then all that was accepted has been handled by
/// every service that lives, and every service is gone. Message and source are those of its
/// [`failure`](RunError::failure).
#[derive(Debug)]
pub struct RunError(Box<(RunFailure, RunReport)>);

impl RunError {
    pub(crate) fn new(failure: RunFailure, report: RunReport) -> Self {
        RunError(Box::new((failure, report)))
    }

    /// The first thing that went wrong.
    pub fn failure(&self) -> &RunFailure {
        &self.0.0
    }

    /// The report of the run up to its end.
    pub fn report(&self) -> &RunReport {
        &self.0.1
    }

    /// Both, to be kept.
    pub fn into_parts(self) -> (RunFailure, RunReport) {
        *self.0
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure().fmt(f)
    }
}

impl StdError for RunError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.failure().source()
    }
}

/// What went wrong in a run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunFailure {
    /// The feed ended with an error.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The bus did not take a frame or the end event, or a barrier outlasted its limit
    /// ([`BusError::Stuck`], R28).
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A log of the engine's own was not accepted.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A service ended with an error (R34).
    #[error("service `{service}` failed")]
    ServiceFailed {
        /// Its name.
        service: &'static str,
        /// Its error.
        #[source]
        source: BoxError,
    },
    /// A service panicked (R34).
    #[error("service `{service}` panicked: {message}")]
    ServicePanicked {
        /// Its name.
        service: &'static str,
        /// The message of the panic.
        message: String,
    },
    /// A service ended before the end event (R34).
    #[error("service `{service}` returned before the end of the run, expected it to wait for the end event")]
    ServiceReturned {
        /// Its name.
        service: &'static str,
    },
    /// Services that neither finished nor moved for as long as a barrier may take after the bus was closed.
    #[error("not finished within {limit:?} of the end: {}", names(.services))]
    ServicesUnfinished {
        /// Their names.
        services: Vec<&'static str>,
        /// How long was waited for them.
        limit: Duration,
    },
}

/// Failures are boxed on their way: a poll's result should be small.
macro_rules! boxed_from {
    ($($error:ty),*) => { $(
        impl From<$error> for Box<RunFailure> {
            fn from(error: $error) -> Self {
                Box::new(error.into())
            }
        }
    )* };
}
boxed_from!(FeedError, BusError, LogError);

fn names(services: &[&str]) -> String {
    let quoted: Vec<_> = services.iter().map(|name| format!("service `{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bt_core::error_chain;

    #[test]
    fn messages_are_fragments_that_name_the_service() {
        let failed = RunFailure::ServiceFailed { service: "sma", source: "no window".into() };
        assert_eq!(error_chain(&failed), "service `sma` failed: no window");
        let unfinished =
            RunFailure::ServicesUnfinished { services: vec!["a", "b"], limit: Duration::from_secs(30) };
        assert_eq!(unfinished.to_string(), "not finished within 30s of the end: service `a`, service `b`");
    }
}
