//! A buffer of deliveries.

use std::collections::{VecDeque, vec_deque};
use std::fmt;
use std::iter::FusedIterator;
use std::slice;
use std::sync::Arc;

use bt_core::Envelope;

use crate::link::Link;
use crate::run::Run;

/// Envelopes on loan that are acknowledged together: a buffer for
/// [`recv_many`](crate::Subscription::recv_many).
///
/// They hold up the barrier until the buffer is [cleared](Deliveries::clear), dropped, or used again (R28).
#[must_use = "deliveries are acknowledged as soon as they are dropped"]
pub struct Deliveries<E> {
    /// The subscription they are of; that of the last ones, if there are none.
    link: Option<Arc<Link<E>>>,
    pub(crate) runs: VecDeque<Run<E>>,
    /// Their numbers in the subscription.
    from: u64,
    to: u64,
}

impl<E> Deliveries<E> {
    /// An empty buffer.
    pub fn new() -> Self {
        Deliveries { link: None, runs: VecDeque::new(), from: 0, to: 0 }
    }

    /// Number of envelopes.
    pub fn len(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.to == self.from
    }

    /// The envelopes, in publish order.
    pub fn iter(&self) -> Envelopes<'_, E> {
        Envelopes { run: [].iter(), runs: self.runs.iter() }
    }

    /// Acknowledges all of them. The buffer keeps its space.
    pub fn clear(&mut self) {
        let from = std::mem::replace(&mut self.from, self.to);
        if from != self.to
            && let Some(link) = &self.link
        {
            link.acknowledge(from, self.to);
        }
        self.runs.clear();
    }

    /// The numbers of the deliveries, which are no longer the buffer's to acknowledge, if they are of `link`.
    #[inline]
    pub(crate) fn hand_back(&mut self, link: &Arc<Link<E>>) -> Option<(u64, u64)> {
        let of_link = !self.is_empty() && self.link.as_ref().is_some_and(|known| Arc::ptr_eq(known, link));
        of_link.then(|| (std::mem::replace(&mut self.from, self.to), self.to))
    }

    /// What is in `runs` now is the deliveries of `link`, `count` of them, numbered from `from` on.
    #[inline]
    pub(crate) fn begin(&mut self, link: &Arc<Link<E>>, from: u64, count: usize) {
        if !self.link.as_ref().is_some_and(|known| Arc::ptr_eq(known, link)) {
            self.link = Some(Arc::clone(link));
        }
        (self.from, self.to) = (from, from + count as u64);
    }
}

impl<'a, E> IntoIterator for &'a Deliveries<E> {
    type Item = &'a Envelope<E>;
    type IntoIter = Envelopes<'a, E>;

    fn into_iter(self) -> Envelopes<'a, E> {
        self.iter()
    }
}

impl<E> Default for Deliveries<E> {
    fn default() -> Self {
        Deliveries::new()
    }
}

impl<E> Drop for Deliveries<E> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<E: fmt::Debug> fmt::Debug for Deliveries<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator over the envelopes of [`Deliveries`].
#[must_use = "iterators do nothing unless consumed"]
pub struct Envelopes<'a, E> {
    /// What is left of a run, and the runs after it.
    run: slice::Iter<'a, Envelope<E>>,
    runs: vec_deque::Iter<'a, Run<E>>,
}

impl<'a, E> Iterator for Envelopes<'a, E> {
    type Item = &'a Envelope<E>;

    #[inline]
    fn next(&mut self) -> Option<&'a Envelope<E>> {
        loop {
            if let Some(envelope) = self.run.next() {
                return Some(envelope);
            }
            self.run = self.runs.next()?.envelopes().iter();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.run.len() + self.runs.clone().map(Run::len).sum::<usize>();
        (left, Some(left))
    }
}

impl<E> ExactSizeIterator for Envelopes<'_, E> {}

impl<E> FusedIterator for Envelopes<'_, E> {}

impl<E> Clone for Envelopes<'_, E> {
    fn clone(&self) -> Self {
        Envelopes { run: self.run.clone(), runs: self.runs.clone() }
    }
}

impl<E: fmt::Debug> fmt::Debug for Envelopes<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
