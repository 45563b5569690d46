//! Who holds what.

/// Deliveries that were taken and are not yet acknowledged, oldest first.
///
/// A doubly linked list in a `Vec`: deliveries may be acknowledged in any order, the oldest must be known at
/// any time, and the space must not grow past the number that is held at a time.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The first entry is the ring's anchor: `newer` is the oldest delivery, `older` the newest.
    entries: Vec<Entry>,
    /// First of the unused entries, chained by `newer`; the anchor if there is none.
    free: usize,
    len: usize,
}

#[derive(Debug)]
struct Entry {
    older: usize,
    newer: usize,
    topic: usize,
    seq: u64,
}

const ANCHOR: usize = 0;

impl Ledger {
    pub(crate) fn new() -> Self {
        let anchor = Entry { older: ANCHOR, newer: ANCHOR, topic: 0, seq: 0 };
        Ledger { entries: vec![anchor], free: ANCHOR, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Enters a delivery and returns where.
    pub(crate) fn enter(&mut self, topic: usize, seq: u64) -> usize {
        let newest = self.entries[ANCHOR].older;
        let entry = Entry { older: newest, newer: ANCHOR, topic, seq };
        let at = if self.free == ANCHOR {
            self.entries.push(entry);
            self.entries.len() - 1
        } else {
            let at = self.free;
            self.free = self.entries[at].newer;
            self.entries[at] = entry;
            at
        };
        self.entries[newest].newer = at;
        self.entries[ANCHOR].older = at;
        self.len += 1;
        at
    }

    /// Strikes out the delivery that was entered at `at`.
    pub(crate) fn strike(&mut self, at: usize) {
        let Entry { older, newer, .. } = self.entries[at];
        self.entries[older].newer = newer;
        self.entries[newer].older = older;
        self.entries[at].newer = self.free;
        self.free = at;
        self.len -= 1;
    }

    /// Topic and sequence number of the oldest delivery.
    pub(crate) fn oldest(&self) -> Option<(usize, u64)> {
        let at = self.entries[ANCHOR].newer;
        (at != ANCHOR).then(|| (self.entries[at].topic, self.entries[at].seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_known_whatever_the_order_of_acknowledgement() {
        let mut ledger = Ledger::new();
        let at: Vec<usize> = (1..=4).map(|seq| ledger.enter(7, seq)).collect();
        ledger.strike(at[1]);
        assert_eq!(ledger.oldest(), Some((7, 1)));
        ledger.strike(at[0]);
        assert_eq!(ledger.oldest(), Some((7, 3)));
        ledger.strike(at[3]);
        assert_eq!((ledger.oldest(), ledger.len()), (Some((7, 3)), 1));
        ledger.strike(at[2]);
        assert_eq!((ledger.oldest(), ledger.len()), (None, 0));
    }

    #[test]
    fn one_that_is_kept_does_not_make_it_grow() {
        let mut ledger = Ledger::new();
        ledger.enter(0, 1);
        for seq in 2..1_000 {
            let at = ledger.enter(0, seq);
            ledger.strike(at);
        }
        assert_eq!((ledger.oldest(), ledger.entries.len()), (Some((0, 1)), 3));
    }
}
