//! SIGINT and SIGTERM: the first ends the work in order, the second at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bt_engine::{StopHandle, StopReason};
use futures::FutureExt;
use futures::task::AtomicWaker;
use tokio::time::timeout;

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

    /// What `wanted` is ready with, or the number of a signal that comes first.
    pub(crate) async fn unless<F: Future + Unpin>(&self, mut wanted: F) -> Result<F::Output, i32> {
        poll_fn(|cx| {
            if let Poll::Ready(output) = wanted.poll_unpin(cx) {
                return Poll::Ready(Ok(output));
            }
            self.wake(cx);
            self.first().map_or(Poll::Pending, |number| Poll::Ready(Err(number)))
        })
        .await
    }

    /// What `wanted` is ready with, for as long as that takes; none if it takes longer than `limit` from a signal on.
    pub(crate) async fn or_late<F: Future>(&self, wanted: F, limit: Duration) -> Option<F::Output> {
        let mut wanted = pin!(wanted);
        match self.unless(wanted.as_mut()).await {
            Ok(output) => Some(output),
            Err(_) => timeout(limit, wanted).await.ok(),
        }
    }

    /// Ends this run at the first signal, also if that has come.
    pub(crate) fn end(&self, run: StopHandle) {
        let mut stop = self.stop();
        if let Some(number) = self.first() {
            run.stop(reason(number));
        }
        *stop = Some(run);
    }

    /// Whoever finds that a signal came finds the run stopped.
    pub(crate) fn note(&self, number: i32) {
        let stop = self.stop();
        if let Some(run) = &*stop {
            run.stop(reason(number));
        }
        self.0.first.store(number, Ordering::SeqCst);
        drop(stop);
        self.0.waker.wake();
    }

    fn stop(&self) -> std::sync::MutexGuard<'_, Option<StopHandle>> {
        // It is replaced whole.
        self.0.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reason(number: i32) -> StopReason {
    if number == TERMINATE { StopReason::Terminate } else { StopReason::Interrupt }
}

/// The signal that ended a run, if one did.
pub(crate) fn number(reason: StopReason) -> Option<i32> {
    match reason {
        StopReason::Interrupt => Some(INTERRUPT),
        StopReason::Terminate => Some(TERMINATE),
        _ => None,
    }
}

/// Makes a write that passes the limit on the size of files fail, as one to a full disk does. The signal that comes
/// with it would end the process where it stands.
#[cfg(unix)]
pub(crate) fn outlive_size_limit() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let fail = |error| Failure::run("cannot listen for signals", &error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
    let _entered = runtime.enter();
    // Once listened for it does nothing of its own any more, and nobody has to hear it.
    signal(SignalKind::from_raw(SIZE_LIMIT)).map(drop).map_err(fail)
}

/// There is no such signal.
#[cfg(not(unix))]
pub(crate) fn outlive_size_limit() -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::task::{Context, Wake, Waker};

    use bt_bus::Bus;
    use bt_core::{SimClock, Timestamp, from_candles};
    use bt_engine::Engine;
    use bt_feeder::BarFeed;

    /// Notes whether the run was stopped when it was woken.
    struct Look(StopHandle, AtomicBool);

    impl Wake for Look {
        fn wake(self: Arc<Self>) {
            self.1.store(self.0.requested().is_some(), Ordering::SeqCst);
        }
    }

    #[test]
    fn whoever_finds_that_a_signal_came_finds_the_run_stopped() {
        let source = from_candles("test.spot:A@1m".parse().unwrap(), None, futures::stream::empty());
        let feed = BarFeed::builder().subscribe(source).build().unwrap();
        let clock = SimClock::new(Timestamp::EPOCH);
        let engine = Engine::builder().feed(feed).bus(Bus::for_engine()).clock(clock).build().unwrap();
        let signals = Signals::default();
        signals.end(engine.stop_handle());
        let look = Arc::new(Look(engine.stop_handle(), AtomicBool::new(false)));
        signals.wake(&Context::from_waker(&Waker::from(Arc::clone(&look))));
        signals.note(INTERRUPT);
        assert!(look.1.load(Ordering::SeqCst));
        assert_eq!(engine.stop_handle().requested(), Some(StopReason::Interrupt));
    }
}
