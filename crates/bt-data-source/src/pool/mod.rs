//! The threads that list, read and decode files, and the memory that they share.

mod client;
mod job;
mod place;
mod state;
mod unit;
mod worker;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;

use bt_core::{ConfigError, SourceError};
use tokio::sync::oneshot;

pub(crate) use self::client::PoolUnits;
pub(crate) use self::job::Reading;
use self::job::{Finished, Id, Parcel, Work};
use self::state::State;
#[cfg(any(feature = "bare", feature = "fuzz", test))]
pub(crate) use self::unit::SLICE_ROWS;
use self::unit::Unit;
use crate::files::BadFile;

const THREADS: usize = 2;
const MEMORY: u64 = 256 << 20;

/// Levels of priority that threads rank below who builds the pool.
const NICE: u8 = 10;

/// What a source gets that is not given a pool.
const PRIVATE_THREADS: usize = 1;
const PRIVATE_MEMORY: u64 = 64 << 20;

/// Threads that list, read and decode the files of sources, off the executor's own (R36).
///
/// Sources share the threads and a budget of bytes (R37). Those that are being waited for are served first, in
/// the order in which they were asked; then, within the budget, is read ahead for those that were read the least
/// far in time. Each source has a
/// reservation for its largest row group (or 65,536 rows of it) that nobody else can have, so one that is
/// waited for always gets its next rows, whatever the others hold. A file is open only while rows of it are
/// decoded. On Linux the threads have a lower priority than others, so that an executor need not wait for its turn
/// where they keep all cores busy ([`nice`](ReadPoolBuilder::nice)).
///
/// A pool is a handle: cloning it is cheap. Its threads end when the last handle and the last source are gone;
/// nobody waits for them then. No runtime is needed.
///
/// ```
/// use bt_data_source::ReadPool;
/// let pool = ReadPool::builder().threads(2).memory(256 << 20).build()?;
/// assert_eq!(pool.floor(), 0);
/// # Ok::<(), bt_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ReadPool {
    owner: Arc<Owner>,
}

/// Whoever holds the last one of these has the threads end.
struct Owner {
    shared: Arc<Shared>,
}

/// What threads and sources share.
struct Shared {
    state: Mutex<State>,
    /// Signalled when an idle thread has something to do, or is to end.
    work: Condvar,
}

/// What a pool is doing. Figures for people: they depend on timing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Sources that are there.
    pub sources: usize,
    /// Bytes reserved for rows that are decoded ahead or being decoded.
    pub reserved: u64,
    /// The most that was ever reserved.
    pub reserved_peak: u64,
    /// Units of work that were started, a unit being rows of one file.
    pub units_started: u64,
    /// Whether a thread is at work, or work waits for one.
    pub busy: bool,
}

impl ReadPool {
    /// A builder: two threads and 256 MiB, unless set.
    pub fn builder() -> ReadPoolBuilder {
        ReadPoolBuilder { threads: THREADS, memory: MEMORY, elastic: false, nice: NICE }
    }

    /// A small pool for one source, with as much memory as it needs.
    pub(crate) fn private() -> Result<Self, ConfigError> {
        let (threads, memory) = (PRIVATE_THREADS, PRIVATE_MEMORY);
        ReadPoolBuilder { threads, memory, elastic: true, nice: NICE }.build()
    }

    /// The least budget in bytes that will do for the sources there are, by the footers of their files: for
    /// each source its largest row group (or 65,536 rows of it), and for each thread the most that decoding
    /// takes beside the rows.
    pub fn floor(&self) -> u64 {
        self.owner.shared.lock().floor()
    }

    /// Checks the budget before any row is read.
    ///
    /// # Errors
    /// [`ConfigError::Budget`] if the budget is below the [`floor`](ReadPool::floor). A source that is
    /// polled fails with the same.
    pub fn check_budget(&self) -> Result<(), ConfigError> {
        self.owner.shared.lock().check_budget()
    }

    /// What it is doing.
    pub fn stats(&self) -> PoolStats {
        let mut state = self.owner.shared.lock();
        PoolStats {
            sources: state.clients(),
            reserved: state.reserved,
            reserved_peak: state.peak,
            units_started: state.started,
            busy: state.is_busy(),
        }
    }

    /// Has a thread of the pool do something: before all reading ahead, and before sources that are waited for
    /// from later on. If the future is dropped before a thread
    /// gets to it, it is not done.
    pub(crate) fn offload<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, SourceError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, SourceError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let shared = &self.owner.shared;
        let mut state = shared.lock();
        state.add_task(Box::new(move || {
            if !answer.is_closed() {
                // Nobody may be there to hear it any more.
                let _ = answer.send(work());
            }
        }));
        shared.unlock(state);
        async move {
            answered.await.unwrap_or_else(|_| Err(SourceError::Other("a reading thread panicked".into())))
        }
    }

    /// The units of a source, which are read from now on. With a file that cannot be used they end in its error.
    pub(crate) fn register(&self, reading: Reading, bad: Option<BadFile>) -> PoolUnits {
        PoolUnits::new(self.clone(), Arc::new(reading), bad)
    }

    fn shared(&self) -> &Shared {
        &self.owner.shared
    }
}

impl fmt::Debug for ReadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.owner.shared.lock();
        f.debug_struct("ReadPool")
            .field("threads", &state.threads)
            .field("budget", &state.budget)
            .field("reserved", &state.reserved)
            .field("sources", &state.clients())
            .finish_non_exhaustive()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.work.notify_all();
        // The threads are not waited for: the last owner may be dropped on an executor's thread, or on one of
        // them, when it wakes a task that has ended.
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock runs code that could panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the lock, and wakes a thread if there is work for it.
    fn unlock(&self, mut state: MutexGuard<'_, State>) {
        let wake = state.needs_thread();
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }

    /// The next work; `None` when the pool closes. Called by the threads.
    fn next_work(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.closing {
                return None;
            }
            if let Some(work) = state.next_work() {
                self.unlock(state);
                return Some(work);
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Returns whether the client is still there.
    fn deliver(&self, id: Id, parcels: Vec<Parcel>) -> bool {
        let (there, waker) = self.lock().deliver(id, parcels);
        wake(waker);
        there
    }

    fn finish(&self, id: Id, unit: &Unit, finished: Finished) {
        let mut state = self.lock();
        let waker = state.finish(id, unit, finished);
        self.unlock(state);
        wake(waker);
    }
}

/// Lowers the priority of the calling thread.
#[cfg(target_os = "linux")]
fn give_way(levels: u8) {
    // That it may not is no reason not to read.
    if let Err(error) = rustix::process::nice(levels.into()) {
        tracing::debug!(%error, "reads at full priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way(_: u8) {}

/// Wakes a task: always without the lock, for this may run its code.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Settings of a [`ReadPool`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ReadPoolBuilder {
    threads: usize,
    memory: u64,
    elastic: bool,
    nice: u8,
}

impl ReadPoolBuilder {
    /// Sets the number of threads, 1 to 1,024.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the budget in bytes for rows that are decoded and not yet asked for, and for decoding.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Sets how many levels of priority the threads rank below the one that builds the pool (`nice` of POSIX, of a
    /// thread), 0 to 19; 10 unless set. It has a meaning on Linux alone.
    pub fn nice(mut self, levels: u8) -> Self {
        self.nice = levels;
        self
    }

    /// The pool, with its threads running.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a number of threads or levels that cannot be, [`ConfigError::Other`] if the system
    /// refuses to start a thread.
    pub fn build(self) -> Result<ReadPool, ConfigError> {
        let ReadPoolBuilder { threads, memory, elastic, nice } = self;
        let invalid = |option, value: String, expected| Err(ConfigError::Invalid { option, value, expected });
        if !(1..=1024).contains(&threads) {
            return invalid("threads", threads.to_string(), "1 to 1024");
        }
        if nice > 19 {
            return invalid("nice", nice.to_string(), "0 to 19");
        }
        let state = Mutex::new(State::new(memory, elastic, threads));
        let shared = Arc::new(Shared { state, work: Condvar::new() });
        let pool = ReadPool { owner: Arc::new(Owner { shared: Arc::clone(&shared) }) };
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("bt-read-{number}"))
                .spawn(move || {
                    give_way(nice);
                    worker::run(&shared);
                })
                .map_err(|error| ConfigError::Other(Box::new(error)))?;
        }
        Ok(pool)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use futures::executor::block_on;
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn r36_threads_rank_below_the_one_that_builds_the_pool() {
        let own = getpriority_process(None).unwrap();
        for (builder, levels) in [(ReadPool::builder(), 10), (ReadPool::builder().nice(0), 0)] {
            let pool = builder.build().unwrap();
            let theirs = block_on(pool.offload(|| Ok(getpriority_process(None).unwrap()))).unwrap();
            assert_eq!((theirs, getpriority_process(None).unwrap()), ((own + levels).min(19), own));
        }
        let error = ReadPool::builder().nice(20).build().unwrap_err();
        assert_eq!(error.to_string(), "invalid nice `20`, expected 0 to 19");
    }
}
