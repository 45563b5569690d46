//! Lines between the async side and the writer's thread.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::JournalError;

/// What the handles of a journal and its thread share.
pub(super) struct Shared {
    pub(super) path: PathBuf,
    /// Bytes in the buffer from which on the async side waits.
    pub(super) limit: usize,
    state: Mutex<Spool>,
    /// The thread waits here.
    pub(super) bell: Condvar,
    /// Whoever waits here, with the lock, for the thread to get on.
    pub(super) progress: Condvar,
}

impl Shared {
    pub(super) fn new(path: PathBuf, limit: usize) -> Self {
        let state = Mutex::new(Spool::default());
        Shared { path, limit, state, bell: Condvar::new(), progress: Condvar::new() }
    }

    /// Every change under this lock leaves the spool whole, so a poisoned lock is as good as any.
    pub(super) fn lock(&self) -> MutexGuard<'_, Spool> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes from which on the thread writes without waiting for more.
    pub(super) fn batch(&self) -> usize {
        self.limit.min(BATCH)
    }

    /// Ready when the buffer is below its limit.
    pub(super) fn poll_ready(&self, handle: &mut Handle, cx: &Context<'_>) -> Poll<Result<(), JournalError>> {
        let mut spool = self.lock();
        if let Err(error) = spool.check(self) {
            return Poll::Ready(Err(error));
        }
        if spool.lines.len() < self.limit {
            return Poll::Ready(Ok(()));
        }
        let old = spool.park(handle, cx.waker());
        drop(spool);
        drop(old);
        Poll::Pending
    }

    /// Puts a line into the buffer; `encode` gets the number that the event has among those without another.
    pub(super) fn append(&self, encode: impl FnOnce(u64, &mut Vec<u8>)) -> Result<(), JournalError> {
        let mut spool = self.lock();
        if spool.failed.is_some() {
            spool.accepted += 1;
        }
        spool.check(self)?;
        let before = spool.lines.len();
        let seq = spool.accepted + 1;
        encode(seq, &mut spool.lines);
        spool.accepted = seq;
        spool.buffered += 1;
        let full = before < self.batch() && spool.lines.len() >= self.batch();
        // Ringing costs a system call: only for a thread that sleeps, or lingers and need not any more.
        if std::mem::take(&mut spool.asleep) || full {
            drop(spool);
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Notes how many events stand in the file. An error if nobody cares any more.
    pub(super) fn note(&self, written: u64) -> io::Result<()> {
        let mut spool = self.lock();
        if spool.failed.is_some() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        spool.written = written;
        self.progress.notify_all();
        Ok(())
    }

    /// Refuses further events and waits for the thread to end, but for no longer than `patience` in all: then it
    /// has failed, and is left to itself. Whether it has ended.
    pub(super) fn end(&self, handle: &Handle, patience: Option<Duration>) -> bool {
        let mut spool = self.lock();
        spool.closing = true;
        let waker = spool.forget(handle);
        drop(spool);
        drop(waker);
        self.bell.notify_one();
        let Some(patience) = patience else { return true };
        let waited = self.progress.wait_timeout_while(self.lock(), patience, |spool| !spool.ended);
        let mut spool = waited.unwrap_or_else(PoisonError::into_inner).0;
        if spool.ended {
            return true;
        }
        spool.failed.get_or_insert_with(|| Arc::new(io::Error::other(NOT_TAKEN)));
        let waiting = spool.take_waiting();
        drop(spool);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
        false
    }

    /// Ready when everything appended so far was handed to the system.
    pub(super) fn poll_flush(&self, handle: &mut Handle, cx: &Context<'_>) -> Poll<Result<(), JournalError>> {
        let mut spool = self.lock();
        if let Err(error) = spool.failure(self) {
            return Poll::Ready(Err(error));
        }
        if spool.written == spool.accepted {
            return Poll::Ready(Ok(()));
        }
        let old = spool.park(handle, cx.waker());
        let asks = spool.wanted < spool.accepted;
        spool.wanted = spool.accepted;
        drop(spool);
        drop(old);
        if asks {
            self.bell.notify_one();
        }
        Poll::Pending
    }
}

/// Why a journal was given up.
const NOT_TAKEN: &str = "it was given up, as its reader did not take them in time";

/// A batch worth a system call of its own.
const BATCH: usize = 64 << 10;

/// The buffer and what is known of the file.
#[derive(Default)]
pub(super) struct Spool {
    /// Whole lines that the thread has not yet taken.
    pub(super) lines: Vec<u8>,
    /// Events in `lines`.
    pub(super) buffered: u64,
    /// Events appended, or refused because writing has failed.
    pub(super) accepted: u64,
    /// Events that stand in the file, and with [`FsyncPolicy::Always`](super::FsyncPolicy) are stored.
    pub(super) written: u64,
    /// Number of events whose writing someone waits for.
    pub(super) wanted: u64,
    /// The thread waits for a first line.
    pub(super) asleep: bool,
    pub(super) closing: bool,
    /// The thread has done its last.
    pub(super) ended: bool,
    pub(super) failed: Option<Arc<io::Error>>,
    waiting: Vec<(u64, Waker)>,
    handles: u64,
}

/// Names one who waits.
#[derive(Debug, Default)]
pub(super) struct Handle(Option<u64>);

impl Spool {
    /// Whether the thread should write what there is at once.
    pub(super) fn is_urgent(&self, batch: usize) -> bool {
        self.closing || self.wanted > self.written || self.lines.len() >= batch
    }

    /// Keeps the waker of `handle` until something has changed. Returns the one it replaces: drop it without
    /// the lock, as dropping a waker may drop a task that holds a handle.
    #[must_use]
    pub(super) fn park(&mut self, handle: &mut Handle, waker: &Waker) -> Option<Waker> {
        let id = *handle.0.get_or_insert_with(|| {
            self.handles += 1;
            self.handles
        });
        match self.waiting.iter_mut().find(|(other, _)| *other == id) {
            Some((_, old)) if old.will_wake(waker) => None,
            Some((_, old)) => Some(std::mem::replace(old, waker.clone())),
            None => {
                self.waiting.push((id, waker.clone()));
                None
            }
        }
    }

    /// Forgets the waker of `handle`; drop it without the lock.
    pub(super) fn forget(&mut self, handle: &Handle) -> Option<Waker> {
        let at = self.waiting.iter().position(|(other, _)| Some(*other) == handle.0)?;
        Some(self.waiting.swap_remove(at).1)
    }

    /// Everyone who waits; wake them without the lock.
    pub(super) fn take_waiting(&mut self) -> Vec<(u64, Waker)> {
        std::mem::take(&mut self.waiting)
    }

    /// The error if writing has failed.
    pub(super) fn failure(&self, shared: &Shared) -> Result<(), JournalError> {
        match &self.failed {
            None => Ok(()),
            Some(source) => Err(JournalError::Write {
                path: shared.path.clone(),
                written: self.written,
                unwritten: self.accepted - self.written,
                source: Arc::clone(source),
            }),
        }
    }

    /// The error if nothing can be appended.
    fn check(&self, shared: &Shared) -> Result<(), JournalError> {
        self.failure(shared)?;
        if self.closing {
            return Err(JournalError::Closed { path: shared.path.clone() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn one_that_moves_and_does_not_end_is_given_up_all_the_same() {
        /// More than there is time for.
        const EVENTS: u64 = 10_000_000;
        let shared = Shared::new("pipe".into(), 1);
        shared.lock().accepted = EVENTS;
        let ended = thread::scope(|scope| {
            scope.spawn(|| {
                // One at a time, until it is given up.
                shared.lock().ended = (1..=EVENTS).all(|written| shared.note(written).is_ok());
                shared.progress.notify_all();
            });
            while shared.lock().written == 0 {
                thread::yield_now();
            }
            shared.end(&Handle::default(), Some(Duration::from_millis(20)))
        });
        assert!(!ended);
        assert!(shared.lock().failure(&shared).is_err());
    }
}
