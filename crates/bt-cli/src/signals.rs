//! SIGINT and SIGTERM: the first ends the work in order, the second at once.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bt_engine::{StopHandle, StopReason};
use futures::task::AtomicWaker;
use tokio::runtime::Runtime;

use crate::failure::Failure;

const INTERRUPT: i32 = 2;
const TERMINATE: i32 = 15;

/// SIGXFSZ, wherever Linux and macOS run today but on MIPS.
#[cfg(unix)]
const SIZE_LIMIT: i32 = 25;

/// Exit code after a second signal.
const ABORTED: i32 = 3;

/// The first signal that came, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    first: AtomicI32,
    waker: AtomicWaker,
    stop: Mutex<Option<StopHandle>>,
}

impl Signals {
    /// Listens from now on, on a thread of its own: whatever holds up the work, a second signal ends it.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let signals = Signals::default();
        let fail = |error| Failure::run("cannot listen for signals", &error);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
        let entered = runtime.enter();
        let mut next = Receiver::new().map_err(fail)?;
        drop(entered);
        let seen = signals.clone();
        let listen = move || {
            runtime.block_on(async move {
                while let Some(number) = next.recv().await {
                    if seen.first().is_some() {
                        crate::files::abandon();
                        std::process::exit(ABORTED);
                    }
                    seen.note(number);
                }
            });
        };
        std::thread::Builder::new().name("bt-signals".into()).spawn(listen).map_err(fail)?;
        Ok(signals)
    }

    /// The number of the first signal.
    pub(crate) fn first(&self) -> Option<i32> {
        Some(self.0.first.load(Ordering::SeqCst)).filter(|number| *number != 0)
    }

    /// Wakes this task at the first signal. Look whether it [came](Signals::first) after calling this.
    pub(crate) fn wake(&self, cx: &std::task::Context<'_>) {
        self.0.waker.register(cx.waker());
    }

    /// Ends this run at the first signal, also if that has come.
    pub(crate) fn end(&self, run: StopHandle) {
        *self.stop() = Some(run);
        if let Some(number) = self.first() {
            self.note(number);
        }
    }

    fn note(&self, number: i32) {
        self.0.first.store(number, Ordering::SeqCst);
        self.0.waker.wake();
        if let Some(stop) = &*self.stop() {
            stop.stop(if number == TERMINATE { StopReason::Terminate } else { StopReason::Interrupt });
        }
    }

    fn stop(&self) -> std::sync::MutexGuard<'_, Option<StopHandle>> {
        // It is replaced whole.
        self.0.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a write that passes the limit on the size of files fail, as one to a full disk does. The signal that comes
/// with it would end the process where it stands.
#[cfg(unix)]
pub(crate) fn outlive_size_limit(runtime: &Runtime) -> std::io::Result<()> {
    let _entered = runtime.enter();
    // Once listened for it does nothing of its own any more, and nobody has to hear it.
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIZE_LIMIT)).map(drop)
}

/// There is no such signal.
#[cfg(not(unix))]
pub(crate) fn outlive_size_limit(_: &Runtime) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
struct Receiver {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Receiver {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Receiver {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn recv(&mut self) -> Option<i32> {
        tokio::select! {
            biased;
            signal = self.terminate.recv() => signal.map(|()| TERMINATE),
            signal = self.interrupt.recv() => signal.map(|()| INTERRUPT),
        }
    }
}

#[cfg(not(unix))]
struct Receiver;

#[cfg(not(unix))]
impl Receiver {
    fn new() -> std::io::Result<Self> {
        Ok(Receiver)
    }

    async fn recv(&mut self) -> Option<i32> {
        tokio::signal::ctrl_c().await.ok().map(|()| INTERRUPT)
    }
}
