//! Reuse of shared buffers.

use std::collections::VecDeque;
use std::sync::Arc;

/// Lends buffers and takes them back once nobody else holds them: a bounded list, no locks.
///
/// [`lend`](Recycler::lend) keeps a handle to what it lends. The next [`take`](Recycler::take) looks at the
/// oldest handle only: batches are dropped in the order in which they were handed out, so if that one is
/// still held, a fresh buffer is cheaper than a search.
#[derive(Debug)]
pub struct Recycler<T> {
    lent: VecDeque<Arc<T>>,
    limit: usize,
}

impl<T: Default> Recycler<T> {
    /// A recycler that remembers up to `limit` buffers.
    pub fn new(limit: usize) -> Self {
        Recycler { lent: VecDeque::new(), limit }
    }

    /// A buffer with whatever its last user left in it, or a new one.
    pub fn take(&mut self) -> T {
        let Some(oldest) = self.lent.pop_front() else { return T::default() };
        Arc::try_unwrap(oldest).unwrap_or_else(|held| {
            self.lent.push_front(held);
            T::default()
        })
    }

    /// Shares a filled buffer and remembers it.
    pub fn lend(&mut self, buffer: T) -> Arc<T> {
        let shared = Arc::new(buffer);
        self.lent.push_back(Arc::clone(&shared));
        if self.lent.len() > self.limit {
            self.lent.pop_front();
        }
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_nobody_holds_it() {
        let mut recycler: Recycler<Vec<u8>> = Recycler::new(2);
        let lent = recycler.lend(Vec::with_capacity(64));
        assert_eq!(recycler.take().capacity(), 0);
        drop(lent);
        assert_eq!(recycler.take().capacity(), 64);
        assert_eq!(recycler.take().capacity(), 0);
    }

    #[test]
    fn no_more_buffers_are_remembered_than_allowed() {
        let mut recycler: Recycler<Vec<u8>> = Recycler::new(2);
        let lent: Vec<_> = (0..5).map(|_| recycler.lend(Vec::with_capacity(8))).collect();
        assert_eq!(recycler.lent.len(), 2);
        let mut none: Recycler<Vec<u8>> = Recycler::new(0);
        none.lend(Vec::new());
        assert_eq!(none.lent.len(), 0);
        drop(lent);
        assert_eq!((0..3).map(|_| recycler.take().capacity()).collect::<Vec<_>>(), [8, 8, 0]);
    }
}
