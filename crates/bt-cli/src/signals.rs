//! SIGINT and SIGTERM: the first ends the work in order, the second at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::failure::Failure;

/// Exit code after a second signal.
const ABORTED: i32 = 3;

/// The first signal that came, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals(Arc<AtomicI32>);

impl Signals {
    /// Listens from now on, on the present runtime; `first` is told the first signal's number.
    #[cfg(unix)]
    pub(crate) fn listen(first: impl FnOnce(i32) + Send + 'static) -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let fail = |error| Failure::run("cannot listen for signals", &error);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
        let signals = Signals::default();
        let seen = signals.clone();
        tokio::spawn(async move {
            let mut first = Some(first);
            loop {
                let number = tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
                    _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
                };
                match first.take() {
                    Some(first) => {
                        seen.0.store(number, Ordering::SeqCst);
                        first(number);
                    }
                    None => std::process::exit(ABORTED),
                }
            }
        });
        Ok(signals)
    }

    #[cfg(not(unix))]
    pub(crate) fn listen(first: impl FnOnce(i32) + Send + 'static) -> Result<Self, Failure> {
        let signals = Signals::default();
        let seen = signals.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                seen.0.store(2, Ordering::SeqCst);
                first(2);
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(ABORTED);
            }
        });
        Ok(signals)
    }

    /// The number of the first signal.
    pub(crate) fn first(&self) -> Option<i32> {
        Some(self.0.load(Ordering::SeqCst)).filter(|number| *number != 0)
    }
}
