//! The units of a source that a pool reads for.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bt_core::{Columns, SourceError};

use super::ReadPool;
use super::job::{Failure, Id, Parcel, Reading};
use crate::chunk::{Unit, Units};
use crate::files::{BadFile, Entry};

/// Columns that were handed on and may still be held downstream, to be taken back later.
const LENT: usize = 2;

/// What a pool reads for one source. Dropping it withdraws its work (R38).
pub(crate) struct PoolUnits {
    pool: ReadPool,
    id: Id,
    reading: Arc<Reading>,
    /// The next entry that was not announced.
    announced: usize,
    /// What comes when all before it was announced.
    next: Option<Next>,
    /// The file after all of these, and its error until it is told.
    bad: Option<(PathBuf, Arc<str>)>,
    fault: Option<SourceError>,
    /// Bytes of the chunk that was handed on last.
    current: u64,
    /// Bytes that are free again, and columns that may be.
    passed: u64,
    lent: VecDeque<Arc<Columns>>,
    checked: bool,
}

enum Next {
    Parcel(Parcel),
    Failed(Failure),
    End,
}

impl PoolUnits {
    pub(super) fn new(pool: ReadPool, reading: Arc<Reading>, bad: Option<BadFile>) -> Self {
        let (bad, fault) = bad.map(|BadFile { path, shown, error }| ((path, shown), error)).unzip();
        let shared = pool.shared();
        let mut state = shared.lock();
        let id = state.register(Arc::clone(&reading));
        shared.unlock(state);
        PoolUnits {
            pool,
            id,
            reading,
            announced: 0,
            next: None,
            bad,
            fault,
            current: 0,
            passed: 0,
            lent: VecDeque::new(),
            checked: false,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next, SourceError>> {
        let back = self.take_back();
        let shared = self.pool.shared();
        let mut state = shared.lock();
        if let Some(columns) = back {
            state.give_back(columns);
        }
        state.release(self.id, std::mem::take(&mut self.passed));
        if !self.checked {
            state.check_budget()?;
            self.checked = true;
        }
        let (polled, old) = state.poll(self.id, cx);
        shared.unlock(state);
        // A waker may hold the last handle on a task, which may hold this pool: not under the lock.
        drop(old);
        polled.map(|item| {
            Ok(match item {
                Some(Ok(parcel)) => Next::Parcel(parcel),
                Some(Err(failure)) => Next::Failed(failure),
                None => Next::End,
            })
        })
    }

    /// Columns that nobody holds any more. Batches are dropped in the order in which they were handed on, so
    /// the oldest is the one to look at.
    fn take_back(&mut self) -> Option<Columns> {
        match Arc::try_unwrap(self.lent.pop_front()?) {
            Ok(columns) => Some(columns),
            Err(held) => {
                if self.lent.len() < LENT {
                    self.lent.push_front(held);
                }
                None
            }
        }
    }

    /// What is still to be said of the entries in front of number `end`.
    fn announce(&mut self, end: usize) -> Option<Unit> {
        let next = self.reading.entries[..end].get(self.announced)?;
        self.announced += 1;
        Some(match next {
            Entry::File(info) => Unit::File { path: Arc::clone(&info.shown), rows: info.rows() },
            Entry::Missing { month, shown } => {
                Unit::Missing { month: month.clone(), path: Arc::clone(shown) }
            }
        })
    }
}

impl Units for PoolUnits {
    fn poll_unit(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Unit, SourceError>>> {
        let next = match self.next.take() {
            Some(next) => next,
            None => match ready!(self.poll_next(cx)) {
                Ok(next) => next,
                Err(error) => return Poll::Ready(Some(Err(error))),
            },
        };
        let end = match &next {
            Next::Parcel(parcel) => parcel.entry + 1,
            Next::Failed(failure) => failure.entry,
            Next::End => self.reading.entries.len(),
        };
        if let Some(unit) = self.announce(end) {
            self.next = Some(next);
            return Poll::Ready(Some(Ok(unit)));
        }
        match next {
            Next::Parcel(Parcel { chunk, bytes, .. }) => {
                self.current = bytes;
                Poll::Ready(Some(Ok(Unit::Rows(chunk))))
            }
            Next::Failed(failure) => Poll::Ready(Some(Err(failure.error))),
            Next::End => Poll::Ready(self.fault.take().map(Err)),
        }
    }

    fn passed(&mut self, columns: Arc<Columns>) {
        self.passed += std::mem::take(&mut self.current);
        self.lent.push_back(columns);
    }

    fn shown(&self, path: &Path) -> Option<Arc<str>> {
        let sound = self.reading.entries.iter().find_map(|entry| match entry {
            Entry::File(info) if info.path() == path => Some(&info.shown),
            _ => None,
        });
        let bad = self.bad.iter().find_map(|(bad, shown)| (bad == path).then_some(shown));
        sound.or(bad).cloned()
    }
}

impl Drop for PoolUnits {
    fn drop(&mut self) {
        let shared = self.pool.shared();
        let mut state = shared.lock();
        let removed = state.remove(self.id);
        // What it held may be what others wait for.
        shared.unlock(state);
        drop(removed);
    }
}

impl fmt::Debug for PoolUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolUnits").field("id", &self.id).finish_non_exhaustive()
    }
}
