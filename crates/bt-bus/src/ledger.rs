//! Who holds what.

use std::collections::{BTreeMap, VecDeque};

/// Which envelopes a subscriber's handle has fetched and not acknowledged.
///
/// They count from the subscriber's beginning, in the order of the queue. Most are acknowledged in that order,
/// and one number says how far; those that others overtook are stragglers, each on record. So the space does
/// not grow past the number that is held at a time.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Stretches of consecutive numbers of one topic, oldest first.
    stretches: VecDeque<Stretch>,
    /// The count at which the first of them begins.
    base: u64,
    stragglers: BTreeMap<u64, Entry>,
}

/// An envelope: index of its topic, and its number there.
pub(crate) type Entry = (usize, u64);

#[derive(Debug)]
struct Stretch {
    topic: usize,
    seq: u64,
    len: u64,
}

impl Ledger {
    /// Notes that `len` envelopes of `topic`, from `seq` on, were fetched, when all before `acked` are
    /// acknowledged or stragglers.
    #[inline]
    pub(crate) fn fetch(&mut self, topic: usize, seq: u64, len: u64, acked: u64) {
        while let Some(first) = self.stretches.front()
            && self.base + first.len <= acked
        {
            self.base += first.len;
            self.stretches.pop_front();
        }
        match self.stretches.back_mut() {
            Some(last) if last.topic == topic && last.seq + last.len == seq => last.len += len,
            _ => self.stretches.push_back(Stretch { topic, seq, len }),
        }
    }

    /// The envelope at `count`, if it was fetched and is not long acknowledged.
    pub(crate) fn at(&self, count: u64) -> Option<Entry> {
        let mut past = count.checked_sub(self.base)?;
        for stretch in &self.stretches {
            if past < stretch.len {
                return Some((stretch.topic, stretch.seq + past));
            }
            past -= stretch.len;
        }
        None
    }

    /// Those from `from` to before `to` were overtaken.
    pub(crate) fn overtake(&mut self, from: u64, to: u64) {
        let mut begin = self.base;
        for Stretch { topic, seq, len } in &self.stretches {
            let end = begin + len;
            for count in from.max(begin)..to.min(end) {
                self.stragglers.insert(count, (*topic, seq + (count - begin)));
            }
            begin = end;
        }
    }

    /// Stragglers from `from` to before `to` are acknowledged.
    pub(crate) fn strike(&mut self, from: u64, to: u64) {
        for count in from..to {
            self.stragglers.remove(&count);
        }
    }

    /// Number of stragglers.
    #[inline]
    pub(crate) fn stragglers(&self) -> u64 {
        self.stragglers.len() as u64
    }

    /// The oldest before `fetched` that is not acknowledged, when all before `acked` are or are stragglers.
    pub(crate) fn oldest(&self, acked: u64, fetched: u64) -> Option<Entry> {
        let next = || if acked < fetched { self.at(acked) } else { None };
        self.stragglers.values().next().copied().or_else(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_known_whatever_the_order_of_acknowledgement() {
        let mut ledger = Ledger::default();
        ledger.fetch(7, 1, 2, 0);
        ledger.fetch(8, 5, 2, 0);
        assert_eq!((ledger.oldest(0, 4), ledger.oldest(0, 0)), (Some((7, 1)), None));
        ledger.overtake(0, 2); // The third was acknowledged first.
        assert_eq!((ledger.oldest(3, 4), ledger.stragglers()), (Some((7, 1)), 2));
        ledger.strike(0, 1);
        assert_eq!(ledger.oldest(3, 4), Some((7, 2)));
        ledger.strike(1, 2);
        assert_eq!((ledger.oldest(3, 4), ledger.oldest(4, 4)), (Some((8, 6)), None));
    }

    #[test]
    fn one_that_is_kept_does_not_make_it_grow() {
        let mut ledger = Ledger::default();
        ledger.fetch(0, 1, 2, 0);
        ledger.overtake(0, 1); // The second was acknowledged.
        for count in 2..1_000 {
            ledger.fetch(0, 2 * count, 1, count);
        }
        assert_eq!((ledger.oldest(1_000, 1_000), ledger.stretches.len()), (Some((0, 1)), 1));
    }
}
